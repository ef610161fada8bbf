import { describeTrajectories } from './trajectory-cases.ts';
import { onAdapter } from './ways.ts';

describeTrajectories(onAdapter);
