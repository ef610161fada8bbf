/** Completion for fish. */
import type { DeclaredOption, DeclaredVerb, Value } from './declared.ts';

const quoted = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;

/** Where a verb's own things can stand. */
function condition(path: string): string {
  const seen = path.split(' ').map((verb) => `__fish_seen_subcommand_from ${verb}`);
  return path === '' ? '__fish_use_subcommand' : seen.join('; and ');
}

function offered(value: Value, models: readonly string[]): string {
  if (value === 'file') return '-F';
  return value === 'model' ? `-F -a ${quoted(models.join(' '))}` : `-f -a ${quoted(value.join(' '))}`;
}

function optionLine({ flags, about, value }: DeclaredOption, models: readonly string[]): string {
  const names = flags.map((flag) => (flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`));
  const given = value === undefined ? '' : ` -r ${offered(value, models)}`;
  return `${names.join(' ')}${given} -d ${quoted(about)}`;
}

export function fishScript(verbs: readonly DeclaredVerb[], models: readonly string[]): string {
  const about = new Map(verbs.map((verb) => [verb.path, verb.about]));
  const lines = verbs.flatMap(({ path, verbs, options, value }) => {
    const others = verbs.map((verb) => `; and not __fish_seen_subcommand_from ${verb}`).join('');
    const here = `complete -c zooc -n ${quoted(path === '' ? condition(path) : condition(path) + others)}`;
    const below = (verb: string) => about.get(path === '' ? verb : `${path} ${verb}`)!;
    return [
      ...verbs.map((verb) => `${here} -f -a ${verb} -d ${quoted(below(verb))}`),
      ...options.map((option) => `${here} ${optionLine(option, models)}`),
      ...(value === undefined ? [] : [`${here} ${offered(value, models)}`]),
    ];
  });
  return `# Completion of zooc for fish: zooc completion fish > ~/.config/fish/completions/zooc.fish
complete -c zooc -f
${lines.join('\n')}
`;
}
