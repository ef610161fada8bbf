/** Recipes that came with a package, from somebody else: they run no commands, and have nothing fetched. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Whether a recipe lies in a package of zooc or of npm. */
export function isForeign(path: string): boolean {
  return existsSync(join(dirname(path), 'model.json')) || /[\\/]node_modules[\\/]/.test(path);
}
