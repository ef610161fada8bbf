/** What is found in tar archives: the samples that webdataset finds in those that tarfile and GNU tar wrote. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { Grouping, parseMember } from '../../../../runtime/data/sources/shards/members.ts';
import { walkTar, withReader } from '../../../../runtime/data/sources/shards/tar-headers.ts';
import { writeTar } from '../../../support/files/tar.ts';

const fixtures = new URL('../../../fixtures/shards/', import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), 'zooc-members-'));
afterAll(() => rmSync(folder, { recursive: true }));

interface Sample {
  readonly key: string;
  readonly members: Readonly<Record<string, string>>;
}

async function samplesIn(path: string) {
  const grouping = new Grouping<string>();
  const samples: Sample[] = [];
  const add = (found: ReturnType<typeof grouping.end>) => {
    if (found !== undefined) samples.push({ key: found.key, members: Object.fromEntries(found.members) });
  };
  let error = '';
  try {
    await withReader(path, async (reader) => {
      for await (const { name, offset, size } of walkTar(reader)) {
        const content = Buffer.from(await reader.read(offset, size)).toString();
        const parsed = parseMember(name);
        if (parsed !== undefined) add(grouping.add(parsed, content));
      }
    });
  } catch (failure) {
    error = (failure as Error).message;
  }
  add(grouping.end());
  return { samples, error };
}

function file(name: string, bytes: Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

describe('the members of shards', () => {
  const expected = JSON.parse(readFileSync(`${fixtures}expected.json`, 'utf8')) as Record<string, Sample[]>;

  it.each(Object.keys(expected))('make the samples that webdataset finds: %s', async (name) => {
    const { samples, error } = await samplesIn(`${fixtures}${name}.tar`);
    expect(samples).toEqual(expected[name]);
    expect(samples.length).toBeGreaterThan(10);
    expect(error).toBe('');
  });

  it('are none where the last part of the name begins with a dot', () => {
    expect(parseMember('d/._x.jpg')).toBeUndefined();
    expect(parseMember('d.e/x.A.JPG')).toEqual({ key: 'd.e/x', extension: 'a.jpg' });
  });

  it('begin a new sample where an extension comes twice under one key', async () => {
    const path = join(folder, 'twice.tar');
    await writeTar(path, [
      ['a.jpg', '1'],
      ['a.txt', '2'],
      ['a.jpg', '3'],
      ['a.txt', '4'],
    ]);
    expect(await samplesIn(path)).toEqual({
      samples: [
        { key: 'a', members: { jpg: '1', txt: '2' } },
        { key: 'a', members: { jpg: '3', txt: '4' } },
      ],
      error: '',
    });
  });

  const whole = readFileSync(`${fixtures}gnu.tar`);

  it('are read from archives behind each other, and without the empty blocks at the end', async () => {
    const { samples } = await samplesIn(`${fixtures}gnu.tar`);
    const both = await samplesIn(file('both.tar', Buffer.concat([whole, whole])));
    expect(both).toEqual({ samples: [...samples, ...samples], error: '' });
    const end = whole.findLastIndex((byte) => byte !== 0);
    const bare = whole.subarray(0, Math.ceil(end / 512) * 512);
    expect(await samplesIn(file('bare.tar', bare))).toEqual({ samples, error: '' });
  });

  it('are whole up to the place where an archive is cut off, wherever that is', async () => {
    const { samples } = await samplesIn(`${fixtures}gnu.tar`);
    const members = (list: readonly Sample[]) =>
      list.flatMap((s) => Object.entries(s.members).map((m) => [s.key, m]));
    let before = 0;
    for (let length = 1; length < whole.length; length += 701) {
      const found = await samplesIn(file('cut.tar', whole.subarray(0, length)));
      const all = members(found.samples);
      expect(all).toEqual(members(samples).slice(0, all.length));
      expect(all.length).toBeGreaterThanOrEqual(before);
      before = all.length;
      if (found.error !== '') expect(found.error).toMatch(/^it is (cut off|no tar archive)/);
    }
    expect(before).toBe(members(samples).length);
  });

  it.each([
    [
      'HTML',
      Buffer.from('<!DOCTYPE html><title>403</title>'.padEnd(2000)),
      'it is no tar archive: it begins with "<!DOCTYPE html>',
    ],
    ['gzip', gzipSync(whole), 'it is compressed with gzip'],
    ['an empty file', Buffer.alloc(0), ''],
    [
      'damage',
      Buffer.concat([whole.subarray(0, 8192), Buffer.alloc(1024, 'x'), whole.subarray(8192)]),
      'it is damaged: there is no header of a member at byte 8192',
    ],
  ])('are told from %s', async (name, bytes, message) => {
    expect((await samplesIn(file(`${name}.tar`, bytes))).error).toContain(message);
  });

  it('may have sizes in binary, as those above 8 GiB have', async () => {
    const binary = Buffer.from(whole.subarray(0));
    const at = binary.lastIndexOf('000000000.jpg\0');
    const size = Number.parseInt(binary.toString('latin1', at + 124, at + 135), 8);
    binary.fill(0, at + 124, at + 136);
    binary[at + 124] = 0x80;
    binary.writeUInt32BE(size, at + 132);
    binary.fill(0x20, at + 148, at + 156);
    const sum = binary.subarray(at, at + 512).reduce((a, b) => a + b, 0);
    binary.write(`${sum.toString(8).padStart(6, '0')}\0 `, at + 148, 'latin1');
    expect(await samplesIn(file('binary.tar', binary))).toEqual(await samplesIn(`${fixtures}gnu.tar`));
  });

  it('hostile headers end in words, whatever is changed', async () => {
    const state = { seed: 1 };
    const random = (below: number) => {
      state.seed = (Math.imul(state.seed, 1103515245) + 12345) >>> 0;
      return (state.seed >>> 8) % below;
    };
    for (let round = 0; round < 300; round++) {
      const bytes = Buffer.from(whole);
      for (let i = 0; i <= random(4); i++) {
        const header = 512 * random(bytes.length / 512);
        bytes[header + random(512)] = random(256);
        bytes.fill(0x20, header + 148, header + 156);
        const sum = bytes.subarray(header, header + 512).reduce((a, b) => a + b, 0);
        bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, header + 148, 'latin1');
      }
      const { samples, error } = await samplesIn(file('hostile.tar', bytes));
      if (error !== '') expect(error).toMatch(/^it is /);
      expect(samples.length).toBeLessThan(200);
    }
  });
});
