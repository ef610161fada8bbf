/**
 * Features of a whole data set, piece by piece: pieces are made once (kept in a cache that outlives an interrupted
 * run), and may be shared among parts of a job and ranks. What comes out does not depend on who made which.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { statOf } from '../../../runtime/data/files/read-fully.ts';
import { allNumbers, allTexts, bytesOf, type Collective } from '../../../runtime/dist/collective.ts';
import { openSafetensors, writeSafetensors } from '../../weights/formats/safetensors.ts';
import type { Pictures } from '../data/types.ts';
import type { PictureEncoder, PictureFeatures } from './pictures.ts';

/** Pictures of a piece. */
const pieceRows = 128;

/** Which pieces are made here: every `of`-th from the `k`-th on, from 1. */
export interface Part {
  readonly k: number;
  readonly of: number;
}

/** A data set's features; rows of pictures that could not be read are zeros. */
export interface SetFeatures {
  readonly features: Float32Array;
  readonly width: number;
  readonly penultimate: Float32Array;
  readonly penultimateWidth: number;
  readonly unreadable: ReadonlyMap<number, string>;
}

interface EncodeOptions {
  /** Folder of the pieces of this set; without one they are kept in memory alone. */
  readonly folder: string | undefined;
  readonly part: Part | undefined;
  readonly group: Collective;
  /** Opened when there is something to make. */
  encoder(): Promise<PictureEncoder>;
  /** Told how many pieces are done. */
  progress(done: number, of: number): void;
}

const names = { features: 'features', penultimate: 'penultimate' } as const;
const unreadableKey = 'zooc.unreadable';

const pathOf = (folder: string, piece: number) => join(folder, `${piece}.safetensors`);

async function load(path: string): Promise<PictureFeatures | undefined> {
  if (statOf(path) === undefined) return undefined;
  const file = await openSafetensors(path);
  try {
    const read = async (name: string) => (await file.read(name)).data as Float32Array;
    const unreadable = new Map<number, string>(JSON.parse(file.metadata.get(unreadableKey)!));
    return { features: await read(names.features), penultimate: await read(names.penultimate), unreadable };
  } finally {
    await file.close();
  }
}

async function store(path: string, rows: number, made: PictureFeatures): Promise<void> {
  const tensor = (name: string, data: Float32Array) => ({
    name,
    dtype: 'F32' as const,
    shape: [rows, data.length / rows],
    data,
  });
  await writeSafetensors(
    path,
    [tensor(names.features, made.features), tensor(names.penultimate, made.penultimate)],
    { [unreadableKey]: JSON.stringify([...made.unreadable]) },
  );
}

/**
 * Makes this part's pieces, and collects all.
 * @returns undefined where other parts have not made theirs yet
 */
export async function encodeSet(
  pictures: Pictures,
  options: EncodeOptions,
): Promise<SetFeatures | undefined> {
  const { folder, part, group, progress } = options;
  const pieces = Math.ceil(pictures.count / pieceRows);
  const rowsOf = (piece: number) => Math.min(pieceRows, pictures.count - piece * pieceRows);
  if (folder !== undefined) await mkdir(folder, { recursive: true });
  const all = Array.from({ length: pieces }, (_, piece) => piece);
  const ofPart = all.filter((piece) => part === undefined || piece % part.of === part.k - 1);
  const own = ofPart.filter((_, i) => i % group.size === group.rank);
  const made = new Map<number, PictureFeatures>();
  for (const [done, piece] of own.entries()) {
    const path = folder && pathOf(folder, piece);
    const known = path && (await load(path));
    const found = known || (await make(pictures, piece, rowsOf(piece), await options.encoder()));
    if (path && !known) await store(path, rowsOf(piece), found);
    made.set(piece, found);
    progress(done + 1, own.length);
  }
  if (group.size > 1) await exchange(group, ofPart, rowsOf, made);
  for (const piece of all) {
    if (made.has(piece)) continue;
    const found = await load(pathOf(folder!, piece));
    if (found === undefined) return undefined;
    made.set(piece, found);
  }
  return joined(pictures.count, all, rowsOf, made);
}

async function make(
  pictures: Pictures,
  piece: number,
  rows: number,
  encoder: PictureEncoder,
): Promise<PictureFeatures> {
  return encoder.encode(rows, (place) => pictures.picture(piece * pieceRows + place));
}

/** Every rank gets what the others made, a piece of each at a time. */
async function exchange(
  group: Collective,
  pieces: readonly number[],
  rowsOf: (piece: number) => number,
  made: Map<number, PictureFeatures>,
): Promise<void> {
  const widths = ({ features, penultimate }: PictureFeatures, rows: number) =>
    [features.length / rows, penultimate.length / rows] as const;
  const first = made.get(pieces[0]!);
  const [[width, inner]] = (await allNumbers(
    group,
    'the widths of features',
    first === undefined ? [0, 0] : widths(first, rowsOf(pieces[0]!)),
  )) as [[number, number]];
  for (let round = 0; round < pieces.length; round += group.size) {
    const own = pieces[round + group.rank];
    const mine = own === undefined ? undefined : made.get(own)!;
    const gathered = async (data: Float32Array | undefined, of: number) => {
      const sent = new Float32Array(pieceRows * of);
      if (data !== undefined) sent.set(data);
      const received = new Float32Array(sent.length * group.size);
      await group.allGather('features', bytesOf(sent), bytesOf(received));
      return received;
    };
    const features = await gathered(mine?.features, width);
    const penultimate = await gathered(mine?.penultimate, inner);
    const unreadable = await allTexts(
      group,
      'unreadable pictures',
      JSON.stringify([...(mine?.unreadable ?? [])]),
    );
    for (let rank = 0; rank < group.size; rank++) {
      const piece = pieces[round + rank];
      if (piece === undefined || rank === group.rank) continue;
      const part = (data: Float32Array, of: number) =>
        data.slice(rank * pieceRows * of, (rank * pieceRows + rowsOf(piece)) * of);
      made.set(piece, {
        features: part(features, width),
        penultimate: part(penultimate, inner),
        unreadable: new Map(JSON.parse(unreadable[rank]!) as [number, string][]),
      });
    }
  }
}

function joined(
  count: number,
  pieces: readonly number[],
  rowsOf: (piece: number) => number,
  made: ReadonlyMap<number, PictureFeatures>,
): SetFeatures {
  const first = made.get(0)!;
  const width = first.features.length / rowsOf(0);
  const inner = first.penultimate.length / rowsOf(0);
  const features = new Float32Array(count * width);
  const penultimate = new Float32Array(count * inner);
  const unreadable = new Map<number, string>();
  for (const piece of pieces) {
    const part = made.get(piece)!;
    features.set(part.features, piece * pieceRows * width);
    penultimate.set(part.penultimate, piece * pieceRows * inner);
    for (const [place, reason] of part.unreadable) unreadable.set(piece * pieceRows + place, reason);
  }
  return { features, width, penultimate, penultimateWidth: inner, unreadable };
}
