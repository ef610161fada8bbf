/**
 * A training run in a process of its own, for tests that send signals: `train-child.ts OUT STEPS
 * MILLISECONDS_PER_STEP`. Resumes whatever OUT holds. Prints `started` once steps run.
 */
import { listenForStop } from '../../../runtime/train/node/signals.ts';
import { FakeSession, fakeRun } from './fake-training.ts';

const [out, steps, delay] = process.argv.slice(2);
const signal = listenForStop((text) => console.error(text));
const session = new FakeSession(Number(delay), (n) => {
  if (n === 0) console.log('started');
});
const result = await fakeRun({
  out: out!,
  steps: Number(steps),
  every: 5,
  resume: true,
  session,
  signal,
});
signal.release();
console.log(JSON.stringify({ steps: result.steps, stopped: result.stopped }));
