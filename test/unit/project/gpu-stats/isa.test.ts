/**
 * How loops over K are found in what compilers print, and how their loads are waited for. The excerpts are of products of ours: the
 * loop alone, and of other instructions some.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { readAmd } from '../../../../bench/gpu-stats/isa/amd.ts';
import { readNvidia } from '../../../../bench/gpu-stats/isa/nvidia.ts';
import { productLoop } from '../../../../bench/gpu-stats/isa/product-loop.ts';

const excerpt = (name: string): string =>
  readFileSync(fileURLToPath(new URL(`../../../fixtures/gpu-stats/${name}.isa`, import.meta.url)), 'utf8');

/** A loop of AMD's, from its lines. */
const amd = (...lines: string[]) =>
  productLoop(
    readAmd(['BB0:', 's_nop 0', 'BB1:', ...lines, 's_cbranch_scc0 BB1', 'BB2:', 's_endpgm'].join('\n')),
  );

describe('the loop of a product', () => {
  it('waits once for all loads where none is behind a branch', () => {
    expect(productLoop(readAmd(excerpt('navi31')))).toEqual({
      instructions: 22,
      loads: 4,
      waits: 1,
      alone: 0,
    });
    expect(productLoop(readAmd(excerpt('gfx1201')))).toEqual({
      instructions: 21,
      loads: 4,
      waits: 1,
      alone: 0,
    });
  });

  it('waits for each load alone where each is behind a branch, staging loops included', () => {
    expect(productLoop(readAmd(excerpt('navi31-rolled')))).toMatchObject({ loads: 4, waits: 4, alone: 4 });
  });

  it('is found where its end is printed behind all else', () => {
    expect(productLoop(readNvidia(excerpt('nv172')))).toMatchObject({ loads: 16, waits: 3, alone: 0 });
  });

  it('has loads under way from one turn to the next', () => {
    const load = 'buffer_load_b64 v[0:1], v2, s[0:3], 0 offen';
    const multiply = 'v_wmma_f32_16x16x16_f16 v[0:7], v[0:7], v[0:7], v[0:7]';
    expect(amd('s_waitcnt vmcnt(0)', multiply, load, load)).toMatchObject({ loads: 2, waits: 1, alone: 0 });
    expect(amd('s_waitcnt vmcnt(0)', multiply, load)).toMatchObject({ waits: 1, alone: 1 });
    expect(amd('s_waitcnt vmcnt(1)', multiply, load)).toMatchObject({ waits: 0, alone: 0 });
  });

  it('reads waits of RDNA 4 that are joined with those for workgroup memory', () => {
    const load = 'global_load_b128 v[0:3], v[4:5], off';
    const fma = 'v_fma_f32 v0, v1, v2, v0';
    expect(amd(load, load, 's_wait_loadcnt_dscnt 0x1', fma)).toMatchObject({ waits: 1, alone: 0 });
    expect(amd(load, load, 's_wait_loadcnt_dscnt 0x100', fma)).toMatchObject({ waits: 0, alone: 0 });
  });

  it('includes loops within it', () => {
    const text = [
      'BB0:',
      'BB1:',
      'buffer_load_b32 v0, v1, s[0:3], 0 offen',
      's_waitcnt vmcnt(0)',
      'BB2:',
      'v_fmac_f32_e32 v0, v1, v2',
      's_cbranch_scc1 BB2',
      'BB3:',
      's_cbranch_scc0 BB1',
      'BB4:',
      's_endpgm',
    ];
    expect(productLoop(readAmd(text.join('\n')))).toEqual({ instructions: 5, loads: 1, waits: 1, alone: 1 });
  });

  it('is none where a short K needs none', () => {
    expect(productLoop(readAmd('BB0:\nv_fma_f32 v0, v1, v2, v0\ns_endpgm'))).toBeUndefined();
  });
});
