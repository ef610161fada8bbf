/** zooc through its own modules: the cases of `zooc bench`, and a chain of products as a graph. */
import { compileGraph } from '../../compiler/compile.ts';
import { createBuilder } from '../../compiler/graph/create-builder.ts';
import type { VerifiedPlan } from '../../compiler/plan/types.ts';
import { openGpu } from '../../runtime/node/gpu.ts';
import type { Device, HostArray, Session } from '../../runtime/types.ts';
import { caseInputs, modelOf, planCase } from '../../zoo/bench/cases.ts';
import { writeBenchHyper } from '../../zoo/bench/measure.ts';
import { nodeHost } from '../../zoo/host.ts';
import { productOperands, publishedWeights } from '../work.ts';
import { type Contestant, chain, type Job, type Prepared, type Runner } from './contestant.ts';

function chainPlan(job: Extract<Job, { kind: 'products' }>, profile: Device['profile']): VerifiedPlan {
  const { m, n, k } = job.row;
  const g = createBuilder();
  const a = g.add('input', [], { name: 'a', dtype: 'f32', shape: [m, k] });
  const b = g.add('param', [], { name: 'b', shape: [k, n], role: 'param' });
  const c = g.add('param', [], { name: 'c', shape: [n, k], role: 'param' });
  const last = chain({ a, b, c }, job.length, (x, y) =>
    g.add('matmul', [x, y], { transposeA: false, transposeB: false }),
  );
  return compileGraph(g.finish([{ name: 'result', node: last }]), {
    model: 'bench',
    entry: 'chain',
    batch: 1,
    mode: 'eval',
    profile,
  });
}

interface Call {
  readonly inputs: ReadonlyMap<string, HostArray>;
  readonly output: string;
  readonly training: boolean;
}

function runner(device: { close(): void }, session: Session, call: Call): Runner {
  return {
    async run() {
      for (const [name, data] of call.inputs) session.writeInput(name, data);
      if (call.training) writeBenchHyper(session);
      session.run();
      return (await session.read(call.output)) as Float32Array;
    },
    close() {
      session.close();
      device.close();
    },
  };
}

function products(job: Extract<Job, { kind: 'products' }>): Prepared {
  const { a, b, c } = productOperands(job.row);
  return async () => {
    const { device } = await openGpu();
    const session = await device.open(chainPlan(job, device.profile));
    session.writeWeight('b', b.data);
    session.writeWeight('c', c.data);
    const inputs = new Map([['a', a.data]]);
    return runner(device, session, { inputs, output: 'result', training: false });
  };
}

export const contestant: Contestant = {
  async prepare(job) {
    if (job.kind === 'products') return products(job);
    const { test } = job.work;
    const host = nodeHost();
    const model = modelOf(host, test);
    const weights = publishedWeights(test, model);
    return async () => {
      const { device } = await openGpu();
      const plan = planCase(host, test, device.profile);
      const session = await device.open(plan);
      for (const { name } of plan.weights) session.writeWeight(name, weights.get(name)!);
      weights.clear();
      return runner(device, session, {
        inputs: caseInputs(
          test,
          model,
          plan.inputs.map((slot) => slot.name),
        ),
        output: test.training ? 'loss' : plan.outputs[0]!.name,
        training: test.training,
      });
    };
  },
};
