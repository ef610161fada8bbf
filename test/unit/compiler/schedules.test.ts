import { describe, expect, it } from 'vitest';
import { compileGraph } from '../../../compiler/compile.ts';
import { createBuilder } from '../../../compiler/graph/create-builder.ts';
import type { Graph } from '../../../compiler/graph/types.ts';
import { contractTiles, workgroupBytes } from '../../../compiler/kernels/schedules/contract.ts';
import {
  avoiding,
  chooseSchedule,
  scheduleFamilies,
  scheduleIds,
  scheduleKey,
  searchSpaces,
} from '../../../compiler/kernels/schedules/schedules.ts';
import type { ScheduleFamily } from '../../../compiler/kernels/text/choices.ts';
import type { VerifiedPlan } from '../../../compiler/plan/types.ts';
import {
  appleProfile,
  type DeviceProfile,
  defaultLimits,
  deviceClass,
  discreteProfile,
  lavapipeProfile,
  swiftshaderProfile,
} from '../../../compiler/profile.ts';
import { appleMatrixProfile, nvidiaProfile } from '../../../compiler/profiles-matrix.ts';
import { DiagnosticError } from '../../../grammar/diagnostics.ts';
import { contestPlan, contestsOf } from '../../../runtime/tune/contest.ts';
import { benchCases, modelOf } from '../../../zoo/bench/cases.ts';
import { nodeHost } from '../../../zoo/host.ts';
import { compileEntry } from '../../../zoo/run/entry.ts';

/**
 * Four equal linear layers with a GELU-like epilogue, and a smaller one: two distinct products; four where a
 * software adapter reads by columns what a product wrote, but not the input, and wants the last layer's
 * operand by rows.
 */
function layersGraph(): Graph {
  const b = createBuilder();
  const linear = (x: number, name: string, out: number, from: number) =>
    b.add('matmul', [x, b.add('param', [], { name, shape: [out, from], role: 'param' })], {
      transposeA: false,
      transposeB: true,
    });
  const x = b.add('input', [], { name: 'x', dtype: 'f32', shape: [50, 96] });
  const first = b.add('sigmoid', [linear(x, 'a', 96, 96)], {});
  const second = b.add('sigmoid', [linear(first, 'b', 96, 96)], {});
  const third = b.add('sigmoid', [linear(second, 'c', 96, 96)], {});
  const fourth = b.add('sigmoid', [linear(third, 'd', 96, 96)], {});
  return b.finish([{ name: 'y', node: linear(fourth, 'e', 32, 96) }]);
}

function planFor(profile: DeviceProfile): VerifiedPlan {
  return compileGraph(layersGraph(), { model: 'm', entry: 'e', batch: 1, mode: 'eval', profile });
}

function choices(plan: VerifiedPlan) {
  return plan.steps.flatMap(({ schedule }) => (schedule === undefined ? [] : [schedule]));
}

/** The last has subgroup matrices for the f32 of these graphs; the one before has them for halves alone. */
const profiles = [lavapipeProfile, appleProfile, discreteProfile, nvidiaProfile, appleMatrixProfile];

describe('schedules', () => {
  it('know four classes of devices', () => {
    expect(profiles.map(deviceClass)).toEqual(['software', 'apple', 'staged', 'matrix', 'apple']);
  });

  it('have ids that are unique in their family, and a default that every device class allows', () => {
    for (const profile of profiles) {
      for (const family of Object.keys(searchSpaces) as ScheduleFamily[]) {
        const ids = scheduleIds(profile, family);
        expect(new Set(ids).size).toBe(ids.length);
      }
      const tight = { ...profile, limits: defaultLimits };
      for (const { id } of choices(planFor(tight))) expect(scheduleIds(tight, 'contract')).toContain(id);
    }
  });

  it('are left out where the limits of a device do not allow them', () => {
    const all = contractTiles.staged.map(({ id }) => id);
    const large = { ...discreteProfile, limits: { ...defaultLimits, maxComputeWorkgroupStorageSize: 65536 } };
    expect(scheduleIds(large, 'contract')).toEqual(all);
    const small = {
      ...discreteProfile,
      limits: { ...defaultLimits, maxComputeInvocationsPerWorkgroup: 128 },
    };
    const allowed = contractTiles.staged.flatMap((tile) =>
      tile.kind === 'workgroup' &&
      (tile.rows / tile.rowsPerInvocation) * (tile.columns / tile.columnsPerInvocation) <= 128 &&
      workgroupBytes(tile) <= defaultLimits.maxComputeWorkgroupStorageSize
        ? [tile.id]
        : [],
    );
    expect(scheduleIds(small, 'contract')).toEqual(allowed);
    expect(allowed.length).toBeGreaterThan(0);
    expect(allowed.length).toBeLessThan(all.length);
  });

  it('with two buffers share their tiles evenly among the invocations', () => {
    const doubled = contractTiles.staged.flatMap((t) =>
      t.kind === 'workgroup' && t.buffers === 2 ? [t] : [],
    );
    expect(doubled.length).toBeGreaterThan(0);
    for (const { id, rows, columns, depth, rowsPerInvocation, columnsPerInvocation } of doubled) {
      const invocations = (rows / rowsPerInvocation) * (columns / columnsPerInvocation);
      expect([(depth * rows) % invocations, (depth * columns) % invocations], id).toEqual([0, 0]);
    }
  });

  it('that were measured change the pipelines of a plan, for their shape alone', () => {
    for (const profile of profiles) {
      const plain = planFor(profile);
      const [, repeated] = choices(plain);
      const contest = contestsOf(planFor, profile).find(({ key }) => key === repeated!.key)!;
      const other = contest.entrants.at(-1)!.id;
      const tuned = planFor({ ...profile, tuned: { [scheduleKey('contract', repeated!.key)]: other } });
      const expected = choices(plain).map((c) => (c.key === repeated!.key ? { ...c, id: other } : c));
      expect(choices(tuned)).toEqual(expected);
      expect(expected.filter((c) => c.id === other).length).toBeGreaterThanOrEqual(2);
      const wgsl = (plan: VerifiedPlan) => plan.pipelines.map((p) => p.wgsl);
      expect(wgsl(tuned)).not.toEqual(wgsl(plain));
      expect(wgsl(tuned).at(-1)).toBe(wgsl(plain).at(-1));
    }
  });

  it('of SwiftShader are quads for all large products of a picture, and no kernel has a barrier', () => {
    const model = modelOf(nodeHost(), benchCases.find((c) => c.name === 'image-b8')!);
    const request = { entry: 'encode_image', batch: 1, mode: 'eval', gradients: false } as const;
    const plan = compileEntry(model, request, swiftshaderProfile);
    const products = plan.steps.filter((s) => s.schedule?.family === 'contract' && s.flops > 1e7);
    expect(products.length).toBeGreaterThanOrEqual(46);
    for (const { schedule } of products) expect(schedule!.id).toMatch(/^q/);
    for (const { wgsl } of plan.pipelines) expect(wgsl).not.toContain('Barrier');
    expect(plan.requires.features).toEqual(['subgroups']);
    const { features: _, ...without } = swiftshaderProfile;
    const bare = compileEntry(model, request, { ...without, features: [] });
    expect(bare.requires.features).toEqual([]);
  });

  it('of another version of zooc, or that do not fit, count as unmeasured', () => {
    const work = {
      key: 'k',
      batch: 1,
      m: 400,
      n: 512,
      k: 64,
      columnOperand: true,
      quads: false,
      moments: false,
    };
    const usual = chooseSchedule(lavapipeProfile, 'contract', work).schedule;
    for (const id of ['r1000x8x8', 'r13x8x8-down', 'w64x64x16-4x4']) {
      const tuned = { [scheduleKey('contract', 'k')]: id };
      expect(chooseSchedule({ ...lavapipeProfile, tuned }, 'contract', work).schedule).toBe(usual);
    }
  });

  it('take fewer rows where a tile would be mostly empty', () => {
    const rowsFor = (m: number) => {
      const work = {
        key: '',
        batch: 1,
        m,
        n: 3072,
        k: 768,
        columnOperand: m % 16 === 0,
        quads: false,
        moments: false,
      };
      const { schedule } = chooseSchedule(lavapipeProfile, 'contract', work);
      return schedule.rows;
    };
    expect(rowsFor(1)).toBe(4);
    expect(rowsFor(77)).toBe(13);
    expect(rowsFor(1600)).toBe(16);
  });
});

describe('convolutions in registers', () => {
  it('have no branch for each of their rows, which SwiftShader would compile for minutes', () => {
    const b = createBuilder();
    const x = b.add('param', [], { name: 'x', shape: [2, 4, 17, 17], role: 'param' });
    const w = b.add('param', [], { name: 'w', shape: [8, 4, 3, 3], role: 'param' });
    const y = b.add('conv2d', [x, w], { stride: 2, padding: 1, groups: 1, dilation: 1 });
    const loss = b.add('sum', [b.add('mul', [y, y], {})], { axes: [0, 1, 2, 3], keep: false });
    const { pipelines } = compileGraph(b.finish([{ name: 'loss', node: loss }]), {
      ...{ model: 'm', entry: 'e', batch: 1, mode: 'eval', profile: swiftshaderProfile },
      gradients: ['x', 'w'],
    });
    const convolutions = pipelines.filter(({ label }) => label.startsWith('convolution'));
    expect(convolutions.map(({ label }) => label).join()).toContain('convolution_grad_input');
    for (const { wgsl } of convolutions) expect(wgsl).not.toMatch(/^let \w+ = .*&&/m);
  });
});

describe('schedules to avoid', () => {
  it('are used by no plan, were they measured as the best, and enter no contest', () => {
    for (const profile of profiles) {
      const [first] = choices(planFor(profile));
      const without = avoiding(profile, [first!.id]);
      const tuned = { [scheduleKey('contract', first!.key)]: first!.id };
      for (const { id } of choices(planFor({ ...without, tuned }))) expect(id).not.toBe(first!.id);
      for (const { entrants } of contestsOf(planFor, without))
        expect(entrants.map(({ id }) => id)).not.toContain(first!.id);
    }
  });

  it('leave a default where any other fits, whichever it is', () => {
    for (const profile of profiles)
      for (const family of scheduleFamilies) {
        const ids = scheduleIds(profile, family);
        for (const id of ids)
          expect(scheduleIds(avoiding(profile, [id]), family)).toHaveLength(ids.length - 1);
      }
    const { id } = chooseSchedule(lavapipeProfile, 'rows', { key: 'k' }).schedule;
    expect(chooseSchedule(avoiding(lavapipeProfile, [id]), 'rows', { key: 'k' }).schedule.id).not.toBe(id);
  });

  it('of all subgroup matrices give the products of a device without them', () => {
    const matrices = scheduleIds(appleMatrixProfile, 'contract').filter((id) => id.startsWith('m'));
    expect(matrices.length).toBeGreaterThan(0);
    const without = planFor(avoiding(appleMatrixProfile, matrices));
    expect(choices(without)).toEqual(choices(planFor(appleProfile)));
  });

  it('have ids that are unique among all families, since they are named by these alone', () => {
    for (const profile of profiles) {
      const ids = scheduleFamilies.flatMap((family) => scheduleIds(profile, family));
      expect(new Set(ids).size).toBe(ids.length);
    }
  });

  it('are refused where the device does not have one, or none is left', () => {
    const refusal = (refused: () => unknown) => {
      try {
        refused();
      } catch (error) {
        if (error instanceof DiagnosticError) return error.diagnostics[0]!;
      }
      throw new Error('it is not refused');
    };
    expect(refusal(() => avoiding(lavapipeProfile, ['own4', 'r7x8']))).toMatchObject({
      code: 'Z637',
      message: 'llvmpipe has no schedule r7x8 that could be avoided',
      help: expect.stringMatching(
        /^it has contract: r16x8x8-down, .*; attention: own4, own3, own2, own1; rows: s8, s16, s32, s64$/,
      ),
    });
    const none = avoiding(lavapipeProfile, scheduleIds(lavapipeProfile, 'attention'));
    expect(refusal(() => chooseSchedule(none, 'attention', { key: 'k', rows: 7 }))).toMatchObject({
      code: 'Z638',
      message: 'llvmpipe is to avoid every schedule that can do attention k',
      help: 'allow one of own4, own3, own2, own1',
    });
  });
});

describe('a contest', () => {
  it('lets every schedule of a distinct piece of work enter, the default first', () => {
    for (const profile of profiles) {
      const contests = contestsOf(planFor, profile);
      const counts = profile === lavapipeProfile ? [1, 2, 1, 1] : [4, 1];
      expect(contests.map((c) => [c.family, c.count])).toEqual(counts.map((count) => ['contract', count]));
      const defaults = choices(planFor(profile));
      for (const contest of contests) {
        const ids = contest.entrants.map((e) => e.id);
        expect(ids[0]).toBe(defaults.find((d) => d.key === contest.key)!.id);
        expect(ids.length).toBeGreaterThan(2);
        expect(scheduleIds(profile, 'contract')).toEqual(expect.arrayContaining(ids));
      }
    }
  });

  it('leaves out what is known, and ignores what was measured before', () => {
    const [first, ...others] = contestsOf(planFor, lavapipeProfile);
    const known = new Set([scheduleKey('contract', first!.key)]);
    expect(contestsOf(planFor, lavapipeProfile, known).map((c) => c.key)).toEqual(others.map((c) => c.key));
    const tuned = { [scheduleKey('contract', first!.key)]: first!.entrants.at(-1)!.id };
    expect(contestsOf(planFor, { ...lavapipeProfile, tuned })).toEqual([first, ...others]);
  });

  it('is a plan with one step for every entrant and only the memory that these bind', () => {
    const [contest] = contestsOf(planFor, discreteProfile);
    const plan = contestPlan(contest!, discreteProfile);
    expect(plan.steps.map((s) => s.schedule!.id)).toEqual(contest!.entrants.map((e) => e.id));
    // x [50, 96], w [96, 96] and y [50, 96].
    expect(plan.buffers.map((b) => b.bytes)).toEqual([19200, 36864, 19200]);
  });
});
