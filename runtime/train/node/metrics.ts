/**
 * `metrics.jsonl`: one line a step, appended as steps report, flushed to the disk before each checkpoint.
 *
 * After a kill the file may hold rows beyond the checkpoint, the last one torn. `open` keeps the rows before
 * the step that the run goes on with, so a resumed file reads as if the run had never been cut.
 */
import { type FileHandle, open } from 'node:fs/promises';
import { failSystem } from '../../data/files/atomic.ts';
import type { MetricsRow } from '../types.ts';

/**
 * Length in bytes of the leading rows whose step is below `step`; stops at the first
 * other or unreadable line.
 */
export function keptBytes(content: Uint8Array, step: number): number {
  let kept = 0;
  for (;;) {
    const end = content.indexOf(0x0a, kept);
    if (end < 0) return kept;
    const line = new TextDecoder().decode(content.subarray(kept, end));
    let row: unknown;
    try {
      row = JSON.parse(line);
    } catch {
      return kept;
    }
    const found = typeof row === 'object' && row !== null && 'step' in row ? row.step : undefined;
    if (typeof found !== 'number' || found >= step) return kept;
    kept = end + 1;
  }
}

/** Rows wait in memory and are written together: at every flush, or when some have gathered. */
export class MetricsFile {
  readonly path: string;
  readonly #file: FileHandle;
  #waiting = '';
  #writing: Promise<void> = Promise.resolve();

  private constructor(path: string, file: FileHandle) {
    this.path = path;
    this.#file = file;
  }

  /**
   * Opens the file for the run that begins with `step`: rows of that step and later are cut off.
   * @throws DiagnosticError Z413
   */
  static async open(path: string, step: number): Promise<MetricsFile> {
    try {
      const file = await open(path, 'a+');
      try {
        await file.truncate(keptBytes(await file.readFile(), step));
        await file.sync();
      } catch (error) {
        await file.close();
        throw error;
      }
      return new MetricsFile(path, file);
    } catch (error) {
      failSystem('Z413', `cannot write ${path}`, error);
    }
  }

  append(row: MetricsRow): void {
    this.#waiting += `${JSON.stringify(row)}\n`;
    this.#writing = this.#writing.then(() => this.#write());
    // Told by the next flush.
    this.#writing.catch(() => {});
  }

  /** Makes everything appended so far durable. @throws DiagnosticError Z413 */
  async flush(): Promise<void> {
    try {
      await this.#writing;
      await this.#file.sync();
    } catch (error) {
      failSystem('Z413', `cannot write ${this.path}`, error);
    }
  }

  async close(): Promise<void> {
    await this.#writing.catch(() => {});
    await this.#file.close();
  }

  async #write(): Promise<void> {
    const text = this.#waiting;
    this.#waiting = '';
    if (text !== '') await this.#file.appendFile(text);
  }
}
