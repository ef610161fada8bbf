/** `npm run test:shared`: larger sets of reference data, in a folder `shared` beside the repository. They fail without it. */
import { defineConfig } from 'vitest/config';
import { common, limit } from './vitest.config.ts';

export default defineConfig({ test: { ...common, ...limit(300), include: ['test/shared/**/*.test.ts'] } });
