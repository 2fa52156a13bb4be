#!/usr/bin/env python3
"""`ecomc fmt`: each .ecom beside this script against the .expected beside it; what holds of every topology of the project; files.

usage: run.py [--bless] ECOMC

--bless writes each .expected. Of any topology that parses, the canonical form is its own, does not depend on the spaces in the source, and
means the same: the compiler says the same of it, and makes the same files.
"""
import difflib
import json
import os
import pathlib
import random
import re
import shutil
import stat
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
ECOMC = str(pathlib.Path(sys.argv[-1]).resolve())
results = []


def check(name, good, why=""):
    results.append(bool(good))
    if not good:
        print(f"FAIL {name}: {why}")


def ecomc(*args, stdin=None, cwd=None):
    return subprocess.run([ECOMC, *args, "--color=never"], input=stdin, cwd=cwd, capture_output=True, timeout=60)


def formatted(text):
    return ecomc("fmt", "-", stdin=text)


def difference(a, b):
    return "".join(list(difflib.unified_diff(a.decode().splitlines(True), b.decode().splitlines(True)))[:30])


# What white space does not separate: it stays as it is. The last is SQL in parentheses.
VERBATIM = re.compile(rb'"""(?:.|\n)*?"""+"*|"(?:\\.|[^"\\\n])*"|//[^\n]*|'
                      rb'\b(?:check|index|unique|key)\s*\((?:/\*.*?\*/|[^()\']|\'[^\'\n]*\'|\((?:[^()]|\([^()]*\))*\))*\)|[^\s"/cikpu]+|.|\n')


def shaken(text, seed):
    """The same with other spaces; line breaks stay where they are, for those between members are the author's."""
    chance = random.Random(seed)
    return b"".join(b" " * chance.randint(1, 3) if part == b" " else part for part in VERBATIM.findall(text))


def joined(text):
    """The same without a line break that is not needed: all brackets look as if their author wanted them on one line."""
    parts, out = VERBATIM.findall(text), []
    for part in parts:
        out.append(b" " if part == b"\n" and not (out and out[-1].startswith(b"//")) else part)
    return b"".join(out)


def said(text, folder):
    """What the compiler says, without places."""
    (folder / "topology.ecom").write_bytes(text)
    run = ecomc("check", "--format=json", cwd=folder)
    return run.returncode, sorted((d["code"], d["message"]) for d in json.loads(run.stdout))


def made(text, folder, custom):
    """What the compiler makes of it: path to bytes. custom: the folder of what a person wrote, if there is one."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    if custom.is_dir():
        shutil.copytree(custom, folder / "custom")
    (folder / "topology.ecom").write_bytes(text)
    run = ecomc("build", cwd=folder)
    if run.returncode:
        return run.stderr
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file() and p.name != "topology.ecom"}


def expected(bless):
    for file in sorted(HERE.glob("*.ecom")):
        run = formatted(file.read_bytes())
        wanted = file.with_suffix(".expected")
        if bless:
            wanted.write_bytes(run.stdout)
        want = wanted.read_bytes() if wanted.exists() else b""
        check(file.name, run.returncode == 0 and run.stdout == want, run.stderr.decode() + difference(want, run.stdout))


def everywhere(temp):
    parsed = 0
    for file in sorted([ROOT / "topology.ecom", *ROOT.glob("examples/*/topology.ecom"), *(ROOT / "tests").glob("**/*.ecom")]):
        name, text = str(file.relative_to(ROOT)), file.read_bytes()
        run = formatted(text)
        if run.returncode == 1:
            check(name + " has a syntax error and is not written", not run.stdout and b"error[" in run.stderr, run.stdout[:200])
            continue
        parsed += 1
        check(name + " is formatted", run.returncode == 0 and not run.stderr, run.stderr.decode())
        again = formatted(run.stdout)
        check(name + " is the same the second time", again.stdout == run.stdout, difference(run.stdout, again.stdout))
        for seed in range(2):
            other = formatted(shaken(text, seed))
            why = other.stderr.decode() + difference(run.stdout, other.stdout)
            check(f"{name} does not depend on spaces", other.stdout == run.stdout, why)
        short = formatted(joined(text))
        check(f"{name} on one line is formatted", short.returncode == 0, short.stderr.decode())
        again = formatted(short.stdout)
        check(f"{name} on one line is the same the second time", again.stdout == short.stdout, difference(short.stdout, again.stdout))
        check(f"{name} on one line means the same", said(short.stdout, temp) == said(text, temp))
        before, after = said(text, temp), said(run.stdout, temp)
        check(name + " means the same", before == after, f"{before} and {after}")
        if before[0] == 0:
            one, other = (made(t, temp / folder, file.parent / "custom") for t, folder in ((text, "one"), (run.stdout, "other")))
            check(name + " makes the same", isinstance(one, dict) and one and one == other, "other files")
    check("there are topologies to try", parsed > 50, f"only {parsed} parse")
    for file in ["topology.ecom", *ROOT.glob("examples/*/topology.ecom"), *(ROOT / "tests").glob("topologies/**/*.ecom"),
                 *(ROOT / "tests").glob("golden/*/topology.ecom")]:
        run = ecomc("fmt", "--check", str(file), cwd=ROOT)
        check(f"{file} is canonical", run.returncode == 0, run.stdout.decode() + run.stderr.decode())


UGLY, PRETTY, WRONG = b'topology   "T"\n', b'topology "T"\n', b'topology "T" {\n'


def by_nobody(temp):
    argv = [temp / "ecomc", "fmt", "ugly.ecom"]
    return subprocess.run(argv, cwd=temp, capture_output=True, user="nobody", group="nogroup", extra_groups=[])


def files(temp):
    ugly, pretty, wrong, link = (temp / name for name in ("ugly.ecom", "pretty.ecom", "wrong.ecom", "link.ecom"))

    def reset():
        for path, text in ((ugly, UGLY), (pretty, PRETTY), (wrong, WRONG)):
            path.unlink(missing_ok=True)
            path.write_bytes(text)
        ugly.chmod(0o640)
        link.unlink(missing_ok=True)
        link.symlink_to("ugly.ecom")

    reset()
    inode = pretty.stat().st_ino
    run = ecomc("fmt", "--check", "ugly.ecom", "pretty.ecom", cwd=temp)
    check("--check names what would change", run.returncode == 2 and run.stdout == b"ugly.ecom\n", str(run))
    check("--check writes nothing", ugly.read_bytes() == UGLY)
    run = ecomc("fmt", "--check", "pretty.ecom", cwd=temp)
    check("--check is content", run.returncode == 0 and not run.stdout, str(run))
    run = ecomc("fmt", "ugly.ecom", "wrong.ecom", "pretty.ecom", cwd=temp)
    check("a file with an error is told of, the others are written",
          run.returncode == 1 and run.stdout == b"ugly.ecom\n" and b"wrong.ecom" in run.stderr, str(run))
    check("it is written", ugly.read_bytes() == PRETTY and wrong.read_bytes() == WRONG)
    check("its mode is kept", stat.S_IMODE(ugly.stat().st_mode) == 0o640, oct(ugly.stat().st_mode))
    check("what is canonical is not touched", pretty.stat().st_ino == inode)
    reset()
    run = ecomc("fmt", "link.ecom", cwd=temp)
    check("a link stays a link", run.returncode == 0 and link.is_symlink() and ugly.read_bytes() == PRETTY, str(run))
    reset()
    run = ecomc("fmt", "--check", "wrong.ecom", "ugly.ecom", cwd=temp)
    check("an error is more than a difference", run.returncode == 1, str(run))
    run = ecomc("fmt", "none.ecom", cwd=temp)
    check("a file that is not there", run.returncode == 74 and b"no such file" in run.stderr, str(run))
    run = ecomc("fmt", "-", stdin=UGLY, cwd=temp)
    check("standard input", run.returncode == 0 and run.stdout == PRETTY, str(run))
    run = ecomc("fmt", "--check", "-", stdin=UGLY, cwd=temp)
    check("standard input, checked", run.returncode == 2 and run.stdout == b"-\n", str(run))
    run = ecomc("fmt", "-", stdin=b"\xef\xbb\xbf" + UGLY.replace(b"\n", b"\r\n"), cwd=temp)
    check("a byte order mark and CR LF", run.returncode == 0 and run.stdout == PRETTY, str(run))
    left = sorted(os.listdir(temp))
    check("nothing is left behind", left == ["link.ecom", "pretty.ecom", "ugly.ecom", "wrong.ecom"], str(left))
    if os.geteuid() == 0:
        ugly.chmod(0o444)
        temp.chmod(0o755)
        shutil.copy(ECOMC, temp / "ecomc")
        run = by_nobody(temp)
        check("what may not be written", run.returncode == 74 and b"may not be written" in run.stderr, str(run))
        check("and is not", ugly.read_bytes() == UGLY)
        ugly.chmod(0o666)
        run = by_nobody(temp)
        check("a folder that may not be written", run.returncode == 74 and b"as it was" in run.stderr, str(run))
        check("and the file is as it was", ugly.read_bytes() == UGLY)


def main():
    expected("--bless" in sys.argv)
    with tempfile.TemporaryDirectory() as temp:
        everywhere(pathlib.Path(temp))
    with tempfile.TemporaryDirectory() as temp:
        files(pathlib.Path(temp))
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
