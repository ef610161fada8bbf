/**
 * Under which names a file holds a model's weights: OpenAI's (which are ours), open_clip's or Hugging Face's.
 *
 * The maps are written in the language (`names hf for CLIP` in the bundled `clip`). A file's naming is the
 * one that finds most of the model's weights in it; the check that follows demands all of them and nothing
 * else, so a wrong guess can only be reported, never used. Nothing here is Node's; `naming.ts` brings its maps.
 */
import {
  type MappedName,
  mapName,
  mappedShape,
  type NameMap,
  nameRules,
  type WantedTensor,
} from '../../../compiler/model/index.ts';
import type { ModuleHost, Weight } from '../../../compiler/model/types.ts';
import { DiagnosticError } from '../../../grammar/diagnostics.ts';
import type { StoredInfo } from '../formats/tensor-file.ts';

export const namingNames = ['openai', 'open_clip', 'hf'] as const;
export type NamingName = (typeof namingNames)[number];

/** One way to name the weights of one model. */
interface Naming {
  readonly name: NamingName;
  /** A weight's tensors, without a file's prefix; undefined for what a file of the model need not have. */
  stored(weight: Weight): MappedName | undefined;
  /** Every tensor by its name. */
  readonly wanted: ReadonlyMap<string, WantedTensor>;
}

/** A naming, and how much of it a file has. */
export interface Candidate {
  readonly naming: Naming;
  readonly found: number;
}

/** What a file's names say. */
export interface Detected extends Candidate {
  /** What every name of the file begins with and is taken off: `module.`, `model.`, or nothing. */
  readonly prefix: string;
  /** The namings that can hold the model, as far as they were tried. */
  readonly tried: readonly Candidate[];
}

const identity: NameMap = { name: 'openai', rules: [] };

/** The map of a naming that is not ours. */
export type MapOf = (name: NamingName) => NameMap;

/** Reads the maps of the bundled package `clip`, each once: it does not change while we run. */
export function bundledMaps(host: () => ModuleHost): MapOf {
  const maps = new Map<NamingName, NameMap>();
  return (name) => {
    const known = maps.get(name);
    if (known !== undefined) return known;
    const rules = nameRules(host(), 'clip', name);
    if (!rules.ok) throw new DiagnosticError(rules.diagnostics);
    maps.set(name, rules.value);
    return rules.value;
  };
}

/**
 * A naming of weights; undefined if it has no names for some (Hugging Face has none for ResNets).
 * @param unnamed weights that need no name
 */
function namingOf(
  weights: readonly Weight[],
  name: NamingName,
  mapOf: MapOf,
  unnamed: ReadonlySet<string>,
): Naming | undefined {
  const map = name === 'openai' ? identity : mapOf(name);
  const names = new Map<string, MappedName>();
  const wanted = new Map<string, WantedTensor>();
  for (const weight of weights) {
    const mapped =
      map === identity
        ? { ours: weight.name, theirs: [weight.name], transforms: [] }
        : mapName(map, weight.name);
    const shape = mapped === undefined ? undefined : mappedShape(mapped, weight.shape);
    if (mapped === undefined || shape === undefined) {
      if (unnamed.has(weight.name)) continue;
      return undefined;
    }
    names.set(weight.name, mapped);
    for (const theirs of mapped.theirs) wanted.set(theirs, { weight, shape, dtype: weight.dtype });
  }
  return { name, wanted, stored: (weight) => names.get(weight.name) };
}

/**
 * What stands in front of every weight's name, from nothing to all that is common to a file's names: `module.` of
 * data-parallel training, `model.` of a training tool's own class.
 */
function commonPrefixes(names: readonly string[]): string[] {
  const [first = ''] = names;
  const prefixes = [''];
  for (let end = first.indexOf('.') + 1; end > 0; end = first.indexOf('.', end) + 1) {
    const prefix = first.slice(0, end);
    if (!names.every((name) => name.startsWith(prefix))) break;
    prefixes.push(prefix);
  }
  return prefixes;
}

interface Prefix {
  readonly prefix: string;
  /** How many names a file has behind it. */
  readonly found: number;
}

/** The prefix of all names of a file behind which it has most of these; of equals the shortest. */
export function prefixOf(names: readonly string[], infos: ReadonlyMap<string, StoredInfo>): Prefix {
  const count = (prefix: string) => names.filter((name) => infos.has(prefix + name)).length;
  return commonPrefixes([...infos.keys()])
    .map((prefix) => ({ prefix, found: count(prefix) }))
    .reduce((a, b) => (b.found > a.found ? b : a));
}

/**
 * A prefix that some names of a file have and others have not, behind which it holds more of a model than was found: the
 * likely reason why names are missing.
 */
function partialPrefix(
  infos: ReadonlyMap<string, StoredInfo>,
  { tried, found }: Detected,
): Prefix | undefined {
  let best: Prefix | undefined;
  for (const { naming } of tried) {
    const counts = new Map<string, number>();
    for (const name of infos.keys())
      for (let end = name.indexOf('.') + 1; end > 0; end = name.indexOf('.', end) + 1)
        if (naming.wanted.has(name.slice(end)))
          counts.set(name.slice(0, end), (counts.get(name.slice(0, end)) ?? 0) + 1);
    for (const [prefix, count] of counts) if (count > (best?.found ?? found)) best = { prefix, found: count };
  }
  return best;
}

/**
 * What published files hold beside weights: OpenAI's three numbers, the causal mask as a buffer, and the
 * positions that Hugging Face's embeddings count.
 */
const beside = /^(input_resolution|context_length|vocab_size)$|(^|\.)attn_mask$|\.embeddings\.position_ids$/;

/** Tensors of a file that should be weights, under the names that a naming gives them. */
export function weightTensors(
  infos: ReadonlyMap<string, StoredInfo>,
  { naming, prefix }: Detected,
): Map<string, StoredInfo> {
  const tensors = new Map<string, StoredInfo>();
  for (const [full, info] of infos) {
    const name = full.slice(prefix.length);
    const wanted = naming.wanted.get(name);
    if (wanted === undefined && beside.test(name)) continue;
    // Some training code keeps the one number of logit_scale as a list of one.
    const scalar = wanted?.shape.length === 0 && info.shape.length === 1 && info.shape[0] === 1;
    tensors.set(full, scalar ? { ...info, shape: [] } : info);
  }
  return tensors;
}

/** What the file must hold, by the file's own names. */
export function wantedTensors({ naming, prefix }: Detected): Map<string, WantedTensor> {
  return new Map([...naming.wanted].map(([name, tensor]) => [prefix + name, tensor]));
}

export interface DetectOptions {
  /** Try every naming, even behind one that finds every weight. */
  readonly all?: boolean;
  /** Weights that a naming need not have a name for, since the file need not hold them. */
  readonly unnamed?: ReadonlySet<string>;
}

/**
 * The naming that finds most of the weights among a file's tensors; of equals
 * the first of `namingNames`.
 */
export function detectNaming(
  weights: readonly Weight[],
  infos: ReadonlyMap<string, StoredInfo>,
  mapOf: MapOf,
  { all = false, unnamed = new Set() }: DetectOptions = {},
): Detected {
  const tried: (Candidate & { readonly prefix: string })[] = [];
  for (const name of namingNames) {
    const naming = namingOf(weights, name, mapOf, unnamed);
    if (naming === undefined) continue;
    const { prefix, found } = prefixOf([...naming.wanted.keys()], infos);
    tried.push({ naming, found, prefix });
    if (found === naming.wanted.size && !all) break;
  }
  const best = tried.reduce((a, b) => (b.found > a.found ? b : a));
  return { ...best, tried };
}

/** What was looked for: `names tried: openai (302 of 302), open_clip (154 of 302), hf (1 of 398)`. */
export function triedNotes(infos: ReadonlyMap<string, StoredInfo>, detected: Detected): string[] {
  const namings = detected.tried.map(
    ({ naming, found }) => `${naming.name} (${found} of ${naming.wanted.size})`,
  );
  const partial = partialPrefix(infos, detected);
  return [
    `names tried: ${namings.join(', ')}`,
    ...(partial === undefined
      ? []
      : [
          `${partial.found} names are there behind \`${partial.prefix}\`, which is taken off only where all ${infos.size} tensors of a file have it`,
        ]),
  ];
}

interface Part {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

function transpose({ shape, data }: Part): Part {
  const [rows, columns] = shape as [number, number];
  const out = new Float32Array(data.length);
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) out[c * rows + r] = data[r * columns + c]!;
  return { shape: [columns, rows], data: out };
}

/** Parts side by side along an axis. */
function join(parts: readonly Part[], axis: number): Part {
  const [{ shape }] = parts as [Part];
  const inner = shape.slice(axis).reduce((a, b) => a * b, 1);
  const outer = shape.slice(0, axis).reduce((a, b) => a * b, 1);
  const data = new Float32Array(outer * inner * parts.length);
  for (let o = 0; o < outer; o++)
    for (const [i, part] of parts.entries())
      data.set(part.data.subarray(o * inner, (o + 1) * inner), (o * parts.length + i) * inner);
  return { shape: shape.with(axis, shape[axis]! * parts.length), data };
}

/** One weight from its tensors: what the map's transforms did, undone. */
export function undoTransforms({ transforms }: MappedName, tensors: readonly Part[]): Float32Array {
  let parts = tensors;
  for (const transform of [...transforms].reverse())
    parts = transform.kind === 'split' ? [join(parts, transform.axis)] : parts.map(transpose);
  return parts[0]!.data;
}

/** The shape of one weight from those of its tensors. */
export function undoShapes(
  { transforms }: MappedName,
  tensors: readonly (readonly number[])[],
): readonly number[] {
  let shapes = tensors;
  for (const transform of [...transforms].reverse())
    shapes =
      transform.kind === 'split'
        ? [shapes[0]!.with(transform.axis, shapes[0]![transform.axis]! * shapes.length)]
        : shapes.map((shape) => [...shape].reverse());
  return shapes[0]!;
}
