#!/usr/bin/env python3
"""Run golden cases: one folder each, compared with what the program says on standard error.

    run.py --program build/stele [--update] [--keep] [--jobs N] [PATTERN...]

A case is a folder beside this script with
    cmd       the command line, run by sh in a scratch copy of the folder; `stele` is the program
    exit      the exit code
    expect    the exact text on standard error; left out: none. Two placeholders exist for what cannot be
              exact: @TMP@ is the scratch folder, @ANY@ any text within a line
    stdout    the exact text on standard output; left out: anything
    absent    optional: files that must not exist afterwards, one a line, shell patterns allowed
    setup.sh, setup.py   optional: run before cmd in the scratch copy; exit code 77 skips the case
and any input files. No case may leave a half-written *.tmp file. A new case needs no code: make the folder, write
cmd, run with --update and read what it wrote. The last line is `N passed, N failed, N skipped`.
"""

import argparse
import concurrent.futures
import difflib
import fnmatch
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
OWN = ("cmd", "exit", "expect", "stdout", "absent", "setup.sh", "setup.py")
TIMEOUT = 120


def command_of(case):
    lines = [l for l in (case / "cmd").read_text().splitlines() if l.strip() and not l.startswith("#")]
    return "\n".join(lines)


def matches(expected, got):
    pattern = "[^\n]*".join(re.escape(part) for part in expected.split("@ANY@"))
    return re.fullmatch(pattern, got) is not None


def difference(name, expected, got):
    lines = difflib.unified_diff(expected.splitlines(True), got.splitlines(True), f"{name} expected", f"{name} got")
    return "".join(l if l.endswith("\n") else l + "\n\\ no newline at the end\n" for l in lines)


def environment(scratch, program):
    """The program under its own name and nothing of the user's settings."""
    tools = scratch / "bin"
    tools.mkdir()
    (tools / "stele").symlink_to(program)
    env = {k: v for k, v in os.environ.items() if not k.startswith("LC_") and k != "LANGUAGE"}
    env.update(LC_ALL="C", LANG="C", HOME=str(scratch), PATH=f"{tools}:{env.get('PATH', '/usr/bin:/bin')}",
               OPENBLAS_NUM_THREADS="1", GOLDEN_CASES=str(HERE))
    return env


def set_up(work, case, env):
    """None if ready, else (verdict, text)."""
    for name, tool in (("setup.sh", "sh"), ("setup.py", sys.executable)):
        if (case / name).exists():
            done = subprocess.run([tool, str(case / name)], cwd=work, env=env, timeout=TIMEOUT, text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            if done.returncode == 77:
                return "skip", done.stdout.strip() or "setup asked for it"
            if done.returncode != 0:
                return "fail", f"{name} failed with {done.returncode}:\n{done.stdout}"
    return None


def judge(case, work, code, out, err):
    """All that differs from what the case expects."""
    problems = []
    want = (case / "exit").read_text().strip() if (case / "exit").exists() else "missing file `exit`"
    if str(code) != want:
        problems.append(f"exit code {code}, expected {want}\n")
    expected = (case / "expect").read_text() if (case / "expect").exists() else ""
    if not matches(expected, err):
        problems.append(difference("expect", expected, err))
    if (case / "stdout").exists() and not matches((case / "stdout").read_text(), out):
        problems.append(difference("stdout", (case / "stdout").read_text(), out))
    absent = (case / "absent").read_text().split("\n") if (case / "absent").exists() else []
    for pattern in [a for a in absent if a.strip()] + ["**/*.tmp"]:
        problems += [f"left behind: {p.relative_to(work)}\n" for p in work.glob(pattern)]
    return problems


def kept(path, text):
    """What a case wrote with placeholders stays as long as it still fits; a line of a plugin's source never does."""
    was = path.read_text() if path.exists() else ""
    return was if matches(was, text) else re.sub(r"(said by (?!fails\.c)\S+:)\d+", r"\1@ANY@", text)


def update(case, code, out, err):
    (case / "exit").write_text(f"{code}\n")
    if err:
        (case / "expect").write_text(kept(case / "expect", err))
    else:
        (case / "expect").unlink(missing_ok=True)
    if (case / "stdout").exists():
        (case / "stdout").write_text(kept(case / "stdout", out))


def run_case(case, args):
    """(verdict, text)"""
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="stele-golden-")).resolve()
    try:
        work = scratch / "work"
        shutil.copytree(case, work, ignore=shutil.ignore_patterns(*OWN))
        env = environment(scratch, args.program)
        stop = set_up(work, case, env)
        if stop:
            return stop
        try:
            done = subprocess.run(["sh", "-c", command_of(case)], cwd=work, env=env, timeout=TIMEOUT,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        except subprocess.TimeoutExpired:
            return "fail", f"no end after {TIMEOUT} s\n"
        out, err = (t.decode("utf-8", "backslashreplace").replace(str(work), "@TMP@")
                    for t in (done.stdout, done.stderr))
        if args.update:
            update(case, done.returncode, out, err)
        problems = judge(case, work, done.returncode, out, err)
        return ("fail", "".join(problems)) if problems else ("pass", "")
    finally:
        if args.keep:
            print(f"{case.name}: kept {scratch}")
        else:
            shutil.rmtree(scratch, ignore_errors=True)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True, type=lambda p: str(pathlib.Path(p).resolve()))
    parser.add_argument("--update", action="store_true", help="write exit, expect and stdout anew")
    parser.add_argument("--keep", action="store_true", help="keep the scratch folders")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("pattern", nargs="*", help="names of cases, shell patterns allowed; none: all")
    return parser.parse_args()


def main():
    args = arguments()
    names = sorted(p.parent.name for p in HERE.glob("*/cmd"))
    names = [n for n in names if not args.pattern or any(fnmatch.fnmatch(n, p) for p in args.pattern)]
    count = {"pass": 0, "fail": 0, "skip": 0}
    with concurrent.futures.ThreadPoolExecutor(max(1, args.jobs)) as pool:
        for name, (verdict, text) in zip(names, pool.map(lambda n: run_case(HERE / n, args), names)):
            count[verdict] += 1
            if verdict == "skip":
                print(f"skip {name}: {text}")
            elif verdict == "fail":
                repeat = f"python3 {os.path.relpath(__file__)} --program {args.program} {name}"
                print(f"FAIL {name}: {command_of(HERE / name)}\n{text}repeat: {repeat}\n")
    if not names:
        print("no case has that name")
        count["fail"] += 1
    print(f"{count['pass']} passed, {count['fail']} failed, {count['skip']} skipped")
    return 1 if count["fail"] else 0


if __name__ == "__main__":
    sys.exit(main())
