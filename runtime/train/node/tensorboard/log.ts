/**
 * `events.out.tfevents.*`: a run as TensorBoard reads it, scalars under open_clip's tags.
 *
 * Each process that trains writes a file of its own. One that goes on from a checkpoint says so, and TensorBoard drops
 * the points of later steps that files of processes before it hold.
 */
import { type FileHandle, open } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { failSystem } from '../../../data/files/atomic.ts';
import type { EvaluationResult } from '../../evaluations.ts';
import type { PicturesFile } from '../../pictures.ts';
import { type RateGroup, rateGroups } from '../../rate-groups.ts';
import type { MetricsRow } from '../../types.ts';
import type { RunEnd, RunLog, RunStart, Showing } from '../log.ts';
import {
  fileVersion,
  hparamsEnd,
  hparamsStart,
  image,
  scalar,
  sessionStart,
  summary,
  text,
  type Value,
} from './events.ts';
import { frame } from './records.ts';

/** Milliseconds that an event waits for others before all are written. */
const flushEvery = 10_000;

/** What of a run is told by words. */
export interface Described {
  readonly recipe: string;
  readonly model: string;
  readonly parameters: number;
  readonly batch: number;
  /** Texts of the run folder by name: `recipe.zoo`, `model.zoo`. */
  readonly files: ReadonlyMap<string, string>;
  /** Pictures of the run with their best captions so far; asked at every checkpoint. */
  pictures?(): PicturesFile | undefined;
}

interface Clock {
  /** Seconds since 1970. */
  now(): number;
}

/** Markdown that shows text as it is, whatever it holds. */
function code(content: string): string {
  return content
    .trimEnd()
    .split('\n')
    .map((line) => `    ${line}`)
    .join('\n');
}

/** Text in a cell of a table in Markdown, as it is. */
function cell(content: string): string {
  return content.replace(/[\\`*_{}[\]()<>#+\-.!|~&]/g, (c) => `&#${c.charCodeAt(0)};`).replace(/\s+/g, ' ');
}

/** The pictures' best captions at the newest checkpoint. */
function rankingTable({ pictures, rankings }: PicturesFile): string {
  const rows = rankings.at(-1)!.best.map((best, i) => {
    const captions = best.map(({ caption, probability }) => {
      const shown = `${cell(pictures[caption]!.caption)} ${(100 * probability).toFixed(1)} %`;
      return caption === i ? `**${shown}**` : shown;
    });
    return `| ${pictureNumber(i)} | ${cell(pictures[i]!.caption)} | ${captions.join(', ')} |`;
  });
  return ['| picture | its caption | best captions |', '| --- | --- | --- |', ...rows].join('\n');
}

function pictureNumber(i: number): string {
  return String(i).padStart(2, '0');
}

/** Characters of a caption in a tag, which is what most of TensorBoard's pages show above a picture. */
const captionInTag = 60;

function pictureValue({ png, caption }: PicturesFile['pictures'][number], i: number): Value {
  const bytes = Buffer.from(png, 'base64');
  // Of a PNG's header.
  const [width, height] = [bytes.readUInt32BE(16), bytes.readUInt32BE(20)];
  const tag = `pictures/${pictureNumber(i)} ${caption.slice(0, captionInTag)}`;
  return image(tag, { png: bytes, width, height }, caption, cell(caption));
}

/**
 * A row's scalars. open_clip logs the factor of the logits where `metrics.jsonl` has its logarithm, and seconds where
 * that has milliseconds.
 */
function scalarsOf(row: MetricsRow, batch: number, groups: readonly RateGroup[]): Value[] {
  const { step: _, data_wait_ms: wait, samples_per_second: rate, ...others } = row;
  const values = [scalar('train/samples_per_second', rate), scalar('train/batch_time', batch / rate)];
  values.push(scalar('train/data_time', wait / 1000));
  for (const [name, value] of Object.entries(others)) {
    if (value === undefined) continue;
    if (name !== 'logit_scale') values.push(scalar(`train/${name}`, Number(value)));
    else for (const tag of ['scale', name]) values.push(scalar(`train/${tag}`, Math.exp(Number(value))));
  }
  for (const { name, scale } of groups) values.push(scalar(`lr/${name}`, row.lr * scale));
  return values;
}

class TensorBoardLog implements RunLog {
  readonly #file: FileHandle;
  readonly #path: string;
  readonly #clock: Clock;
  readonly #groups: readonly RateGroup[];
  readonly #described: Described;
  #picturesShown = false;
  #waiting: Uint8Array[] = [];
  #writing: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;
  #failure: unknown;

  constructor(file: FileHandle, path: string, clock: Clock, start: RunStart, described: Described) {
    this.#file = file;
    this.#path = path;
    this.#clock = clock;
    this.#groups = rateGroups(start.updates);
    this.#described = described;
    const now = clock.now();
    this.#add(fileVersion(now));
    if (start.start > 0) this.#add(sessionStart(now, start.start));
    const { recipe, model, parameters, files } = described;
    const settings = { ...start.compared, steps: start.end, recipe, model, parameters };
    const texts = [...files].map(([name, content]) => text(name, code(content)));
    this.#add(summary(now, start.start, [hparamsStart(settings, now), ...texts]));
  }

  row(row: MetricsRow): void {
    if (this.#failure !== undefined) throw this.#failure;
    this.#add(summary(this.#clock.now(), row.step, scalarsOf(row, this.#described.batch, this.#groups)));
  }

  async evaluated(step: number, results: readonly EvaluationResult[]): Promise<void> {
    const values = results.flatMap(({ dataset, metrics }) =>
      Object.entries(metrics).map(([name, value]) => scalar(`val/${dataset}/${name}`, value)),
    );
    // Rows count steps from 0; this is behind the last of them.
    this.#add(summary(this.#clock.now(), step - 1, values));
  }

  async flush(): Promise<void> {
    this.#write();
    await this.#writing;
  }

  async saved(step: number): Promise<void> {
    const shown = this.#described.pictures?.();
    if (shown?.rankings.at(-1)?.step !== step) return;
    const values = [text('pictures', rankingTable(shown))];
    if (!this.#picturesShown) values.push(...shown.pictures.map(pictureValue));
    this.#picturesShown = true;
    this.#add(summary(this.#clock.now(), step, values));
  }

  async ended({ steps, stopped }: RunEnd): Promise<void> {
    // A run that was stopped goes on in another file.
    const now = this.#clock.now();
    if (!stopped) this.#add(summary(now, steps, [hparamsEnd(now)]));
    await this.flush();
  }

  async close(): Promise<void> {
    clearTimeout(this.#timer);
    try {
      await this.flush();
    } finally {
      await this.#file.close();
    }
  }

  #add(event: Uint8Array): void {
    this.#waiting.push(frame(event));
    this.#timer ??= setTimeout(() => this.#write(), flushEvery).unref();
  }

  #write(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const bytes = Buffer.concat(this.#waiting);
    this.#waiting = [];
    if (bytes.length === 0) return;
    this.#writing = this.#writing.then(async () => {
      try {
        await this.#file.appendFile(bytes);
      } catch (error) {
        failSystem('Z413', `cannot write ${this.#path}`, error);
      }
    });
    this.#writing.catch((error) => {
      this.#failure = error;
    });
  }
}

/** A file that was not there before: two processes of one second differ in the last number. */
async function createFile(folder: string, now: number): Promise<{ file: FileHandle; path: string }> {
  const began = String(Math.floor(now)).padStart(10, '0');
  for (let n = 0; ; n++) {
    const path = join(folder, `events.out.tfevents.${began}.${hostname()}.${process.pid}.${n}`);
    try {
      return { file: await open(path, 'ax'), path };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST')
        failSystem('Z413', `cannot write ${path}`, error);
    }
  }
}

export function tensorBoard(described: Described, clock: Clock = { now: () => Date.now() / 1000 }): Showing {
  return {
    name: "TensorBoard's events",
    open: async (start) => {
      const { file, path } = await createFile(start.out, clock.now());
      return new TensorBoardLog(file, path, clock, start, described);
    },
  };
}
