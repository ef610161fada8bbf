/** `evaluations.json` of a run folder: all results so far, each with the step behind which it was taken. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { writeText } from '../../data/files/atomic.ts';
import { parseJson } from '../../data/files/json.ts';
import type { RunLog, Showing } from './log.ts';

const schema = z.array(
  z.looseObject({
    step: z.int(),
    dataset: z.string(),
    task: z.string(),
    n: z.number(),
    metrics: z.record(z.string(), z.number()),
  }),
);
type Rows = z.infer<typeof schema>;

const evaluationsName = 'evaluations.json';

/** Rows of steps up to the one that a run goes on with; none where there is no such file. */
async function kept(path: string, start: number): Promise<Rows> {
  const text = await readFile(path, 'utf8').catch(() => undefined);
  const found = text === undefined ? undefined : schema.safeParse(parseJson(text));
  return found?.success === true ? found.data.filter(({ step }) => step <= start) : [];
}

export const evaluationsLog: Showing = {
  name: evaluationsName,
  async open({ out, start }): Promise<RunLog> {
    const path = join(out, evaluationsName);
    const rows = start === 0 ? [] : await kept(path, start);
    return {
      async evaluated(step, results) {
        rows.push(...results.map((result) => ({ step, ...result })));
        await writeText(path, `${JSON.stringify(rows, null, 2)}\n`);
      },
      async close() {},
    };
  },
};
