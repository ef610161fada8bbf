/** Calls of a recipe (`csv("x.csv", image = "file")`) as data. */
import type { StaticCall, StaticValueData } from '../../../compiler/model/types.ts';

export function staticCall(
  name: string,
  args: readonly StaticValueData[] = [],
  named: Readonly<Record<string, StaticValueData>> = {},
): StaticCall {
  return { name, args, named };
}
