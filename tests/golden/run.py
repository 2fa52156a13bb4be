#!/usr/bin/env python3
"""Golden tests: what the compiler writes for each folder here is what stands in its `expected/`.

run.py ECOMC [NAME ...]      compares; run.py --bless ECOMC [NAME ...] writes `expected/` anew, to be looked at in the diff.
Where there is a `before.ecom`, that is built first, and the topology after its ecom.lock. Each topology is built twice, in two places: the trees must be the same, byte for byte. With a runtime on PKG_CONFIG_PATH or in the source tree
every C file is also put through the compiler with the warnings that generated/meson.build asks for.
The name `diffs` is for small_diffs.py: how many lines of generated/ a small change costs.
"""
import os
import shutil
import subprocess
import sys
import tempfile

import small_diffs

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
WARNINGS = ["-std=gnu11", "-fsyntax-only", "-Wall", "-Wextra", "-Wswitch-enum", "-Wshadow", "-Wstrict-prototypes", "-Wmissing-prototypes", "-Wvla",
            "-Wimplicit-fallthrough", "-Wno-missing-field-initializers", "-Werror", "-fno-strict-aliasing", "-D_GNU_SOURCE"]


def files(root):
    found = {}
    for folder, _, names in os.walk(root):
        for name in names:
            path = os.path.join(folder, name)
            with open(path, "rb") as file:
                found[os.path.relpath(path, root)] = file.read()
    return found


def build(ecomc, name, where):
    """The files that come out, ecom.lock and the list of crash points among them, or None and what the compiler said."""
    os.makedirs(where)
    before = os.path.join(HERE, name, "before.ecom")
    for source in ([before] if os.path.exists(before) else []):  # ecom.lock comes from there, and generated/ is not left behind
        shutil.copy(source, os.path.join(where, "topology.ecom"))
        done = subprocess.run([ecomc, "build"], cwd=where, capture_output=True, text=True)
        if done.returncode:
            return None, "before.ecom: " + done.stdout + done.stderr
        shutil.rmtree(os.path.join(where, "generated"))
    shutil.copy(os.path.join(HERE, name, "topology.ecom"), where)
    custom = os.path.join(HERE, name, "custom")
    if os.path.isdir(custom):
        shutil.copytree(custom, os.path.join(where, "custom"))
    for args in ([], ["--crash-points", "crash-points.json"]):
        done = subprocess.run([ecomc, "build", *args], cwd=where, capture_output=True, text=True)
        if done.returncode:
            return None, done.stdout + done.stderr
    return {path: content for path, content in files(where).items() if path != "topology.ecom" and not path.startswith("custom/")}, ""


def unit_of(path):
    """The folder of generated code that a C file belongs to: a person's stands in custom/<service>."""
    return os.path.join("generated", path.split(os.sep)[1])


def compile_errors(tree):
    """What the compilers say about the C files below tree."""
    out = []
    for compiler, more in (("gcc", ["-Wjump-misses-init"]), ("clang", [])):
        if not shutil.which(compiler):
            continue
        for path in sorted(files(tree)):
            if path.endswith(".c"):
                done = subprocess.run([compiler, *WARNINGS, *more, "-I" + os.path.join(ROOT, "runtime"), "-I" + unit_of(path), path], cwd=tree, capture_output=True, text=True)
                if done.returncode:
                    out.append(f"{compiler}: {done.stderr.splitlines()[0] if done.stderr else path}")
    return out


def differences(expected, found):
    for path in sorted(set(expected) | set(found)):
        if path not in found:
            yield f"{path} was not written"
        elif path not in expected:
            yield f"{path} is new"
        elif expected[path] != found[path]:
            old, new = expected[path].decode(errors="replace").splitlines(), found[path].decode(errors="replace").splitlines()
            at = next((i for i, (a, b) in enumerate(zip(old, new)) if a != b), min(len(old), len(new)))
            yield f"{path}:{at + 1}: expected {old[at] if at < len(old) else '(the end)'!r}, found {new[at] if at < len(new) else '(the end)'!r}"


def check(ecomc, name, bless):
    with tempfile.TemporaryDirectory() as temp:
        found, said = build(ecomc, name, os.path.join(temp, "one"))
        if found is None:
            return ["does not build: " + said.strip()]
        again, said = build(ecomc, name, os.path.join(temp, "other", "deeper"))
        wrong = [] if again == found else ["two builds differ"]
        expected = os.path.join(HERE, name, "expected")
        wrong += compile_errors(os.path.join(temp, "one"))
        if bless:
            shutil.rmtree(expected, ignore_errors=True)
            for path, content in found.items():
                os.makedirs(os.path.dirname(os.path.join(expected, path)), exist_ok=True)
                with open(os.path.join(expected, path), "wb") as file:
                    file.write(content)
        return wrong + list(differences(files(expected), found))


def main():
    arguments = sys.argv[1:]
    bless = "--bless" in arguments
    arguments = [a for a in arguments if a != "--bless"]
    ecomc, names = os.path.abspath(arguments[0]), arguments[1:]
    names = names or ["diffs"] + sorted(n for n in os.listdir(HERE) if os.path.exists(os.path.join(HERE, n, "topology.ecom")))
    results = []
    for name in names:
        found = small_diffs.check(ecomc, bless) if name == "diffs" else [(None, check(ecomc, name, bless))]
        for change, wrong in found:
            results.append(not wrong)
            print(f"{'FAIL' if wrong else 'ok  '} golden {name}{' ' + change if change else ''}")
            for line in wrong[:20]:
                print("     " + line)
    failed = results.count(False)
    print(f"{len(results) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
