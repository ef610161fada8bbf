/** `import * as zooc from 'zooc'` in a page: the functions of `node.ts`, where they are described. */
import { pagePlatform } from './browser/platform.ts';
import { libraryOf } from './library.ts';

export * from './public.ts';

export const { model, models, check, open, merges, useMerges, useFiles } = libraryOf(pagePlatform);
