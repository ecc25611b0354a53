#!/usr/bin/env python3
"""The line of a training on a terminal: never wider than that, time left always there, terms as many as fit."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios

SPEC = """stele: 1
data: {source: simulate, n_rows: 600, n_genes: 300, n_peaks: 4000}
latent: {dim: 20}
modalities:
  transcripts: {plugin: nb_counts, from: rna}
  chromatin: {plugin: bernoulli_peaks, from: atac}
  transcripts_again: {plugin: nb_counts, from: rna}
fusion: poe
heads: {kind: {plugin: classifier, target: class}}
train: {epochs: 4, batch_size: 16}
"""
HEAD = re.compile(r"epoch \d+/4 +\d+ %  (\d+:)?\d+:\d\d left")
TERM = re.compile(r"\d+ rows/s|(elbo|kl|transcripts|chromatin|transcripts_again|kind loss) -?\d+\.\d+")


def lines_at(program, columns):
    """What the line said, each time that it was renewed."""
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "spec.yaml"), "w") as file:
            file.write(SPEC)
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        child = subprocess.Popen([program, "train", "spec.yaml", "--run", "out"], cwd=folder, stdin=subprocess.DEVNULL,
                                 stdout=subprocess.DEVNULL, stderr=slave)
        os.close(slave)
        text = b""
        while True:
            try:
                part = os.read(master, 65536)
            except OSError:  # the other end is closed
                break
            if not part:
                break
            text += part
        os.close(master)
        assert child.wait() == 0, text.decode()
    # A renewed line starts with a carriage return and ends with none; the line of an epoch ends with a line feed.
    return [part for part in text.decode().split("\r\033[K")[1:] if "\n" not in part]


def check(program, columns, fewest, most):
    lines = lines_at(program, columns)
    assert lines, "no line at all"
    for line in lines:
        assert len(line) < columns, (columns, line)
        head = HEAD.match(line)
        assert head, (columns, line)
        terms = [t for t in line[head.end():].split("  ") if t]
        assert all(TERM.fullmatch(t) for t in terms), (columns, line)
        assert fewest <= len(terms) <= most, (columns, line)


def main():
    program = os.path.abspath(sys.argv[1])
    check(program, 80, 2, 5)
    check(program, 40, 0, 1)
    check(program, 200, 7, 7)


main()
