/**
 * Keys and captions of shards, whatever holds them: tar archives on a disk or streaming by, as `webdataset` reads
 * them, or img2dataset's parquet files of what it fetched. No picture is decoded.
 */
import { type Drop, Unusable } from '../../drops.ts';
import { openParquet, readGroup } from '../files/parquet.ts';
import { textIn } from '../sources/columns/parquet-text.ts';
import { Selection } from '../sources/shards/selection.ts';
import { usableTexts, walkSamples } from '../sources/shards/shard-index.ts';
import { ShardError } from '../sources/shards/tar-headers.ts';
import { isHttp, isPipe } from '../sources/streams/bytes.ts';
import { httpTiming } from '../sources/streams/http.ts';
import { areStreams } from '../sources/streams/open-streams.ts';
import { streamShard } from '../sources/streams/stream-shard.ts';

export interface CaptionChoice {
  /** Where the caption is: an extension, `json.FIELD`, or a column; by default `txt`, in parquet `caption`. */
  readonly text?: string | undefined;
  /** Extensions, one of which a pair has for its picture. */
  readonly image: string;
}

interface Reading {
  readonly choice: CaptionChoice;
  each(key: string, caption: string): void | Promise<void>;
  /** Told why a pair is left out. */
  leave(drop: Drop): void;
}

/** Lists have a key a line, and take blanks around it off. */
function fitsList(key: string): boolean {
  return key !== '' && key === key.trim() && !/[\r\n\u2028\u2029]/.test(key);
}

const isParquet = (shard: string) => /\.parquet$/i.test(shard);

/** img2dataset's word for what it fetched; rows of others have no picture. */
const fetched = 'success';

async function readParquet(path: string, column: string, { each, leave }: Reading): Promise<void> {
  const known = await openParquet(path, ['key', column]);
  const columns = [...new Set(['key', column, ...(known.columns.includes('status') ? ['status'] : [])])];
  for (const group of known.groups.keys())
    for (const row of await readGroup(known, group, columns)) {
      try {
        const text = (name: string) => textIn(row[name], name, '');
        if (columns.includes('status') && text('status') !== fetched)
          throw new Unusable('missing', `no status \`${fetched}\``);
        const caption = text(column);
        if (caption.trim() === '') throw new Unusable('blank', 'a blank caption');
        await each(text('key'), caption);
      } catch (error) {
        if (!(error instanceof Unusable)) throw error;
        leave(error);
      }
    }
}

function selectionOf(text: string, image: string): Selection {
  const caption = {
    columns: [text],
    holds: 'text',
    lacks: (cell: (column: string) => string) => cell(text).trim() === '',
  } as const;
  return new Selection([{ columns: [image], holds: 'file' }, caption]);
}

/** @returns what is wrong with it from some place on */
async function readTar(path: string, reading: Reading): Promise<string | undefined> {
  const { text = 'txt', image } = reading.choice;
  const selection = selectionOf(text, image);
  if (await areStreams([path])) {
    if (selection.beside.length > 0)
      throw new ShardError('columns of the parquet beside it need a shard that lies uncompressed on a disk');
    const wanted = { selection, keep: undefined, leave: reading.leave };
    const options = { timing: httpTiming, signal: new AbortController().signal };
    for await (const { key, text: cell } of streamShard(path, wanted, options))
      await reading.each(key, cell(text));
    return undefined;
  }
  return walkSamples(path, selection, (sample) => {
    try {
      const { texts } = usableTexts(selection, sample);
      return reading.each(sample.key, selection.reader(texts)(text));
    } catch (error) {
      if (!(error instanceof Unusable)) throw error;
      reading.leave(error);
    }
  });
}

/**
 * Calls `each` with the pairs of a shard in order.
 * @returns what is wrong with it from some place on, if something is
 * @throws DiagnosticError, ShardError or system error where it cannot be read, or read on
 */
export async function readCaptions(shard: string, reading: Reading): Promise<string | undefined> {
  const checked: Reading = {
    ...reading,
    each(key, caption) {
      if (fitsList(key)) return reading.each(key, caption);
      reading.leave({ kind: 'malformed', reason: 'a key that a list cannot hold' });
    },
  };
  if (!isParquet(shard) || isPipe(shard)) return readTar(shard, checked);
  if (isHttp(shard)) throw new ShardError('parquet is read from a disk');
  await readParquet(shard, reading.choice.text ?? 'caption', checked);
  return undefined;
}
