/** The version in package.json. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageFolder } from '../runtime/node/own-files.ts';

export const version = String(JSON.parse(readFileSync(join(packageFolder, 'package.json'), 'utf8')).version);
