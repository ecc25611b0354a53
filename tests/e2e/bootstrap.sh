#!/usr/bin/env bash
# Does ./bootstrap say and do the right thing where there is nothing to build with? Programs of other
# systems are imitated by scripts in a scratch folder; nothing is installed or built.
set -uo pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
real_bash=$(command -v bash)
passed=0 failed=0 skipped=0

ok() { # ok NAME COMMAND...
    if "${@:2}"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'failed: %s; output was:\n%s\n' "$1" "${output:-}"
    fi
}

imitate() { # imitate FOLDER PROGRAM: the script is read from standard input
    rm -f "$scratch/$1/$2" # never write through a link
    { printf '#!%s\n' "$real_bash" && cat; } >"$scratch/$1/$2"
    chmod +x "$scratch/$1/$2"
}

# A PATH folder with the plain tools and nothing that builds or installs. The tools are scripts that
# call the real ones, not links: whatever a test does to the folder stays in it.
new_path() {
    local tool
    mkdir -p "$scratch/$1"
    for tool in bash cat dirname env id mktemp rm sed sort; do
        imitate "$1" "$tool" <<<"exec $(command -v "$tool") \"\$@\""
    done
}

run() { # run FOLDER ARGUMENT...: sets output and status; from another folder than the project's
    local path=$scratch/$1
    shift
    output=$(cd / && PATH=$path "$BASH" "$top/bootstrap" "$@" 2>&1)
    status=$?
}

for script in "$top"/bootstrap "$top"/.ci/run "$top"/tests/e2e/*.sh; do
    output=$script
    ok "syntax of ${script#"$top"/}" bash -n "$script"
done
if command -v shellcheck >/dev/null; then
    output=$(shellcheck -s bash -S warning "$top/bootstrap" "$top/.ci/run" "$top"/tests/e2e/*.sh) || true
    ok "shellcheck" test -z "$output"
else
    skipped=$((skipped + 1))
fi

new_path bare
run bare help
ok "help lists the commands" test "$status" = 0 -a "${output#*sanitize}" != "$output"
run bare
ok "no command shows the help" test "$status" = 0 -a "${output#*sanitize}" != "$output"
run bare frobnicate
ok "an unknown command is refused" test "$status" = 2 -a "${output#*unknown command}" != "$output"
run bare deps frobnicate
ok "an unknown argument is refused" test "$status" = 1 -a "${output#*frobnicate}" != "$output"

# Another system: everything that is missing is named at once, libraries included.
run bare demo
ok "another system: stops" test "$status" = 1
for name in ninja libyaml OpenBLAS HDF5 jansson SLEEF Random123 igraph zlib libltdl CMocka; do
    ok "another system: names $name" test "${output#*"$name"}" != "$output"
done

# Debian with one package missing and current lists: that one is installed, lists are not fetched.
new_path one
imitate one meson <<<'echo 1.0.1'
imitate one sudo <<<'exec "$@"'
imitate one apt-cache <<<'exit 0'
imitate one apt-get <<<"echo \"\$*\" >>'$scratch/apt.log'"
imitate one dpkg-query <<<'for p in "${@:3}"; do [ "$p" = libsleef-dev ] || printf "ii %s " "$p"; done; exit 1'
run one deps
ok "one package missing: succeeds" test "$status" = 0
output=$(cat "$scratch/apt.log" 2>&1)
ok "one package missing: installs that one" test "$output" = "install -y --no-install-recommends libsleef-dev"

# All there: apt is not called.
rm -f "$scratch/apt.log"
imitate one dpkg-query <<<'for p in "${@:3}"; do printf "ii %s " "$p"; done'
run one deps
ok "nothing missing: succeeds without apt" test "$status" = 0 -a ! -e "$scratch/apt.log"

# A fresh image knows no package: lists are fetched, then all are installed.
imitate one dpkg-query <<<'exit 1'
imitate one apt-cache <<<'exit 100'
run one deps
output=$(cut -d' ' -f1,4 "$scratch/apt.log" 2>&1 | tr '\n' ';')
ok "fresh image: update, then install" test "$output" = "update;install build-essential;"

# Neither root nor sudo: the packages are named.
imitate one id <<<'echo 1000'
rm -f "$scratch/one/sudo" "$scratch/apt.log"
run one deps
ok "no root, no sudo: names the packages" test "$status" = 1 -a "${output#*libigraph-dev}" != "$output"

printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
[ "$failed" = 0 ]
