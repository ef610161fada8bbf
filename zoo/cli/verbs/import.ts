/** `zooc import`: weights of other projects. The name maps for it come with a later version, and this says so. */
import { fail } from '../../../grammar/diagnostics.ts';

export function importWeights(weights: string, options: { format: string }): never {
  fail(
    'Z706',
    `import --format ${options.format} comes with a later version of zooc (${weights} was not read)`,
    'safetensors files under OpenAI names are taken as they are: --weights FILE',
  );
}
