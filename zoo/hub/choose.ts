/**
 * Which files of a repository are fetched: of a package of zooc those that its manifest lists, of others the weights that
 * would be read from a folder, and the configuration that they are compared with. Nothing else, whatever a repository holds.
 */
import { z } from 'zod';
import { fail } from '../../grammar/diagnostics.ts';
import { parseJson } from '../../runtime/data/files/json.ts';
import { weightFiles } from '../weights/formats/open-tensors.ts';
import { manifestName, manifestSchema } from '../weights/package.ts';

/** Beside weights: what they are compared with, their tokenizer, and what a person reads. */
export const companions = [
  'README.md',
  'config.json',
  'merges.txt',
  'open_clip_config.json',
  'preprocessor_config.json',
  'special_tokens_map.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'vocab.json',
];

const mostShards = 256;
const plainName = /^(?!\.)[A-Za-z0-9][A-Za-z0-9._-]{0,199}$/;
const indexSchema = z.object({ weight_map: z.record(z.string(), z.string()) });

/** Pickles are programs for Python. They are read by a reader that runs nothing, but only where there is nothing else. */
function isPickle(name: string): boolean {
  return /\.(bin|bin\.index\.json|pt)$/.test(name);
}

/** What is fetched first; the rest is known from its content. */
export interface Choice {
  readonly first: readonly string[];
  /** @param textOf of a file of `first` */
  rest(textOf: (name: string) => Promise<string>): Promise<readonly string[]>;
}

function plainOnly(repository: string, names: readonly string[]): readonly string[] {
  const odd = names.find((name) => !plainName.test(name));
  if (odd !== undefined)
    fail('Z482', `${repository} lists ${JSON.stringify(odd)}, which is no plain name of a file`);
  return names;
}

/**
 * @param has whether the repository holds a file
 * @throws DiagnosticError Z481 for one without weights, Z482 for names of files that lead elsewhere
 */
export function chooseFiles(repository: string, has: (name: string) => boolean): Choice {
  if (has('model.zoo') && has(manifestName))
    return {
      first: [manifestName],
      async rest(textOf) {
        const parsed = manifestSchema.safeParse(parseJson(await textOf(manifestName)));
        if (!parsed.success) fail('Z430', `${manifestName} of ${repository} is no manifest of a package`);
        return plainOnly(repository, Object.keys(parsed.data.files));
      },
    };
  const there = weightFiles.filter(has);
  const weights = there.find((name) => !isPickle(name)) ?? there[0];
  if (weights === undefined)
    fail('Z481', `${repository} holds no weights`, `looked for ${weightFiles.join(', ')}`);
  return {
    first: [weights, ...companions.filter(has)],
    async rest(textOf) {
      if (!weights.endsWith('.index.json')) return [];
      const parsed = indexSchema.safeParse(parseJson(await textOf(weights)));
      if (!parsed.success) fail('Z423', `${weights} of ${repository} is no index of shards`);
      const shards = [...new Set(Object.values(parsed.data.weight_map))].sort();
      if (shards.length > mostShards)
        fail('Z423', `${weights} of ${repository} names ${shards.length} shards, more than ${mostShards}`);
      return plainOnly(repository, shards);
    },
  };
}
