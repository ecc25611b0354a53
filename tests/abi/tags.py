#!/usr/bin/env python3
"""Every slot of the contract has a tag with its thread class and the owner of what it hands out: [compute & built; graph].

A slot is a function pointer in a struct of the SDK's headers, or a named function type. Its comment stands behind it
on its line, or before it on lines of its own, or, if it has neither, on the lines after it. A comment with
several tags serves that many slots in a row. The rule proves itself: taking away any one tag, or its owner, must be
noticed. Whether the owner is the right one is for ownership.py.

tags.py INCLUDE_FOLDER
"""

import pathlib
import re
import sys

OWNERS = ("none", "graph", "self", "host", "static")
TAG = re.compile(r"\[(?:main|compute|any)(?: & (?:new|built))?; (" + "|".join(OWNERS) + r")\]")
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


def slots(text):
    """(line, name, owner) of every slot in order; owner None: it has no tag."""
    found = []
    spare = []        # owners that the comment before may still give away
    waiting = False   # the last slot still waits for a comment
    end = 0           # where the newest statement ended
    fresh = False     # `spare` comes from a comment right before
    for is_comment, piece, first, last in pieces(text):
        if is_comment:
            owners = TAG.findall(piece)
            if HEADING.match(piece):
                continue
            if waiting and (first == end or not fresh):
                if owners:
                    found[-1] = (*found[-1][:2], owners[0])
                waiting, spare = False, owners[1:]
            elif first != end:
                spare, fresh = owners, True
            continue
        waiting = False
        m = SLOT.search(piece)
        end = last
        if not m:
            spare, fresh = [], False
            continue
        found.append((last, m.group(1) or m.group(2), spare[0] if spare else None))
        waiting = not spare and not fresh  # a comment before it that says nothing is its own all the same
        spare, fresh = spare[1:], False
    return found


def untagged(text):
    return [(line, name) for line, name, owner in slots(text) if owner is None]


def main():
    include = pathlib.Path(sys.argv[1])
    total, wrong, noticed = 0, 0, 0
    for header in sorted(include.glob("stele/*.h")):
        text = header.read_text()
        bad = untagged(text)
        for m in TAG.finditer(text):
            gone = text[:m.start()] + text[m.end():]
            bare = text[:m.start(1) - 2] + text[m.end(1):]
            noticed += all(len(untagged(t)) > len(bad) for t in (gone, bare))
        total += len(slots(text))
        wrong += len(bad)
        for line, name in bad:
            print(f"{header.relative_to(include)}:{line}: slot `{name}` has no tag [thread class & state; owner]")
    print(f"{total} slots, {wrong} without a tag, {noticed} tags whose absence would be noticed")
    return 1 if wrong or noticed < total or not total else 0


if __name__ == "__main__":
    sys.exit(main())
