"""Cases of a test that train models in a folder of their own each."""
import pathlib
import sys
import tempfile


def run_cases(*cases):
    """Each with the program, which is the first argument, and its folder; the last line is `N passed, N failed, 0 skipped`."""
    stele = pathlib.Path(sys.argv[1]).resolve()
    failed = 0
    for case in cases:
        with tempfile.TemporaryDirectory() as scratch:
            try:
                case(stele, pathlib.Path(scratch))
            except AssertionError as e:
                print(f"{case.__name__}: {e}")
                failed += 1
    print(f"{len(cases) - failed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0
