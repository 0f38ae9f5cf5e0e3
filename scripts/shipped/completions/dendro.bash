# Completion of dendro for bash, as /usr/share/bash-completion/completions/dendro
# or sourced. What may stand next is said by dist/bundle/complete.sh.
_dendro() {
  local program word rest
  program=$(readlink -f -- "$(type -P -- "$1")") || return
  COMPREPLY=()
  while IFS=$'\t' read -r word rest; do
    case $word in
    :directories | :files)
      compopt -o filenames
      local -a found
      if [ "$word" = :files ]; then
        mapfile -t found < <(compgen -f -- "$2")
      else
        mapfile -t found < <(compgen -d -- "$2")
      fi
      COMPREPLY+=("${found[@]}")
      ;;
    :commands) mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -c -- "$2") ;;
    *)
      COMPREPLY+=("$word")
      [[ $word != *= ]] || compopt -o nospace
      ;;
    esac
  done < <(sh "${program%/scripts/dendro}/dist/bundle/complete.sh" \
    "${COMP_WORDS[@]:1:COMP_CWORD}")
}
complete -F _dendro dendro
