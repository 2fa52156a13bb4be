#!/usr/bin/env python3
"""Runs `ecomc check FILE --color=never` on each .ecom beside this script and compares what it says with the .stderr beside the file; then
what pages.py and sarif.py prove.

usage: run.py [--bless] ECOMC [FILE ...]

--bless writes what was said, and docs/diagnostics.md. A file whose name begins with ok_ or W (a warning) must pass with exit status 0; any
other must fail. A file that has a .lock beside it is built, with that as its ecom.lock. The last line of a failed run sums up; it is not in
the .stderr, but must be true of it.
"""
import difflib
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import pages
import sarif


def run_case(ecomc, file, option="--color=never"):
    """How it ended and what was said."""
    if not file.with_suffix(".lock").exists():
        return subprocess.run([ecomc, "check", file.name, option], cwd=file.parent, capture_output=True, text=True, timeout=60)
    with tempfile.TemporaryDirectory() as temp:
        shutil.copy(file, temp)
        shutil.copy(file.with_suffix(".lock"), pathlib.Path(temp) / "ecom.lock")
        return subprocess.run([ecomc, "build", "--check", file.name, option], cwd=temp, capture_output=True, text=True, timeout=60)


def without_summary(said):
    """What was said without the line that sums up, and whether that line is there when it should be, and right."""
    found = re.findall(r"^\S+?:\d+:\d+: (error|warning)\[(\w+)\]", said, re.M)
    errors, warnings = [c for kind, c in found if kind == "error"], [c for kind, c in found if kind == "warning"]
    if not errors:
        return said, True
    expected = f"{len(errors)} error{'s' * (len(errors) > 1)}"
    if warnings:
        expected += f", {len(warnings)} warning{'s' * (len(warnings) > 1)}"
    expected += f"; learn more: ecomc explain {errors[0]}\n"
    return said.removesuffix(expected), said.endswith("\n" + expected)


def main():
    args = sys.argv[1:]
    bless = "--bless" in args
    args = [a for a in args if a != "--bless"]
    if not args:
        sys.exit(__doc__.strip())
    here = pathlib.Path(__file__).resolve().parent
    ecomc = str(pathlib.Path(args[0]).resolve())
    files = [pathlib.Path(a).resolve() for a in args[1:]] or sorted(here.glob("*.ecom"))
    failed = more = 0
    for file in files:
        run = run_case(ecomc, file)
        status, said = run.returncode, run.stderr
        said, summed_up = without_summary(said)
        expected_file = file.with_suffix(".stderr")
        right_status = (status == 0) == file.name.startswith(("ok_", "W")) and status >= 0
        if bless:
            expected_file.write_text(said)
        expected = expected_file.read_text() if expected_file.exists() else ""
        if not right_status:
            print(f"{file.name}: exit status {status}")
            failed += 1
        elif said != expected:
            sys.stdout.writelines(difflib.unified_diff(expected.splitlines(True), said.splitlines(True), expected_file.name, "said"))
            failed += 1
        elif not summed_up:
            print(f"{file.name}: the last line does not sum up what was said")
            failed += 1
    for checks in () if args[1:] else (pages.check(ecomc, bless), sarif.check(run_case, ecomc, files)):
        for name, wrong in checks:
            more += 1
            failed += bool(wrong)
            if wrong:
                print(f"{name}: {wrong}")
    print(f"{len(files) + more - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
