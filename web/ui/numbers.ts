/** Numbers as people read them. */

const grouped = new Intl.NumberFormat('en');

export function count(value: number): string {
  return grouped.format(value);
}

const short = new Intl.NumberFormat('en', { notation: 'compact', maximumSignificantDigits: 3 });

/** `87.8M`: where there is no room for all digits. */
export function compact(value: number): string {
  return short.format(value);
}

/** `4.41 GFLOP`, `12.3 MiB`: three digits and a unit; bytes in powers of 1024. */
function scaled(value: number, base: number, units: readonly string[]): string {
  let at = 0;
  let rest = value;
  while (rest >= base && at < units.length - 1) {
    rest /= base;
    at++;
  }
  const text = at === 0 ? grouped.format(rest) : rest.toPrecision(rest >= 1000 ? 4 : 3);
  return `${text} ${units[at]}`;
}

export function bytes(value: number): string {
  return scaled(value, 1024, ['bytes', 'KiB', 'MiB', 'GiB', 'TiB']);
}

export function flops(value: number): string {
  return scaled(value, 1000, ['FLOP', 'kFLOP', 'MFLOP', 'GFLOP', 'TFLOP']);
}

export function percent(value: number): string {
  return `${(100 * value).toFixed(1)} %`;
}

export function milliseconds(value: number): string {
  return value >= 10_000 ? `${(value / 1000).toFixed(1)} s` : `${value.toFixed(value < 10 ? 1 : 0)} ms`;
}

/** Of a part of a run: microseconds below a thousand of them. */
export function shortTime(seconds: number): string {
  return seconds < 1e-3 ? `${(1e6 * seconds).toPrecision(3)} µs` : milliseconds(1000 * seconds);
}

/** `[B, 3, 32, 32]` */
export function shape(sizes: readonly (number | string)[]): string {
  return `[${sizes.join(', ')}]`;
}
