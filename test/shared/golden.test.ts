/** The larger golden sets, through the same checks as those of the repository. */
import { describeGolden } from '../golden/golden-cases.ts';
import { describeMixed } from '../golden/mixed-cases.ts';
import { describeReference } from '../golden/reference-cases.ts';
import { describeAdapterTraining, describeReferenceTraining } from '../golden/training-cases.ts';
import { byText, onAdapter } from '../golden/ways.ts';

const sets = ['tiny_vit2', 'tiny_rn'];

describeReference([
  ['tiny_vit2', 'traced'],
  ['tiny_rn', 'written by hand'],
  ['tiny_rn', 'traced'],
]);
for (const way of [onAdapter, byText]) {
  describeGolden(way, sets);
  describeMixed(way, ['tiny_rn']);
}
describeReferenceTraining(sets);
describeAdapterTraining(onAdapter, sets);
