/**
 * The pictures of a table that could not be read: the first ones by path and reason, all of them counted.
 *
 * Where most of those that were tried fail, the table is wrong (another folder, say) and not its pictures: that
 * ends the run with one message.
 */
import { type Diagnostic, fail } from '../../../../grammar/diagnostics.ts';
import { type Drop, Drops } from '../../../drops.ts';

/** Pictures that are named one by one. */
const named = 10;
/** Rows after which it is asked whether most of them fail; fewer where a table has fewer. */
const enough = 100;
/** Reasons that a summary tells apart. */
const reasonsShown = 5;

export interface Failure extends Drop {
  readonly path: string;
}

export class UnreadablePictures {
  readonly #table: string;
  readonly #count: number;
  readonly #warn: ((warning: Diagnostic) => void) | undefined;
  /** A bit a row, 1 where it was tried, so that every row is counted once; none of streams. */
  readonly #seen: Uint8Array | undefined;
  #tried = 0;
  readonly #drops = new Drops();
  #failed = 0;
  /** The first ones. */
  readonly #first: Failure[] = [];
  /** Failures that were named. */
  #told = 0;
  /** After the last message nothing else is said. */
  #over = false;

  /** @param count rows that are used, infinitely many of streams */
  constructor(table: string, count: number, warn?: (warning: Diagnostic) => void) {
    this.#table = table;
    this.#count = count;
    this.#warn = warn;
    if (Number.isFinite(count)) this.#seen = new Uint8Array(Math.ceil(count / 8));
  }

  /** @param failure absent for a row whose pictures could all be read */
  note(row: number, failure: Failure | undefined): void {
    if (this.#seen !== undefined) {
      const bit = 1 << (row & 7);
      if ((this.#seen[row >>> 3]! & bit) !== 0) return;
      this.#seen[row >>> 3]! |= bit;
    }
    this.#tried++;
    if (failure === undefined) return;
    const { path, kind, reason } = failure;
    this.#failed++;
    this.#drops.add({ kind, reason: reason.replaceAll(path, 'it') });
    if (this.#first.length < named) this.#first.push(failure);
  }

  /** @throws DiagnosticError Z416 when most pictures of those tried cannot be read */
  check(): void {
    if (this.#tried >= Math.min(enough, this.#count) && this.#failed > this.#tried / 2) this.fail();
  }

  /** @throws DiagnosticError Z416 */
  fail(wanted?: number): never {
    const [first] = this.#first;
    const short = wanted === undefined ? '' : `; the others do not fill a batch of ${wanted}`;
    this.#over = true;
    return fail(
      'Z416',
      `${this.#table}: ${this.#failed} of ${this.#tried} rows tried have pictures that cannot be read${short}; the first is ${first?.path}: ${first?.reason}`,
      'paths in a table are relative to its folder',
    );
  }

  /** Names those of the first few that were not named yet. */
  tell(): void {
    if (this.#over) return;
    for (const { path, reason } of this.#first.slice(this.#told))
      this.#say(`${path} cannot be read, another row takes its place: ${reason}`);
    this.#told = this.#first.length;
  }

  /** Says how many there were for which reasons, once. */
  close(): void {
    if (this.#failed === 0 || this.#over) return;
    this.#over = true;
    const reasons = this.#drops.inWords(reasonsShown);
    this.#say(`${this.#table}: ${this.#failed} rows with pictures that cannot be read: ${reasons}`);
  }

  #say(message: string): void {
    this.#warn?.({ code: 'Z426', severity: 'warning', message });
  }
}
