/**
 * Kernels for GPUs on the golden sets, by their text: a software adapter would compile them for minutes
 * (test/gpu/kernels and test/gpu/schedules run their kind on it). In one file, since what is translated once
 * serves all of a process.
 */
import { describeGolden } from './golden-cases.ts';
import { describeMixed } from './mixed-cases.ts';
import { describeTrajectories } from './trajectory-cases.ts';
import { byText } from './ways.ts';

const sets = ['tiny_vit', 'hash_rn'];

describeGolden(byText, sets);
describeMixed(byText, sets);
describeTrajectories(byText);
