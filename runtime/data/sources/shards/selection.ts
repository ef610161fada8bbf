/**
 * What of a sample's members is used, and which samples are left out for want of it.
 *
 * A column is an extension or several, of which the first that is there counts (`jpg;png`), or a field of a JSON
 * member (`json.caption`), or of img2dataset's parquet beside the shard (`parquet.similarity`).
 */
import { Unusable } from '../../../drops.ts';
import type { Column } from '../columns/column.ts';
import { besideExtension } from './beside.ts';
import type { Gathered } from './members.ts';

/** A member that samples must have. */
export interface Slot {
  /** Extensions, of which the first that is there is taken. */
  readonly extensions: readonly string[];
  /** Whether its content is a text, which is read for the index, too. */
  readonly text: boolean;
}

interface Place {
  readonly slot: number;
  /** Field of the JSON that the member holds. */
  readonly field: string | undefined;
}

/** Fields of the member `json`, and columns of the parquet file beside the shard. */
const fieldColumn = /^(json|parquet)\.(.+)$/s;

function extensionsOf(column: string): string[] {
  return column
    .split(';')
    .map((extension) => extension.trim().toLowerCase())
    .filter((extension) => extension !== '');
}

/** A longer one is no caption, label or description. */
export const longestText = 2 ** 20;

export function decodeUtf8(bytes: Uint8Array, extension: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new Unusable('encoding', `${extension} that is no UTF-8`);
  }
}

function fieldsIn(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? { ...value } : {};
  } catch {
    throw new Unusable('malformed', 'json that is malformed');
  }
}

/** A value of JSON as the cell of a table: what is no text or number is empty. */
function asCell(value: unknown): string {
  return typeof value === 'string' ? value : typeof value === 'number' ? String(value) : '';
}

/** Texts of a sample by slot; empty for slots that are none. */
export type Texts = readonly string[];

export class Selection {
  readonly slots: readonly Slot[];
  readonly #places = new Map<string, Place>();
  readonly #lacking: readonly NonNullable<Column['lacks']>[];

  constructor(columns: Iterable<Column>) {
    const slots: { extensions: string[]; text: boolean }[] = [];
    const lacking: NonNullable<Column['lacks']>[] = [];
    for (const { columns: names, holds, lacks } of columns) {
      if (lacks !== undefined) lacking.push(lacks);
      for (const name of names) {
        if (this.#places.has(name)) continue;
        const [, member = name, field] = fieldColumn.exec(name) ?? [];
        const extensions = extensionsOf(member);
        const text = holds === 'text';
        const known = slots.findIndex(
          (s) => s.extensions.join(';') === extensions.join(';') && s.text === text,
        );
        this.#places.set(name, { slot: known < 0 ? slots.push({ extensions, text }) - 1 : known, field });
      }
    }
    this.slots = slots;
    this.#lacking = lacking;
  }

  /** @throws Unusable where one lacks */
  choose<M>({ members }: Gathered<M>): M[] {
    return this.slots.map(({ extensions }) => {
      const found = extensions.find((extension) => members.has(extension));
      if (found === undefined) throw new Unusable('missing', `no ${extensions.join(' or ')}`);
      return members.get(found)!;
    });
  }

  /** @throws Unusable where a sample with these texts has nothing for one of the columns */
  check(texts: Texts): void {
    const cell = this.reader(texts);
    if (this.#lacking.some((lacks) => lacks(cell))) throw new Unusable('blank', 'a blank caption');
  }

  /** Columns of the parquet file beside a shard. */
  get beside(): string[] {
    return [...this.#places].flatMap(([column, { field }]) =>
      field !== undefined && column.startsWith(`${besideExtension}.`) ? field : [],
    );
  }

  slotOf(column: string): number {
    return this.#places.get(column)!.slot;
  }

  /** Gives the cell of a column. @throws Unusable */
  reader(texts: Texts): (column: string) => string {
    const parsed = new Map<number, Readonly<Record<string, unknown>>>();
    return (column) => {
      const { slot, field } = this.#places.get(column)!;
      const text = texts[slot]!;
      if (field === undefined) return text;
      const fields = parsed.get(slot) ?? fieldsIn(text);
      parsed.set(slot, fields);
      return Object.hasOwn(fields, field) ? asCell(fields[field]) : '';
    };
  }
}
