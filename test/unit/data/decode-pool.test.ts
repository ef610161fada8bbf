/** The decoder's threads and the process that they belong to, which must not end while it waits for them. */
import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { compact } from '../../../runtime/data/pictures/decode.ts';

const module = new URL('../../../runtime/data/pictures/decode.ts', import.meta.url).href;

describe('a pool of decoders', () => {
  it('sends no more of memory than a picture takes', () => {
    const memory = Uint8Array.from({ length: 1000 }, (_, i) => i);
    const sent = compact({ bytes: memory.subarray(100, 103), name: 'a' });
    const bytes = (sent as { bytes: Uint8Array }).bytes;
    expect([...bytes, bytes.buffer.byteLength]).toEqual([100, 101, 102, 3]);
    expect(compact({ bytes: memory, name: 'b' })).toMatchObject({ bytes: memory });
  });

  it('closes with answers on their way, and the process goes on behind it', () => {
    // The main thread stands still until the answers wait for it, and closes before it looks at any.
    const program = `
      import { DecodePool } from '${module}';
      const pool = new DecodePool({ size: 8 }, 2);
      const decode = () => pool.decode('/no/such/picture').catch((error) => ({ reason: error.message }));
      await Promise.all([decode(), decode()]);
      const late = Array.from({ length: 8 }, decode);
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300);
      await pool.close();
      console.log((await Promise.all(late)).map(({ reason }) => reason).join());`;
    const args = ['--import', 'tsx', '--input-type=module', '--eval', program];
    const { stdout, stderr, status } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    const closed = Array.from({ length: 8 }, () => 'the decoder was closed').join();
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: `${closed}\n`, stderr: '' });
  });
});
