#!/usr/bin/env python3
"""The contract is what was stored, or it grew by the rules.

    layout.py CC INCLUDE_FOLDER            compare with the newest tests/abi/reference-MAJOR.MINOR
    layout.py --update CC INCLUDE_FOLDER   store the present headers as the reference of their version

The rules (docs/abi.md): structs that start with struct_size grow at their end only; others are embedded by value and
never change; constants keep their values; what is new raises STELE_ABI_MINOR. The comparison proves itself: changes of
every kind are made to a copy of the headers and have to be noticed, growth by the rules has to pass.
"""

import pathlib
import shutil
import sys
import tempfile

import contract

HERE = pathlib.Path(__file__).resolve().parent
ADVICE = """
Plugins that were built with the stored headers would read and call the wrong places. Either undo the change: append
new members and slots below the last one, give new constants new values, raise STELE_ABI_MINOR in
sdk/include/stele/types.h. Or, as long as the major version is 0 and a plugin has to be rebuilt anyway, store the new
contract deliberately, and say so in CHANGELOG.md:
    python3 tests/abi/layout.py --update cc sdk/include
"""


def newest_reference():
    found = [(tuple(int(n) for n in p.name[len("reference-"):].split(".")), p) for p in HERE.glob("reference-*")]
    return max(found)[1]


def compare_struct(name, old, new):
    """(faults, grew)"""
    (old_size, old_members), (new_size, new_members) = old, new
    sized = old_members[0][0] == "struct_size"
    faults = []
    for i, member in enumerate(old_members):
        now = new_members[i] if i < len(new_members) else None
        if now is None:
            faults.append(f"{name}: `{member[0]}` is gone")
        elif now[0] != member[0]:
            faults.append(f"{name}: member {i} was `{member[0]}` and is `{now[0]}`")
            break
        elif now[1] != member[1]:
            faults.append(f"{name}: `{member[0]}` was `{member[1]}` and is `{now[1]}`")
        elif now[2:] != member[2:]:
            faults.append(f"{name}: `{member[0]}` was {member[3]} bytes at {member[2]} and is {now[3]} at {now[2]}")
    grew = len(new_members) > len(old_members)
    if not sized and not faults and (grew or new_size != old_size):
        faults.append(f"{name}: is embedded by value and has {new_size} bytes instead of {old_size}")
    return faults, grew


def compare(old, new):
    faults, grew = [], []
    for name, before in old["structs"].items():
        if name not in new["structs"]:
            faults.append(f"{name}: is gone")
            continue
        more, growth = compare_struct(name, before, new["structs"][name])
        faults += more
        grew += [name] if growth else []
    for name, value in old["constants"].items():
        if new["constants"].get(name) != value:
            faults.append(f"{name}: was {value} and is {new['constants'].get(name, 'gone')}")
    for name, text in old["functions"].items():
        if new["functions"].get(name) != text:
            faults.append(f"{name}: was `{text}` and is `{new['functions'].get(name, 'gone')}`")
    for kind in ("structs", "constants", "functions"):
        grew += sorted(set(new[kind]) - set(old[kind]))
    if grew and new["minor"] <= old["minor"]:
        faults.append(f"new since 0.{old['minor']}: {', '.join(grew)}; but STELE_ABI_MINOR is still {new['minor']}")
    if new["minor"] < old["minor"]:
        faults.append(f"STELE_ABI_MINOR was {old['minor']} and is {new['minor']}")
    return faults


# Header, what to replace, by what, and a word of the complaint; None: it has to pass.
RAISED = ("types", "#define STELE_ABI_MINOR 2u", "#define STELE_ABI_MINOR 3u")
CHANGES = (
    ("slots swapped", [("kinds", "uint32_t (*n_axes)(const stele_inst *self);", "int SWAP_A;"),
                       ("kinds", "uint32_t (*n_fields)(const stele_inst *self);",
                        "uint32_t (*n_axes)(const stele_inst *self);"),
                       ("kinds", "int SWAP_A;", "uint32_t (*n_fields)(const stele_inst *self);")], "stele_source_vt"),
    ("slot removed", [("ops", "stele_tensor *(*silu)(stele_graph *g, stele_tensor *a);", "")], "stele_ops"),
    ("slot in the middle", [RAISED, ("ops", "stele_tensor *(*silu)(", "int (*newer)(void); stele_tensor *(*silu)(")],
     "stele_ops"),
    ("slot of another type", [("host", "int64_t (*n_rows)(const stele_fit *f);", "int32_t (*n_rows)(stele_fit *f);")],
     "stele_fit_api"),
    ("member of another type", [("kinds", "uint32_t private_dim;", "int32_t private_dim;")], "stele_create_args"),
    ("value changed", [("kinds", "STELE_DRAW_MODE = 2", "STELE_DRAW_MODE = 4")], "STELE_DRAW_MODE"),
    ("status changed", [("types", "X(E_STATE, -10,", "X(E_STATE, -20,")], "STELE_E_STATE"),
    ("frozen struct grown", [RAISED, ("types", "    stele_tensor *p[4];", "    stele_tensor *p[4]; void *more;")],
     "stele_dist"),
    ("limit raised", [("types", "#define STELE_MAX_DIMS 6", "#define STELE_MAX_DIMS 8")], "STELE_MAX_DIMS"),
    ("capability moved", [("plugin", "(UINT64_C(1) << 6)", "(UINT64_C(1) << 9)")], "STELE_CAP_SHARPENS"),
    ("entry changed", [("plugin", "stele_plugin_query_fn(uint32_t host_major,", "stele_plugin_query_fn(uint64_t host_major,")],
     "stele_plugin_query_fn"),
    ("grown without a new minor", [("ops", "    /* append only below this line */\n} stele_ops;",
                                    "    int (*newer)(void);\n} stele_ops;")], "STELE_ABI_MINOR is still"),
    ("grown by the rules", [RAISED, ("ops", "    /* append only below this line */\n} stele_ops;",
                                     "    int (*newer)(void);\n} stele_ops;")], None),
)


def changed_copy(include, edits, folder):
    shutil.copytree(include, folder)
    for header, old, new in edits:
        path = pathlib.Path(folder) / f"stele/{header}.h"
        text = path.read_text()
        if old not in text:
            raise SystemExit(f"{header}.h has no `{old}` for this test to change")
        path.write_text(text.replace(old, new, 1))
    return folder


def prove(cc, include, reference):
    """Changes that go unnoticed, or growth that is refused."""
    bad = 0
    with tempfile.TemporaryDirectory() as top:
        for i, (what, edits, word) in enumerate(CHANGES):
            copy = changed_copy(include, edits, f"{top}/{i}")
            faults = compare(reference, contract.read(cc, copy))
            if (word is None and faults) or (word is not None and not any(word in f for f in faults)):
                print(f"{what}: {'; '.join(faults) or 'not noticed'}")
                bad += 1
    return bad


def update(cc, include):
    minor = contract.read(cc, include)["minor"]
    folder = HERE / f"reference-0.{minor}" / "stele"
    before = newest_reference()
    folder.mkdir(parents=True, exist_ok=True)
    for part in contract.PARTS:
        shutil.copy(pathlib.Path(include) / f"stele/{part}.h", folder)
    if folder.parent != before:
        shutil.copy(before / ".clang-format", folder.parent)
    print(f"stored in {folder.parent}")
    return 0


def main():
    arguments = [a for a in sys.argv[1:] if a != "--update"]
    cc, include = arguments[0], pathlib.Path(arguments[1]).resolve()
    if "--update" in sys.argv:
        return update(cc, include)
    folder = newest_reference()
    reference = contract.read(cc, folder)
    faults = compare(reference, contract.read(cc, include))
    for fault in faults:
        print(fault)
    if faults:
        print(f"the contract differs from {folder.name}.\n{ADVICE}")
        return 1
    bad = prove(cc, include, reference)
    members = sum(len(m) for _, m in reference["structs"].values())
    print(f"{len(reference['structs'])} structs with {members} members and {len(reference['constants'])} constants "
          f"as stored; {len(CHANGES) - bad} of {len(CHANGES)} changes judged rightly")
    return 1 if bad or members < 100 else 0


sys.exit(main())
