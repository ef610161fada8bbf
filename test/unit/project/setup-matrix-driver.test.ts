/** Where the newer software driver is fetched from, where it is kept and how programs run under it. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  type MatrixSystem,
  matrixDriverFolder,
  planFetch,
  underMatrixDriver,
} from '../../../scripts/setup-matrix-driver.ts';

const targets = [
  'Debian http://mirror.example/debian-security/',
  'Debian http://mirror.example/debian/',
  'Other http://elsewhere.example/apt/',
];
const debian: MatrixSystem = { platform: 'linux', architecture: 'amd64', targets };

describe('setup:matrix-driver', () => {
  it('fetches from the mirror that apt uses, and not from that of security updates', () => {
    expect(planFetch(debian)).toEqual({
      ok: true,
      sources:
        'deb http://mirror.example/debian/ trixie main\ndeb http://mirror.example/debian/ trixie-backports main\n',
    });
  });

  it('says why it cannot', () => {
    const reason = (changes: Partial<MatrixSystem>) => {
      const plan = planFetch({ ...debian, ...changes });
      return plan.ok ? undefined : plan.reason;
    };
    expect(reason({ platform: 'darwin' })).toBe('not for darwin');
    expect(reason({ architecture: undefined, targets: [] })).toBe('it needs apt and dpkg');
    expect(reason({ architecture: 'arm64' })).toBe('not for arm64');
    expect(reason({ targets: ['Ubuntu http://mirror.example/ubuntu/', ''] })).toMatch(/no Debian mirror/);
  });

  it('keeps the driver in the cache, beside measurements or not', () => {
    const env = { XDG_CACHE_HOME: '/cache', ZOOC_CACHE: '/measured' };
    expect(matrixDriverFolder(env)).toBe('/cache/zooc/matrix-driver');
  });

  it('runs programs under the loader and the driver that were unpacked, once they are there', () => {
    const folder = mkdtempSync(join(tmpdir(), 'zooc-driver-'));
    try {
      expect(underMatrixDriver('node', ['a.js'], folder)).toBeUndefined();
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, 'icd.json'), '{}');
      const own = join(folder, 'root/usr/lib/x86_64-linux-gnu');
      expect(underMatrixDriver('node', ['a.js'], folder)).toEqual({
        command: join(own, 'ld-linux-x86-64.so.2'),
        args: ['--library-path', `${own}:/usr/lib/x86_64-linux-gnu`, 'node', 'a.js'],
        env: { VK_ICD_FILENAMES: join(folder, 'icd.json'), VK_DRIVER_FILES: join(folder, 'icd.json') },
      });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
