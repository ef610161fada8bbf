/** `zooc shards`: a table's pairs as tar archives. */
import { fail } from '../../../../grammar/diagnostics.ts';
import { renderDiagnostics } from '../../../../grammar/render.ts';
import { isEncoding } from '../../../../runtime/data/files/decode-text.ts';
import { writeShards } from '../../../export/shards.ts';
import { parseCount } from '../../models.ts';
import { count, note, print, printJson } from '../../output.ts';

interface ShardsOptions {
  readonly out: string;
  readonly image: string;
  readonly text?: string;
  readonly fields?: string;
  readonly perShard: string;
  readonly separator?: string;
  readonly quote?: string;
  readonly encoding?: string;
  readonly json?: boolean;
}

export async function shards(table: string, options: ShardsOptions): Promise<void> {
  const { out, image, separator, quote, encoding } = options;
  const fields = (options.fields ?? '').split(',').filter((field) => field !== '');
  const text = options.text ?? (fields.length === 0 ? 'title' : undefined);
  if (encoding !== undefined && !isEncoding(encoding))
    fail('Z703', `--encoding ${encoding}: no encoding is called so`);
  if (separator?.length !== undefined && separator.length !== 1)
    fail('Z703', `--separator ${JSON.stringify(separator)}: expected one character`);
  const written = await writeShards({
    table,
    out,
    image,
    ...(text === undefined ? {} : { text }),
    fields,
    perShard: parseCount('--per-shard', options.perShard),
    ...(separator === undefined ? {} : { separator }),
    ...(quote === undefined ? {} : { quote }),
    ...(encoding === undefined ? {} : { encoding }),
    warn: (warning) => note(renderDiagnostics([warning])),
  });
  const { shards, samples, left } = written;
  if (options.json === true) printJson({ out, shards, samples, left });
  else {
    note(`${count(samples)} samples in ${count(shards)} shards`);
    print(out);
  }
}
