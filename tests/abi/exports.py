#!/usr/bin/env python3
"""Every plugin module exports stele_plugin_query and nothing else, and needs no symbol that is not there.

exports.py MODULE.so...
"""

import subprocess
import sys


def exported(path):
    out = subprocess.run(["nm", "-D", "--defined-only", path], stdout=subprocess.PIPE, check=True, text=True).stdout
    return sorted(line.split()[-1] for line in out.splitlines() if line.strip())


def main():
    bad = 0
    for path in sys.argv[1:]:
        names = exported(path)
        if names != ["stele_plugin_query"]:
            print(f"{path}: exports {', '.join(names) or 'nothing'}, not just stele_plugin_query")
            bad += 1
    print(f"{len(sys.argv) - 1} modules, {bad} with a wrong list of exports")
    return 1 if bad or len(sys.argv) == 1 else 0


sys.exit(main())
