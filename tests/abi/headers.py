#!/usr/bin/env python3
"""Every header of the SDK compiles alone and without a warning, as C and as C++; the contract without padding.

headers.py INCLUDE_FOLDER [COMPILER...]: C and C++ compilers, told apart by their names; what an absent one would compile
counts as skipped.
"""

import pathlib
import shutil
import subprocess
import sys
import tempfile

WARN = ["-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Werror", "-fsyntax-only",
        # A helper header defines functions that a plugin may leave unused.
        "-Wno-unused-function", "-Wno-unused-variable", "-Wno-unused-const-variable"]
# What crosses the border between host and plugin may not have holes.
CONTRACT = {"types.h", "options.h", "host.h", "kinds.h", "ops.h", "plugin.h"}


def main():
    include = pathlib.Path(sys.argv[1])
    headers = sorted(h.relative_to(include).as_posix() for h in include.glob("stele/*.h"))
    ran = failed = skipped = 0
    with tempfile.TemporaryDirectory() as folder:
        for compiler in sys.argv[2:]:
            plus = "++" in compiler
            if not shutil.which(compiler):
                print(f"{compiler} is not there")
                skipped += 2 * len(headers)
                continue
            for standard in ("c++11", "c++17") if plus else ("c11", "c17"):
                for header in headers:
                    source = pathlib.Path(folder) / ("alone.cpp" if plus else "alone.c")
                    # Twice: include guards.
                    source.write_text(f"#include <{header}>\n#include <{header}>\nextern int alone;\n")
                    padded = ["-Wpadded"] if pathlib.Path(header).name in CONTRACT else []
                    command = [compiler, f"-std={standard}", *WARN, *padded, f"-I{include}", str(source)]
                    run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
                    ran += 1
                    if run.returncode != 0:
                        failed += 1
                        print(f"{header} as {standard} with {compiler}:\n{run.stdout}")
    print(f"{ran - failed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or not ran else 0


sys.exit(main())
