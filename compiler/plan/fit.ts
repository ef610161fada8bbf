/**
 * Whether a plan fits a device, and if not, which batch would.
 *
 * Everything is known before a byte is allocated: the plan's buffers against the memory of the device (where it is
 * known: software adapters use the host's), and each binding against the device's limit.
 */
import { DiagnosticError, fail } from '../../grammar/diagnostics.ts';
import type { DeviceProfile } from '../profile.ts';
import type { MemoryTable, Plan } from './types.ts';

/** The code of everything that a smaller batch may cure. */
const tooLarge = 'Z605';

const gibibytes = (bytes: number) => `${(bytes / 2 ** 30).toFixed(2)} GiB`;

/** The parts of a plan's memory that there are, largest first. */
function largest(memory: MemoryTable): string {
  const { weights, gradients, optimizer, workspace, io, derived } = memory;
  const parts = Object.entries({
    weights,
    gradients,
    optimizer,
    workspace,
    'inputs and outputs': io,
    derived,
  });
  return parts
    .filter(([, bytes]) => bytes > 0)
    .sort(([, a], [, b]) => b - a)
    .slice(0, 3)
    .map(([name, bytes]) => `${name} ${gibibytes(bytes)}`)
    .join(', ');
}

/** @throws DiagnosticError Z605 when the device is known to have less memory than the plan needs */
export function checkMemory(plan: Plan, { memory, name }: DeviceProfile): void {
  if (memory === undefined || plan.memory.total <= memory) return;
  fail(
    tooLarge,
    `${plan.model} ${plan.entry} at batch ${plan.batch} needs ${gibibytes(plan.memory.total)} (${largest(plan.memory)}), ${name} has ${gibibytes(memory)}`,
    'use a smaller batch',
  );
}

/**
 * Plans for `batch`; where that is too large for the device, finds the largest batch that is not and names it.
 * @param plan makes the plan for a batch
 * @throws DiagnosticError Z605 whose help says what would fit
 */
export function planFitting<P>(batch: number, plan: (batch: number) => P): P {
  try {
    return plan(batch);
  } catch (error) {
    if (!isTooLarge(error)) throw error;
    const fitting = largestFitting(batch, plan);
    const help =
      fitting === 0
        ? 'not even a batch of 1 fits; use a smaller model or another device'
        : `a batch of ${fitting} fits`;
    throw new DiagnosticError(error.diagnostics.map((d) => ({ ...d, help })));
  }
}

function isTooLarge(error: unknown): error is DiagnosticError {
  return error instanceof DiagnosticError && error.diagnostics.every((d) => d.code === tooLarge);
}

/** The largest batch below `batch` that can be planned, 0 if there is none. */
function largestFitting(batch: number, plan: (batch: number) => unknown): number {
  let [fits, fails] = [0, batch];
  while (fails - fits > 1) {
    const middle = Math.floor((fits + fails) / 2);
    try {
      plan(middle);
      fits = middle;
    } catch (error) {
      if (!isTooLarge(error)) throw error;
      fails = middle;
    }
  }
  return fits;
}
