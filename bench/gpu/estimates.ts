/**
 * What a model of launches, bytes and product rates expects of cards that nobody has measured (docs/performance.md), in milliseconds. They
 * stand beside measurements to be proved wrong.
 */
const cards = [/H200/, /RTX 4090/, /RX 7900 XTX/];

/** A case at the batch that `cases.ts` asks for, on the three cards. */
const rows: readonly (readonly [string, number, number, number])[] = [
  ['vit-b32-train mixed', 21.8, 46.7, 78.9],
  ['vit-b32-train f32', 126, 109, 202],
  ['vit-b32-image mixed', 12, 26, 51],
  ['vit-b32-image f32', 87, 68, 136],
  ['vit-b32-text mixed', 8.1, 18, 35],
];

export function estimateFor(adapter: string, name: string): number | undefined {
  const card = cards.findIndex((pattern) => pattern.test(adapter));
  const [, ...times] = rows.find(([row]) => row === name) ?? [];
  return times[card];
}
