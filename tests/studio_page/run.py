#!/usr/bin/env python3
"""studio/: its types, the tests of its pure functions, its build, and the page in a browser on the real ecom-studio.

usage: run.py ECOM_STUDIO [PART]      PART: one of page.mjs
       run.py --live BASE             what it shows of a system that is up, whose studio is at BASE

What npm provides is fetched once, by the locks, into studio and tests/studio_page (tests/fetched.py). Pictures of what failed are in .ecom/test/studio_page; with PICTURES_ALL=1 of each state.
"""
import fcntl
import gzip
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import threading

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.append(str(HERE.parent))
from fetched import Skip, install, need  # noqa: E402

STUDIO = ROOT / "studio"
PICTURES = ROOT / ".ecom" / "test" / "studio_page"
BASE_LIMIT = 60_000  # bytes of the page without the editor, as gzip
PROGRAM, *REST = sys.argv[1:]
results = []


def check(name, good, why=""):
    results.append(bool(good))
    print(f"ok   {name}" if good else f"FAIL {name}: {why}", flush=True)


def run(argv, cwd=STUDIO, timeout=600, **env):
    return subprocess.run([str(arg) for arg in argv], cwd=cwd, env={**os.environ, **env}, capture_output=True, text=True, timeout=timeout)


def tree(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def built(temp):
    """The build that is checked in is what the sources give; the page is small."""
    done = run(["npm", "run", "--silent", "check"])
    check("types are right", done.returncode == 0, done.stdout[-3000:])
    done = run(["npm", "run", "--silent", "test"])
    counts = dict(re.findall(r"^# (pass|fail) (\d+)$", done.stdout, re.M))
    print("\n".join(line for line in done.stdout.splitlines() if line.startswith("# 200 nodes")))
    check(f"{counts.get('pass', 0)} tests of pure functions", done.returncode == 0 and int(counts.get("pass", 0)) > 20, done.stdout[-4000:])
    for name in ("one", "two"):
        done = run(["node", "build.mjs", "--out", temp / name])
        check(f"it builds into {name}", done.returncode == 0, done.stderr[-3000:])
    one, two, kept = tree(temp / "one"), tree(temp / "two"), tree(STUDIO / "dist")
    check("two builds are the same", one == two)
    check("studio/dist is what the sources give; npm run build in studio makes it anew", one == kept,
          ", ".join(sorted(name for name in one.keys() | kept.keys() if one.get(name) != kept.get(name))))
    here = [name for name, data in one.items() if str(ROOT).encode() in data]
    check("nothing in it names a folder of this machine", not here, str(here))
    sizes = {name: len(gzip.compress(data, 9, mtime=0)) for name, data in one.items()}
    base = first_load(one)
    total = sum(sizes[name] for name in base)
    print(f"the page without the editor: {total} bytes as gzip: " + ", ".join(f"{name} {sizes[name]}" for name in sorted(base)))
    check(f"the page without the editor is under {BASE_LIMIT} bytes", total < BASE_LIMIT, str(total))


def first_load(files):
    """index.html, and all that it names, and what that imports at once."""
    found, left = set(), ["index.html"]
    while left:
        name = left.pop()
        if name in found:
            continue
        found.add(name)
        text = files[name].decode()
        if name.endswith(".html"):
            left += [path for path in re.findall(r'(?:src|href)="/(assets/[^"]+)"', text)]
        elif name.endswith(".js"):
            left += ["assets/" + path for path in re.findall(r'(?:from|import)\s*"\./([^"]+)"', text)]
    return found


def drive(base, *args):
    argv = ["node", HERE / "page.mjs", base, *args]
    passed, failed = 0, 1
    with subprocess.Popen([str(arg) for arg in argv], cwd=HERE, env={**os.environ, "PICTURES": str(PICTURES)}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True) as driver:
        limit = threading.Timer(1200, driver.kill)
        limit.start()
        for line in driver.stdout:
            counts = re.fullmatch(r"(\d+) passed, (\d+) failed\n", line)
            if counts:
                passed, failed = map(int, counts.groups())
            else:
                print(line, end="", flush=True)
        limit.cancel()
    results.extend([True] * passed + [False] * (failed or (1 if driver.returncode else 0)))


def page(temp, part):
    folder = temp / "shop"
    folder.mkdir()
    for name in ("topology.ecom", "ecom.lock"):
        shutil.copy(ROOT / name, folder)
    for name in ("generated", "examples"):
        shutil.copytree(ROOT / name, folder / name)
    with subprocess.Popen([pathlib.Path(PROGRAM).resolve(), "topology.ecom", "--port", "0"], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as server:
        try:
            line = server.stdout.readline()
            where = re.search(r"http://127\.0\.0\.1:\d+", line)
            if not where:
                check("ecom-studio serves", False, line + server.stdout.read())
                return
            drive(where[0], folder / "topology.ecom", *part)
        finally:
            server.terminate()
        check("ecom-studio ends when it is told to", server.wait(10) == 0, str(server.returncode))


def main():
    skipped = 0
    (ROOT / ".ecom").mkdir(exist_ok=True)
    with open(ROOT / ".ecom" / "studio_page.lock", "w") as lock, tempfile.TemporaryDirectory(prefix="studio-page-") as temp:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one at a time on this checkout
        temp = pathlib.Path(temp)
        try:
            if not REST:
                install(STUDIO, "what the page is made with")
                built(temp)
            install(HERE, "the driver of the browser")
            need("chromium")
            shutil.rmtree(PICTURES, ignore_errors=True)
            PICTURES.mkdir(parents=True)
            if PROGRAM == "--live":
                drive(*REST, "-", "live")
            else:
                page(temp, REST)
        except Skip as why:
            skipped = 1
            print(f"skip: {why}")
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed, {skipped} skipped")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
