/** Paths of weights and blocks, segment by segment, as patterns name them. */
import type { Instance } from '../../../compiler/model/values/values.ts';
import { instancesIn, weightsOf } from '../elaborated.ts';
import type { CompletionItem } from '../types.ts';

interface Segment {
  readonly text: string;
  readonly kind: 'weight' | 'child' | 'pattern';
  readonly detail?: string;
}

/** What can stand behind some segments of a path: names of weights and blocks, `*` for the numbers of arrays. */
function segmentsBehind(root: Instance, before: readonly string[], what: 'weights' | 'blocks'): Segment[] {
  const shapes = new Map(weightsOf(root).map(({ name, shape }) => [name, `[${shape.join(', ')}]`]));
  const paths = what === 'weights' ? [...shapes.keys()] : [...instancesIn(root)].map(({ path }) => path);
  const found = new Map<string, Segment>();
  for (const path of paths) {
    const parts = path.split('.');
    const own = parts[before.length];
    if (!own || !before.every((segment, i) => segment === '*' || segment === parts[i])) continue;
    if (/^\d+$/.test(own)) {
      found.set('*', { text: '*', kind: 'pattern', detail: 'every item' });
      if (own !== '0') continue;
    }
    const detail = parts.length === before.length + 1 ? shapes.get(path) : undefined;
    const kind = detail === undefined ? 'child' : 'weight';
    if (!found.has(own) || detail !== undefined)
      found.set(own, { text: own, kind, ...(detail === undefined ? {} : { detail }) });
  }
  return [...found.values()];
}

/** For a pattern in quotes, as far as it is written: whole patterns, wildcards among them. */
export function patternItems(root: Instance, written: string, what: 'weights' | 'blocks'): CompletionItem[] {
  const mark = written.startsWith('!') ? '!' : '';
  const before = written.slice(mark.length).split('.').slice(0, -1);
  const prefix = `${mark}${before.map((segment) => `${segment}.`).join('')}`;
  const found = segmentsBehind(root, before, what);
  if (found.length === 0) return [];
  const all: Segment = { text: '**', kind: 'pattern', detail: `all ${what} from here on` };
  return [...found, all].map(({ text, ...rest }) => ({ label: `${prefix}${text}`, ...rest }));
}

/** For the next segment of a path without quotes. */
export function segmentItems(root: Instance, before: readonly string[]): CompletionItem[] {
  return segmentsBehind(root, before, 'weights')
    .filter(({ text }) => text !== '*')
    .map(({ text, ...rest }) => ({ label: text, ...rest }));
}
