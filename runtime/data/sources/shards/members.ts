/**
 * Which members of a shard make a sample: those that follow each other with the same key, as in webdataset.
 *
 * The key is all up to the first dot of the name's last part, the extension what follows, in small letters.
 */

export interface MemberName {
  readonly key: string;
  readonly extension: string;
}

/** Members that describe a shard, such as `__index__.json` or those in a folder `__meta__`. */
const meta = /^__[^/]*__(?:$|\/)/;

/** Undefined for what belongs to no sample: meta members, files that begin with a dot or have none. */
export function parseMember(name: string): MemberName | undefined {
  const last = name.lastIndexOf('/') + 1;
  const dot = name.indexOf('.', last);
  if (dot <= last || meta.test(name)) return undefined;
  return { key: name.slice(0, dot), extension: name.slice(dot + 1).toLowerCase() };
}

/** A sample as it is gathered: members by extension. */
export interface Gathered<M> {
  readonly key: string;
  readonly members: ReadonlyMap<string, M>;
}

/** Gathers the members of one shard into samples. */
export class Grouping<M> {
  #key: string | undefined;
  #members = new Map<string, M>();
  /** @returns the sample that this member ends, if it does */
  add({ key, extension }: MemberName, member: M): Gathered<M> | undefined {
    const again = key === this.#key && this.#members.has(extension);
    const ended = again || key !== this.#key ? this.end() : undefined;
    this.#key = key;
    this.#members.set(extension, member);
    return ended;
  }

  /** The sample that the shard's end ends. */
  end(): Gathered<M> | undefined {
    const key = this.#key;
    const members = this.#members;
    this.#key = undefined;
    this.#members = new Map();
    return key === undefined ? undefined : { key, members };
  }
}
