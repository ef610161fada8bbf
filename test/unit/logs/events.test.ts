/**
 * Event files, bit for bit: what TensorBoard's own messages give for the same values (written by its Python package,
 * 2.21, in the order of fields), checksums by the definition, and `protoc` where it is installed.
 */
import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import {
  fileVersion,
  hparamsEnd,
  hparamsStart,
  image,
  scalar,
  sessionStart,
  summary,
  text,
} from '../../../runtime/train/node/tensorboard/events.ts';
import { frame } from '../../../runtime/train/node/tensorboard/records.ts';
import { plainCrc32c, recordsOf } from '../../support/files/event-reader.ts';
import { skipFor } from '../../support/needs.ts';

const png = Uint8Array.of(0x89, 0x50, 0x4e, 0x47);

const cases: readonly (readonly [name: string, event: Uint8Array, record: string])[] = [
  [
    'the first event of a file',
    fileVersion(1.5),
    '1800000000000000a37f4b2209000000000000f83f1a0d627261696e2e4576656e743a322a28646c',
  ],
  [
    'a session that begins at step 7',
    sessionStart(2, 7),
    '0f000000000000006d532b0909000000000000004010073a020801d1715dcb',
  ],
  [
    'two scalars of step 300',
    summary(2, 300, [scalar('train/loss', 0.25), scalar('lr/a.** x0.1', -1)]),
    '36000000000000004f578cef09000000000000004010ac022a280a110a0a747261696e2f6c6f7373150000803e0a130a0c6c722f612e2a2a2078302e3115000080bf9983e40d',
  ],
  [
    'a picture with a name and words beside it',
    summary(2, 0, [image('p/0', { png, width: 2, height: 1 }, 'n', 'é')]),
    '290000000000000037ff5f000900000000000000402a1e0a1c0a03702f30220c080110021803220489504e474a0712016e1a02c3a94bb66a73',
  ],
  [
    'a text',
    summary(2, 1, [text('r', '# hi')]),
    '39000000000000008b0737f109000000000000004010012a2c0a2a0a0e722f746578745f73756d6d617279420e08071204120208014204232068694a080a060a0474657874181cb64c',
  ],
  [
    'a number that the run was made with',
    summary(2, 0, [hparamsStart({ lr: 0.5 }, 2)]),
    '5e00000000000000d8b06ebc0900000000000000402a530a510a1c5f68706172616d735f2f73657373696f6e5f73746172745f696e666f42060801120212004a290a270a0768706172616d73121c1a1a0a0f0a026c72120911000000000000e03f29000000000000004046b35b64',
  ],
  [
    'a word that the run was made with',
    summary(2, 0, [hparamsStart({ data: 'csv' }, 2)]),
    '5c00000000000000c9cdf98f0900000000000000402a510a4f0a1c5f68706172616d735f2f73657373696f6e5f73746172745f696e666f42060801120212004a270a250a0768706172616d73121a1a180a0d0a046461746112051a03637376290000000000000040faa49de7',
  ],
  [
    'the end of a run',
    summary(9, 4, [hparamsEnd(9)]),
    '4f000000000000006c474f9309000000000000224010042a420a400a1a5f68706172616d735f2f73657373696f6e5f656e645f696e666f42060801120212004a1a0a180a0768706172616d73120d220b0801110000000000002240dc0e8f68',
  ],
];

describe('event files', () => {
  it.each(cases)('write %s as TensorBoard does', (_, event, record) => {
    expect(Buffer.from(frame(event)).toString('hex')).toBe(record);
  });

  it('have the checksum of RFC 3720, masked', () => {
    // Section B.4: 32 bytes of zeros, of ones, 0 to 31.
    expect(plainCrc32c(new Uint8Array(32))).toBe(0x8a9136aa);
    expect(plainCrc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43);
    expect(plainCrc32c(Uint8Array.from({ length: 32 }, (_, i) => i))).toBe(0x46dd794e);
    for (const content of [new Uint8Array(), Uint8Array.of(0), Buffer.from('zooc'.repeat(100))])
      expect(recordsOf(frame(content))).toEqual([Uint8Array.from(content)]);
  });

  it('show a torn or damaged record', () => {
    const record = frame(fileVersion(1));
    expect(() => recordsOf(record.subarray(0, 20))).toThrow('cut');
    for (const at of [3, 9, 15, record.length - 1]) {
      const damaged = record.slice();
      damaged[at]! ^= 1;
      expect(() => recordsOf(damaged), `byte ${at}`).toThrow(/wrong|cut/);
    }
  });

  const found = spawnSync('protoc', ['--version']).status === 0;
  const protoc = found ? 'protoc' : skipFor('protoc is not installed (Debian: protobuf-compiler)');
  it.skipIf(protoc === undefined)('are messages that protoc reads', () => {
    for (const [name, event] of cases) {
      const { status, stdout, stderr } = spawnSync('protoc', ['--decode_raw'], { input: event });
      expect(status, `${name}: ${stderr}`).toBe(0);
      expect(stdout.toString()).toMatch(/^1: 0x/);
    }
    const { stdout } = spawnSync('protoc', ['--decode_raw'], { input: cases[2]![1] });
    expect(stdout.toString()).toBe(
      '1: 0x4000000000000000\n2: 300\n5 {\n  1 {\n    1: "train/loss"\n    2: 0x3e800000\n  }\n  1 {\n    1: "lr/a.** x0.1"\n    2: 0xbf800000\n  }\n}\n',
    );
  });
});
