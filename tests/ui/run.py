#!/usr/bin/env python3
"""Runs `ecomc check FILE --color=never` on each .ecom beside this script and compares what it says with the .stderr beside the file.

usage: run.py [--bless] ECOMC [FILE ...]

--bless writes what was said. A file whose name begins with ok_ or W (a warning) must pass with exit status 0; any other must fail.
"""
import difflib
import pathlib
import subprocess
import sys


def main():
    args = sys.argv[1:]
    bless = "--bless" in args
    args = [a for a in args if a != "--bless"]
    if not args:
        sys.exit(__doc__.strip())
    here = pathlib.Path(__file__).resolve().parent
    ecomc = str(pathlib.Path(args[0]).resolve())
    files = [pathlib.Path(a).resolve() for a in args[1:]] or sorted(here.glob("*.ecom"))
    failed = 0
    for file in files:
        run = subprocess.run([ecomc, "check", file.name, "--color=never"], cwd=file.parent, capture_output=True, text=True, timeout=60)
        said = run.stderr
        expected_file = file.with_suffix(".stderr")
        right_status = (run.returncode == 0) == file.name.startswith(("ok_", "W")) and run.returncode >= 0
        if bless:
            expected_file.write_text(said)
        expected = expected_file.read_text() if expected_file.exists() else ""
        if not right_status:
            print(f"{file.name}: exit status {run.returncode}")
            failed += 1
        elif said != expected:
            sys.stdout.writelines(difflib.unified_diff(expected.splitlines(True), said.splitlines(True), expected_file.name, "said"))
            failed += 1
    print(f"{len(files) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
