/**
 * Writes PyTorch checkpoints after the published layout (`torch/serialization.py`, TorchScript's
 * `serialization.md`): `torch.save` of a state_dict or of a dict around it, and TorchScript's module objects.
 */
import {
  encodeTensor,
  type SafetensorsDType,
  type Tensor,
} from '../../../runtime/data/safetensors/tensors.ts';
import { PickleWriter, type Py } from './pickle-writer.ts';
import { writeZip, type ZipEntryToWrite } from './zip-writer.ts';

const storageNames: Partial<Record<SafetensorsDType, string>> = {
  F32: 'FloatStorage',
  F16: 'HalfStorage',
  BF16: 'BFloat16Storage',
  F64: 'DoubleStorage',
  I64: 'LongStorage',
  I32: 'IntStorage',
};

/** A view of a storage, as `_rebuild_tensor_v2` takes it. */
export function tensorOn(
  dtype: SafetensorsDType,
  key: string,
  elements: number,
  shape: readonly number[],
  strides = denseStrides(shape),
  offset = 0,
): Py {
  return {
    call: 'torch._utils _rebuild_tensor_v2',
    args: [
      {
        persistent: { tuple: ['storage', { global: `torch ${storageNames[dtype]}` }, key, 'cpu', elements] },
      },
      offset,
      { tuple: shape },
      { tuple: strides },
      false,
      { ordered: [] },
    ],
  };
}

export function denseStrides(shape: readonly number[]): number[] {
  return shape.map((_, axis) => shape.slice(axis + 1).reduce((a, b) => a * b, 1));
}

/** The archive around a pickle and its storages. */
export function archive(
  pickle: Uint8Array,
  storages: ReadonlyMap<string, Uint8Array>,
  more: readonly ZipEntryToWrite[] = [],
): Uint8Array {
  return writeZip([
    { name: 'archive/data.pkl', data: pickle },
    { name: 'archive/byteorder', data: Buffer.from('little') },
    ...[...storages].map(([key, data]) => ({ name: `archive/data/${key}`, data })),
    { name: 'archive/version', data: Buffer.from('3\n') },
    ...more,
  ]);
}

export type Layout = 'state_dict' | 'checkpoint' | 'script';

interface Branch extends Map<string, Branch | Py> {}

/** `a.b.c` as attributes of nested modules, each with what every module has beside them. */
function moduleTree(tensors: ReadonlyMap<string, Py>): Py {
  const root: Branch = new Map();
  for (const [path, tensor] of tensors) {
    const parts = path.split('.');
    const last = parts.pop()!;
    let at = root;
    for (const part of parts) {
      if (!at.has(part)) at.set(part, new Map());
      at = at.get(part) as Branch;
    }
    at.set(last, tensor);
  }
  const module = (branch: Branch, name: string): Py => ({
    object: `__torch__.multimodal.${name} Module`,
    state: [
      ['training', true],
      ['_is_full_backward_hook', null],
      ['sizes', { call: 'torch.jit._pickle build_intlist', args: [{ list: [1, 2] }] }],
      ...[...branch].map(([key, value]): [Py, Py] => [
        key,
        value instanceof Map ? module(value, `m${key}`) : value,
      ]),
    ],
  });
  return module(root, 'model');
}

/** A checkpoint with one storage per tensor. */
export function torchFile(
  tensors: ReadonlyMap<string, Tensor>,
  layout: Layout = 'state_dict',
  protocol: 2 | 4 = 2,
): Uint8Array {
  const storages = new Map<string, Uint8Array>();
  const values = new Map<string, Py>();
  for (const [name, tensor] of tensors) {
    const key = String(storages.size);
    storages.set(key, encodeTensor(name, tensor));
    const view = tensorOn(tensor.dtype, key, tensor.data.length, tensor.shape);
    // Half of them as parameters, as a model that was not detached has them.
    const parameter = layout === 'checkpoint' && storages.size % 2 === 0;
    values.set(
      name,
      parameter ? { call: 'torch._utils _rebuild_parameter', args: [view, true, { ordered: [] }] } : view,
    );
  }
  if (layout === 'script') {
    const code = {
      name: 'archive/code/__torch__/multimodal.py',
      data: Buffer.from('pass\n'.repeat(99)),
      deflate: true,
    };
    return archive(PickleWriter.write(moduleTree(values)), storages, [code]);
  }
  const state: Py = {
    ordered: [...values],
    state: { dict: [['_metadata', { ordered: [['', { dict: [['version', 1]] }]] }]] },
  };
  const whole: Py =
    layout === 'state_dict'
      ? state
      : {
          dict: [
            ['epoch', 32],
            ['name', 'run'],
            ['lr', 5e-4],
            ['steps', 2 ** 40],
            ['state_dict', state],
          ],
        };
  return archive(PickleWriter.write(whole, protocol), storages);
}
