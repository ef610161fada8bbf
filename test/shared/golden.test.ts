/** The larger golden sets, through the same checks as those of the repository. */
import { describeMixed } from '../golden/mixed-cases.ts';
import { describeReference } from '../golden/reference-cases.ts';
import { describeAdapterTraining, describeReferenceTraining } from '../golden/training-cases.ts';
import { describeOnAdapter } from '../golden/webgpu-cases.ts';

const sets = ['tiny_vit2', 'tiny_rn'];

describeReference([
  ['tiny_vit2', 'traced'],
  ['tiny_rn', 'written by hand'],
  ['tiny_rn', 'traced'],
]);
describeOnAdapter(sets);
describeMixed(['tiny_rn']);
describeReferenceTraining(sets);
describeAdapterTraining(sets);
