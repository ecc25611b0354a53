# Completion of stele and stele-check in bash. Commands, options, plugins and checks come from the programs
# themselves, so that nothing here has to follow them; no plugin is loaded for it.

# Commands of program $1.
_stele_commands() {
    "$1" help 2>/dev/null | sed -n 's/^  \([a-z][a-z]*\)  *.*/\1/p'
}

# Options of the command line "$@ --help".
_stele_options() {
    "$@" --help 2>/dev/null | sed -n 's/^  \(-o\) .*(or \(--[a-z]*\)).*/\1 \2/p; s/^  \(-[-a-z]*\).*/\1/p'
}

# Plugins of one kind, KIND/NAME each.
_stele_plugins() {
    "$1" help "$2" 2>/dev/null | sed -n "s|^stele help \($2/.*\)|\1|p"
}

_stele_kinds="modality fusion head source"

# The words of $1 that begin with the word at hand.
_stele_offer() {
    COMPREPLY=($(compgen -W "$1" -- "$cur"))
}

# Files whose names end in one of the other arguments, and folders.
_stele_files() {
    local pattern path
    COMPREPLY=()
    for pattern in "$@"; do
        while IFS= read -r path; do
            COMPREPLY+=("$path")
        done < <(compgen -f -X "!*$pattern" -- "$cur")
    done
    while IFS= read -r path; do
        COMPREPLY+=("$path/")
    done < <(compgen -d -- "$cur")
    compopt -o nospace -o filenames 2>/dev/null || true
}

# The value of option $2 of command $1; fails where nothing is known about it.
_stele_value() {
    case $1:$2 in
    *:--split) _stele_offer 'train valid test all' ;;
    *:--checkpoint) _stele_offer 'best last' ;;
    embed:-o | embed:--output) _stele_files .h5ad .npy .csv ;;
    generate:-o | generate:--output) _stele_files .h5ad .csv .npy .jsonl .png ;;
    score:-o | score:--output) _stele_files .csv ;;
    generate:--draw) _stele_offer 'mean mode sample' ;;
    eval:--report) _stele_offer 'fusion' ;;
    eval:--rows) _stele_files .csv ;;
    predict:-o | predict:--output) _stele_files .csv .jsonl .h5ad ;;
    *:-o | *:--output | *:--run) _stele_files nothing ;;
    *:--data) _stele_files .h5ad .h5mu ;;
    *:--set | *:--threads | *:--jobs | *:--modalities | *:--labels | *:--exclude | *:--samples | *:--level) COMPREPLY=() ;;
    generate:--to | generate:--from | generate:--rows | generate:--first | generate:--between) COMPREPLY=() ;;
    generate:--traverse | generate:--dims | *:--resamples) COMPREPLY=() ;;
    generate:--steps | generate:--prior | generate:--given | generate:--temperature) COMPREPLY=() ;;
    generate:--seed | generate:--like | generate:--shape | score:--alpha) COMPREPLY=() ;;
    *) return 1 ;;
    esac
}

_stele() {
    local program=$1 cur=$2 previous=$3 command=${COMP_WORDS[1]} kind words
    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ]; then
        _stele_offer "$(_stele_commands "$program") --version --help"
        return
    fi
    _stele_value "$command" "$previous" && return
    case $command:$cur in
    *:-*) _stele_offer "$(_stele_options "$program" "$command") --help" ;;
    check:* | train:* | sweep:*) _stele_files .yaml .yml ;;
    embed:* | eval:* | generate:* | predict:* | score:*) _stele_files nothing ;;
    new:*)
        _stele_offer "$(printf '%s/ ' $_stele_kinds)"
        compopt -o nospace 2>/dev/null || true
        ;;
    help:*)
        words="$(_stele_commands "$program") evaluate $_stele_kinds"
        for kind in $_stele_kinds; do
            words+=" $(_stele_plugins "$program" "$kind")"
        done
        _stele_offer "$words"
        ;;
    esac
}

_stele_check() {
    local program=$1 cur=$2 previous=$3
    case $previous:$cur in
    --only:* | --skip:*) _stele_offer "$("$program" --list 2>/dev/null | sed 's/ .*//')" ;;
    --json:*) _stele_files .json ;;
    --options:* | --seed:* | --timeout:*) COMPREPLY=() ;;
    *:-*) _stele_offer "$(_stele_options "$program") --help" ;;
    *) _stele_files .so ;;
    esac
}

complete -F _stele stele
complete -F _stele_check stele-check
