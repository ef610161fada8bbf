import { describeReferenceTraining } from './training-cases.ts';

describeReferenceTraining(['tiny_vit', 'hash_rn']);
