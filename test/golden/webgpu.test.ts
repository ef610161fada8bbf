import { describeGolden } from './golden-cases.ts';
import { onAdapter } from './ways.ts';

describeGolden(onAdapter, ['tiny_vit', 'hash_rn']);
