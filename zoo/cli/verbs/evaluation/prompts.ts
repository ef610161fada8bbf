/** `zooc prompts search`: the templates that classify a labelled set best together. */

import { fail } from '../../../../grammar/diagnostics.ts';
import { single } from '../../../../runtime/dist/collective.ts';
import type { Metric } from '../../../evaluate/prompt-search/ensembles.ts';
import { type Comparison, type Found, searchPrompts } from '../../../evaluate/prompt-search/search.ts';
import { readEntry } from '../../../evaluate/suite.ts';
import { type DeviceChoice, openExecutor } from '../../../run/devices.ts';
import { readTemplates } from '../../../run/text-lists.ts';
import { closing } from '../../closing.ts';
import { parseCount, pictureLimits } from '../../models.ts';
import { note, printJson, table, writeText } from '../../output.ts';
import { loadModelWithWeights } from '../../packages.ts';

interface SearchOptions {
  readonly weights?: string;
  readonly base?: string;
  readonly templates: string;
  readonly split?: string;
  readonly test?: string;
  readonly metric: Metric;
  readonly most?: string;
  readonly limit?: string;
  readonly cache?: string;
  readonly maxPixels?: string;
  readonly out: string;
  readonly device: DeviceChoice;
  readonly set: readonly string[];
  readonly json?: boolean;
}

/** Templates as `--templates` reads them. @throws DiagnosticError Z703 for one that is no line */
function formatTemplates(out: string, templates: readonly string[]): string {
  if (/\.json$/i.test(out)) return `${JSON.stringify(templates, null, 2)}\n`;
  const broken = templates.find((template) => /[\r\n]/.test(template));
  if (broken !== undefined)
    fail('Z703', `--out ${out}: template ${JSON.stringify(broken)} is more than a line`, '--out FILE.json');
  return templates.map((template) => `${template}\n`).join('');
}

function searchTables({ metric, templates, steps, searched, test }: Found): string {
  const shown = (value: number) => value.toFixed(4);
  const singles = [...templates].sort((a, b) => b.value - a.value);
  const sets = [searched, ...(test === undefined ? [] : [test])];
  const compared = (what: string, value: (set: Comparison) => number) => [
    what,
    ...sets.map((set) => shown(value(set))),
  ];
  const about = ({ dataset, n, skipped }: Comparison) =>
    `${dataset} (${n}${skipped > 0 ? `, ${skipped} skipped` : ''})`;
  return [
    table([['each alone', metric], ...singles.map(({ template, value }) => [template, shown(value)])], [1]),
    table([['added', metric], ...steps.map(({ template, value }) => [template, shown(value)])], [1]),
    table(
      [
        [metric, ...sets.map((set, i) => `${i === 0 ? 'searched' : 'tested'}: ${about(set)}`)],
        compared(`chosen: ${steps.length}`, ({ chosen }) => chosen),
        compared('best single', ({ best_single }) => best_single),
        compared(`all: ${templates.length}`, ({ all }) => all),
      ],
      [1, 2],
    ),
  ].join('\n\n');
}

export async function searchVerb(reference: string, data: string, options: SearchOptions): Promise<void> {
  const { out, split, metric, cache, limit, most } = options;
  const templates = readTemplates(options.templates);
  formatTemplates(out, templates);
  const entry = { ...readEntry(data), ...(split === undefined ? {} : { split }) };
  const test = options.test === undefined ? undefined : readEntry(options.test);
  const limits = pictureLimits(options.maxPixels);
  const found = await closing(async (keep) => {
    const { model, weights } = await loadModelWithWeights(reference, options);
    keep(weights);
    const executor = keep(await openExecutor(options.device, { notify: note }));
    return searchPrompts(entry, test, {
      ...{ model, weights, executor, group: single, templates, metric, keep },
      ...limits,
      ...(cache === undefined ? {} : { cache }),
      ...(limit === undefined ? {} : { limit: parseCount('--limit', limit) }),
      ...(most === undefined ? {} : { most: parseCount('--most', most) }),
      notify: note,
      warn: ({ code, message }) => note(`warning[${code}]: ${message}`),
    });
  });
  note(searchTables(found));
  if (test === undefined)
    note(
      `chosen on these very pictures, so ${metric} is optimistic; --test DATA says what the choice is worth on others`,
    );
  await writeText(
    out,
    formatTemplates(
      out,
      found.steps.map(({ template }) => template),
    ),
  );
  note(`wrote ${out}`);
  if (options.json === true) printJson(found);
}
