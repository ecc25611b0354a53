#!/usr/bin/env python3
"""Is the checker itself worth something? Every plugin of mutants.txt has to fail its check, and no unrelated one;
every check of `stele-check --list` needs a plugin that has to fail it.

    mutants.py --checker build/stele-check --folder build/tests/mutants [--verbose] [BASE[_DEFECT]...]

The last lines are the kill rate and `N passed, N failed, N skipped`.
"""

import argparse
import json
import pathlib
import subprocess
import sys

TABLE = pathlib.Path(__file__).resolve().parent / "mutants.txt"
BAD = ("fail", "crash", "timeout", "hollow")


def rows():
    for line in TABLE.read_text(encoding="utf-8").splitlines():
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        extra = dict(word.split("=", 1) for word in words[3:])
        sound = words[1] == "-"
        yield {"base": words[0], "sound": sound, "check": words[2], "also": extra.get("also", "").split(","),
               "name": f"{words[0]}_{'sound' if sound else words[1].lower()}", "timeout": extra.get("timeout", "30")}


def judge(row, checker, folder):
    """What is wrong with the checker's answer; None if nothing."""
    command = [checker, str(folder / (row["name"] + ".so")), "--json", "-", "--timeout", row["timeout"]]
    run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace")
    try:
        answer = json.loads(run.stdout)
    except ValueError:
        return f"no answer, exit status {run.returncode}: {run.stderr.strip()}", run
    # A warning may be the machine's (scan-budget under load): it counts where it is what has to come.
    named = [c["check"] for c in answer["checks"]
             if c["verdict"] in BAD or (c["verdict"] == "warn" and c["check"] == row["check"])]
    failed = any(c["verdict"] in BAD for c in answer["checks"])
    if (run.returncode != 0) != failed and not (row["check"].startswith("abi") and run.returncode == 1):
        return f"exit status {run.returncode}", run
    if row["sound"]:
        named += [f"{c['check']} (skipped)" for c in answer["checks"] if c["verdict"] == "skip"
                  and c["check"] not in row["also"]]
        return ("sound, yet: " + ", ".join(named) if named else None), run
    if row["check"] not in named:
        return "survives" + (", though these failed: " + ", ".join(named) if named else ""), run
    strange = [n for n in named if n != row["check"] and n not in row["also"] and row["also"] != ["*"]]
    return ("fails elsewhere too: " + ", ".join(strange) if strange else None), run


def unproved(checker):
    """Checks that no mutant has to fail: nobody knows whether they find anything."""
    run = subprocess.run([checker, "--list"], stdout=subprocess.PIPE, text=True, check=True)
    return sorted({line.split()[0] for line in run.stdout.splitlines()} - {row["check"] for row in rows()})


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--checker", required=True)
    p.add_argument("--folder", type=pathlib.Path, required=True)
    p.add_argument("--verbose", action="store_true")
    p.add_argument("which", nargs="*")
    a = p.parse_args()
    passed = failed = killed = mutants = 0
    for row in rows():
        if a.which and row["base"] not in a.which and row["name"] not in a.which:
            continue
        problem, run = judge(row, a.checker, a.folder)
        print(f"{'ok  ' if problem is None else 'FAIL'} {row['name']:34} {row['check']:22} {problem or ''}", flush=True)
        if a.verbose and problem:
            print(run.stderr)
        passed, failed = passed + (problem is None), failed + (problem is not None)
        if not row["sound"]:
            mutants += 1
            killed += problem is None or problem.startswith("fails elsewhere")
    missing = unproved(a.checker)
    print(f"{'FAIL' if missing else 'ok  '} every check has a mutant {', '.join(missing)}")
    passed, failed = passed + (not missing), failed + bool(missing)
    if mutants:
        print(f"{killed} of {mutants} mutants killed: {100 * killed / mutants:.0f} %")
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return 1 if failed or passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
