/** Lists of shards as recipes write them: `shards/{0000..1242}.tar`, joined by `::`. */
import { expand } from 'brace-expansion';
import type { StaticCall } from '../../../../compiler/model/types.ts';
import { failAt } from '../../options.ts';

/** More are a mistake in a pattern; their names alone would take gigabytes. */
const mostShards = 1_000_000;
/** Characters of all names. The library stops in silence at its limits, so they lie above ours. */
const mostCharacters = 2 ** 28;

/** @throws DiagnosticError Z452 for none, or too many */
export function expandShards(call: StaticCall, patterns: readonly string[]): string[] {
  const shards: string[] = [];
  let characters = 0;
  for (const pattern of patterns.flatMap((text) => text.split('::'))) {
    if (pattern.trim() === '')
      failAt(call, 'Z452', 'a pattern of shards is empty', '"a/{000..009}.tar::b.tar"');
    const found = expand(pattern, {
      max: mostShards + 1,
      maxLength: 2 * mostCharacters,
      maxSteps: Number.MAX_SAFE_INTEGER,
    });
    for (const shard of found) {
      characters += shard.length;
      shards.push(shard);
    }
    if (shards.length > mostShards || characters > mostCharacters)
      failAt(
        call,
        'Z452',
        `the pattern \`${pattern}\` names more than ${mostShards} shards`,
        'fewer, larger shards: img2dataset writes 10 000 samples into each',
      );
  }
  const seen = new Set<string>();
  const twice = shards.find((shard) => seen.size === seen.add(shard).size);
  if (twice !== undefined) failAt(call, 'Z452', `the shard ${twice} stands twice in the list`);
  return shards;
}
