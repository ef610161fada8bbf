/**
 * `npm run docs:figures`: the pictures of the documents, from plans, schedules and a run that are made for them.
 *
 * A name (`npm run docs:figures memory`) draws that one alone. `loss` trains for some seconds.
 */
import { writeFileSync } from 'node:fs';
import { loss } from './loss.ts';
import { memory } from './memory.ts';
import { pipeline } from './pipeline.ts';
import { schedules } from './schedules.ts';

const figures = { pipeline, memory, schedules, loss };
const wanted = process.argv.slice(2);
for (const [name, draw] of Object.entries(figures))
  if (wanted.length === 0 || wanted.includes(name))
    writeFileSync(new URL(`../../docs/figures/${name}.svg`, import.meta.url), await draw());
