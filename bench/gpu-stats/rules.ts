/**
 * What makes the check fail: a spill, a load waited for alone in a product's loop, and less than what is recorded in waves, or more
 * in waits. What a compiler is known to do wrong (`known.ts`) may not get worse than its recorded number.
 */
import { familyOf, type Kernel } from './families.ts';
import { type Known, reasonFor } from './known.ts';
import type { Recorded } from './recorded.ts';

const words = {
  spills: 'registers spilled',
  alone: 'loads waited for alone in a turn of the loop over K',
  waits: 'waits for memory in a turn of the loop over K',
  waves: 'waves',
} as const;

/**
 * One line for each kernel and number that breaks a rule.
 * @param compared whether what is recorded was made by the same compiler; only then its waves and waits bind
 */
export function violations(kernels: readonly Kernel[], recorded: Recorded, compared: boolean): string[] {
  const { device } = recorded;
  return kernels.flatMap((kernel) => {
    const family = familyOf(kernel);
    const before = recorded.families[family];
    const fail = (what: keyof typeof words, is: number, was: number | string): string =>
      `${device} ${kernel.plan} ${kernel.label}: ${is} ${words[what]}, recorded ${was}`;
    const allowed = (what: Known['what'], number: number | undefined): number =>
      reasonFor(device, family, what) === undefined ? 0 : (number ?? 0);
    const found: string[] = [];
    const atMost = (what: keyof typeof words, is: number, most: number, was: number | undefined): void => {
      if (is > most) found.push(fail(what, is, was ?? 'nothing'));
    };
    atMost('spills', kernel.spills, allowed('spills', before?.spills), before?.spills);
    if (kernel.loop !== undefined)
      atMost('alone', kernel.loop.alone, allowed('alone', before?.loop?.alone), before?.loop?.alone);
    if (!compared || before === undefined) return found;
    if (kernel.waves < before.waves) found.push(fail('waves', kernel.waves, before.waves));
    if (kernel.loop !== undefined && before.loop !== undefined)
      atMost('waits', kernel.loop.waits, before.loop.waits, before.loop.waits);
    return found;
  });
}
