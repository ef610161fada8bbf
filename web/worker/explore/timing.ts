/** How long the steps of a plan take on the visitor's device, with weights of the model's own initialisers. */
import * as zooc from '../../../zoo/api/browser.ts';
import type { Opened } from '../opened.ts';
import type { ExploreRequest } from './exploring.ts';

export type TimingRequest = Pick<ExploreRequest, 'source' | 'name' | 'settings' | 'mode' | 'batch'> & {
  readonly entry: string;
};

/** The least that each input may be: it takes as long as others. */
function leastInputs(model: zooc.ZooModel, entry: string, batch: number): zooc.NamedArrays {
  const { inputs } = model.entries.find(({ name }) => name === entry)!;
  const made = inputs.map(({ name, dtype, sizes, table, ids }) => {
    const length = sizes.reduce((a, b) => a * b, table ? 1 : batch);
    return [
      name,
      dtype === 'i32' ? new Int32Array(length).fill(ids?.min ?? 0) : new Float32Array(length),
    ] as const;
  });
  return Object.fromEntries(made);
}

export class Timing {
  readonly #opened: Opened;

  constructor(opened: Opened) {
    this.#opened = opened;
  }

  /** What the compiler is told about the device. @throws DiagnosticError Z601 */
  async profile(): Promise<zooc.DeviceProfile> {
    return (await this.#opened.gpu()).profile;
  }

  /**
   * Seconds by step, in f32: those of the plan for this device.
   * @throws DiagnosticError Z601, Z603 where the adapter has no timestamps, Z605
   */
  async time({ source, name, settings, entry, batch, mode }: TimingRequest): Promise<number[]> {
    const gpu = await this.#opened.gpu();
    const model = zooc.model(source, settings, name);
    const loaded = await gpu.load(model, { seed: 0 });
    try {
      const options = {
        batch,
        mode: mode === 'eval' ? 'eval' : 'train',
        gradients: mode === 'gradients',
      } as const;
      const times = await loaded.time(entry, leastInputs(model, entry, batch), options);
      return times.map(({ seconds }) => seconds);
    } finally {
      loaded.close();
    }
  }
}
