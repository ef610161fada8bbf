/**
 * Errors between a page and its workers: a DiagnosticError arrives with its diagnostics, and everything else with its message.
 */
import * as Comlink from 'comlink';
import { type Diagnostic, DiagnosticError } from '../../grammar/diagnostics.ts';

interface Thrown {
  readonly value: unknown;
}

interface Sent {
  readonly message: string;
  readonly stack?: string;
  readonly diagnostics?: readonly Diagnostic[];
}

function sent(value: unknown): Sent {
  if (!(value instanceof Error)) return { message: String(value) };
  const { message, stack } = value;
  return {
    message,
    ...(stack === undefined ? {} : { stack }),
    ...(value instanceof DiagnosticError ? { diagnostics: value.diagnostics } : {}),
  };
}

/** Both sides call this before they speak. */
export function carryFailures(): void {
  const thrown = Comlink.transferHandlers.get('throw')!;
  Comlink.transferHandlers.set('throw', {
    canHandle: thrown.canHandle as (value: unknown) => value is Thrown,
    serialize: ({ value }: Thrown) => [sent(value), []],
    deserialize: ({ message, stack, diagnostics }: Sent): never => {
      if (diagnostics !== undefined) throw new DiagnosticError(diagnostics);
      const error = new Error(message);
      if (stack !== undefined) error.stack = stack;
      throw error;
    },
  });
}
