/** Numbers as a report shows them. */

/** `1,234,567` */
export function count(n: number): string {
  return n.toLocaleString('en-US');
}

/** Three or four digits, whatever the size: `0.0123`, `1.235`, `12,346`, `1.2e-7`. */
export function digits(value: number): string {
  if (value === 0 || !Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (size >= 1000) return Math.round(value).toLocaleString('en-US');
  if (size < 1e-4) return value.toExponential(2);
  return String(Number(value.toPrecision(4)));
}

export function percent(part: number): string {
  return `${(100 * part).toFixed(1)} %`;
}

/** `512 bytes`, `8 KiB`, `33.9 MiB`, `23.5 GiB` */
export function size(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];
  const unit = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10));
  return `${unit === 0 ? bytes : Number((bytes / 1024 ** unit).toPrecision(3))} ${units[unit]}`;
}

/** `8.73 GFLOP` */
export function flops(value: number): string {
  const units = ['FLOP', 'kFLOP', 'MFLOP', 'GFLOP', 'TFLOP', 'PFLOP'];
  const unit = value < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(value) / 3));
  return `${Number((value / 1000 ** unit).toPrecision(3))} ${units[unit]}`;
}

/** `2026-11-30 13:05 UTC` */
export function moment(iso: string): string {
  const at = new Date(iso);
  return Number.isNaN(at.getTime()) ? iso : `${at.toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}
