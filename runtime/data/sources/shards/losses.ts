/** What shards lack: samples left out, by reason, and shards in error, of which the first are named. */
import type { StaticCall } from '../../../../compiler/model/types.ts';
import { type Diagnostic, DiagnosticError } from '../../../../grammar/diagnostics.ts';
import { type Drop, Drops } from '../../../drops.ts';
import { reasonOf } from '../../files/atomic.ts';
import { failAt } from '../../options.ts';
import type { ShardLosses } from '../../types.ts';

/** Shards in error that are named one by one. */
const named = 10;

interface Telling {
  readonly call: StaticCall;
  /** What messages call all shards. */
  readonly name: string;
  /** How many there are. */
  readonly shards: number;
  /** Samples that are used. */
  readonly used: number;
  /** What to do about shards that cannot be read. */
  readonly help?: string;
}

/** Why a shard cannot be read, without its name. */
export function reasonInShard(path: string, error: unknown): string {
  const message = error instanceof DiagnosticError ? error.diagnostics[0]!.message : reasonOf(error);
  return message.replace(`cannot read ${path}: `, '');
}

export class ShardLossCounts {
  readonly #left = new Drops();
  readonly #errors: string[] = [];
  #unread = 0;

  get losses(): ShardLosses {
    return { leftOut: this.#left.counts, inError: this.#errors.length };
  }

  leave(drop: Drop, count = 1): void {
    this.#left.add(drop, count);
  }

  /** @param samples that are used of it */
  fail(path: string, reason: string, samples: number): void {
    if (samples === 0) this.#unread++;
    this.#errors.push(`${path}: ${reason} (${samples} samples are used)`);
  }

  /**
   * Says it all.
   * @throws DiagnosticError Z452 where most shards cannot be read
   */
  tell({ call, name, shards, used, help }: Telling, warn: ((warning: Diagnostic) => void) | undefined): void {
    const errors = this.#errors;
    if (this.#unread > shards / 2)
      failAt(
        call,
        'Z452',
        `${this.#unread} of ${shards} shards cannot be read; the first in error is ${errors[0]}`,
        help,
      );
    const shown = errors.slice(0, named).join('; ');
    if (errors.length > 0)
      warn?.({
        code: 'Z453',
        severity: 'warning',
        message: `${errors.length} of ${shards} shards are in error: ${shown}${errors.length > named ? '; …' : ''}`,
      });
    const left = this.#left;
    if (left.total > 0)
      warn?.({
        code: 'Z419',
        severity: 'warning',
        message: `${name}: ${left.total} of ${left.total + used} samples are left out: ${left.inWords()}`,
      });
  }
}
