#!/usr/bin/env python3
"""Write configs/data/digits/mnist-rows.txt: for each image of digits-8x8 the row of MNIST that shows the same digit, the
k-th of it to the k-th. make_pairs.py MNIST_LABELS DIGITS_LABELS OUTPUT
"""

import gzip
import pathlib
import sys

HEADER = 8  # bytes of an IDX file of one dimension


def labels(path):
    return gzip.decompress(pathlib.Path(path).read_bytes())[HEADER:]


def main():
    rows = {digit: iter([i for i, of in enumerate(labels(sys.argv[1])) if of == digit]) for digit in range(10)}
    lines = [f"{next(rows[digit])}\n" for digit in labels(sys.argv[2])]
    pathlib.Path(sys.argv[3]).write_text("".join(lines))


main()
