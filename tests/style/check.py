#!/usr/bin/env python3
"""House rules that a program can check. check.py RULE, RULE being one of

  format  clang-format 14 has nothing to change
  sizes   C files have fewer than 500 lines, functions fewer than 60
  words   core/ names no modality, fusion rule or likelihood: those live in plugins

Exit status 0, 1 with one line per breach, or 77 when the check cannot run here.
"""

import pathlib
import re
import shutil
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]
FOLDERS = ("core", "plugins", "sdk", "tests")
MAX_FILE, MAX_FUNCTION = 500, 60
WORDS = ("rna", "atac", "umi", "poisson", "bernoulli", "negbin", "negative binomial", "nb_counts",
         "bernoulli_peaks", "poe", "moe", "mopoe", "mvtcae", "gpoe")


def c_files():
    """Tracked and new C files; in an unpacked archive, all of them."""
    if (TOP / ".git").exists() and shutil.which("git"):
        out = subprocess.run(["git", "-C", TOP, "ls-files", "-co", "--exclude-standard", "-z", *FOLDERS],
                             stdout=subprocess.PIPE, check=True, text=True).stdout
        names = sorted(n for n in out.split("\0") if n)
    else:
        names = sorted(str(p.relative_to(TOP)) for f in FOLDERS for p in (TOP / f).rglob("*"))
    return [n for n in names if n.endswith((".c", ".h", ".inc")) and (TOP / n).is_file()]


def check_format():
    for name in ("clang-format-14", "clang-format"):
        tool = shutil.which(name)
        if tool:
            version = subprocess.run([tool, "--version"], stdout=subprocess.PIPE, text=True).stdout
            if re.search(r"version 14\.", version):
                break
    else:
        print("clang-format 14 is not installed")
        return 77
    files = c_files()
    bad = subprocess.run([tool, "--dry-run", "-Werror", "--ferror-limit=1", *files], cwd=TOP).returncode
    print(f"{len(files)} files, " + ("run clang-format -i on those above" if bad else "all formatted"))
    return 1 if bad else 0


def function_sizes(lines):
    """(line, length) of every function: braces of functions stand alone in the first column."""
    start = None
    for i, line in enumerate(lines, 1):
        if line == "{":
            start = i
        elif line == "}" and start is not None:
            yield start, i - start + 1
            start = None


def check_sizes():
    breaches = 0
    for name in c_files():
        lines = (TOP / name).read_text(encoding="utf-8").splitlines()
        if len(lines) >= MAX_FILE:
            print(f"{name}: {len(lines)} lines, allowed are fewer than {MAX_FILE}")
            breaches += 1
        for line, n in function_sizes(lines):
            if n >= MAX_FUNCTION:
                print(f"{name}:{line}: a function of {n} lines, allowed are fewer than {MAX_FUNCTION}")
                breaches += 1
    return 1 if breaches else 0


def check_words():
    # Neighbouring letters make another word; underscores and digits do not.
    word = re.compile(r"(?<![a-z])(?:" + "|".join(WORDS) + r")s?(?![a-z])", re.I)
    breaches = 0
    for name in c_files():
        if name.startswith("core/"):
            for i, line in enumerate((TOP / name).read_text(encoding="utf-8").splitlines(), 1):
                for hit in word.findall(line):
                    print(f"{name}:{i}: `{hit}` belongs into a plugin, not into the core")
                    breaches += 1
    return 1 if breaches else 0


if __name__ == "__main__":
    rules = {"format": check_format, "sizes": check_sizes, "words": check_words}
    if len(sys.argv) != 2 or sys.argv[1] not in rules:
        sys.exit(__doc__)
    sys.stdout.reconfigure(line_buffering=True)
    sys.exit(rules[sys.argv[1]]())
