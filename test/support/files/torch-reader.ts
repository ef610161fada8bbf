/**
 * Reads the zip and the pickle of a PyTorch checkpoint, far enough to check what an export wrote: a witness
 * that shares no code with the writer or the importer. Formats: PKWARE's APPNOTE.TXT, Python's `pickletools`.
 */

export interface StoredTensor {
  readonly storage: string;
  readonly shape: readonly number[];
  readonly stride: readonly number[];
  readonly bytes: Buffer;
}

export interface ZipEntry {
  readonly name: string;
  readonly method: number;
  readonly crc: number;
  readonly bytes: Buffer;
}

/** Entries by the central directory, in its order. */
export function readZip(file: Buffer): ZipEntry[] {
  const end = file.lastIndexOf(Buffer.from('PK\x05\x06', 'latin1'));
  const count = file.readUInt16LE(end + 10);
  const entries: ZipEntry[] = [];
  let at = file.readUInt32LE(end + 16);
  for (let i = 0; i < count; i++) {
    const [size, nameLength] = [file.readUInt32LE(at + 20), file.readUInt16LE(at + 28)];
    const local = file.readUInt32LE(at + 42);
    const data = local + 30 + file.readUInt16LE(local + 26) + file.readUInt16LE(local + 28);
    entries.push({
      name: file.toString('utf8', at + 46, at + 46 + nameLength),
      method: file.readUInt16LE(at + 10),
      crc: file.readUInt32LE(at + 16),
      bytes: file.subarray(data, data + size),
    });
    at += 46 + nameLength + file.readUInt16LE(at + 30) + file.readUInt16LE(at + 32);
  }
  return entries;
}

const mark = Symbol('mark');

/**
 * Values: numbers, strings, `false`, arrays for tuples, `{ call, args }` for REDUCE, `{ global }`, `{
 * persistent }`, Map.
 */
// biome-ignore lint/suspicious/noExplicitAny: pickles hold anything
export function unpickle(code: Buffer): any {
  // biome-ignore lint/suspicious/noExplicitAny: pickles hold anything
  const stack: any[] = [];
  // biome-ignore lint/suspicious/noExplicitAny: pickles hold anything
  const memo = new Map<number, any>();
  const toMark = () => stack.splice(stack.lastIndexOf(mark)).slice(1);
  let at = 0;
  const line = () => {
    const next = code.indexOf(10, at);
    const text = code.toString('utf8', at, next);
    at = next + 1;
    return text;
  };
  for (;;) {
    const op = String.fromCharCode(code[at++]!);
    if (op === '.') return stack.pop();
    if (op === '\x80') at++;
    else if (op === 'c') stack.push({ global: `${line()}.${line()}` });
    else if (op === 'q') memo.set(code[at++]!, stack.at(-1));
    else if (op === 'h') stack.push(memo.get(code[at++]!));
    else if (op === '(') stack.push(mark);
    else if (op === ')') stack.push([]);
    else if (op === 't') stack.push(toMark());
    else if (op === '\x89') stack.push(false);
    else if (op === 'K') stack.push(code[at++]);
    else if (op === 'M') [stack[stack.length], at] = [code.readUInt16LE(at), at + 2];
    else if (op === 'J') [stack[stack.length], at] = [code.readInt32LE(at), at + 4];
    else if (op === '\x8a') {
      const length = code[at]!;
      if (length !== 8) throw new Error(`LONG1 of ${length} bytes`);
      [stack[stack.length], at] = [Number(code.readBigInt64LE(at + 1)), at + 1 + length];
    } else if (op === 'X') {
      const length = code.readUInt32LE(at);
      stack.push(code.toString('utf8', at + 4, at + 4 + length));
      at += 4 + length;
    } else if (op === 'Q') stack.push({ persistent: stack.pop() });
    else if (op === 'R') {
      const args = stack.pop();
      const call = stack.pop().global;
      stack.push(call === 'collections.OrderedDict' ? new Map() : { call, args });
    } else if (op === 'u') {
      const items = toMark();
      for (let i = 0; i < items.length; i += 2) stack.at(-1).set(items[i], items[i + 1]);
    } else throw new Error(`opcode ${op.charCodeAt(0).toString(16)} at ${at - 1}`);
  }
}

/** The tensors of a checkpoint in the order of its state_dict. */
export function readTorch(file: Buffer): Map<string, StoredTensor> {
  const entries = new Map(readZip(file).map((entry) => [entry.name, entry.bytes]));
  const tensors = new Map<string, StoredTensor>();
  for (const [name, { call, args }] of unpickle(entries.get('archive/data.pkl')!)) {
    const [storage, offset, shape, stride, requiresGrad, hooks] = args;
    const [kind, type, key, place, elements] = storage.persistent;
    const bytes = entries.get(`archive/data/${key}`)!;
    const plain = [call, kind, place, offset, requiresGrad, hooks.size].join();
    if (plain !== 'torch._utils._rebuild_tensor_v2,storage,cpu,0,false,0')
      throw new Error(`${name}: ${plain}`);
    const width = { LongStorage: 8, FloatStorage: 4, HalfStorage: 2, BFloat16Storage: 2 }[
      type.global.slice('torch.'.length) as string
    ];
    if (bytes.length !== elements * width!)
      throw new Error(`${name}: ${elements} elements, ${bytes.length} bytes`);
    tensors.set(name, { storage: type.global, shape, stride, bytes });
  }
  return tensors;
}
