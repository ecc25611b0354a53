#!/usr/bin/env python3
"""The reference pages in docs/ say what the tables of the programs say.

reference.py [--update] STELE STELE-CHECK DOCS

docs/plugins/KIND-NAME.md is `stele-check --page` of each plugin, docs/plugins/README.md their list, spec-reference.md
`stele help --markdown`. --update writes them, and removes pages of plugins that are no more. The last line is `N passed,
N failed, 0 skipped`, pages counted.
"""

import json
import os
import pathlib
import subprocess
import sys

KINDS = {"source": "Sources", "modality": "Modalities", "fusion": "Fusion rules", "head": "Heads"}
WRITTEN = "<!-- Written by tests/docs/reference.py --update; a test compares. -->\n\n"


def run(*command):
    environment = {k: v for k, v in os.environ.items() if k != "STELE_PLUGIN_PATH"}
    return subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, check=True, text=True,
                          env=environment).stdout


def index(plugins):
    text = ("# The plugins of Stele\n\nEach page has the plugin's options, promises and metrics. Beside a plugin's own options a "
            "spec has the host's:\n[keys of a spec](../spec-reference.md). `stele help KIND/NAME` prints the options too.\n")
    for kind, title in KINDS.items():
        text += f"\n## {title}\n\n| plugin | what it is |\n|---|---|\n"
        for p in plugins:
            if p["kind"] == kind:
                text += f"| [{p['name']}]({kind}-{p['name']}.md) | {p['summary'].rstrip('.')} |\n"
    return text


def pages(stele, checker):
    """File name -> text."""
    plugins = [p for p in json.loads(run(stele, "plugins", "--json")) if not p["refused"] and not p["shadowed_by"]]
    found = {"spec-reference.md": WRITTEN + run(stele, "help", "--markdown"), "plugins/README.md": WRITTEN + index(plugins)}
    for p in plugins:
        name = f"{p['kind']}/{p['name']}"
        subject = name if p["origin"] == "built in" else p["origin"]
        found[f"plugins/{name.replace('/', '-')}.md"] = WRITTEN + run(checker, "--page", subject)
    return found


def main():
    arguments = [a for a in sys.argv[1:] if a != "--update"]
    if len(arguments) != 3:
        sys.exit(__doc__)
    docs = pathlib.Path(arguments[2])
    wanted = pages(*arguments[:2])
    there = {"spec-reference.md", *(f"plugins/{p.name}" for p in (docs / "plugins").glob("*.md"))}
    if "--update" in sys.argv:
        (docs / "plugins").mkdir(exist_ok=True)
        for name in there - set(wanted):
            (docs / name).unlink()
        for name, text in wanted.items():
            (docs / name).write_text(text, encoding="utf-8")
        there = set(wanted)
    stale = [n for n in sorted(there | set(wanted))
             if n not in wanted or not (docs / n).is_file() or (docs / n).read_text(encoding="utf-8") != wanted[n]]
    for name in stale:
        print(f"docs/{name} is not what the programs say")
    if stale:
        print(f"run: python3 tests/docs/reference.py --update {' '.join(arguments)}")
    print(f"{len(wanted) - len(stale)} passed, {len(stale)} failed, 0 skipped")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
