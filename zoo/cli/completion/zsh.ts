/** Completion for zsh. */
import { type DeclaredVerb, quoted, type Value } from './declared.ts';

function offered(value: Value): string {
  if (value === 'file') return '_files';
  if (value === 'model') return 'compadd -a models; _files';
  return `compadd -- ${value.map(quoted).join(' ')}`;
}

function cases({ path, verbs, options, value }: DeclaredVerb): string[] {
  const flags = options.flatMap((option) => option.flags);
  const argument = [
    ...(verbs.length > 0 ? [`compadd -- ${verbs.map(quoted).join(' ')}`] : []),
    ...(value === undefined ? [] : [offered(value)]),
  ];
  return [
    ...options.flatMap(({ flags, value }) =>
      value === undefined
        ? []
        : [`    (${flags.map((f) => quoted(`${path}:${f}`)).join('|')}) ${offered(value)} ;;`],
    ),
    `    (${quoted(`${path}:`)}*) if [[ $current == -* ]]; then compadd -- ${flags.map(quoted).join(' ')}; else ${[...argument, 'true'].join('; ')}; fi ;;`,
  ];
}

export function zshScript(verbs: readonly DeclaredVerb[], models: readonly string[]): string {
  const groups = verbs.filter((verb) => verb.verbs.length > 0 && verb.path !== '').map((verb) => verb.path);
  return `#compdef zooc
# Completion of zooc for zsh. In ~/.zshrc, behind compinit: source <(zooc completion zsh)
_zooc() {
  local -a models
  local verb='' previous='' word='' current=\${words[CURRENT]}
  models=(${models.map(quoted).join(' ')})
  for word in \${words[2,CURRENT-1]}; do
    [[ $word == -* ]] && continue
    case $verb in
      ('') verb=$word ;;
      (${groups.map(quoted).join('|')}) verb="$verb $word" ;;
      (*) break ;;
    esac
  done
  (( CURRENT > 1 )) && previous=\${words[CURRENT-1]}
  [[ $previous == -* ]] || previous=''
  case "$verb:$previous" in
${verbs.flatMap(cases).join('\n')}
  esac
}
compdef _zooc zooc
`;
}
