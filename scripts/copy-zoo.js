/** Completes a build: the bundled .zoo files go beside the compiled command line, which looks for them there. */
import { chmodSync, cpSync } from 'node:fs';

cpSync('zoo/lib', 'dist/zoo/lib', { recursive: true });
chmodSync('dist/zoo/cli/main.js', 0o755);
