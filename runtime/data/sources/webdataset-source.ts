/** `webdataset("shards/{0000..1242}.tar", ...)`: samples of tar archives, in a new random order each epoch. */
import { z } from 'zod';
import type { StaticCall } from '../../../compiler/model/types.ts';
import { failAt, parseOptions, texts } from '../options.ts';
import type { Part } from './batches/part.ts';
import { type CaptionOptions, captionOptions, checkWeights } from './columns/caption.ts';
import { columnsOf, type PairColumns } from './columns/open-columns.ts';
import { pictureOptions } from './columns/picture.ts';
import type { Rows } from './columns/row.ts';
import { FedColumns } from './fed-columns.ts';
import { readIdentity, sampleIdentity } from './identity.ts';
import { noting } from './rows/table-samples.ts';
import { type Decoding, decodingOf, sampleOptions } from './sample-options.ts';
import { Samples } from './samples.ts';
import { readKeyList } from './shards/key-list.ts';
import { expandShards } from './shards/list.ts';
import { openShards } from './shards/open-shards.ts';
import { Selection } from './shards/selection.ts';
import type { SourceContext } from './source-context.ts';
import { isHttp, isPipe } from './streams/bytes.ts';
import { httpTiming } from './streams/http.ts';
import { samplesBeside } from './streams/lengths.ts';
import { areStreams, laneOptions, openStreams, orderOf, streamRows } from './streams/open-streams.ts';
import { streamShard } from './streams/stream-shard.ts';

/** Where it feeds one picture and one text. */
const pairOptions = {
  /** Extension of the picture; of several the first that is there. */
  image: z.string().default('jpg;png;jpeg;webp'),
  /** Extension of the caption. */
  text: z.string().optional(),
  /** Fields of the member `json` instead. */
  json: texts.optional(),
  /** Of those fields; the first that is not empty without them. */
  weights: z.array(z.number().nonnegative()).optional(),
  /** Separates several captions in one text. */
  split: z.string().default(''),
  ...captionOptions,
  ...pictureOptions,
};

const schema = z.object({
  shards: texts,
  ...pairOptions,
  ...sampleOptions,
  ...laneOptions,
  /** File with the keys of the samples to use, one a line. */
  keep: z.string().optional(),
});
type Options = z.infer<typeof schema>;

function pairOf(call: StaticCall, options: Options): PairColumns {
  const { image, text, json, weights, split, templates } = options;
  const caption = (names: readonly string[], by: readonly number[]): CaptionOptions => ({
    names,
    weights: by,
    split,
    templates,
  });
  const picture = { column: image, ...options };
  if (json === undefined) {
    if (weights !== undefined)
      failAt(call, 'Z522', '`weights` of webdataset goes with `json`, which is not given');
    return { picture, caption: caption([text ?? 'txt'], [1]) };
  }
  if (text !== undefined) failAt(call, 'Z522', 'webdataset takes `text` or `json`, not both');
  checkWeights(call, 'weights', weights, json);
  return {
    picture,
    caption: caption(
      json.map((field) => `json.${field}`),
      weights ?? json.map(() => 0),
    ),
  };
}

/** Opens the source that a `webdataset(...)` call names. Errors: Z315, Z412, Z414, Z452, Z520 to Z522. */
export async function openWebdataset(call: StaticCall, context: SourceContext): Promise<Part> {
  const { inputs, find } = context;
  const options = parseOptions(call, schema, ['shards']);
  const columns = columnsOf(call, inputs, () => pairOf(call, options), Object.keys(pairOptions));
  const paths = expandShards(call, options.shards).map((shard) =>
    isHttp(shard) || isPipe(shard) ? shard : find(shard),
  );
  const selection = new Selection(columns.values());
  const keep = options.keep === undefined ? undefined : await readKeyList(find(options.keep));
  const name = options.shards.join('::');
  const { find: findRead, read } = noting(context);
  const open = (rows: Rows, decoding: Decoding) =>
    FedColumns.open(columns, rows, { ...context, find: findRead }, decoding);
  const order = { ...options, shuffle: options.shuffle !== false };
  if (await areStreams(paths)) {
    if (context.untrusted === true && paths.some(isPipe))
      failAt(
        call,
        'Z452',
        'a recipe of a package runs no command',
        'copy the recipe out of the package, and read it first',
      );
    if (selection.beside.length > 0)
      failAt(
        call,
        'Z522',
        'columns of the parquet beside shards need shards that lie uncompressed on a local disk',
      );
    if (Object.hasOwn(call.named, 'cache') && options.cache > 0)
      failAt(
        call,
        'Z522',
        'pictures of streamed shards are not kept: `cache` is for what lies on a local disk, not compressed',
        'what a command or a server gives can be another picture the next time',
      );
    const fed = await open({ path: name }, { ...decodingOf(options), cacheBytes: 0 });
    const wanted = { selection, keep };
    const { timing = httpTiming } = context;
    return openStreams(
      {
        call,
        name,
        units: paths,
        columns: fed,
        samples: options.samples ?? (await samplesBeside(paths)),
        order: orderOf(options, paths.length),
        identity: sampleIdentity(call, { rows: await readIdentity(streamRows(paths, keep), read), order }),
        read: (unit, leave, signal) => streamShard(paths[unit]!, { ...wanted, leave }, { timing, signal }),
      },
      context,
    );
  }
  const { rows, digest, lacked } = await openShards({ call, paths, selection, keep, name }, context);
  const fed = await open(rows, decodingOf(options));
  const identity = sampleIdentity(call, {
    rows: `${rows.count} of digest ${await readIdentity(digest, read)}`,
    order,
  });
  return new Samples(rows, fed, { ...order, identity, lacked }, context);
}
