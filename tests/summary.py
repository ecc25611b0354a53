#!/usr/bin/env python3
"""Sum up a meson testlog.json: what was skipped and why, what failed, then one last line
`N passed, N failed, N skipped`. Exit status 1 if anything failed or nothing ran.

Tests inside a program count one by one: CMocka groups, and scripts that end with such a line
themselves. Any other program counts as one test.
"""

import json
import re
import sys

CMOCKA = {
    "passed": re.compile(r"^\[  PASSED  \] (\d+) test\(s\)", re.M),
    "failed": re.compile(r"^\[  FAILED  \] (\d+) test\(s\)", re.M),
    "skipped": re.compile(r"^\[  SKIPPED \] (\d+) test\(s\)", re.M),
}
SCRIPT = re.compile(r"^(\d+) passed, (\d+) failed, (\d+) skipped\s*\Z", re.M)


def count(record):
    """(passed, failed, skipped) inside one program."""
    text = record.get("stdout", "") + "\n" + record.get("stderr", "")
    own = SCRIPT.search(record.get("stdout", ""))
    if own:
        n = [int(k) for k in own.groups()]
    else:
        n = [sum(map(int, CMOCKA[k].findall(text))) for k in ("passed", "failed", "skipped")]
    if record["result"] == "EXPECTEDFAIL":
        return [1, 0, 0]
    if record["result"] == "OK":
        return n if sum(n) else [1, 0, 0]
    if record["result"] == "SKIP":
        return n if sum(n) else [0, 0, 1]
    if n[1] == 0:  # died, timed out or complained at its end
        n[1] = 1
    return n


def main():
    total = [0, 0, 0]
    try:
        with open(sys.argv[1], encoding="utf-8") as log:
            records = [json.loads(line) for line in log]
    except OSError as e:
        print(f"no test log: {e}")
        records = []
    for record in records:
        n = count(record)
        total = [a + b for a, b in zip(total, n)]
        last = (record.get("stdout", "").strip().splitlines() or [""])[-1]
        if record["result"] == "SKIP":
            print(f"skipped: {record['name']}: {last}")
        elif n[1]:
            print(f"failed: {record['name']} ({record['result'].lower()})")
    if not records:
        total[1] = 1
    print("{} passed, {} failed, {} skipped".format(*total))
    return 1 if total[1] else 0


if __name__ == "__main__":
    sys.exit(main())
