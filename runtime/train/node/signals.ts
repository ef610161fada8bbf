/**
 * SIGINT and SIGTERM ask a run to finish its step, save and end well; schedulers preempt with them. A second
 * SIGINT ends at once: what was saved before stays.
 */
const signals = ['SIGINT', 'SIGTERM'] as const;

export interface StopSignal {
  readonly requested: boolean;
  /** Takes the handlers off. */
  release(): void;
}

/** @param notify told once, when the first signal comes */
export function listenForStop(notify: (text: string) => void): StopSignal {
  let requested = false;
  const onSignal = (signal: NodeJS.Signals): void => {
    if (requested && signal === 'SIGINT') process.exit(130);
    if (!requested) notify(`${signal}: finishing this step and saving (again: stop at once)`);
    requested = true;
  };
  for (const signal of signals) process.on(signal, onSignal);
  return {
    get requested() {
      return requested;
    },
    release() {
      for (const signal of signals) process.off(signal, onSignal);
    },
  };
}
