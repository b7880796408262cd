#compdef hyla
# zsh completion of hyla. `hyla complete` knows what may come next; here it is only asked.
_hyla() {
  local line word paths= ret=1
  local -a going ended
  for line in ${(f)"$("${words[1]}" complete "${(@)words[2,CURRENT]}" 2>/dev/null)"}; do
    if [[ $line == (:files|:folders) ]]; then
      paths=$line
      continue
    fi
    word=${line%%$'\t'*}
    # A colon parts a word from what it is.
    if [[ $word == *= ]]; then
      going+=("${word//:/\\:}:${line#*$'\t'}")
    else
      ended+=("${word//:/\\:}:${line#*$'\t'}")
    fi
  done
  (($#going)) && _describe -V hyla going -S '' && ret=0
  (($#ended)) && _describe -V hyla ended && ret=0
  case $paths in
    :files) _files && ret=0 ;;
    :folders) _files -/ && ret=0 ;;
  esac
  return ret
}
# Read by `source`, or found by compinit, which calls it.
if [[ ${zsh_eval_context[-1]} == loadautofunc ]]; then
  _hyla "$@"
else
  compdef _hyla hyla
fi
