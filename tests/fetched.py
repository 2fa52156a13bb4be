"""What tests need and a machine may lack: programs, and what npm, pip, Go and Maven provide, which is fetched once, by its locks, into .ecom. Where
it can't be had, whoever asks for it is skipped and says why; EC_REQUIRE_PROVIDERS makes that a failure."""
import contextlib
import fcntl
import filecmp
import glob
import os
import shutil
import subprocess
import sys

from each import Skip

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SECONDS = 900


def without(reason):
    if os.environ.get("EC_REQUIRE_PROVIDERS"):
        raise AssertionError(reason)
    raise Skip(reason)


def need(*programs):
    for program in programs:
        if not shutil.which(program):
            without(f"there is no {program}")


def fetch(argv, what, **kwargs):
    """Its output."""
    try:
        done = subprocess.run([str(arg) for arg in argv], capture_output=True, text=True, timeout=SECONDS, **kwargs)
    except subprocess.TimeoutExpired:
        without(f"{what} could not be fetched within {SECONDS} s")
    if done.returncode:
        lines = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip() and "complete log" not in line]
        without(f"{what} could not be fetched: {' / '.join(dict.fromkeys(lines[:1] + lines[-1:]))}")
    return done.stdout


@contextlib.contextmanager
def store(name):
    """The folder .ecom/NAME; one at a time on this checkout."""
    folder = os.path.join(ROOT, ".ecom", name)
    os.makedirs(folder, exist_ok=True)
    with open(folder + ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder


def once(lock, mark, make):
    """Makes what the file `lock` names, unless `mark`, a copy of it, says that it is there."""
    if not (os.path.exists(mark) and filecmp.cmp(lock, mark, False)):
        make()
        shutil.copy(lock, mark)


def install(folder, what):
    """What folder/package-lock.json names, in the folder."""
    need("node", "npm")
    folder = str(folder)
    once(os.path.join(folder, "package-lock.json"), os.path.join(folder, "node_modules", ".installed"),
         lambda: fetch(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], what, cwd=folder))


def npm(scripts, name, what):
    """The folder .ecom/NAME with the files of `scripts` and, beside them, what its package-lock.json names."""
    need("node", "npm")
    with store(name) as folder:
        for pattern in ("package*.json", "*.mjs", "*.ts"):
            for path in glob.glob(os.path.join(scripts, pattern)):
                shutil.copy(path, folder)
        install(folder, what)
        return folder


def venv(name, requirements, what):
    """A venv in the folder .ecom/NAME with what the file `requirements` names; its bin."""
    with store(name) as folder:
        path = os.path.join(folder, "venv")

        def make():
            shutil.rmtree(path, ignore_errors=True)
            fetch([sys.executable, "-m", "venv", path], "Python's venv")
            fetch([os.path.join(path, "bin", "pip"), "install", "-q", "--require-hashes", "-r", requirements], what)
        once(requirements, os.path.join(path, ".installed"), make)
        return os.path.join(path, "bin")
