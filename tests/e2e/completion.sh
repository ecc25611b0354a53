#!/usr/bin/env bash
# What the completion offers is what the programs know, and no more. completion.sh STELE STELE_CHECK COMPLETION PAGES
# PAGES is the folder of the man pages, which have to name every command and option as well.
set -u
stele=$(realpath "$1") checker=$(realpath "$2") pages=$4
source "$3"
failed=0 passed=0

# verdict WHAT TEXT command...: the command has to succeed.
verdict() {
    if "${@:3}"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "failed: $1 $2"
    fi
}

# offers "words of the line" -- expected...: the words that complete the last one, in any order.
offers() {
    local line=$1 function=_stele program=$stele
    COMP_WORDS=($line)
    [[ $line == *' ' ]] && COMP_WORDS+=('')
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    [ "${COMP_WORDS[0]}" = stele ] || { function=_stele_check program=$checker; }
    "$function" "$program" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
    shift 2
    local got want
    got=$(printf '%s\n' "${COMPREPLY[@]}" | sort)
    want=$(printf '%s\n' "$@" | sort)
    verdict "\`$line\`" "offers $got, not $want" test "$got" = "$want"
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"
mkdir folder
touch one.yaml two.csv three.so

commands=$("$stele" help | sed -n 's/^  \([a-z]*\) .*/\1/p')
verdict 'the list of commands' 'is too short' test "$(wc -w <<<"$commands")" -ge 8
offers 'stele ' -- $commands --version --help
offers 'stele em' -- embed
offers 'stele train ' -- one.yaml folder/
offers 'stele train --set a=b --r' -- --run --resume
offers 'stele sweep ' -- one.yaml folder/
offers 'stele sweep one.yaml --jobs ' --
offers 'stele sweep one.yaml --l' -- --list
offers 'stele embed folder --sp' -- --split
offers 'stele embed folder --out' -- --output
offers 'stele eval folder --split t' -- train test
offers 'stele embed folder -o t' -- two.csv
offers 'stele new ' -- modality/ fusion/ head/ source/
offers 'stele new f' -- fusion/
offers 'stele help modality' -- modality $("$stele" help modality | sed -n 's/^stele help //p')
offers 'stele help tr' -- train
offers 'stele-check ' -- three.so folder/
offers 'stele-check --only fusion-o' -- fusion-order
offers 'stele-check --in' -- --in-process

# names PAGE WORD: a heading or the start of a paragraph of the page begins with it, hyphens as roff has them.
names() {
    sed -n -e 's/^\.SS "stele //p' -e '/^\.TP/{n;s/^\.B //p}' "$pages/$1" | grep -qE -- "^${2//-/\\\\-}( |\"|$)"
}

# explains COMMAND OPTION: the section of the command in stele.1 does so.
explains() {
    sed -n "/^\.SS \"stele $1[ \"]/,/^\.S[SH]/p" "$pages/stele.1" | grep -qE -- "^\.B ${2//-/\\\\-}( |$)"
}

for command in $commands; do
    verdict stele.1 "does not name $command" names stele.1 "$command"
    for option in $("$stele" "$command" --help | grep -oE '^  -[-a-z]+'); do
        verdict stele.1 "does not explain $command $option" explains "$command" "$option"
    done
done
for word in $("$checker" --help | grep -oE '^  -[-a-z]+') $("$checker" --list | sed 's/ .*//'); do
    verdict stele-check.1 "does not name $word" names stele-check.1 "$word"
done
if command -v groff >/dev/null; then
    warnings=$(groff -man -ww -z -Tutf8 "$pages/stele.1" "$pages/stele-check.1" 2>&1)
    verdict groff "$warnings" test -z "$warnings"
fi
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" -eq 0 ]
