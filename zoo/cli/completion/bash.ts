/** Completion for bash, from 3.2 on, which macOS has. */
import { type DeclaredVerb, quoted, type Value } from './declared.ts';

/** Sets what can stand: `words`, and `files` where those of the folder can, too. */
function assignment(value: Value): string {
  if (value === 'file') return 'files=1';
  if (value === 'model') return 'words=$models files=1';
  return `words=${quoted(value.join(' '))}`;
}

function cases({ path, verbs, options, value }: DeclaredVerb): string[] {
  const flags = options.flatMap((option) => option.flags);
  const own = [
    ...(flags.length > 0 ? [`options=${quoted(flags.join(' '))}`] : []),
    ...(verbs.length > 0 ? [`words=${quoted(verbs.join(' '))}`] : []),
    ...(value === undefined ? [] : [assignment(value)]),
  ];
  return [
    `    ${quoted(`${path}:`)}) ${own.join(' ')} ;;`,
    ...options.flatMap(({ flags, value }) =>
      value === undefined
        ? []
        : [`    ${flags.map((f) => quoted(`${path}:${f}`)).join('|')}) ${assignment(value)} taken=1 ;;`],
    ),
  ];
}

export function bashScript(verbs: readonly DeclaredVerb[], models: readonly string[]): string {
  const groups = verbs.filter((verb) => verb.verbs.length > 0 && verb.path !== '').map((verb) => verb.path);
  return `# Completion of zooc for bash. In ~/.bashrc: source <(zooc completion bash)
_zooc_declared() {
  local models=${quoted(models.join(' '))}
  words= options= files= taken=
  case "$1:$2" in
${verbs.flatMap(cases).join('\n')}
  esac
}

_zooc() {
  local line="\${COMP_LINE:0:COMP_POINT}" path= previous= current= word words options files taken last
  local all=()
  read -r -a all <<< "$line"
  [[ $line == *[[:space:]] ]] && all+=('')
  last=$((\${#all[@]} - 1))
  current=\${all[$last]}
  previous=\${all[$last - 1]}
  for word in "\${all[@]:1:$last - 1}"; do
    [[ $word == -* ]] && continue
    case "$path" in
      '') path=$word ;;
      ${groups.map(quoted).join('|')}) path="$path $word" ;;
      *) break ;;
    esac
  done
  [[ $previous == -* ]] && _zooc_declared "$path" "$previous"
  if [[ -z $taken ]]; then
    _zooc_declared "$path" ''
    [[ $current == -* ]] && words=$options files=
  fi
  COMPREPLY=()
  for word in $words; do
    [[ $word == "$current"* ]] && COMPREPLY+=("$word")
  done
  if [[ -n $files ]]; then
    compopt -o filenames 2> /dev/null
    while read -r word; do COMPREPLY+=("$word"); done < <(compgen -f -- "$current")
  fi
  # Bash takes what stands behind one of its word breaks for the word.
  local before="\${current%"\${current##*[@:=]}"}"
  [[ -n $before ]] && COMPREPLY=("\${COMPREPLY[@]#"$before"}")
  return 0
}
complete -F _zooc zooc
`;
}
