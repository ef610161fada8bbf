/** Completes a build: the bundled .zoo files and what a report inlines go beside the compiled sources, which look for them there. */
import { chmodSync, cpSync } from 'node:fs';

cpSync('zoo/lib', 'dist/zoo/lib', { recursive: true });
for (const name of ['report.js', 'report.css'])
  cpSync(`runtime/report/browser/${name}`, `dist/runtime/report/browser/${name}`);
chmodSync('dist/zoo/cli/main.js', 0o755);
