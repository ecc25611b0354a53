"""variant.py - the headers of a later version, made of the present ones: a slot more in every table, the minor raised.
"""

import pathlib
import re
import shutil

# Table: the declaration appended to it.
APPENDED = {
    "stele_ops": "int32_t (*newer)(int32_t a);",
    "stele_host": "int32_t (*newer)(int32_t a);",
    "stele_modality_vt": "int32_t (*newer)(const stele_inst *self);",
    "stele_fusion_vt": "int32_t (*newer)(const stele_inst *self);",
    "stele_head_vt": "int32_t (*newer)(const stele_inst *self);",
    "stele_source_vt": "int32_t (*newer)(const stele_inst *self);",
    "stele_plugin": "const char *newer;",
    "stele_option": "const char *newer;",
}
MINOR = re.compile(r"(#define STELE_ABI_MINOR )(\d+)u")


def append_to(text, name, declaration):
    """Add a member at the end of a struct, `typedef struct NAME { ... } NAME;` or `struct NAME { ... };`."""
    for end in (f"}} {name};",):
        if end in text:
            return text.replace(end, f"    {declaration}\n{end}", 1)
    at = text.find(f"struct {name} {{")
    if at < 0:
        return text
    end = text.index("\n};", at)
    return f"{text[:end]}\n    {declaration}{text[end:]}"


def make(include, folder, newer, major=None):
    """A copy of the headers: of the present version, or of the next; with another major version."""
    folder = pathlib.Path(folder)
    shutil.copytree(include, folder)
    found = set()
    for path in folder.glob("stele/*.h"):
        text = path.read_text()
        # The assertions name the last member of today.
        text = re.sub(r"^STELE_NO_TAIL\((?:%s), \w+\);$" % "|".join(APPENDED), "", text, flags=re.M)
        if newer:
            for name, declaration in APPENDED.items():
                grown = append_to(text, name, declaration)
                found |= {name} if grown != text else set()
                text = grown
            text = MINOR.sub(lambda m: f"{m.group(1)}{int(m.group(2)) + 1}u", text)
        if major is not None:
            text = text.replace("#define STELE_ABI_MAJOR 0u", f"#define STELE_ABI_MAJOR {major}u")
        path.write_text(text)
    if newer and found != set(APPENDED):
        raise SystemExit(f"no place found to append to {', '.join(sorted(set(APPENDED) - found))}")
    return folder
