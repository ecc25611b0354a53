#!/usr/bin/env python3
"""zsh completes what bash completes. completion_zsh.py STELE STELE_CHECK BASH_COMPLETION ZSH_COMPLETION

Both files are put where an installation has them; a zsh on a terminal of its own is asked by the tab key, twice in one
session, as the first time loads the files. Skipped (77) where there is no zsh.
"""

import os
import pathlib
import pty
import re
import select
import shutil
import sys
import tempfile
import time

LINES = {"stele em": "stele embed", "stele eval --sp": "stele eval --split", "stele help fusion/p": "stele help fusion/poe",
         "stele-check --only fusion-o": "stele-check --only fusion-order", "stele train on": "stele train one.yaml"}
PATIENCE = 60


def wait_for(terminal, text):
    """Read until the text is there; 0 if it does not come."""
    seen, end = "", time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                seen += os.read(terminal, 65536).decode(errors="replace")
            except OSError:
                return 0
        if text in re.sub(r"\x1b\[[?0-9;]*[A-Za-z]|[\r\b]", "", seen):
            return 1
    print(repr(seen))
    return 0


def main():
    if not shutil.which("zsh"):
        sys.exit(77)
    with tempfile.TemporaryDirectory() as scratch:
        home = pathlib.Path(scratch).resolve()
        for place, file in (("bash-completion/completions/stele", sys.argv[3]), ("zsh/site-functions/_stele", sys.argv[4])):
            (home / "share" / place).parent.mkdir(parents=True)
            shutil.copy(file, home / "share" / place)
        (home / "one.yaml").touch()
        programs = ":".join(str(pathlib.Path(p).resolve().parent) for p in sys.argv[1:3])
        env = os.environ | {"TERM": "xterm", "HOME": scratch, "PATH": f"{programs}:{os.environ['PATH']}"}
        child, terminal = pty.fork()
        if child == 0:
            os.chdir(home)
            os.execvpe("zsh", ["zsh", "-f", "-i"], env)
        os.write(terminal, b"PS1='> '; fpath=($HOME/share/zsh/site-functions $fpath); autoload -Uz compinit; "
                           b"compinit -u -d $HOME/dump; stty -echo; echo rea''dy\n")
        failed = [] if wait_for(terminal, "ready") else ["zsh does not start"]
        for line, whole in LINES.items():
            os.write(terminal, line.encode() + b"\t")
            # What is typed comes back at once: the rest of the word has to follow it.
            if not failed and not wait_for(terminal, whole):
                failed.append(f"`{line}` does not become `{whole}`")
            os.write(terminal, b"\x15")
        os.write(terminal, b"exit\n")
    print("\n".join(failed) or f"{len(LINES)} lines completed")
    sys.exit(bool(failed))


main()
