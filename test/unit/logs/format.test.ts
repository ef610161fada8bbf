/** Numbers of a report. */
import { expect, it } from 'vitest';
import { digits, flops, moment, size } from '../../../runtime/report/format.ts';

it.each([
  [digits(0), '0'],
  [digits(0.01234567), '0.01235'],
  [digits(1.2e-7), '1.20e-7'],
  [digits(-12345.6), '-12,346'],
  [digits(Number.NaN), 'NaN'],
  [size(0), '0 bytes'],
  [size(1023), '1023 bytes'],
  [size(8192), '8 KiB'],
  [size(35_565_000), '33.9 MiB'],
  [size(25_276_157_952), '23.5 GiB'],
  [flops(0), '0 FLOP'],
  [flops(8_730_000_000), '8.73 GFLOP'],
  [flops(2.54e15), '2.54 PFLOP'],
  [moment('2026-11-30T13:05:59.000Z'), '2026-11-30 13:05 UTC'],
  [moment('yesterday'), 'yesterday'],
])('%s', (found, wanted) => {
  expect(found).toBe(wanted);
});
