#compdef stele stele-check
# Completion of stele and stele-check in zsh: that of bash, which asks the programs, by way of zsh's own bridge. The
# folders of both shells lie beside each other in the installed tree.
autoload -Uz bashcompinit && bashcompinit
source "${${(%):-%x}:A:h}/../../bash-completion/completions/stele"
case $service in
stele-check) _bash_complete -F _stele_check ;;
*) _bash_complete -F _stele ;;
esac
