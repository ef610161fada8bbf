/** `zooc search`: the pictures of an index that are nearest to texts or to other pictures. */
import { fail } from '../../../../grammar/diagnostics.ts';
import type { Neighbour } from '../../../../runtime/eval/metrics/nearest.ts';
import { checkSameModel, identityOf, readIndexFacts } from '../../../embed/index-file.ts';
import type { Matrix } from '../../../evaluate/data/feature-files.ts';
import type { DeviceChoice } from '../../../run/devices.ts';
import type { Encoder } from '../../../run/encoder.ts';
import { readTextArguments } from '../../../run/text-lists.ts';
import { nearestRows } from '../../../search/exact.ts';
import { describeHits, thumbnail } from '../../../search/hits.ts';
import { IndexRows } from '../../../search/index-rows.ts';
import { type Query, searchPage } from '../../../search/page.ts';
import { closing } from '../../closing.ts';
import { parseCount } from '../../models.ts';
import { count, note, print, printJson, writeText } from '../../output.ts';
import { openModel } from './open.ts';

interface SearchOptions {
  readonly model: string;
  readonly weights?: string;
  readonly base?: string;
  readonly text?: readonly string[];
  readonly image?: readonly string[];
  readonly k: string;
  readonly index?: 'hnsw';
  readonly recall?: boolean;
  readonly out?: string;
  readonly maxPixels?: string;
  readonly device: DeviceChoice;
  readonly set: readonly string[];
  readonly json?: boolean;
}

async function featuresOf(
  texts: readonly string[],
  images: readonly string[],
  encoder: Encoder,
): Promise<Matrix> {
  const width = encoder.embed;
  const data = new Float32Array((texts.length + images.length) * width);
  if (texts.length > 0) data.set(await encoder.encodeTexts(texts));
  if (images.length > 0) data.set(await encoder.encodeImages(images), texts.length * width);
  return { data, rows: texts.length + images.length, width };
}

/** Share of the exact results that were found. */
function recallOf(
  found: readonly (readonly Neighbour[])[],
  exact: readonly (readonly Neighbour[])[],
): number {
  const rows = found.map((list) => new Set(list.map(({ index }) => index)));
  const hits = exact.flatMap((list, q) => list.filter(({ index }) => rows[q]!.has(index)));
  return hits.length / exact.flat().length;
}

export async function search(folder: string, options: SearchOptions): Promise<void> {
  const texts = readTextArguments(options.text ?? []);
  const images = options.image ?? [];
  const k = parseCount('--k', options.k);
  if (options.recall === true && options.index === undefined)
    fail('Z703', '--recall measures --index hnsw; without it the search is exact', '--index hnsw --recall');
  if (texts.length + images.length === 0)
    fail('Z703', 'search needs --text or --image', '--text "a red square"');
  const facts =
    (await readIndexFacts(folder)) ??
    fail('Z470', `${folder} has no index.json, so it is no index`, 'zooc embed MODEL --shards … --out DIR');
  const index = await IndexRows.open(folder, facts.width);
  if (index.unfinished.length > 0)
    note(`${count(index.unfinished.length)} shards of ${folder} are half there and are not searched`);
  const { neighbours, recall } = await closing(async (keep) => {
    const { model, weights, encoder, executor } = await openModel(options.model, options, keep);
    checkSameModel(folder, facts, await identityOf(model, weights));
    const queries = await featuresOf(texts, images, encoder);
    const device = executor.kind === 'device' ? executor.device : undefined;
    const exact = () => nearestRows(queries, index, k, device);
    if (options.index === undefined) return { neighbours: await exact() };
    const { openHnsw } = await import('../../../search/hnsw.ts');
    const graph = await openHnsw(index, device, note);
    note(`approximate: recall@10 of ${graph.recall.toFixed(3)}, measured on rows of the index`);
    const neighbours = await graph.nearest(queries, k);
    if (options.recall !== true) return { neighbours };
    const recall = recallOf(neighbours, await exact());
    note(`recall@${k} of these queries: ${recall.toFixed(3)}`);
    return { neighbours, recall };
  });
  if (recall !== undefined)
    note(`approximate: recall@10 of ${recall.toFixed(3)}, measured on rows of the index`);
  const found = await describeHits(index, neighbours, options.out !== undefined);
  const asked = [
    ...texts.map((value) => ({ kind: 'text' as const, value })),
    ...images.map((value) => ({ kind: 'image' as const, value })),
  ];
  if (options.out !== undefined) {
    const queries: Query[] = [];
    for (const query of asked)
      queries.push(query.kind === 'image' ? { ...query, picture: await thumbnail(query.value) } : query);
    const about = `${count(index.count)} pictures in ${folder}, features of ${facts.model}`;
    await writeText(options.out, searchPage(about, queries, found));
    note(`wrote ${options.out}`);
  }
  const results = asked.map(({ kind, value }, q) => ({ [kind]: value, hits: found.hits[q]! }));
  if (options.json === true)
    printJson({
      ...{ index: folder, rows: index.count },
      ...(recall === undefined ? {} : { recall }),
      queries: results,
    });
  else if (options.out === undefined)
    for (const [q, { value }] of asked.entries())
      for (const { score, shard, key, caption } of found.hits[q]!)
        print([value, score.toFixed(6), shard, key, (caption ?? '').replace(/\s+/g, ' ')].join('\t'));
}
