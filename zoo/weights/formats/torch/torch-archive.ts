/**
 * Writes tensors as `torch.save(state_dict)` does: a zip archive with a pickle and one
 * stored entry per tensor.
 *
 * Entries are written as a stream, one tensor at a time, in zip64 where sizes need it. `torch.save` pads its
 * entries so that data begins at multiples of 64; the zip library has no such padding, and `torch.load`
 * needs none: it finds data through each entry's header and copies it into memory of its own. The same
 * tensors give the same bytes.
 */
import { type PassThrough, Readable } from 'node:stream';
import { ZipFile } from 'yazl';
import { writeAtomically, writeFully } from '../../../../runtime/data/files/atomic.ts';
import { elementBytes, elementCount, encodeTensor } from '../safetensors.ts';
import type { LazyTensor } from '../tensor-file.ts';
import { pickleStateDict } from './pickle-writer.ts';

/** Version of the format that PyTorch has written since 1.6. */
const formatVersion = '3\n';
/** Stored, and with a fixed time: the oldest that zip knows. */
const entry = { compress: false, mtime: new Date(1980, 0, 1), forceDosTimestamp: true } as const;

async function* encoded({ name, dtype, shape, data }: LazyTensor): AsyncGenerator<Buffer> {
  const bytes = encodeTensor(name, { dtype, shape, data: await data() });
  yield Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/**
 * Writes the file atomically.
 * @param tensors in the order of the state_dict
 * @throws DiagnosticError Z413 when it cannot be written; whatever `data` throws
 */
export async function writeTorchArchive(path: string, tensors: readonly LazyTensor[]): Promise<void> {
  await writeAtomically(path, async (file) => {
    const zip = new ZipFile();
    const output = zip.outputStream as PassThrough;
    const stop = (error: Error) => output.destroy(error);
    zip.on('error', stop);
    // The first entry's folder names the archive to PyTorch.
    zip.addBuffer(pickleStateDict(tensors), 'archive/data.pkl', entry);
    zip.addBuffer(Buffer.from('little'), 'archive/byteorder', entry);
    for (const [i, tensor] of tensors.entries()) {
      const size = elementCount(tensor.shape) * elementBytes[tensor.dtype];
      zip.addReadStreamLazy(`archive/data/${i}`, { ...entry, size }, (ready) =>
        ready(null, Readable.from(encoded(tensor)).on('error', stop)),
      );
    }
    zip.addBuffer(Buffer.from(formatVersion), 'archive/version', entry);
    zip.end();
    for await (const chunk of output as AsyncIterable<Buffer>) await writeFully(file, chunk);
  });
}
