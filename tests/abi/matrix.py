#!/usr/bin/env python3
"""Old and new plugins on old and new hosts: every pair of the present contract and the next one.

matrix.py CC INCLUDE_FOLDER CORE_FOLDER

The next contract has a slot or member more in every table and a minor version more. While the major version is 0 another
minor is refused. From 1.0 on it is not, so the same pairs are built with the major version 1: each has to load, and what
only one side knows is never touched. The host is the code of the program that judges plugin files (core/plugin).
"""

import itertools
import pathlib
import re
import subprocess
import sys
import tempfile

import variant

HERE = pathlib.Path(__file__).resolve().parent
# What judges a plugin file, and no more.
SOURCES = ("plugin/handshake.c", "spec/options.c", "spec/scalar.c", "base/*.c")


def compile_all(jobs):
    running = [(command, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))
               for command in jobs]
    for command, process in running:
        out = process.communicate()[0]
        if process.returncode != 0:
            raise SystemExit(f"{' '.join(command)}:\n{out}")


def build(cc, core, headers, folder, newer):
    flags = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-Wno-missing-field-initializers", "-D_GNU_SOURCE",
             f"-I{headers}", *(["-DHAS_NEWER"] if newer else [])]
    plugin = [cc, *flags, "-shared", "-fPIC", "-fvisibility=hidden", str(HERE / "matrix_plugin.c"), "-o"]
    sources = sorted(str(p) for pattern in SOURCES for p in core.glob(pattern))
    # Of a source that is here for one function the others may stay undefined.
    host = [cc, *flags, f"-I{core}", "-ffunction-sections", "-fdata-sections", str(HERE / "matrix_host.c"), *sources,
            "-Wl,--gc-sections", "-ldl", "-lm", "-lyaml", "-pthread", "-o", str(folder / "host")]
    for name in ("plain", "insists"):
        (folder / name).mkdir(parents=True)
    return [[*plugin, str(folder / "plain" / "matrix.so")],
            [*plugin, str(folder / "insists" / "matrix.so"), "-DINSISTS"], host]


def expected(major, minors, host, plugin, insists):
    """What the pair has to say; host and plugin: 0 the present version, 1 the next."""
    if major == 0 and host != plugin:
        return (f"refused: it: was built for ABI 0.{minors[plugin]}, this program has ABI 0.{minors[host]}")
    if insists and plugin > host:
        return (f"refused: it: fusion/matrix: needs a program of ABI {major}.{minors[plugin]} or later, "
                f"this one has {major}.{minors[host]}")
    both = host == plugin == 1
    tail = "" if host == 0 else ", newer slot 23" if both else ", no newer slot"
    return f"components {23 if both else 1}, options width=3 height=4{tail}"


def main():
    cc, include, core = sys.argv[1], pathlib.Path(sys.argv[2]).resolve(), pathlib.Path(sys.argv[3]).resolve()
    minor = int(re.search(r"#define STELE_ABI_MINOR (\d+)u", (include / "stele/types.h").read_text()).group(1))
    passed = failed = 0
    with tempfile.TemporaryDirectory() as top:
        top = pathlib.Path(top)
        for major in (0, 1):
            for newer in (0, 1):
                folder = top / f"{major}-{newer}"
                folder.mkdir()
                headers = variant.make(include, folder / "include", newer, major)
                compile_all(build(cc, core, headers, folder, newer))
        for major, host, plugin, kind in itertools.product((0, 1), (0, 1), (0, 1), ("plain", "insists")):
            want = expected(major, (minor, minor + 1), host, plugin, kind == "insists")
            done = subprocess.run([top / f"{major}-{host}" / "host", top / f"{major}-{plugin}" / kind / "matrix.so"],
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            if done.returncode == 0 and done.stdout == want + "\n":
                passed += 1
            else:
                failed += 1
                print(f"host {major}.{minor + host}, plugin {major}.{minor + plugin} ({kind}): exit {done.returncode}\n"
                      f"  {done.stdout.strip()}\nwhere it should be\n  {want}")
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return 1 if failed or passed != 16 else 0


sys.exit(main())
