"""What holds the documents against the world: npm's packages of package-lock.json, and Schemathesis of requirements.txt in a venv. Both are
fetched once, into .ecom/documents; where they can't be, whoever asks for them says why. EC_REQUIRE_PROVIDERS makes that a failure."""
import fcntl
import filecmp
import glob
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
STORE = os.path.join(ROOT, ".ecom", "documents")


class Without(Exception):
    pass


def fetch(argv, what, cwd=None):
    try:
        done = subprocess.run(argv, cwd=cwd, capture_output=True, text=True, timeout=900)
    except subprocess.TimeoutExpired:
        raise Without(f"{what} could not be fetched within 900 s") from None
    if done.returncode:
        lines = [line for line in (done.stderr or done.stdout).splitlines() if line.strip() and "complete log" not in line]
        raise Without(f"{what} could not be fetched: {' / '.join(lines[-2:])}")


def once(lock, mark, make):
    """Makes what the file `lock` names, unless `mark` says that it is there; one at a time on this checkout."""
    os.makedirs(STORE, exist_ok=True)
    with open(os.path.join(STORE, ".lock"), "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if not (os.path.exists(mark) and filecmp.cmp(lock, mark, False)):
            make()
            shutil.copy(lock, mark)


def node():
    """The folder in which the scripts run, with what they import beside them."""
    for program in ("node", "npm"):
        if not shutil.which(program):
            raise Without(f"there is no {program}")
    modules = os.path.join(STORE, "node_modules")

    def make():
        shutil.rmtree(modules, ignore_errors=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(os.path.join(HERE, name), STORE)
        fetch(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], "the tools for documents", STORE)

    once(os.path.join(HERE, "package-lock.json"), os.path.join(modules, ".installed"), make)
    for path in glob.glob(os.path.join(HERE, "*.mjs")) + glob.glob(os.path.join(HERE, "*.ts")):
        shutil.copy(path, STORE)
    return STORE


def schemathesis():
    """Its program."""
    venv, lock = os.path.join(STORE, "venv"), os.path.join(HERE, "requirements.txt")

    def make():
        shutil.rmtree(venv, ignore_errors=True)
        fetch([sys.executable, "-m", "venv", venv], "Python's venv")
        fetch([os.path.join(venv, "bin", "pip"), "install", "-q", "--require-hashes", "-r", lock], "Schemathesis")

    once(lock, os.path.join(venv, ".installed"), make)
    return os.path.join(venv, "bin", "schemathesis")
