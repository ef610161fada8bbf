/**
 * SIGINT, SIGTERM and SIGHUP ask a run to finish its step, save and end well; schedulers preempt with them, a
 * terminal that closes sends the last. A second one ends at once: what was saved before stays.
 */
import { constants } from 'node:os';

export const stopSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Milliseconds in which another signal is the first one again: npm passes on what its whole group was sent. */
const echo = 250;

export interface StopSignal {
  readonly requested: boolean;
  /** Takes the handlers off. */
  release(): void;
}

export interface ListeningSignal extends StopSignal {
  /** From now on this is told, and no longer what it began with. */
  tell(notify: (text: string) => void): void;
}

/** @param notify told once, when the first signal comes */
export function listenForStop(notify: (text: string) => void): ListeningSignal {
  let asked: number | undefined;
  let told = notify;
  const onSignal = (signal: NodeJS.Signals): void => {
    if (asked === undefined) told(`${signal}: finishing what is under way and saving (again: stop at once)`);
    else if (performance.now() - asked > echo) process.exit(128 + constants.signals[signal]);
    asked ??= performance.now();
  };
  for (const signal of stopSignals) process.on(signal, onSignal);
  return {
    get requested() {
      return asked !== undefined;
    },
    tell(notify) {
      told = notify;
    },
    release() {
      for (const signal of stopSignals) process.off(signal, onSignal);
    },
  };
}
