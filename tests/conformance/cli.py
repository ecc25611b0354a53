#!/usr/bin/env python3
"""The command line of stele-check: what it says, its exit status, its page.

    cli.py [--update] stele-check stele-check-linked MUTANTS docs/stele-check.md

--update writes the list of checks into the page. The last line is `N passed, N failed, 0 skipped`.
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

BEGIN = "<!-- checks: written by tests/conformance/cli.py --update, compared by the test -->\n"
END = "<!-- end of checks -->"


def run(*command, cwd=None):
    p = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=cwd,
                       timeout=120)
    return p.returncode, p.stdout, p.stderr


def page_table(checker):
    code, out, _ = run(checker, "--list")
    assert code == 0
    rows = [line.split(None, 1) for line in out.splitlines()]
    return "| check | what it does |\n|---|---|\n" + "".join(f"| `{i}` | {text} |\n" for i, text in rows)


class Cases:
    def __init__(self, checker, linked, mutants, page):
        self.checker, self.linked, self.mutants, self.page = checker, linked, pathlib.Path(mutants), pathlib.Path(page)

    def so(self, name):
        return self.mutants / f"{name}.so"

    def says(self, command, code, err):
        got = run(self.checker, *command)
        assert got[0] == code, got
        assert got[2].splitlines()[:1] == [err], got

    def test_usage(self):
        self.says([], 2, "stele-check: which plugin?")
        self.says(["a", "b"], 2, "stele-check: one plugin at a time")
        self.says(["--what"], 2, "stele-check: unknown option `--what`")
        self.says(["--seed"], 2, "stele-check: `--seed` wants a value")
        for seed in ("x", " -5", "-5", "+5", " 5", ""):
            self.says(["--seed", seed, "a"], 2, f"stele-check: --seed: `{seed}` is no whole number")
        self.says(["--timeout", " 1", "a"], 2, "stele-check: --timeout: ` 1` is no number of seconds")
        self.says(["--timeout", "-1", "a"], 2, "stele-check: --timeout: `-1` is no number of seconds")
        self.says(["--only", "(", "a"], 2, "stele-check: `(` is no regular expression")
        self.says(["--options", "width", "a"], 2, "stele-check: --options: `width` is not KEY=VALUE")

    def test_bad_settings(self):
        """A typing error is none of the plugin's."""
        def says(text, *more):
            self.says(["--options", "power=2", *more, self.so("product_sound")], 2, f"stele-check: --options: {text}")
        says("`power=[1`: expected `,` or `]` in a list", "--options", "power=[1")
        says("`power={a: 1`: expected `,` or `}` in a mapping", "--options", "power={a: 1")
        says("`power=`: there is no value", "--options", "power=")
        says("`power.x=3`: is `2`, not a mapping with keys", "--options", "power.x=3")

    def test_files(self):
        self.says(["./absent.so"], 2, "stele-check: ./absent.so: No such file or directory")
        self.says(["fusion/absent"], 2, "stele-check: fusion/absent: is not linked into this program")
        self.says([str(self.page)], 2, f"stele-check: {self.page}: is no shared object")
        code, out, err = run(self.checker, self.so("product_sound"), "--only", "nothing-like-it")
        assert (code, err.splitlines()[0]) == (2, "stele-check: no check of this plugin was picked"), (code, err)

    def test_pipe(self):
        """Nobody writes to it: whoever opens it as a file waits for good."""
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder).resolve() / "mine.so"
            os.mkfifo(path)
            self.says([path], 2, f"stele-check: {path}: is not a regular file")

    def test_untrusted(self):
        """Nobody opens what anybody may have written: its constructor would run."""
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder).resolve() / "product_constructor_crash.so"
            path.write_bytes(self.so("product_constructor_crash").read_bytes())
            path.chmod(0o666)
            self.says([path], 2, f"stele-check: {path}: every user may write to this file: not loaded; a plugin can do "
                      "whatever you can: make it yours alone to write, or say --allow-unsafe-plugins")
            code, out, err = run(self.checker, path, "--allow-unsafe-plugins", "--only", "^abi-exports$")
            assert code == 1 and "died of signal 6" in out, (code, out)
            want = f"stele-check: warning: {path}: every user may write to this file: loaded all the same"
            assert err.splitlines()[0] == want, err
            self.says([path, "--allow"], 2, "stele-check: unknown option `--allow`")

    def test_required_option(self):
        code, _, err = run(self.linked, "source/h5mu")
        want = "stele-check: source/h5mu has no default for `path`: give one with --options path=VALUE\n"
        assert (code, err) == (2, want), (code, err)

    def test_unknown_option(self):
        code, out, _ = run(self.checker, self.so("product_sound"), "--only", "^silence$", "--options", "powr=2")
        assert code == 1 and "no instance could be made" in out and "powr" in out, out

    def test_unseen_option(self):
        code, out, _ = run(self.checker, self.so("product_option_ignored"), "--only", "^options-effect$")
        assert code == 1 and "`power`: no value changes parameters" in out, out
        code, out, _ = run(self.checker, self.so("product_option_ignored"), "--only", "^options-effect$", "--unseen", "power")
        assert code == 0 and "`power` was not looked at" in out, out
        self.says([self.so("product_sound"), "--unseen", "nothing"], 2,
                  "stele-check: --unseen: the plugin has no option `nothing`")

    def test_pass(self):
        code, out, err = run(self.checker, self.so("product_sound"), "--only", "^(silence|leak)$")
        assert code == 0 and err == "", (code, err)
        assert out.splitlines()[-1] == "2 passed, 0 failed, 0 skipped", out

    def test_repeat_command(self):
        code, out, _ = run(self.checker, self.so("counts_gradient_sign"), "--only", "likelihood-gradient", "--seed", "7")
        assert code == 1 and re.search(r"d_eta 0, row \d+, feature \d+, x = [-\d.]+: analytic [-\d.e]+, numeric", out), out
        command = re.search(r"repeat: stele-check (.*)", out).group(1)
        again = subprocess.run(f"'{self.checker}' {command}", shell=True, stdout=subprocess.PIPE, text=True)
        def said(text):
            return [line for line in text.splitlines() if "analytic" in line]
        assert again.returncode == 1 and said(again.stdout) == said(out) and said(out), again.stdout

    def test_repeat_command_of_all(self):
        """Everything that the verdict hangs on is in the command, for any path."""
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder).resolve() / "o'clock & more" / "product_sound.so"
            path.parent.mkdir()
            path.write_bytes(self.so("product_sound").read_bytes())
            path.chmod(0o666)
            _, out, _ = run(self.checker, path, "--allow-unsafe-plugins", "--only", "^grad-fd$", "--timeout", "0.0625",
                            "--options", "power='9'", "--strict")
            command = re.search(r"repeat: stele-check (.*)", out).group(1)
            for word in ("--allow-unsafe-plugins", "--timeout 0.0625", "--strict"):
                assert word in command, command
            again = subprocess.run(f"'{self.checker}' {command}", shell=True, stdout=subprocess.PIPE, text=True)
            assert again.returncode == 1, again
            assert [l for l in again.stdout.splitlines() if "power" in l] == [
                l for l in out.splitlines() if "power" in l] != [], (out, again.stdout)

    def test_verdicts(self):
        for name, check, verdict, text in (
                ("product_crash_create", "silence", "crash", "signal 11"),
                ("product_endless", "silence", "timeout", "not done after 1"),
                ("product_exits", "silence", "fail", "ended the process with exit status 0"),
                ("product_closes_files", "leak", "fail", "closed a file that is not its own, the pipe of the checker"),
                ("product_closes_and_waits", "leak", "timeout", "not done after 1"),
                ("counts_writes_past", "silence", "fail", "touches memory beyond the end of `d_eta`"),
                ("table_writes_past", "source-read", "fail", "touches memory beyond the end of `data`"),
                ("product_unused_parameter", "grad-flow", "warn", "parameter `unused` is never used"),
                ("mixture_sound", "options-fuzz", "skip", "the plugin has no options")):
            code, out, _ = run(self.checker, self.so(name), "--json", "-", "--only", f"^{check}$", "--timeout",
                               "1" if verdict == "timeout" else "30")
            row = json.loads(out)["checks"][0]
            assert row["verdict"] == verdict and text in row["message"], row
            assert code == (0 if verdict in ("warn", "skip") else 1), code
            assert ("repeat" in row) == (code == 1), row

    def test_refused(self):
        code, out, err = run(self.checker, self.so("product_null_slot"))
        assert code == 1 and "its slot `fuse` is NULL" in out and "were not checked" in err, (out, err)
        code, out, err = run(self.checker, self.so("product_constructor_crash"))
        assert code == 1 and "died of signal 6" in out, out

    def test_json_file(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "out.json"
            code, out, _ = run(self.checker, self.so("product_sound"), "--only", "^silence$", "--json", path)
            answer = json.loads(path.read_text())
            assert code == 0 and answer["passed"] == 1 and answer["checks"][0]["plugin"] == "fusion/product_sound"
            assert out.splitlines()[-1] == "1 passed, 0 failed, 0 skipped"
            code, _, err = run(self.checker, self.so("product_sound"), "--only", "^silence$", "--json",
                               pathlib.Path(folder) / "no" / "out.json")
            assert code == 2 and "cannot write" in err, (code, err)

    def test_in_process(self):
        code, out, _ = run(self.checker, self.so("product_sound"), "--in-process", "--only", "^(grad-fd|mask-poison)$")
        assert code == 0 and out.splitlines()[-1] == "2 passed, 0 failed, 0 skipped", out
        # Into a file: what the checker itself has not written yet is not the plugin's print.
        code, out, _ = run(self.checker, self.so("product_sound"), "--in-process", "--only", "^silence$")
        assert code == 0, out

    def test_linked(self):
        code, out, _ = run(self.linked, "fusion/poe", "--only", "^mask-poison$")
        assert code == 0 and "fusion/poe 0.1.0 (linked in)" in out, out

    def test_other_seed_other_inputs(self):
        def figures(seed):
            _, out, _ = run(self.checker, self.so("counts_gradient_sign"), "--only", "^likelihood-gradient$", "--seed", seed)
            return re.findall(r"analytic ([-\d.e]+)", out)
        assert figures("1") and figures("1") != figures("2"), figures("1")

    def test_print_while_loaded(self):
        """What a constructor prints is in nobody's way: neither in the object nor on the page."""
        answer = json.loads(run(self.checker, self.so("product_prints_loaded"), "--json", "-", "--only", "^abi-query")[1])
        assert "hello" in answer["checks"][0]["message"], answer
        assert run(self.checker, "--page", self.so("product_prints_loaded"))[1].startswith("# fusion/")

    def test_escapes(self):
        """What a plugin says does not steer the terminal."""
        code, out, _ = run(self.checker, self.so("product_escapes"), "--only", "^silence$")
        assert code == 1 and "\033" not in out and r"\x1b[2Jgone" in out, (code, out)

    def test_same_seed_same_answer(self):
        def answer():
            a = json.loads(run(self.checker, self.so("product_too_wide"), "--json", "-", "--only", "fusion-|mask-")[1])
            return [(c["check"], c["verdict"], c.get("message")) for c in a["checks"]]
        assert answer() == answer()

    def test_page_of_plugin(self):
        code, out, err = run(self.linked, "--page", "modality/nb_counts")
        assert (code, err) == (0, "") and out.startswith("# modality/nb_counts\n"), (code, err, out)
        assert "| `dispersion` | number | 0.001 to 1000 | `1` |" in out, out
        assert "| `feature_correlation` | higher |" in out, out
        code, out, err = run(self.linked, "--page", "source/h5mu")  # has a required option
        assert code == 0 and "| `path` | path |  | required |" in out and "Metrics" not in out, (code, err, out)
        code, out, err = run(self.checker, "--page", self.so("regression_sound"))
        assert code == 0 and "draws random data" not in out, (code, err, out)

    def test_page_of_broken_plugins(self):
        code, out, err = run(self.checker, "--page", self.so("product_null_slot"))
        assert code == 2 and out == "" and "its slot `fuse` is NULL" in err, (code, out, err)
        code, out, err = run(self.checker, "--page", self.so("product_constructor_crash"))
        assert code == 2 and out == "" and err != "", (code, out, err)

    def test_page(self):
        text = self.page.read_text(encoding="utf-8")
        assert BEGIN + page_table(self.checker) + END in text, "docs/stele-check.md is out of date: run with --update"
        for option in re.findall(r"^  (--[a-z-]+)", run(self.checker, "--help")[1], re.M):
            assert option in text, option


def main():
    arguments = [a for a in sys.argv[1:] if a != "--update"]
    if len(arguments) != 4:
        sys.exit(__doc__)
    cases = Cases(*arguments)
    if "--update" in sys.argv:
        text = cases.page.read_text(encoding="utf-8")
        begin, end = text.index(BEGIN) + len(BEGIN), text.index(END)
        cases.page.write_text(text[:begin] + page_table(cases.checker) + text[end:], encoding="utf-8")
    passed = failed = 0
    for name in sorted(n for n in dir(cases) if n.startswith("test_")):
        try:
            getattr(cases, name)()
            passed += 1
        except AssertionError as e:
            failed += 1
            print(f"{name}: {e}")
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
