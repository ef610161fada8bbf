/**
 * What `torch.save` and TorchScript put into a pickle, as plain descriptions: which tensors there are, and
 * where in which storage each lies. No value of a tensor is touched here.
 *
 * The list of globals is what weights need: tensors, parameters, storages, ordered dicts, and
 * TorchScript's modules (classes under `__torch__`), whose attributes are the weights. Everything else
 * is a foreign object to `pickle.ts`: it may stand beside the weights, as training tools leave their settings, and
 * is never run.
 */
import type { SafetensorsDType } from '../../../../runtime/data/safetensors/header.ts';
import {
  describePickle,
  isForeign,
  isKind,
  type PickleDict,
  type PickleHost,
  type PickleValue,
  type Refuse,
} from './pickle-values.ts';

/** A view into a storage, in elements. */
export interface StoredTensor {
  readonly dtype: SafetensorsDType;
  /** The storage's name in the archive. */
  readonly storage: string;
  readonly storageElements: number;
  readonly offset: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
}

/** Storage classes by name. */
export const storages: Readonly<Record<string, SafetensorsDType>> = {
  'torch.FloatStorage': 'F32',
  'torch.HalfStorage': 'F16',
  'torch.BFloat16Storage': 'BF16',
  'torch.DoubleStorage': 'F64',
  'torch.LongStorage': 'I64',
  'torch.IntStorage': 'I32',
  'torch.ShortStorage': 'I16',
  'torch.CharStorage': 'I8',
  'torch.ByteStorage': 'U8',
  'torch.BoolStorage': 'BOOL',
};

/** Calls by the name of their global. */
const calls: Readonly<Record<string, (args: readonly PickleValue[], refuse: Refuse) => PickleValue>> = {
  'torch._utils._rebuild_tensor_v2': rebuildTensor,
  'torch._utils._rebuild_parameter': parameter,
  'torch._utils._rebuild_parameter_with_state': parameter,
  'torch._tensor._rebuild_from_type_v2': subclass,
  'collections.OrderedDict': orderedDict,
  'torch.device': () => ({ kind: 'made', what: 'a device', value: undefined }),
  'torch.Size': () => ({ kind: 'made', what: 'a size', value: undefined }),
  'torch.jit._pickle.build_intlist': first,
  'torch.jit._pickle.build_doublelist': first,
  'torch.jit._pickle.build_boollist': first,
  'torch.jit._pickle.build_tensorlist': first,
  'torch.jit._pickle.restore_type_tag': first,
};

/** Names of element types: an optimizer's state may hold them. */
const plain = new Set(
  ['float64', 'float32', 'float16', 'bfloat16', 'int64', 'int32', 'bool'].map((t) => `torch.${t}`),
);

const maxRank = 32;

function parameter([data = null]: readonly PickleValue[], refuse: Refuse): PickleValue {
  if (asTensor(data) === undefined && !isForeign(data)) refuse(`a parameter of ${describePickle(data)}`);
  return data;
}

/** A tensor with attributes: the function that makes it, its class, and what the function is given. */
function subclass([make = null, , args = null]: readonly PickleValue[], refuse: Refuse): PickleValue {
  const isTensor = isKind(make, 'global') && make.name === 'torch._utils._rebuild_tensor_v2';
  if (!isTensor || !isKind(args, 'tuple')) return { kind: 'foreign', what: describePickle(make) };
  return rebuildTensor(args.items, refuse);
}

function first([value = null]: readonly PickleValue[]): PickleValue {
  return value;
}

/** `OrderedDict()` or, as Python 2 wrote it, `OrderedDict([[key, value], ...])`. */
function orderedDict([pairs]: readonly PickleValue[], refuse: Refuse): PickleValue {
  const entries = new Map<string, PickleValue>();
  if (pairs === undefined) return { kind: 'dict', entries, depth: 1 };
  if (!isKind(pairs, 'list')) return refuse(`an OrderedDict of ${describePickle(pairs)}`);
  for (const pair of pairs.items) {
    const [key, value] = isKind(pair, 'list') || isKind(pair, 'tuple') ? pair.items : [];
    if (typeof key !== 'string' || value === undefined) return refuse('an OrderedDict without pairs');
    entries.set(key, value);
  }
  return { kind: 'dict', entries, depth: pairs.depth };
}

/** What a persistent id says of a storage. */
export interface Storage {
  readonly dtype: SafetensorsDType;
  readonly key: string;
  readonly elements: number;
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

/**
 * `('storage', torch.FloatStorage, '0', 'cpu', 1024)`; the layout from before version 1.6 has a sixth part, a
 * view of the storage, which PyTorch itself left empty, and names classes of modules as
 * `('module', class, file, source)`.
 */
function persistent(id: PickleValue, refuse: Refuse): PickleValue {
  const items = isKind(id, 'tuple') ? id.items : [];
  const [word, type, key, , elements, view = null] = items;
  if (word === 'module' && items.length === 4 && isKind(type, 'global')) return type;
  const dtype = isKind(type, 'global') ? storages[type.name] : undefined;
  const parts = items.length === 5 || items.length === 6;
  if (!parts || word !== 'storage' || dtype === undefined || typeof key !== 'string' || view !== null)
    return refuse('a persistent id that is not that of a storage');
  if (!isCount(elements)) return refuse(`a storage of ${describePickle(elements ?? null)} elements`);
  const value: Storage = { dtype, key, elements };
  return { kind: 'made', what: 'a storage', value };
}

function counts(value: PickleValue | undefined, what: string, refuse: Refuse): number[] {
  if (!isKind(value, 'tuple') || !value.items.every(isCount))
    return refuse(`the ${what} of a tensor must be a tuple of whole numbers from 0 up`);
  if (value.items.length > maxRank) return refuse(`a tensor with ${value.items.length} axes`);
  return value.items as number[];
}

/** Reading a tensor must not take more memory than its storage: no element may be used twice. */
function checkView(tensor: StoredTensor, refuse: Refuse): void {
  const { shape, strides, offset, storageElements } = tensor;
  if (strides.length !== shape.length)
    refuse(`a tensor with ${shape.length} axes and ${strides.length} strides`);
  const elements = shape.reduce((a, b) => a * b, 1);
  if (elements === 0) return;
  const last = shape.reduce((at, n, i) => at + (n - 1) * strides[i]!, offset);
  if (!(last < storageElements))
    refuse(
      `a tensor reaches element ${last} of a storage with ${storageElements} (shape [${shape.join(', ')}], strides [${strides.join(', ')}], offset ${offset})`,
    );
  if (elements > storageElements)
    refuse(`a tensor [${shape.join(', ')}] on a storage of ${storageElements} elements`);
}

function rebuildTensor(args: readonly PickleValue[], refuse: Refuse): PickleValue {
  const [from, offset, size, stride] = args;
  const metadata = args[6] ?? null;
  if (args.length < 6 || args.length > 7) return refuse(`a tensor of ${args.length} arguments`);
  if (!isKind(from, 'made') || from.what !== 'a storage')
    return refuse(`a tensor on ${describePickle(from ?? null)}`);
  if (!isCount(offset)) return refuse(`a tensor at ${describePickle(offset ?? null)}`);
  if (metadata !== null && !(isKind(metadata, 'dict') && metadata.entries.size === 0))
    return refuse('a tensor with conjugate or negative bit');
  const { dtype, key, elements } = from.value as Storage;
  const tensor: StoredTensor = {
    dtype,
    storage: key,
    storageElements: elements,
    offset,
    shape: counts(size, 'shape', refuse),
    strides: counts(stride, 'strides', refuse),
  };
  checkView(tensor, refuse);
  return { kind: 'made', what: 'a tensor', value: tensor };
}

/** What weights may ask for. */
export const torchHost: PickleHost = {
  knows: (name) =>
    Object.hasOwn(calls, name) || Object.hasOwn(storages, name) || plain.has(name) || isModule(name),
  constructs: isModule,
  persistent,
  call: (name, args, refuse) =>
    Object.hasOwn(calls, name) ? calls[name]!(args, refuse) : refuse(`a call of ${name}`),
};

function isModule(name: string): boolean {
  return name.startsWith('__torch__.');
}

/** The tensor that a value is, if it is one. */
function asTensor(value: PickleValue): StoredTensor | undefined {
  return isKind(value, 'made') && value.what === 'a tensor' ? (value.value as StoredTensor) : undefined;
}

// ── state ──────────────────────────────────────────────────────────────────────────────────────────────────

const maxModuleDepth = 64;
const maxTensors = 100_000;
const maxName = 1000;

function checkName(name: string, refuse: Refuse): void {
  if (name.length > maxName) refuse(`a name of ${name.length} characters`);
}

/** Tensors of a TorchScript module by their paths. A module that stands at many places counts at each. */
function moduleTensors(root: PickleValue, refuse: Refuse): Map<string, StoredTensor> {
  const tensors = new Map<string, StoredTensor>();
  let visited = 0;
  const visit = (value: PickleValue, path: string, depth: number): void => {
    if (!isKind(value, 'object')) return;
    if (depth > maxModuleDepth) refuse(`modules nest deeper than ${maxModuleDepth} levels`);
    for (const [key, child] of value.state?.entries ?? []) {
      if (++visited > maxTensors)
        refuse(`more than ${maxTensors.toLocaleString('en-US')} attributes of modules`);
      const name = path === '' ? String(key) : `${path}.${String(key)}`;
      checkName(name, refuse);
      const tensor = asTensor(child);
      if (tensor !== undefined) tensors.set(name, tensor);
      else visit(child, name, depth + 1);
    }
  };
  visit(root, '', 0);
  return tensors;
}

/** Where training tools keep a state_dict in their checkpoint, the first that is there is meant. */
const wrappers = ['state_dict', 'model_state_dict', 'model', 'module', 'net', 'network', 'weights'] as const;
const maxWrappers = 4;

/** The tensors of a checkpoint. */
export interface State {
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  /** Where in the checkpoint they are: `model.state_dict`, or nothing. */
  readonly place: readonly string[];
}

function hasTensors(value: PickleValue): boolean {
  return isKind(value, 'dict') && [...value.entries.values()].some((v) => asTensor(v) !== undefined);
}

/** What a checkpoint keeps its weights under; undefined where they are its own entries. */
function wrapperOf({ entries }: PickleDict): string | undefined {
  const known = wrappers.find((name) => isKind(entries.get(name) ?? null, 'dict'));
  if (known !== undefined) return known;
  const holding = [...entries].filter(([, value]) => hasTensors(value)).map(([key]) => String(key));
  const own = [...entries.values()].some((value) => asTensor(value) !== undefined);
  return own || holding.length !== 1 ? undefined : holding[0];
}

/**
 * The tensors of a checkpoint by name: a state_dict, one in a dict as training tools save it, or a TorchScript
 * module.
 */
export function stateTensors(root: PickleValue, refuse: Refuse): State {
  if (isKind(root, 'object')) return { tensors: moduleTensors(root, refuse), place: [] };
  if (!isKind(root, 'dict')) return refuse(`${describePickle(root)} where a state_dict belongs`);
  let dict = root;
  const place: string[] = [];
  for (let name = wrapperOf(dict); name !== undefined && place.length < maxWrappers; name = wrapperOf(dict)) {
    place.push(name);
    dict = dict.entries.get(name) as PickleDict;
  }
  const tensors = dictTensors(dict, refuse);
  if (tensors.size > 0) return { tensors, place };
  return refuse(`a dict without tensors or state_dict; its keys: ${keysOf(dict.entries)}`);
}

function dictTensors({ entries }: PickleDict, refuse: Refuse): Map<string, StoredTensor> {
  const tensors = new Map<string, StoredTensor>();
  for (const [key, value] of entries) {
    // What PyTorch makes tensors by and is not read here (sparse, quantised) must not pass for a missing one.
    if (isForeign(value) && value.what.startsWith('torch.'))
      refuse(`${JSON.stringify(String(key).slice(0, 100))} made by ${value.what}, which is not read`);
    const tensor = asTensor(value);
    if (tensor === undefined) continue;
    checkName(String(key), refuse);
    tensors.set(String(key), tensor);
  }
  return tensors;
}

function keysOf(dict: ReadonlyMap<unknown, unknown>): string {
  const keys = [...dict.keys()].slice(0, 8).map((key) => String(key).slice(0, 60));
  return keys.length === 0 ? 'none' : keys.join(', ') + (dict.size > keys.length ? ', ...' : '');
}
