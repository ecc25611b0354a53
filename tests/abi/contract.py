"""contract.py - the contract between host and plugins as data: read from the headers with a compiler.

Structs with the text, offset and size of every member, constants with their values, function types with their text.
"""

import pathlib
import re
import subprocess
import tempfile

PARTS = ("types", "options", "ops", "host", "kinds", "plugin")
STRUCT = re.compile(r"typedef (struct|union) (\w+) \{(.*?)\} \2;|struct (stele_host) \{(.*?)\};", re.S)
ENUM = re.compile(r"\benum \{(.*?)\};", re.S)
FUNCTION = re.compile(r"typedef ([^;{}]*?\b(\w+_fn)\s*\([^;{}]*\));", re.S)
# Values of their own kind: the version is what the guard compares by, the rest is no number.
NOT_VALUES = {"STELE_ABI_MINOR", "STELE_STATUS_LAST_"}


def run(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, command))}:\n{done.stdout}")
    return done.stdout


def own_text(cc, include):
    """The preprocessed headers without those of the C library."""
    lines, ours = [], False
    for line in run([cc, "-std=c11", "-E", f"-I{include}", str(pathlib.Path(include) / "stele/plugin.h")]).splitlines():
        marker = re.match(r'# \d+ "([^"]*)"', line)
        if marker:
            ours = marker.group(1).startswith(str(include))
        elif ours:
            lines.append(line)
    return "\n".join(lines)


def name_of(member):
    function = re.search(r"\(\s*\*\s*(\w+)\s*\)", member)
    return function.group(1) if function else re.search(r"(\w+)\s*(?:\[[^\]]*\]\s*)*$", member).group(1)


def members_of(body):
    """(name, text) of every member; `uint32_t a, b` are two."""
    out = []
    for statement in body.split(";"):
        text = " ".join(statement.split())
        text = re.sub(r"\s*__attribute__\(\(.*\)\)$", "", text)
        if not text:
            continue
        if "(" in text:
            out.append((name_of(text), re.sub(r"\s*([(),*])\s*", r"\1", text)))
            continue
        first, *more = text.split(",")
        base = re.match(r"(.*?)[\s*]*\w+\s*(?:\[[^\]]*\]\s*)*$", first).group(1)
        for declarator in [first[len(base):], *more]:
            out.append((name_of(declarator), re.sub(r"\s*([*\[\]])\s*", r"\1", f"{base} {declarator.strip()}")))
    return out


def constants_of(cc, include, text):
    names = [re.match(r"\w+", c.strip()).group() for e in ENUM.findall(text) for c in e.split(",") if c.strip()]
    source = str(pathlib.Path(include) / "stele/plugin.h")
    defined = run([cc, "-std=c11", "-E", "-dM", f"-I{include}", source])
    names += re.findall(r"^#define (STELE_[A-Z0-9_]+) (?:\(?-?\(?\d|\(?UINT64_C|\(\()", defined, re.M)
    return sorted(set(names) - NOT_VALUES)


def measure(cc, include, structs, constants):
    """Sizes, offsets and values, as the compiler has them."""
    lines = ["#include <stele/plugin.h>", "#include <stdio.h>", "int main(void) {"]
    for name, kind_and_members in structs.items():
        kind, members = kind_and_members
        tag = f"{kind} {name}"
        lines.append(f'printf("size {name} %zu\\n", sizeof({tag}));')
        for member, _ in members:
            lines.append(f'printf("at {name} {member} %zu %zu\\n", offsetof({tag}, {member}), '
                         f"sizeof((({tag} *)0)->{member}));")
    lines += [f'printf("value {c} %lld\\n", (long long)({c}));' for c in [*constants, "STELE_ABI_MINOR"]]
    with tempfile.TemporaryDirectory() as folder:
        source, program = pathlib.Path(folder) / "measure.c", pathlib.Path(folder) / "measure"
        source.write_text("\n".join([*lines, "return 0; }"]))
        # The headers' own assertions would stop a change before it is compared.
        run([cc, "-std=c11", "-D_Static_assert(condition, text)=extern int unchecked", f"-I{include}", str(source),
             "-o", str(program)])
        return run([str(program)])


def read(cc, include):
    """{"minor", "structs": {name: (size, [(member, text, offset, size)])}, "constants", "functions"}"""
    text = own_text(cc, include)
    structs = {}
    for m in STRUCT.finditer(text):
        kind, name, body = (m.group(1), m.group(2), m.group(3)) if m.group(2) else ("struct", m.group(4), m.group(5))
        structs[name] = (kind, members_of(body))
    sizes, places, values = {}, {}, {}
    for line in measure(cc, include, structs, constants_of(cc, include, text)).splitlines():
        what, *rest = line.split()
        if what == "size":
            sizes[rest[0]] = int(rest[1])
        elif what == "at":
            places[rest[0], rest[1]] = (int(rest[2]), int(rest[3]))
        else:
            values[rest[0]] = int(rest[1])
    return {
        "minor": values.pop("STELE_ABI_MINOR"),
        "constants": values,
        "functions": {m.group(2): " ".join(m.group(1).split()) for m in FUNCTION.finditer(text)},
        "structs": {n: (sizes[n], [(m, t, *places[n, m]) for m, t in members]) for n, (_, members) in structs.items()},
    }
