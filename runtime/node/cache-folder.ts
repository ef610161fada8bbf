/** What can be made again is kept there: measured schedules, indices of shards. */
import { homedir } from 'node:os';
import { join } from 'node:path';

/** `ZOOC_CACHE`, else `zooc` in `XDG_CACHE_HOME` or `~/.cache`. */
export function cacheFolder(env: NodeJS.ProcessEnv = process.env): string {
  if (env.ZOOC_CACHE) return env.ZOOC_CACHE;
  return join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'zooc');
}
