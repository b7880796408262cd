# bash completion of hyla. `hyla complete` knows what may come next; here it is only asked.

# readline takes "key=value" apart at the "="; hyla gets it whole.
_hyla() {
  local words=() word previous=
  for word in "${COMP_WORDS[@]:1:COMP_CWORD}"; do
    if [[ ${#words[@]} -gt 0 && ($word == "=" || $previous == "=") ]]; then words[-1]+=$word; else words+=("$word"); fi
    previous=$word
  done
  local current=${words[-1]:-} line paths= known
  COMPREPLY=()
  # "KEY=" is not put in again when readline has it already.
  local already=
  if [[ $current == *=* && $COMP_WORDBREAKS == *=* ]]; then already=${current%%=*}=; fi
  while IFS= read -r line; do
    case $line in
      :files | :folders) paths=$line ;;
      *) known=${line%%$'\t'*}; COMPREPLY+=("${known#"$already"}") ;;
    esac
  done < <("${COMP_WORDS[0]}" complete "${words[@]}" 2>/dev/null)
  if [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *= ]]; then compopt -o nospace 2>/dev/null; fi
  [[ $paths ]] || return
  compopt -o filenames 2>/dev/null
  local kind=-f
  if [[ $paths == :folders ]]; then kind=-d; fi
  mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen $kind -- "${current#"$already"}")
}
complete -F _hyla hyla
