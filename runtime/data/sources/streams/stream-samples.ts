/**
 * Samples of shards that stream by, in lanes: which a batch takes is a function of the shards' content, the seed and
 * the step, whatever the threads and ranks. Lanes go on by as many samples as they have places, whether pictures can be
 * read or not, so that ranks that share a lane agree on it.
 */
import { fail } from '../../../../grammar/diagnostics.ts';
import type { DataIdentity, LanePlace, ShardLosses } from '../../types.ts';
import type { Draw, Part } from '../batches/part.ts';
import type { UnreadablePictures } from '../columns/unreadable.ts';
import type { FedColumns, Sampled } from '../fed-columns.ts';
import type { SourceContext } from '../source-context.ts';
import { type Lane, type LaneSample, type LaneState, type LaneWindow, laneBegin } from './lane.ts';
import { type LaneUse, lanesOf, placesBefore, turnsOf } from './turns.ts';

interface StreamParts {
  readonly columns: FedColumns;
  readonly unreadable: UnreadablePictures;
  readonly identity: DataIdentity;
  readonly lanes: number;
  /** Samples of an epoch, where they are known. */
  readonly samples: number | undefined;
  readonly weight: number | undefined;
  /** What messages call the shards. */
  readonly name: string;
  /**
   * @param spare whether it takes the place of the lane where that has too few samples, with the shards of all
   * @param told whether this rank tells what is found in it
   */
  openLane(lane: number, state: LaneState, how: { readonly spare: boolean; readonly told: boolean }): Lane;
  /** Ends what is being read. */
  close(): void;
  lacked(): ShardLosses;
  /** Shards that are being read, in words. */
  reading(): string[];
}

interface LanePair {
  readonly own: Lane;
  readonly spare: Lane;
}

function statesIn(place: LanePlace): { readonly own: LaneState; readonly spare: LaneState } {
  const [shard, before, given, ...spare] = place;
  return {
    own: { shard, before, given },
    spare: { shard: spare[0], before: spare[1], given: spare[2] },
  };
}

function placeOf({ own, spare }: { readonly own: LaneState; readonly spare: LaneState }): LanePlace {
  return [own.shard, own.before, own.given, spare.shard, spare.before, spare.given];
}

/** What a batch takes of one lane: its samples, and behind the last that it has those of the spare. */
class LaneDraw {
  readonly #window: LaneWindow;
  readonly #spare: LaneWindow;

  private constructor(window: LaneWindow, spare: LaneWindow) {
    this.#window = window;
    this.#spare = spare;
  }

  /** Undefined where there are too few samples. */
  static async of({ own, spare }: LanePair, places: number): Promise<LaneDraw | undefined> {
    const window = own.window();
    const other = spare.window(window);
    const found = await window.fill(places);
    own.pass(window, found);
    if (found < places) {
      const more = await other.fill(places - found);
      if (found + more < places) return undefined;
      spare.pass(other, more);
    }
    return new LaneDraw(window, other);
  }

  /** Undefined where all shards have no more. */
  async at(candidate: number): Promise<LaneSample | undefined> {
    return (await this.#window.at(candidate)) ?? this.#spare.at(candidate - this.#window.length);
  }
}

interface StreamDrawParts {
  readonly places: number;
  readonly before: readonly number[];
  readonly draws: readonly (LaneDraw | undefined)[];
  readonly lanes: readonly (LanePlace | null)[];
}

class StreamDraw implements Draw {
  readonly places: number;
  readonly lanes: readonly (LanePlace | null)[];
  readonly #stream: StreamSamples;
  readonly #parts: StreamDrawParts;

  constructor(stream: StreamSamples, parts: StreamDrawParts) {
    this.places = parts.places;
    this.lanes = parts.lanes;
    this.#stream = stream;
    this.#parts = parts;
  }

  async read(candidate: number): Promise<Sampled> {
    const { before, draws } = this.#parts;
    const place = candidate % this.places;
    const lane = before.findLastIndex((from) => from <= place);
    const own = before[lane + 1]! - before[lane]!;
    const tries = Math.floor(candidate / this.places);
    const found = await draws[lane]!.at(place - before[lane]! + tries * own);
    if (found === undefined) return this.#stream.failEmpty();
    const { epoch, index, content } = found;
    if ('reason' in content) return { epoch, index, sample: content, known: true };
    const sample = await this.#stream.columns.read(index, content);
    // It is met again, and not decoded again.
    if ('reason' in sample) found.content = sample;
    return { epoch, index, sample };
  }

  next(candidate: number): number {
    return candidate + this.places;
  }

  again(): Draw {
    return this;
  }
}

export class StreamSamples implements Part {
  readonly path: string;
  readonly count: number | undefined;
  readonly weight: number | undefined;
  readonly identity: DataIdentity;
  readonly columns: FedColumns;
  readonly unreadable: UnreadablePictures;
  readonly lanes: readonly LanePlace[];
  readonly #parts: StreamParts;
  readonly #batch: number;
  readonly #turns: readonly number[];
  readonly #uses: readonly LaneUse[];
  #open: readonly (LanePair | undefined)[];
  #last: Promise<unknown> = Promise.resolve();
  readonly #old: Promise<void>[] = [];

  constructor(parts: StreamParts, { batch, share, mixed }: SourceContext) {
    this.#parts = parts;
    this.path = parts.name;
    this.count = parts.samples;
    this.weight = parts.weight;
    this.identity = parts.identity;
    this.columns = parts.columns;
    this.unreadable = parts.unreadable;
    this.#batch = batch;
    this.#turns = turnsOf(parts.lanes);
    const { rank = 0, size = 1 } = share ?? {};
    // In a mix the places of a lane move from batch to batch, over the borders of ranks.
    this.#uses = mixed
      ? this.#turns.map(() => ({ used: true, told: rank === 0 }))
      : lanesOf(this.#turns, batch, { rank, size });
    this.lanes = this.#turns.map(() => placeOf({ own: laneBegin, spare: laneBegin }));
    this.#open = this.#openLanes(this.lanes);
  }

  get lacked(): ShardLosses {
    return this.#parts.lacked();
  }

  get reading(): string[] {
    return this.#parts.reading();
  }

  draw(start: number, places: number): Promise<Draw> {
    const lanes = this.#open;
    const drawn = this.#last.then(() => this.#draw(lanes, start, places));
    this.#last = drawn;
    return drawn;
  }

  seek(lanes: readonly LanePlace[]): void {
    for (const lane of this.#open) this.#closeLane(lane);
    this.#open = this.#openLanes(lanes);
    this.#last = Promise.resolve();
  }

  /** @throws DiagnosticError Z452 */
  failEmpty(): never {
    const what = `a batch of ${this.#batch} cannot be filled`;
    return fail('Z452', `${this.path}: ${what}: no shard has samples that can be used, or there are too few`);
  }

  async close(): Promise<void> {
    const { close, unreadable, columns } = this.#parts;
    close();
    unreadable.close();
    for (const lane of this.#open) this.#closeLane(lane);
    await Promise.allSettled([this.#last, ...this.#old]);
    await columns.close();
  }

  async #draw(open: readonly (LanePair | undefined)[], start: number, places: number): Promise<Draw> {
    const before = placesBefore(this.#turns, start, places);
    const draws = await Promise.all(
      open.map(async (lane, i) => {
        const own = before[i + 1]! - before[i]!;
        if (lane === undefined || own === 0) return undefined;
        return (await LaneDraw.of(lane, own)) ?? this.failEmpty();
      }),
    );
    return new StreamDraw(this, {
      places,
      before,
      draws,
      lanes: open.map((lane) =>
        lane === undefined ? null : placeOf({ own: lane.own.state, spare: lane.spare.state }),
      ),
    });
  }

  #openLanes(places: readonly LanePlace[]): (LanePair | undefined)[] {
    const { openLane } = this.#parts;
    return this.#uses.map(({ used, told }, lane) => {
      if (!used) return undefined;
      const { own, spare } = statesIn(places[lane]!);
      return {
        own: openLane(lane, own, { spare: false, told }),
        spare: openLane(lane, spare, { spare: true, told }),
      };
    });
  }

  #closeLane(lane: LanePair | undefined): void {
    if (lane !== undefined) this.#old.push(lane.own.close(), lane.spare.close());
  }
}
