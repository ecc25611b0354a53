#!/usr/bin/env python3
"""Every slot of the contract that hands out memory says whose it is.

What is passed in is valid for the call only: types.h says so once, and this looks for the sentence. What a slot hands
out, as its value or through a pointer, needs words of its own, unless it has none of

  - a handle (stele_tensor and the like), whose declaration in types.h names its owner;
  - a struct without pointers, which is the caller's copy.

The words stand in the slot's comment, in that of the struct that it fills, or in those of the struct's members. The
rule proves itself: with the words gone every one of these slots is found.

ownership.py INCLUDE_FOLDER
"""

import pathlib
import re
import sys

DEFAULT = "pointers passed in are valid for the call only"
WORDS = re.compile(r"\b(?:owned by|owner's|host's|plugin's|source's|graph's|[Ss]tatic|borrowed|"
                   r"valid until|until destroy|host array|caller's)\b")
COMMENT = re.compile(r"/\*.*?\*/", re.S)
SLOT = re.compile(r"([\w \t]*?\w[ \t*]*)\(\s*\*\s*(\w+)\s*\)\s*\(([^;{}]*?)\)\s*(?:STELE_PRINTF\([^)]*\))?\s*(?:;|\\?\n)|"
                  r"^typedef\s+([\w \t*]+?)\b(\w+_fn)\s*\(([^;]*?)\)\s*;", re.M)
STRUCT = re.compile(r"((?:/\*(?:(?!\*/).)*\*/\s*)?)typedef struct (\w+) \{(.*?)\n\} \2;", re.S)
HANDLE = re.compile(r"^typedef struct (\w+) \1;[ \t]*(/\*.*?\*/)?", re.M)


def blanked(text):
    """The text with comments as spaces, so that places stay."""
    return COMMENT.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), text)


def comment_of(text, code, start, end):
    """The comment right above a slot, and the one behind it, or below if there is none above."""
    above = ""
    head = text[:start].rstrip()
    if head.endswith("*/"):
        at = head.rindex("/*")
        if not code[head.rfind("\n", 0, at) + 1:at].strip():
            above = head[at:]
    rest = text[end:]
    behind = re.match(r"[ \t]*/\*.*?\*/" if above else r"\s*/\*.*?\*/", rest, re.S)
    return above + (behind.group() if behind else "")


def structs_of(texts):
    """name: (has pointers that are no handles, all of its comments)"""
    return {m.group(2): (m.group(3), m.group(1) + " ".join(COMMENT.findall(m.group(3))))
            for text in texts for m in STRUCT.finditer(text)}


def holds_memory(name, structs, handles):
    for member in blanked(structs[name][0]).split(";"):
        of = re.search(r"\bstele_\w+", member)
        if "(*" in re.sub(r"\s", "", member):
            continue  # a function
        if of and of.group() in structs and holds_memory(of.group(), structs, handles):
            return True
        if "*" in member and not (of and of.group() in handles):
            return True
    return False


def handed_out(value, parameters, structs, handles):
    """Types of the memory that leaves through the value or the parameters of a slot."""
    out = []
    if "*" in value and not any(h in value for h in handles):
        out.append(value)
    for p in parameters.split(","):
        name = re.search(r"stele_\w+", p)
        if "*" not in p or "const" in p.split("*")[0] or "*const *" in p:
            continue  # nothing is written through it, or what it leads to is the caller's
        if p.count("*") > 1:
            if not (name and name.group() in handles) or "stele_inst" in p:
                out.append(p)
        elif name and name.group() in structs and holds_memory(name.group(), structs, handles):
            out.append(p)
    return out


def unowned(text, structs, handles):
    """(slots, those that hand out memory, of these the silent ones as (line, name, what))"""
    bad, n, giving = [], 0, 0
    plain = text.replace("\\\n", " \n")
    code = blanked(plain)
    for m in SLOT.finditer(code):
        value, name, parameters = (g or "" for g in (m.groups()[:3] if m.group(2) else m.groups()[3:]))
        n += 1
        out = handed_out(value, parameters, structs, handles)
        if not out:
            continue
        giving += 1
        said = comment_of(plain, code, m.start(), m.end())
        said += "".join(structs[s][1] for p in out for s in re.findall(r"stele_\w+", p) if s in structs)
        if not WORDS.search(said):
            bad.append((code.count("\n", 0, m.start(2) if m.group(2) else m.start()) + 1, name, out[0].strip()))
    return n, giving, bad


def main():
    include = pathlib.Path(sys.argv[1])
    headers = {h: h.read_text() for h in sorted(include.glob("stele/*.h"))}
    handles, wrong = {}, 0
    for h, text in headers.items():
        for m in HANDLE.finditer(text):
            handles[m.group(1)] = m.group(2) or ""
            if not re.search(r"owned|defined by|exists during|one pass|one per instance", handles[m.group(1)]):
                print(f"{h.relative_to(include)}: the handle {m.group(1)} names no owner")
                wrong += 1
    if not any(DEFAULT in " ".join(text.replace("*", " ").split()) for text in headers.values()):
        print(f"no header says `{DEFAULT}`")
        wrong += 1
    structs = structs_of(headers.values())
    silent = {name: (body, "") for name, (body, _) in structs.items()}
    slots = giving = found = 0
    for h, text in headers.items():
        n, g, bad = unowned(text, structs, handles)
        slots, giving, wrong = slots + n, giving + g, wrong + len(bad)
        found += len(unowned(WORDS.sub("", text), silent, handles)[2])
        for line, name, what in bad:
            print(f"{h.relative_to(include)}:{line}: slot `{name}` does not say whose `{what}` is")
    print(f"{slots} slots, {giving} hand out memory, {wrong} faults, {found} would be found without their words")
    return 1 if wrong or found != giving or not giving else 0


if __name__ == "__main__":
    sys.exit(main())
