/**
 * `metrics.jsonl`: one line a step, appended as steps report, flushed to the disk before each checkpoint.
 *
 * After a kill the file may hold rows beyond the checkpoint, the last one torn. `open` keeps the rows before
 * the step that the run goes on with, so a resumed file reads as if the run had never been cut. What a disk or
 * a hand took away stays away, and is said.
 */
import { type FileHandle, open } from 'node:fs/promises';
import type { Diagnostic } from '../../../grammar/diagnostics.ts';
import { failSystem, refuseOther, writeAtomically, writeFully } from '../../data/files/atomic.ts';
import type { MetricsRow } from '../types.ts';
import type { RunLog } from './log.ts';

interface KeptRows {
  readonly rows: Buffer;
  /** Steps before the one that the run goes on with which have no row, as `3` or `3 to 5`. */
  readonly gaps: readonly string[];
}

/** The step of a line; undefined for what is no row. */
function stepOf(line: Uint8Array): number | undefined {
  try {
    const row: unknown = JSON.parse(new TextDecoder().decode(line));
    const found = typeof row === 'object' && row !== null && 'step' in row ? row.step : undefined;
    return Number.isSafeInteger(found) ? (found as number) : undefined;
  } catch {
    return undefined;
  }
}

/** The whole rows of steps below `step`, in order, each step once. */
export function keptRows(content: Uint8Array, step: number): KeptRows {
  const lines: Uint8Array[] = [];
  const gaps: string[] = [];
  let next = 0;
  const miss = (until: number): void => {
    if (until > next) gaps.push(until === next + 1 ? `${next}` : `${next} to ${until - 1}`);
  };
  for (let at = 0; ; ) {
    const end = content.indexOf(0x0a, at);
    if (end < 0) break;
    const line = content.subarray(at, end + 1);
    at = end + 1;
    const found = stepOf(line);
    if (found === undefined || found < next || found >= step) continue;
    miss(found);
    lines.push(line);
    next = found + 1;
  }
  miss(step);
  return { rows: Buffer.concat(lines), gaps };
}

/** Gaps that a warning names at most. */
const named = 10;

function gapsWarning(path: string, gaps: readonly string[]): Diagnostic {
  const shown = gaps.slice(0, named).join(', ');
  return {
    code: 'Z619',
    severity: 'warning',
    message: `${path} lacks rows of steps that are done: ${shown}${gaps.length > named ? ', …' : ''}`,
  };
}

/** Rows wait in memory and are written together: at every flush, or when some have gathered. */
export class MetricsFile implements RunLog {
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
   * @param warn told of steps before it that have no row
   * @throws DiagnosticError Z413
   */
  static async open(path: string, step: number, warn: (warning: Diagnostic) => void): Promise<MetricsFile> {
    try {
      await refuseOther(path);
      let file = await open(path, 'a+');
      try {
        const content = await file.readFile();
        const { rows, gaps } = keptRows(content, step);
        if (gaps.length > 0) warn(gapsWarning(path, gaps));
        if (rows.equals(content.subarray(0, rows.length))) {
          await file.truncate(rows.length);
          await file.sync();
        } else {
          await file.close();
          await writeAtomically(path, (whole) => writeFully(whole, rows));
          file = await open(path, 'a');
        }
      } catch (error) {
        await file.close();
        throw error;
      }
      return new MetricsFile(path, file);
    } catch (error) {
      failSystem('Z413', `cannot write ${path}`, error);
    }
  }

  row(row: MetricsRow): void {
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
