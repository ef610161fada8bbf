/**
 * Where words go: results to stdout, everything else to stderr, files whole or not at all.
 *
 * Verbs never touch `process.stdout` themselves, so that stdout stays parseable.
 */
export { writeText } from '../../runtime/data/files/atomic.ts';

/** A result: stdout. */
export function print(text: string): void {
  process.stdout.write(text.endsWith('\n') ? text : `${text}\n`);
}

/** The one document of a verb called with `--json`. */
export function printJson(value: unknown): void {
  print(JSON.stringify(value, null, 2));
}

/** Progress, remarks and warnings: stderr. */
export function note(text: string): void {
  process.stderr.write(text.endsWith('\n') ? text : `${text}\n`);
}

/** Rows as aligned columns, two spaces apart; columns listed in `right` are right-aligned. */
export function table(rows: readonly (readonly string[])[], right: readonly number[] = []): string {
  const widths = rows.reduce<number[]>(
    (w, row) => row.map((cell, i) => Math.max(w[i] ?? 0, cell.length)),
    [],
  );
  return rows
    .map((row) =>
      row
        .map((cell, i) => (right.includes(i) ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** `151,277,313` */
export function count(n: number): string {
  return n.toLocaleString('en-US');
}

/** `577.1 MiB` */
export function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}

/** `8.73 GFLOP` */
export function gigaflop(flops: number): string {
  return `${(flops / 1e9).toFixed(2)} GFLOP`;
}

/** Whether the reader of stdout has closed it: the stream itself looks open again behind the error. */
let readerGone: boolean | undefined;

/** Results one by one, as fast as they are read. @returns whether somebody still reads them */
export async function printLines(text: string): Promise<boolean> {
  const { stdout } = process;
  if (readerGone === undefined) {
    readerGone = false;
    stdout.on('error', () => {
      readerGone = true;
    });
  }
  if (!readerGone && !stdout.write(text))
    await new Promise<void>((resolve) => {
      const events = ['drain', 'error'] as const;
      const ready = () => {
        for (const event of events) stdout.off(event, ready);
        resolve();
      };
      for (const event of events) stdout.on(event, ready);
    });
  return !readerGone;
}
