#!/usr/bin/env python3
"""editors/vscode: its types, grammar, snippets and package, and its client with the real `ecomc lsp`; with EC_LONG in VS Code itself.

usage: run.py [--bless] ECOMC WORDS      WORDS: the program of words.c

--bless writes the snapshots of the grammar (grammar/*.snap). What npm provides is fetched once, by the locks, into editors/vscode and
.ecom/workbench (tests/fetched.py).
"""
import base64
import fcntl
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile

import snippets

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent))
from fetched import Skip, fetch, install, need, without  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
VSCODE = ROOT / "editors" / "vscode"
STORE = ROOT / ".ecom" / "workbench"
# VS Code's workbench and server, as the npm package code-server has them: what is taken out of it runs without its native modules.
CODE_SERVER = "code-server@4.100.3"
CODE_SERVER_HASH = "sha512-q/Fh2DOxCRNhC/WiG/6sAhSKnj7ZACTVBaeeZ+rWjol//0FCbl/qg1ln5ecZ99jYcfqMxZZAyWcN+YBIo0DgpA=="
CODE_PARTS = ["out", "package.json", "product.json", "resources", "extensions/sql", "extensions/theme-defaults"]
BLESS = "--bless" in sys.argv
ECOMC, WORDS = (str(pathlib.Path(path).resolve()) for path in sys.argv[-2:])
VSIX = ROOT / ".ecom" / "test" / "editors" / "ecom.vsix"
results = []
skipped = 0


def check(name, good, why=""):
    results.append(bool(good))
    if not good:
        print(f"FAIL {name}: {why}")


def run(argv, cwd=VSCODE, timeout=600, **env):
    return subprocess.run([str(arg) for arg in argv], cwd=cwd, env={**os.environ, **env}, capture_output=True, text=True, timeout=timeout)


def succeeds(name, argv, **kwargs):
    done = run(argv, **kwargs)
    check(name, done.returncode == 0, (done.stdout + done.stderr)[-4000:])
    return done


def script(name, argv, **kwargs):
    """A script that counts by itself."""
    done = run(argv, **kwargs)
    counts = re.findall(r"^(\d+) passed, (\d+) failed$", done.stdout, re.M)
    if not counts or done.returncode:
        print(f"{name}:\n{done.stdout[-6000:]}{done.stderr[-3000:]}")
    passed, failed = map(int, counts[-1]) if counts else (0, 1)
    results.extend([True] * passed + [False] * (failed or (1 if done.returncode else 0)))


# ------------------------------------------------------------------ what is fetched

def workbench():
    STORE.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / "workbench" / name, STORE)
    install(STORE, "the driver of the browser")
    code = STORE / "code-server"
    if (code / ".hash").exists() and (code / ".hash").read_text() == CODE_SERVER_HASH:
        return
    shutil.rmtree(code, ignore_errors=True)
    code.mkdir()
    with tempfile.TemporaryDirectory() as temp:
        fetch(["npm", "pack", CODE_SERVER], "VS Code's workbench", cwd=temp)
        archive, = pathlib.Path(temp).glob("*.tgz")
        found = "sha512-" + base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
        assert found == CODE_SERVER_HASH, f"{CODE_SERVER} has the hash {found}"
        subprocess.run(["tar", "xzf", archive, "-C", code, "--strip-components=3", "--exclude=*.map",
                        *("package/lib/vscode/" + part for part in CODE_PARTS)], check=True)
    (code / "node_modules").symlink_to("../node_modules")
    (code / ".hash").write_text(CODE_SERVER_HASH)


# ------------------------------------------------------------------ the parts

def grammar():
    files = run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.ecom"], cwd=ROOT).stdout.split()
    script("grammar", ["node", HERE / "grammar.mjs", WORDS, *files], cwd=ROOT)
    sql = VSCODE / "node_modules" / "tm-grammars" / "grammars" / "sql.json"
    sources = sorted((HERE / "grammar").glob("*.ecom"))
    update = ["--updateSnapshot"] if BLESS else []
    check("there are files for snapshots", len(sources) > 2 and (BLESS or all(s.with_suffix(".ecom.snap").exists() for s in sources)))
    succeeds("the scopes are those of the snapshots", ["node_modules/.bin/vscode-tmgrammar-snap", *update, "-g", sql, *sources])


def package(folder):
    """Makes the .vsix and looks into it; unpacks it into the folder."""
    VSIX.parent.mkdir(parents=True, exist_ok=True)
    VSIX.unlink(missing_ok=True)
    succeeds("types are right, the bundle and the package are made", ["npm", "run", "package", "--", "--out", VSIX])
    if not VSIX.exists():
        return False
    size = VSIX.stat().st_size
    check("the package is small", size < 150_000, f"{size} bytes")
    print(f"the package has {size} bytes")
    wanted = {"[Content_Types].xml", "extension.vsixmanifest", *("extension/" + name for name in (
        "LICENSE.txt", "README.md", "dist/LICENSES.txt", "dist/extension.js", "language-configuration.json", "package.json",
        "snippets/ecom.json", "syntaxes/ecom-sql.tmLanguage.json", "syntaxes/ecom.tmLanguage.json"))}
    with zipfile.ZipFile(VSIX) as archive:
        names = set(archive.namelist())
        check("the package has what it should and nothing else", names == wanted, f"{sorted(names ^ wanted)}")
        here = [name for name in names if str(ROOT).encode() in archive.read(name)]
        check("nothing in it names a folder of this machine", not here, str(here))
        archive.extractall(folder)
    with open(folder / "extension" / "package.json") as file:
        manifest = json.load(file)
    parts = manifest["contributes"]
    paths = [manifest["main"], *(part["path"] for part in parts["grammars"] + parts["snippets"]),
             *(part["configuration"] for part in parts["languages"])]
    check("what package.json names is there", all((folder / "extension" / path).is_file() for path in paths), str(paths))
    check("its license is the project's", (folder / "extension" / "LICENSE.txt").read_bytes() == (ROOT / "LICENSE").read_bytes())
    bundled = (folder / "extension" / "dist" / "LICENSES.txt").read_text()
    check("it has the licenses of what it is made with", "vscode-languageclient" in bundled and "Permission is hereby granted" in bundled)
    return True


def configuration():
    """The patterns of language-configuration.json, which VS Code would leave out in silence when they are wrong."""
    with open(VSCODE / "language-configuration.json") as file:
        settings = json.load(file)
    words = re.compile(settings["wordPattern"])
    check("a word is a whole name", [m[0] for m in words.finditer("a-svc.Do_x(order_id: -1_000, 200ms..30s) dead-letter a - b")]
          == ["a-svc", "Do_x", "order_id", "-1_000", "200ms", "30s", "dead-letter", "a", "b"])
    more, less = (re.compile(settings["indentationRules"][key]) for key in ("increaseIndentPattern", "decreaseIndentPattern"))
    for line, inside in (("service a {", True), ("f([{  // why", True), ("edge a -> b { http }", False), ("// as {", False), ("}", False)):
        check(f"indentation behind {line!r}", bool(more.match(line)) == inside)
    for line, closes in (("  }", True), ("}])", True), (") -> x", True), ("a }", False)):
        check(f"indentation of {line!r}", bool(less.match(line)) == closes)


def main():
    global skipped
    (ROOT / ".ecom").mkdir(exist_ok=True)
    with open(ROOT / ".ecom" / "editors.lock", "w") as lock, tempfile.TemporaryDirectory(prefix="editors-") as temp:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one at a time on this checkout
        temp = pathlib.Path(temp)
        snippets.run(ECOMC, VSCODE / "snippets" / "ecom.json", check)
        configuration()
        try:
            install(VSCODE, "what the extension is made with")
            grammar()
            if package(temp):
                (temp / "client").mkdir()
                script("client", ["node", HERE / "client.mjs", temp / "extension", ECOMC, temp / "client"])
                if os.environ.get("EC_LONG"):
                    version = run(["node", "--version"]).stdout
                    if int(re.match(r"v(\d+)", version)[1]) < 20:
                        without(f"VS Code's server needs Node.js 20, this is {version.strip()}")
                    need("chromium")
                    workbench()
                    folder = VSIX.parent / "workbench"  # stays, with a picture of the page when it fails
                    shutil.rmtree(folder, ignore_errors=True)
                    folder.mkdir()
                    script("workbench", ["node", HERE / "workbench.mjs", STORE, VSIX, ECOMC, folder], timeout=1800)
        except Skip as reason:
            skipped += 1
            print(f"skip: editors: {reason}")
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed, {skipped} skipped")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
