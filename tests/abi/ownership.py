#!/usr/bin/env python3
"""The owner in a slot's tag (tags.py) is one that its declaration can have.

What is passed in is valid for the call only: types.h says so once, and this looks for the sentence. What a slot hands
out, as its value or through a pointer, is

  - nothing, or structs without pointers, which are the caller's copies: `none`;
  - tensors and structs of tensors: `graph`;
  - other memory: `self`, `host` or `static`, or `graph` for values of tensors; never `none`.

Which of the last it is no declaration shows. The rule proves itself: with a wrong owner every slot is found.

ownership.py INCLUDE_FOLDER
"""

import pathlib
import re
import sys

import tags

DEFAULT = "pointers passed in are valid for the call only"
COMMENT = re.compile(r"/\*.*?\*/", re.S)
SLOT = re.compile(r"([\w \t]*?\w[ \t*]*)\(\s*\*\s*(\w+)\s*\)\s*\(([^;{}]*?)\)\s*(?:STELE_PRINTF\([^)]*\))?\s*(?:;|\\?\n)|"
                  r"^typedef\s+([\w \t*]+?)\b(\w+_fn)\s*\(([^;]*?)\)\s*;", re.M)
STRUCT = re.compile(r"((?:/\*(?:(?!\*/).)*\*/\s*)?)typedef struct (\w+) \{(.*?)\n\} \2;", re.S)
HANDLE = re.compile(r"^typedef struct (\w+) \1;[ \t]*(/\*.*?\*/)?", re.M)


def blanked(text):
    """The text with comments as spaces, so that places stay."""
    return COMMENT.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), text)


def structs_of(texts):
    """name: its members"""
    return {m.group(2): m.group(3) for text in texts for m in STRUCT.finditer(text)}


def holds(name, structs, handles):
    """What a struct leads to: "tensors", "memory"."""
    out = set()
    for member in blanked(structs[name]).split(";"):
        of = re.search(r"\bstele_\w+", member)
        if "(*" in re.sub(r"\s", "", member):
            continue  # a function
        if of and of.group() in structs:
            out |= holds(of.group(), structs, handles)
        elif "*" in member:
            out.add("tensors" if of and of.group() in handles else "memory")
    return out


def handed_out(value, parameters, structs, handles):
    """What leaves through the value or the parameters of a slot."""
    out = set()
    if "*" in value:
        out.add("tensors" if "stele_tensor" in value else "memory")
    for p in parameters.split(","):
        name = re.search(r"stele_\w+", p)
        if "*" not in p or "const" in p.split("*")[0] or "*const *" in p:
            continue  # nothing is written through it, or what it leads to is the caller's
        if p.count("*") > 1:
            out.add("tensors" if name and name.group() == "stele_tensor" else "memory")
        elif name and name.group() in structs:
            out |= holds(name.group(), structs, handles)
    return out


def allowed(name, out):
    if name == "read":
        return {"self"}  # texts, through arrays of the caller's
    if not out:
        return {"none"}
    return {"graph"} if out == {"tensors"} else {"self", "host", "static", "graph"}


def judged(text, structs, handles):
    """(line, name, owner, owners that its declaration allows) of every slot"""
    code = blanked(text.replace("\\\n", " \n"))
    declared = []
    for m in SLOT.finditer(code):
        value, name, parameters = (g or "" for g in (m.groups()[:3] if m.group(2) else m.groups()[3:]))
        declared.append((name, allowed(name, handed_out(value, parameters, structs, handles))))
    tagged = tags.slots(text)
    if [name for name, _ in declared] != [name for _, name, _ in tagged]:
        raise SystemExit("the slots of a header are not those that tags.py sees")
    return [(line, name, owner, may) for (line, name, owner), (_, may) in zip(tagged, declared)]


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
    slots = found = 0
    for h, text in headers.items():
        judgement = judged(text, structs, handles)
        slots += len(judgement)
        for line, name, owner, may in judgement:
            found += ("graph" if owner == "none" else "none") not in may
            if owner not in may:
                print(f"{h.relative_to(include)}:{line}: slot `{name}` says `{owner}`, its declaration {sorted(may)}")
                wrong += 1
    print(f"{slots} slots, {wrong} faults, {found} would be found with `none` for an owner, or one for `none`")
    return 1 if wrong or found < slots or not slots else 0


if __name__ == "__main__":
    sys.exit(main())
