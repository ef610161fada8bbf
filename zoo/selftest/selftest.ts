/**
 * The self-test: what a device computes by every kernel family and schedule that plans for it may use, beside double precision;
 * small models, a short training run, and how fast the device copies and multiplies.
 *
 * Nothing here is Node's. What it finds is data; `report.ts` makes words of it.
 */
import type { Precision } from '../../compiler/compile.ts';
import type { ModuleHost } from '../../compiler/model/types.ts';
import type { DeviceProfile } from '../../compiler/profile.ts';
import { fail } from '../../grammar/diagnostics.ts';
import {
  type NamedCase,
  operations,
  type SelftestCase,
  scheduledCases,
} from '../../runtime/selftest/cases.ts';
import { Checks, forced, schedulesToTry, Unusable } from '../../runtime/selftest/checks.ts';
import { type SelftestCheck, type SelftestPart, selftestParts } from '../../runtime/selftest/types.ts';
import type { Device } from '../../runtime/types.ts';
import type { AdapterReport } from '../../runtime/webgpu/adapter.ts';
import { measureBandwidth, measureCeiling } from '../bench/measure.ts';
import { modelCases } from './models.ts';
import { Training, trainingWays } from './training.ts';
import type { ProductCeiling, SelftestCeilings, SelftestOptions, SelftestReport } from './types.ts';

/** What is tested, and what is said of it. */
export interface Subject {
  readonly device: Device;
  readonly report: AdapterReport;
  readonly host: ModuleHost;
  readonly versions: Readonly<Record<string, string>>;
}

interface Work {
  readonly doing: string;
  run(): Promise<void>;
}

const families = ['contract', 'attention', 'rows'] as const;

class Selftest {
  readonly #subject: Subject;
  readonly #quick: boolean;
  readonly #checks: Checks;
  readonly #training: Training;
  /** Schedules by whether some check had work for them. */
  readonly #tried = new Map<string, boolean>();
  #ceilings: SelftestCeilings | undefined;

  constructor(subject: Subject, quick: boolean) {
    this.#subject = subject;
    this.#quick = quick;
    this.#checks = new Checks(subject.device);
    this.#training = new Training(subject.host);
  }

  get #profile(): DeviceProfile {
    return this.#subject.device.profile;
  }

  work(part: SelftestPart): Work[] {
    if (part === 'ceilings') return [{ doing: 'ceilings', run: () => this.#measure() }];
    return this.#precisions().flatMap((precision) => {
      if (part === 'operations')
        return operations(precision).map(({ what, one }) =>
          this.#one(`operations ${what}, ${precision}`, part, what, precision, () => one),
        );
      if (part === 'models') return this.#models(precision);
      if (part === 'training')
        return trainingWays(precision, this.#quick).map((way) => ({
          doing: `training, ${way}`,
          run: () => this.#training.check(this.#subject.device, this.#checks, way),
        }));
      return this.#family(part, precision);
    });
  }

  async run(options: SelftestOptions): Promise<SelftestReport> {
    const { only, progress } = options;
    const began = performance.now();
    const work = selftestParts
      .filter((part) => only?.includes(part) ?? true)
      .flatMap((part) => this.work(part));
    let stopped: string | undefined;
    for (const [i, { doing, run }] of work.entries()) {
      progress?.(i, work.length, doing);
      try {
        await run();
      } catch (error) {
        if (!(error instanceof Unusable)) throw error;
        stopped = error.message;
        break;
      }
    }
    const { report: adapter, versions } = this.#subject;
    const { features, avoid = [], tuned = {} } = this.#profile;
    const checks = this.#checks.all;
    return {
      version: 1,
      passed: stopped === undefined && checks.every(({ passed }) => passed),
      ...{ versions, adapter, features, avoid, tuned: Object.keys(tuned).length, quick: this.#quick },
      ...(only === undefined ? {} : { only }),
      seconds: (performance.now() - began) / 1000,
      checks,
      failures: this.#checks.failures(),
      failedSchedules: this.#checks.failedSchedules(),
      unchecked: [...this.#tried].flatMap(([id, ran]) => (ran ? [] : [id])),
      ...(stopped === undefined ? {} : { stopped }),
      ...(this.#ceilings === undefined ? {} : { ceilings: this.#ceilings }),
    };
  }

  #precisions(): Precision[] {
    return this.#profile.features.includes('shader-f16') ? ['f32', 'mixed'] : ['f32'];
  }

  #one(
    doing: string,
    part: SelftestCheck['part'],
    what: string,
    precision: Precision,
    make: () => SelftestCase | Promise<SelftestCase>,
  ): Work {
    return { doing, run: async () => this.#checks.compare({ part, what, precision }, await make()) };
  }

  #models(precision: Precision): Work[] {
    return modelCases(this.#subject.host, precision, this.#quick).map(({ what, make }) =>
      this.#one(`${what}, ${precision}`, 'models', what, precision, make),
    );
  }

  /** By what the profile chooses, then by one schedule after the other. */
  #family(family: (typeof families)[number], precision: Precision): Work[] {
    let made: NamedCase[] | undefined;
    const cases = () => {
      made ??= scheduledCases[family](precision);
      return made;
    };
    const usual = {
      doing: `${family}, ${precision}`,
      run: async () => {
        for (const { what, one } of cases())
          await this.#checks.compare({ part: family, what, precision }, one);
      },
    };
    const each = schedulesToTry(this.#profile, family, this.#quick).map((schedule) => ({
      doing: `${family} ${schedule}, ${precision}`,
      run: async () => {
        for (const { what, one } of cases()) {
          const profile = forced(one, family, schedule, this.#profile, precision);
          this.#tried.set(schedule, profile !== undefined || this.#tried.get(schedule) === true);
          if (profile !== undefined)
            await this.#checks.compare({ part: family, what, precision, schedule }, one, profile);
        }
      },
    }));
    return [usual, ...each];
  }

  async #measure(): Promise<void> {
    const { device } = this.#subject;
    const runs = this.#quick ? 1 : 3;
    const products: ProductCeiling[] = [];
    for (const precision of this.#precisions())
      for (const ceiling of await measureCeiling(device, runs, precision))
        products.push({ ...ceiling, precision });
    this.#ceilings = { copy: await measureBandwidth(device, runs), products };
  }
}

/**
 * Tests a device.
 * @throws DiagnosticError Z703 for a part that does not exist, Z60x where the device fails in training or while it is measured
 */
export function selftest(subject: Subject, options: SelftestOptions = {}): Promise<SelftestReport> {
  const unknown = options.only?.find((part) => !selftestParts.includes(part));
  if (unknown !== undefined) fail('Z703', `${unknown} is no part of the self-test`, selftestParts.join(', '));
  return new Selftest(subject, options.quick === true).run(options);
}
