/** Examples of mistakes, one for each code: what docs/reference/errors.md is made of. */

/** Contents by name, as text or as a function that makes bytes of it. */
export type Files = Readonly<Record<string, string | (() => Uint8Array | Promise<Uint8Array>)>>;

/** Two texts that `zooc check` reads, or two calls with the files that they find. */
interface Shown {
  /** Beside both. */
  readonly files?: Files;
  /** What the page says in front. */
  readonly remark?: string;
}
interface ProgramExample extends Shown {
  readonly wrong: string;
  readonly mended: string;
}
interface CallExample extends Shown {
  /** Arguments of zooc, between blanks. */
  readonly call: string;
  /** Of the mended call, where it is another. */
  readonly mendedCall?: string;
  /** Instead of some of the files. */
  readonly mendedFiles?: Files;
  readonly env?: Readonly<Record<string, string>>;
}
/** What needs a device, several machines, a network or a broken disk, in words. */
interface ToldExample {
  readonly told: string;
}
export type Example = ProgramExample | CallExample | ToldExample;
