#!/usr/bin/env python3
"""Programs and plugins export what the stored list says, and nothing else.

exports.py LIST BUILD_FOLDER FILE...
"""

import fnmatch
import os
import pathlib
import subprocess
import sys


# Marks of the linker, which are seen as soon as a library that is linked names them.
MARKS = {"__bss_start", "_edata", "_end"}


def exported(path):
    out = subprocess.run(["nm", "-D", "--defined-only", path], stdout=subprocess.PIPE, check=True, text=True).stdout
    return sorted({line.split()[-1] for line in out.splitlines() if line.strip() and "@" not in line} - MARKS)


def read_list(path):
    rules = []
    for line in pathlib.Path(path).read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            pattern, _, names = line.partition(":")
            rules.append((pattern.strip(), sorted(names.split())))
    return rules


def main():
    rules, build = read_list(sys.argv[1]), os.path.abspath(sys.argv[2])
    files, bad = sys.argv[3:], 0
    for path in files:
        name = os.path.relpath(os.path.abspath(path), build)
        wanted = next((names for pattern, names in rules if fnmatch.fnmatch(name, pattern)), None)
        got = exported(path)
        if wanted is None:
            print(f"{name}: no pattern of {sys.argv[1]} fits")
            bad += 1
        elif got != wanted:
            more, less = (sorted(set(a) - set(b)) for a, b in ((got, wanted), (wanted, got)))
            print(f"{name}: " + "; ".join(f"{what} {', '.join(names)}" for what, names in
                                          (("exports too", more), ("does not export", less)) if names))
            bad += 1
    print(f"{len(files)} files, {bad} with a wrong list of exports")
    return 1 if bad or not files else 0


sys.exit(main())
