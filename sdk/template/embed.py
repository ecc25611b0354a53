#!/usr/bin/env python3
"""Writes the files that `stele new` makes as C tables. embed.py OUTPUT.c TEMPLATE_FOLDER NAME...

NAME is a file of the template folder: project/PATH goes into every new folder, KIND/my_plugin.c into its folder my_kind,
another KIND/FILE beside the README. The folder project/kind stands for my_kind.
"""

import pathlib
import sys


def target(name):
    """(kind or None, path in the new folder)"""
    kind, _, path = name.partition("/")
    if kind == "project":
        return None, path.replace("kind/", "my_kind/")
    return kind, f"my_kind/{path}" if path == "my_plugin.c" else path


def main():
    output, folder, names = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3:]
    rows, texts = [], []
    for i, name in enumerate(names):
        data = [str(byte) for byte in (folder / name).read_bytes()] + ["0"]
        lines = [", ".join(data[k:k + 24]) for k in range(0, len(data), 24)]
        texts.append(f"static const char text_{i}[] = {{\n    " + ",\n    ".join(lines) + "\n};\n")
        kind, path = target(name)
        rows.append("    { %s, \"%s\", text_%d },\n" % ("NULL" if kind is None else f'"{kind}"', path, i))
    with open(output, "w", encoding="ascii") as out:
        out.write("/* The files of sdk/template, written by its embed.py. */\n#include \"cli/template.h\"\n\n"
                  "#include <stddef.h>\n\n" + "\n".join(texts) +
                  "\nconst stele__template_file stele__template_files[] = {\n" + "".join(rows) +
                  "    { NULL, NULL, NULL },\n};\n")


main()
