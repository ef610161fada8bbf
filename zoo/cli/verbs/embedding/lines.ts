/** `zooc embed MODEL -`: a filter from lines to lines of JSON, for `rdd.pipe` of Spark and for shells. */
import { createInterface } from 'node:readline';
import { fail } from '../../../../grammar/diagnostics.ts';
import { defaultWorkers } from '../../../../runtime/data/pictures/decode.ts';
import { embedLines as answer } from '../../../embed/lines.ts';
import { mostRows } from '../../../run/encoder.ts';
import { closing } from '../../closing.ts';
import { parseCount } from '../../models.ts';
import { count, note, printLines } from '../../output.ts';
import { type EmbedOptions, openModel } from './open.ts';

export async function embedLines(reference: string, options: EmbedOptions): Promise<void> {
  const rows = options.batch === undefined ? mostRows : parseCount('--batch', options.batch);
  const workers = options.workers === undefined ? defaultWorkers() : parseCount('--workers', options.workers);
  const { lines, errors } = await closing(async (keep) => {
    const { encoder } = await openModel(reference, options, keep, rows);
    const input = createInterface({ input: process.stdin, crlfDelay: Number.POSITIVE_INFINITY });
    const stop = () => {
      input.close();
      process.stdin.destroy();
    };
    keep({ close: stop });
    return answer(encoder, input[Symbol.asyncIterator](), {
      rows,
      workers,
      async print(text) {
        const more = await printLines(text);
        // Whoever writes lines may go on for ever.
        if (!more) stop();
        return more;
      },
    });
  });
  note(`${count(lines)} lines${errors === 0 ? '' : `, ${count(errors)} of them with an error`}`);
  if (errors > 0 && options.strict === true) fail('Z471', `${count(errors)} lines have an error`);
}
