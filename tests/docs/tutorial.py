#!/usr/bin/env python3
"""Do what a tutorial says: write its files, run its commands, compare what they print.

tutorial.py DOCUMENT --build FOLDER [--keep FOLDER]

The first line of a fenced block says what it is:
  ```LANGUAGE file=NAME   a piece of the file NAME; pieces are joined in the order of the text
  ```sh run               commands, run by bash in one go, with environment and folder of the block before; all of the
                          files above are there. `run=1`: the last one has to end with exit status 1
  ```text output          lines that the block of commands before has to have printed, in this order; numbers and white
                          space may differ, and "..." stands for any lines
Other blocks are left alone. $STELE names a folder with the sources of the SDK and the build. The last line is
`N passed, N failed, 0 skipped`, commands and outputs counted.
"""

import argparse
import os
import pathlib
import re
import subprocess
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parents[2]
FENCE = re.compile(r"^```(\w+) +(file=\S+|run(?:=\d+)?|output)\n(.*?)^```$", re.M | re.S)
NUMBER = re.compile(r"[-+]?\d[\d.]*(?:e[-+]?\d+)?")
FOLDER = re.compile(r"/(?:[\w.-]+/)+")


def shape(line):
    """A line without its numbers and folders, and without how wide they made the columns. Of `N passed, N failed, N
    skipped` the last two count: a new check may be added."""
    counts = re.fullmatch(r"\d+ passed(, \d+ failed, \d+ skipped)", line.strip())
    if counts:
        return counts[1]
    return re.sub(r"[\s-]+", " ", NUMBER.sub("#", FOLDER.sub("/", line))).strip()


def not_printed(wanted, printed):
    """The first wanted line that is not printed after those before it, or None."""
    lines = printed.splitlines()
    at = 0
    for want in wanted.splitlines():
        if want.strip() in ("", "..."):
            continue
        while at < len(lines) and shape(lines[at]) != shape(want):
            at += 1
        if at == len(lines):
            return want
        at += 1
    return None


class Walk:
    """The folder in which the tutorial is followed."""

    def __init__(self, folder, build):
        self.folder, self.state = folder / "work", folder / "state"
        stele = folder / "stele"
        self.folder.mkdir()
        stele.mkdir()
        (stele / "build").symlink_to(build)
        for name in ("sdk", "docs"):
            (stele / name).symlink_to(TOP / name)
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("STELE_")}
        self.environment["STELE"] = str(stele)
        self.here = self.folder
        self.printed = ""

    def write(self, name, text):
        path = self.here / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "a", encoding="utf-8") as file:
            file.write(text)

    def run(self, text, status):
        """What is wrong, or None."""
        script = f"set -eo pipefail\n{text}"
        ending = f"trap 'code=$?; env -0 > {self.state}; pwd > {self.state}.pwd; exit $code' EXIT\n"
        done = subprocess.run(["bash", "-c", ending + script], cwd=self.here, env=self.environment, text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.printed = done.stdout
        self.here = pathlib.Path(pathlib.Path(f"{self.state}.pwd").read_text(encoding="utf-8").strip())
        pairs = self.state.read_text(encoding="utf-8").split("\0")
        self.environment = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
        if done.returncode != status:
            return f"exit status {done.returncode}, not {status}, of\n{text}{done.stdout}"
        if ": warning: " in done.stdout and "cc " in text:
            return f"a compiler warns\n{done.stdout}"
        return None


def follow(document, walk):
    text = document.read_text(encoding="utf-8")
    passed = failed = 0
    for block in FENCE.finditer(text):
        line = text.count("\n", 0, block.start()) + 1
        what, body = block[2], block[3]
        if what.startswith("file="):
            walk.write(what[len("file="):], body)
            continue
        if what == "output":
            lost = not_printed(body, walk.printed)
            wrong = lost and f"the commands above it did not print\n    {lost}\nbut\n{walk.printed}"
        else:
            wrong = walk.run(body, int(what[4:] or 0))
        passed, failed = passed + (wrong is None), failed + (wrong is not None)
        if wrong:
            print(f"{document.name}:{line}: {wrong}")
    return passed, failed


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("document", type=pathlib.Path)
    arguments.add_argument("--build", type=pathlib.Path, required=True)
    arguments.add_argument("--keep", type=pathlib.Path, help="an absent folder to work in, and to look at afterwards")
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = (options.keep or pathlib.Path(scratch)).resolve()
        folder.mkdir(exist_ok=True)
        passed, failed = follow(options.document, Walk(folder, options.build.resolve()))
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
