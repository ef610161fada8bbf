/**
 * The pictures of a table that could not be read: the first ones by path and reason, all of them counted.
 *
 * Where most of those that were tried fail, the table is wrong (another folder, say) and not its pictures: that
 * ends the run with one message.
 */
import { type Diagnostic, fail } from '../../../../grammar/diagnostics.ts';

/** Pictures that are named one by one. */
const named = 10;
/** Rows after which it is asked whether most of them fail; fewer where a table has fewer. */
const enough = 100;
/** Reasons that a summary tells apart. */
const reasonsShown = 5;

export interface Failure {
  readonly path: string;
  readonly reason: string;
}

export class UnreadablePictures {
  readonly #table: string;
  readonly #count: number;
  readonly #warn: ((warning: Diagnostic) => void) | undefined;
  /** A bit a row, 1 where its pictures could be read, so that every row is counted once; none of streams. */
  readonly #readable: Uint8Array | undefined;
  #readableCount = 0;
  readonly #failures = new Map<number, Failure>();
  /** Failures that were named. */
  #told = 0;
  /** After the last message nothing else is said. */
  #over = false;

  /** @param count rows that are used, infinitely many of streams */
  constructor(table: string, count: number, warn?: (warning: Diagnostic) => void) {
    this.#table = table;
    this.#count = count;
    this.#warn = warn;
    if (Number.isFinite(count)) this.#readable = new Uint8Array(Math.ceil(count / 8));
  }

  /** @param failure absent for a row whose pictures could all be read */
  note(row: number, failure: Failure | undefined): void {
    if (failure !== undefined) this.#failures.set(row, failure);
    else if (this.#readable === undefined) this.#readableCount++;
    else if ((this.#readable[row >> 3]! & (1 << (row & 7))) === 0) {
      this.#readable[row >> 3]! |= 1 << (row & 7);
      this.#readableCount++;
    }
  }

  get #tried(): number {
    return this.#failures.size + this.#readableCount;
  }

  /** @throws DiagnosticError Z416 when most pictures of those tried cannot be read */
  check(): void {
    const failed = this.#failures.size;
    const tried = this.#tried;
    if (tried >= Math.min(enough, this.#count) && failed > tried / 2) this.fail();
  }

  /** @throws DiagnosticError Z416 */
  fail(wanted?: number): never {
    const failed = this.#failures.size;
    const [first] = this.#failures.values();
    const short = wanted === undefined ? '' : `; the others do not fill a batch of ${wanted}`;
    this.#over = true;
    return fail(
      'Z416',
      `${this.#table}: ${failed} of ${this.#tried} rows tried have pictures that cannot be read${short}; the first is ${first?.path}: ${first?.reason}`,
      'paths in a table are relative to its folder',
    );
  }

  /** Names those of the first few that were not named yet. */
  tell(): void {
    if (this.#over) return;
    const fresh = [...this.#failures.values()].slice(this.#told, named);
    this.#told += fresh.length;
    for (const { path, reason } of fresh)
      this.#say(`${path} cannot be read, another row takes its place: ${reason}`);
  }

  /** Says how many there were for which reasons, once. */
  close(): void {
    const failed = this.#failures.size;
    if (failed === 0 || this.#over) return;
    this.#over = true;
    const counts = new Map<string, number>();
    for (const { path, reason } of this.#failures.values()) {
      const kind = reason.replaceAll(path, 'it');
      counts.set(kind, (counts.get(kind) ?? 0) + 1);
    }
    const sorted = [...counts].sort(([, a], [, b]) => b - a);
    const shown = sorted.slice(0, reasonsShown).map(([reason, count]) => `${count} × ${reason}`);
    const rest = sorted.slice(reasonsShown).reduce((sum, [, count]) => sum + count, 0);
    if (rest > 0) shown.push(`${rest} × other reasons`);
    this.#say(`${this.#table}: ${failed} rows with pictures that cannot be read: ${shown.join(', ')}`);
  }

  #say(message: string): void {
    this.#warn?.({ code: 'Z426', severity: 'warning', message });
  }
}
