import { describeReference } from './reference-cases.ts';

describeReference([
  ['tiny_vit', 'written by hand'],
  ['tiny_vit', 'traced'],
  ['tiny_vit', 'traced, bodies instead of fused ops'],
  ['hash_rn', 'written by hand'],
  ['hash_rn', 'traced'],
]);
