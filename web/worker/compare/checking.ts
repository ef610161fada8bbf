/** The library's self-test on the page's device. */
import type * as zooc from '../../../zoo/api/browser.ts';
import type { Opened } from '../opened.ts';

export class Checking {
  readonly #opened: Opened;

  constructor(opened: Opened) {
    this.#opened = opened;
  }

  /**
   * @param quick by the schedules that the adapter uses, not all
   * @throws DiagnosticError Z60x where the device cannot be opened, or fails altogether
   */
  async run(
    quick: boolean,
    tell: (done: number, of: number, doing: string) => void,
  ): Promise<zooc.SelftestReport> {
    const gpu = await this.#opened.gpu();
    return gpu.selftest({ quick, progress: tell });
  }
}
