/**
 * Writes the pickle (protocol 2) of a PyTorch state_dict: an OrderedDict from names to tensors
 * whose storages lie beside it.
 *
 * Only what that takes is here: it is the same code that `torch.save` writes, so `torch.load` reads it also
 * with `weights_only=True`, which knows no more. Opcodes: Python's `pickletools`; the form of a tensor
 * (`_rebuild_tensor_v2` over a persistent id `("storage", type, key, "cpu", elements)`): torch/_utils.py
 * and torch/serialization.py.
 */

import type { StoredInfo } from '../tensor-file.ts';
import { opcodes } from './pickle-opcodes.ts';
import { storages } from './torch-pickle.ts';

/** Names of storage classes by element type: the reader's table, read the other way. */
const storageOf = new Map(Object.entries(storages).map(([name, dtype]) => [dtype, name]));

class PickleWriter {
  readonly #chunks: Buffer[] = [];
  /** Globals that were written before, by text: Python's own pickler refers back to them, too. */
  readonly #memo = new Map<string, number>();

  op(...bytes: number[]): void {
    this.#chunks.push(Buffer.from(bytes));
  }

  text(text: string): void {
    const utf8 = Buffer.from(text, 'utf8');
    const length = Buffer.alloc(4);
    length.writeUInt32LE(utf8.length);
    this.op(opcodes.BINUNICODE);
    this.#chunks.push(length, utf8);
  }

  int(value: number): void {
    if (value < 0x100) this.op(opcodes.BININT1, value);
    else if (value < 0x10000) this.op(opcodes.BININT2, value & 0xff, value >> 8);
    else if (value < 0x80000000) {
      const bytes = Buffer.alloc(4);
      bytes.writeInt32LE(value);
      this.op(opcodes.BININT, ...bytes);
    } else {
      // Little-endian two's complement; eight bytes hold every whole number of JavaScript.
      const bytes = Buffer.alloc(8);
      bytes.writeBigInt64LE(BigInt(value));
      this.op(opcodes.LONG1, 8, ...bytes);
    }
  }

  /** @param path module and name: `torch.FloatStorage` */
  global(path: string): void {
    const dot = path.lastIndexOf('.');
    const text = `${path.slice(0, dot)}\n${path.slice(dot + 1)}\n`;
    const known = this.#memo.get(text);
    if (known !== undefined) {
      this.op(opcodes.BINGET, known);
      return;
    }
    this.op(opcodes.GLOBAL);
    this.#chunks.push(Buffer.from(text));
    this.op(opcodes.BINPUT, this.#memo.size);
    this.#memo.set(text, this.#memo.size);
  }

  ints(values: readonly number[]): void {
    if (values.length === 0) this.op(opcodes.EMPTY_TUPLE);
    else
      this.tuple(() => {
        for (const value of values) this.int(value);
      });
  }

  tuple(items: () => void): void {
    this.op(opcodes.MARK);
    items();
    this.op(opcodes.TUPLE);
  }

  /** `OrderedDict()` */
  orderedDict(): void {
    this.global('collections.OrderedDict');
    this.op(opcodes.EMPTY_TUPLE, opcodes.REDUCE);
  }

  bytes(): Buffer {
    return Buffer.concat(this.#chunks);
  }
}

/** A tensor as far as a pickle describes it. */
type PickledTensor = StoredInfo & { readonly name: string };

/** Row-major strides, in elements. */
function stridesOf(shape: readonly number[]): number[] {
  return shape.map((_, axis) => shape.slice(axis + 1).reduce((a, b) => a * b, 1));
}

function writeTensor(writer: PickleWriter, tensor: PickledTensor, key: string): void {
  const storage = storageOf.get(tensor.dtype);
  if (storage === undefined) throw new Error(`${tensor.name}: PyTorch has no storage for ${tensor.dtype}`);
  writer.global('torch._utils._rebuild_tensor_v2');
  writer.tuple(() => {
    writer.tuple(() => {
      writer.text('storage');
      writer.global(storage);
      writer.text(key);
      writer.text('cpu');
      writer.int(tensor.shape.reduce((a, b) => a * b, 1));
    });
    writer.op(opcodes.BINPERSID);
    writer.int(0); // offset in the storage
    writer.ints(tensor.shape);
    writer.ints(stridesOf(tensor.shape));
    writer.op(opcodes.NEWFALSE); // requires_grad
    writer.orderedDict(); // backward hooks
  });
  writer.op(opcodes.REDUCE);
}

/** The pickle of a state_dict; the storage of tensor `i` has the key `String(i)`. */
export function pickleStateDict(tensors: readonly PickledTensor[]): Buffer {
  const writer = new PickleWriter();
  writer.op(opcodes.PROTO, 2);
  writer.orderedDict();
  writer.op(opcodes.MARK);
  for (const [i, tensor] of tensors.entries()) {
    writer.text(tensor.name);
    writeTensor(writer, tensor, String(i));
  }
  writer.op(opcodes.SETITEMS, opcodes.STOP);
  return writer.bytes();
}
