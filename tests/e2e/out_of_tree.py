#!/usr/bin/env python3
"""Plugins written by somebody who has an installed Stele and nothing else. out_of_tree.py NINJA BUILD SOURCES

Installs into a clean folder, moves it elsewhere, and works with that alone: for every kind `stele new`, the commands that
it prints (one line of cc, stele-check, training), then Meson with its tests. After that the plugins take their places in one
spec by name. strace, where there is one, shows that nothing opens a file of the sources or of the build.
"""

import filecmp
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

KINDS = ("modality", "fusion", "head", "source")
SPEC = """stele: 1
name: swap
data: {source: simulate, n_rows: 300, n_genes: 40, n_peaks: 60}
latent: {dim: 4}
modalities:
  rna: {plugin: nb_counts, encoder: {hidden: [16]}, decoder: {hidden: [16]}}
  atac: {plugin: bernoulli_peaks, encoder: {hidden: [16]}, decoder: {hidden: [16]}}
fusion: {plugin: poe}
heads:
  class: {plugin: classifier, target: class}
train: {epochs: 2, batch_size: 64}
"""
SWAPS = {"modality": "modalities.rna.plugin", "fusion": "fusion.plugin", "head": "heads.class.plugin"}


class Stranger:
    """A person with the installed program and a folder to work in."""

    def __init__(self, prefix, home, forbidden):
        self.prefix, self.home, self.forbidden = prefix, home, [str(f) + "/" for f in forbidden]
        self.env = {"PATH": f"{prefix}/bin:{os.environ['PATH']}", "HOME": str(home), "TMPDIR": str(home),
                    "LC_ALL": "C", "OPENBLAS_NUM_THREADS": "1"}
        self.strace = shutil.which("strace") is not None and self.can_trace()
        self.traced = 0

    def owns(self, origin):
        """A plugin of the installation."""
        return origin == "built in" or origin.startswith(f"{self.prefix}/")

    def can_trace(self):
        return subprocess.run(["strace", "-f", "-o", "/dev/null", "true"], stderr=subprocess.DEVNULL).returncode == 0

    def run(self, command, where, expect=0, trace=True, **more):
        """A line of shell; the text on both streams."""
        words = ["sh", "-c", command]
        log = self.home / "opened"
        if self.strace and trace:
            words = ["strace", "-f", "-qq", "-e", "trace=%file", "-o", str(log)] + words
        done = subprocess.run(words, cwd=where, env=self.env | more, stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert done.returncode == expect, f"exit status {done.returncode} of `{command}`\n{done.stdout}"
        self.expect_clean(f"what `{command}` says", done.stdout)
        if self.strace and trace:
            self.expect_clean(f"what `{command}` opens", log.read_text(errors="replace"))
            self.traced += 1
        return done.stdout

    def expect_clean(self, what, text):
        for folder in self.forbidden:
            line = next((l for l in text.splitlines() if folder in l), None)
            assert line is None, f"{what} has to do with {folder}: {line}"


def install(ninja, build, scratch):
    """The prefix, away from where it was installed."""
    env = os.environ | {"DESTDIR": str(scratch / "dest")}
    done = subprocess.run([ninja, "-C", str(build), "install"], env=env, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout
    options = json.loads((build / "meson-info" / "intro-buildoptions.json").read_text())
    prefix = next(o["value"] for o in options if o["name"] == "prefix")
    moved = scratch / "moved"
    (scratch / "dest" / prefix.lstrip("/")).rename(moved)
    return moved


def printed(text):
    """The commands that `stele new` prints: indented by four blanks."""
    return [line.strip() for line in text.splitlines() if line.startswith("    ")]


def make(who, kind):
    """A new plugin by one line of cc and by Meson; its folder."""
    start = time.monotonic()
    name = f"mine_{kind}"
    commands = printed(who.run(f"stele new {kind}/{name}", who.home))
    folder = who.home / name
    for path in folder.rglob("*"):
        assert path.is_dir() or not re.search(r"my_(kind|plugin|check_options|docs|pkgconfig)", path.read_text()), path
    assert len(commands) == 6 and commands[0] == f"cd {name}", commands
    cc, check, train, setup, test = commands[1:]
    out = who.run(cc + " -Wall -Wextra -Wpedantic -Wno-missing-field-initializers", folder)
    assert out == "", out
    out = who.run(check, folder, trace=False)
    assert re.search(r"^\d+ passed, 0 failed, \d+ skipped$", out, re.M), out
    out = who.run(train, folder)
    used = json.loads((folder / "runs" / name / "summary.json").read_text())["plugins"]
    assert {"id": f"{kind}/{name}", "version": "0.1.0", "origin": str(folder / kind / f"{name}.so")} in used, used
    out = who.run(setup, folder, trace=False)
    assert "WARNING" not in out, out
    out = who.run(test, folder, trace=False)
    assert re.search(r"^Ok: +2", out, re.M) and "warning:" not in out, out
    who.run("stele train spec.yaml --quiet --run runs/meson", folder, STELE_PLUGIN_PATH=f"{folder}/build")
    out = who.run(f"stele help {kind}/{name}", folder, STELE_PLUGIN_PATH=f"{folder}/build")
    assert out.startswith(f"{kind}/{name} 0.1.0"), out
    out = who.run(f"stele new {kind}/{name} -o again", who.home, expect=2, STELE_PLUGIN_PATH=f"{folder}/build")
    assert f"{kind}/{name} is taken: {folder}/build/{kind}/{name}.so" in out, out
    print(f"{kind}: {time.monotonic() - start:.1f} s")
    return folder


def bad_tables(who, folder):
    """The source says what is wrong with a file, and in which row."""
    cells = "row `y` does not have 2 cells"
    for text, message in (("", "the file is empty"), ("id,a\nx,1\ny,1,2\n", cells), ("id,a\nx,1\ny\n", cells),
                          ("id,a\nx,1e\n", "row `x`: `1e` is no number")):
        (folder / "bad.csv").write_text(text)
        out = who.run("stele check spec.yaml --set data.path=bad.csv", folder, expect=3,
                      STELE_PLUGIN_PATH=f"{folder}/build")
        assert message in out, out


def swap(who, folders):
    """By name in a spec, with nothing built anew."""
    spec = who.home / "swap.yaml"
    spec.write_text(SPEC)
    installed = who.home / "installed"
    shutil.copytree(who.prefix, installed)
    path = ":".join(f"{folder}/build" for folder in folders.values())
    for kind, key in SWAPS.items():
        who.run(f"stele train swap.yaml --quiet --run swap-{kind} --set {key}=mine_{kind}", who.home,
                STELE_PLUGIN_PATH=path)
        used = json.loads((who.home / f"swap-{kind}" / "summary.json").read_text())["plugins"]
        origins = {p["id"]: p["origin"] for p in used}
        assert origins.pop(f"{kind}/mine_{kind}") == f"{folders[kind]}/build/{kind}/mine_{kind}.so", origins
        assert all(who.owns(o) for o in origins.values()), origins
        out = who.run(f"stele check swap.yaml --set {key}=mine_{kind}", who.home, expect=4)
        assert f"there is no {kind} plugin `mine_{kind}`" in out, out
        looked = re.search(r"looked in (.*)", out)
        assert looked and looked.group(1).startswith(f"{who.prefix}/lib"), out
    out = who.run("stele check swap.yaml --set fusion.plugin=nowhere", who.home, expect=4, STELE_PLUGIN_PATH=path)
    for folder in folders.values():
        assert f"{folder}/build/fusion" in out, out
    compared = filecmp.dircmp(installed, who.prefix)
    assert not compared.diff_files and not compared.left_only and not compared.right_only
    shutil.rmtree(installed)


def by_readme(who, folder):
    """The three commands of the README, with the flags and the variables of stele-sdk.pc."""
    pc = next(who.prefix.rglob("stele-sdk.pc")).parent
    readme = (folder / "README.md").read_text()
    commands = printed(readme)[:3]
    assert commands[0].startswith("cc ") and commands[1].startswith("stele-check ") and "train" in commands[2], readme
    next(folder.glob("*/*.so")).unlink()
    shutil.rmtree(folder / "runs")
    for command in commands:
        who.run(command, folder, trace=False, PKG_CONFIG_PATH=str(pc))
    assert f"\n    export PKG_CONFIG_PATH={pc}\n" in readme, readme
    docs = pathlib.Path(re.search(r"The tutorial is `(.*)`, the contract", readme).group(1))
    assert docs.is_relative_to(who.prefix) and f"\nDocuments: {docs.parent}\n" in who.run("stele help", folder), docs
    for page in "write-a-plugin.md", "abi.md", "stele-check.md", "spec-reference.md", "plugins/README.md", \
            "images/write-a-plugin.png":
        assert (docs.parent / page).stat().st_size > 0, page
    assert not (docs.parent / "man").exists()
    names = ("plugindir", "abi_major", "abi_minor", "checker", "program", "docdir")
    values = [who.run(f"pkg-config --variable={n} stele-sdk", folder, PKG_CONFIG_PATH=str(pc)).strip() for n in names]
    assert values[1].isdigit() and values[2].isdigit(), values
    for value, last in (values[0], ""), (values[3], "stele-check"), (values[4], "stele"), (values[5], "doc/stele"):
        path = pathlib.Path(value).resolve()
        assert path.is_relative_to(who.prefix) and path.exists() and str(path).endswith(last), values


def without_installation(build, home):
    """The same from the build folder."""
    who = Stranger(pathlib.Path("/nowhere"), home, ())
    commands = printed(who.run(f"'{build}/stele' new fusion/uninstalled", home, trace=False))
    assert str(build) in commands[2] and str(build) in commands[4], commands
    for command in commands[1:]:
        who.run(command, home / "uninstalled", trace=False)


def demo(who):
    """What else is installed is there, and the demo runs from anywhere."""
    share = who.prefix / "share"
    for name in "man/man1/stele.1", "man/man1/stele-check.1", "bash-completion/completions/stele-check", \
            "zsh/site-functions/_stele":
        assert (share / name).stat().st_size > 0, name
    who.run(f"stele train {share}/stele/configs/demo.yaml --run demo --quiet --set train.epochs=1", who.home)


def grow(who, folder):
    """A run that an older version of the plugin trained, without an option that it has now, is read; one whose spec
    was changed is not."""
    source = next(folder.glob("fusion/*.c"))
    text = source.read_text()
    for old, new in (("} config;", "    double later;\n} config;"),
                     ("options[] = {", 'options[] = {\n    STELE_OPTION_F64(config, later, "later", 1.0, 0.0, 2.0, "New."),')):
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    before = source.read_text()
    source.write_text(text)
    who.run("meson compile -C build", folder, trace=False)
    env = {"STELE_PLUGIN_PATH": f"{folder}/build"}
    who.run("stele embed runs/meson -o z.csv --quiet", folder, **env)
    out = who.run("stele train spec.yaml --quiet --run runs/meson --resume", folder, expect=3, **env)
    assert "fusion.later is new" in out, out
    resolved = folder / "runs/meson/resolved.yaml"
    resolved.write_text(resolved.read_text().replace("trust: 0.9", "trust: 0.8"))
    out = who.run("stele embed runs/meson -o other.csv --quiet", folder, expect=3, **env)
    assert "is a checkpoint of another spec" in out and not (folder / "other.csv").exists(), out
    source.write_text(before)
    who.run("meson compile -C build", folder, trace=False)


def put_among_installed(who, folder):
    """`meson install` of a plugin puts it where the program looks."""
    who.run("meson install -C build", folder, trace=False)
    out = who.run("stele help fusion/mine_fusion", who.home)
    assert f"; {who.prefix}/lib" in out, out


def main():
    ninja, build, sources = sys.argv[1], pathlib.Path(sys.argv[2]).resolve(), pathlib.Path(sys.argv[3]).resolve()
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="stele-out-of-tree-") as scratch:
        scratch = pathlib.Path(scratch).resolve()
        try:
            prefix = install(ninja, build, scratch)
            home = scratch / "home"
            home.mkdir()
            who = Stranger(prefix, home, (build, sources, scratch / "dest"))
            listed = json.loads(who.run("stele plugins --json", home))
            assert listed and all(who.owns(p["origin"]) and p["refused"] is None for p in listed), listed
            folders = {kind: make(who, kind) for kind in KINDS}
            bad_tables(who, folders["source"])
            swap(who, folders)
            by_readme(who, folders["source"])
            without_installation(build, home)
            demo(who)
            grow(who, folders["fusion"])
            put_among_installed(who, folders["fusion"])
        except AssertionError as error:
            print("failed:", error)
            return 1
    print(f"{time.monotonic() - start:.0f} s; " +
          (f"{who.traced} commands opened nothing of the sources" if who.strace else "no strace: files not watched"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
