#!/usr/bin/env python3
"""Every slot of the contract names its thread class: [main], [compute] or [any].

A slot is a function pointer in a struct of the SDK's headers, or a named function type. Its comment stands behind it
on its line, or before it on lines of its own, or, if it has neither, on the lines after it. A comment that names
several classes serves that many slots in a row. The rule proves itself: taking any one class away must be noticed.

tags.py INCLUDE_FOLDER
"""

import pathlib
import re
import sys

CLASS = re.compile(r"\[(?:main|compute|any)\b[^\]]*\]")
SLOT = re.compile(r"\(\s*\*\s*(\w+)\s*\)\s*\(|^typedef\s.*?\b(\w+_fn)\s*\(")
TOKEN = re.compile(r"/\*.*?\*/|[;{}]", re.S)
HEADING = re.compile(r"/\* (?:---|\d+\.\d+ \*/|append only)")


def pieces(text):
    """(is_comment, text, first line, last line) in order, preprocessor lines left out."""
    text = text.replace("#define STELE_COMMON_SLOTS", "").replace("\\\n", "\n") \
        if "#define STELE_COMMON_SLOTS" in text else text
    text = re.sub(r"^[ \t]*#(?:.*\\\n)*.*$", lambda m: "\n" * m.group().count("\n"), text, flags=re.M)
    at, statement = 0, ""
    for m in TOKEN.finditer(text):
        statement += text[at:m.start()]
        first, last = (text.count("\n", 0, k) + 1 for k in m.span())
        # The last slot of a macro has its comment and no semicolon.
        if statement.strip() and (m.group() in ";{}" or SLOT.search(" ".join(statement.split()))):
            yield False, " ".join(statement.split()), first, first
            statement = ""
        if m.group().startswith("/*"):
            yield True, m.group(), first, last
        at = m.end()


def untagged(text):
    """(line, name) of every slot without a class, and the number of slots."""
    bad, n = [], 0
    spare = []       # classes that the comment before may still give away
    open_slot = None  # a slot that still waits for a comment
    end = 0          # where the newest statement ended
    fresh = False    # `spare` comes from a comment right before
    for is_comment, piece, first, last in pieces(text):
        if is_comment:
            classes = CLASS.findall(piece)
            if HEADING.match(piece):
                continue
            if open_slot and (first == end or not fresh):
                bad += [] if classes else [open_slot]
                open_slot, spare = None, classes[1:]
            elif first != end:
                spare, fresh = classes, True
            continue
        if open_slot:
            bad.append(open_slot)
            open_slot = None
        m = SLOT.search(piece)
        end = last
        if not m:
            spare, fresh = [], False
            continue
        n += 1
        name = m.group(1) or m.group(2)
        if spare:
            spare, fresh = spare[1:], False
        elif fresh:
            bad.append((last, name))  # its comment says nothing about threads
            fresh = False
        else:
            open_slot = (last, name)
    if open_slot:
        bad.append(open_slot)
    return bad, n


def main():
    include = pathlib.Path(sys.argv[1])
    total, wrong, noticed = 0, 0, 0
    for header in sorted(include.glob("stele/*.h")):
        text = header.read_text()
        bad, n = untagged(text)
        noticed += sum(len(untagged(text[:m.start()] + text[m.end():])[0]) > len(bad) for m in CLASS.finditer(text))
        total += n
        wrong += len(bad)
        for line, name in bad:
            print(f"{header.relative_to(include)}:{line}: slot `{name}` names no thread class")
    print(f"{total} slots, {wrong} without a class, {noticed} classes whose absence would be noticed")
    return 1 if wrong or noticed < total or not total else 0


if __name__ == "__main__":
    sys.exit(main())
