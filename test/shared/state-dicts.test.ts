/** The state dicts of the repository are those that the reference data lists. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { publishedStateDicts, stateLine } from '../support/state-dicts.ts';

interface Entry {
  readonly total_parameters: number;
  readonly state_dict: readonly [name: string, shape: number[], dtype: string, kind: string][];
}

test('all nine published models', () => {
  const path = new URL('../../../shared/golden/state_dicts.json', import.meta.url);
  const listed = Object.entries(JSON.parse(readFileSync(path, 'utf8')) as Record<string, Entry>);
  const wanted = listed.map(([model, { total_parameters, state_dict }]) => {
    const weights = state_dict.map(([name, shape, dtype, kind]) => stateLine({ name, shape, dtype, kind }));
    return [model, { parameters: total_parameters, weights }] as const;
  });
  expect(publishedStateDicts()).toEqual(new Map(wanted));
});
