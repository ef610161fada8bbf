/** Writes of any size to buffers, in pieces, such that the driver's copies of them do not pile up. */
import type { HostArray } from '../types.ts';

/** Largest single upload and readback: bounds the driver's staging memory. */
export const chunkBytes = 32 * 2 ** 20;
/** Bytes of uploads after which the queue is told to start, so that the driver frees its copies. */
const bytesPerSubmit = 2 * chunkBytes;

export class Uploads {
  readonly #queue: GPUQueue;
  /** Bytes since the queue was last told to start. */
  #waiting = 0;

  constructor(queue: GPUQueue) {
    this.#queue = queue;
  }

  /** The queue was told to start. */
  submitted(): void {
    this.#waiting = 0;
  }

  /** @param offset in bytes */
  write(buffer: GPUBuffer, offset: number, data: HostArray): void {
    // WebGPU does not take views of shared memory.
    const own = data.buffer instanceof ArrayBuffer ? data : data.slice();
    const step = chunkBytes / 4;
    for (let at = 0; at < own.length; at += step) {
      const part = own.subarray(at, Math.min(own.length, at + step)) as Float32Array<ArrayBuffer>;
      this.#queue.writeBuffer(buffer, offset + at * 4, part);
      this.#waiting += part.byteLength;
      if (this.#waiting < bytesPerSubmit) continue;
      this.#queue.submit([]);
      this.submitted();
    }
  }
}
