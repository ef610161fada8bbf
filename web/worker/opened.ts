/** The device of the page: opened when it is first needed, and again after it was lost. */
import * as zooc from '../../zoo/api/browser.ts';

export class Opened {
  onLost: (loss: zooc.DiagnosticError) => void = () => {};
  #opening: Promise<zooc.Gpu> | undefined;
  /** Counts the devices, so that what lay on an earlier one is known to be gone. */
  #generation = 0;

  get generation(): number {
    return this.#generation;
  }

  /** @throws DiagnosticError Z601, Z603 */
  gpu(): Promise<zooc.Gpu> {
    this.#opening ??= this.#open();
    return this.#opening;
  }

  async #open(): Promise<zooc.Gpu> {
    try {
      const gpu = await zooc.open();
      this.#generation++;
      void gpu.lost.then((loss) => {
        this.#opening = undefined;
        this.onLost(loss);
      });
      return gpu;
    } catch (error) {
      this.#opening = undefined;
      throw error;
    }
  }
}
