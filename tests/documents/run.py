#!/usr/bin/env python3
"""openapi.yaml and asyncapi.yaml of every topology that is here, held against their standards by the standards' own tools (check.mjs), and what
watches it (observability.py).

usage: run.py ECOMC

That they are what they were is seen in tests/golden; that they are true, in tests/system/test_documents.py.
"""
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

import observability
import tools

ECOMC = os.path.abspath(sys.argv[1])
results = []
skipped = 0


def check(name, good, why=""):
    results.append(bool(good))
    print(f"{'ok  ' if good else 'FAIL'} {name}{'' if good else ': ' + why}")


def own_problems():
    """What the gateway says of itself stands in the runtime and, for the document, in the compiler."""
    runtime = open(os.path.join(tools.ROOT, "runtime", "ec.h"), encoding="utf-8").read()
    compiler = open(os.path.join(tools.ROOT, "codegen", "openapi_problems.c"), encoding="utf-8").read()
    entry = r'X\(\w+, ("[a-z-]+", \d+, ".*?")\)'
    said, known = (set(re.findall(entry, text)) for text in (compiler, runtime))
    check("the compiler knows the gateway's own problems by the runtime's words", len(said) > 10 and said <= known, str(said - known))


def build(source, folder):
    """Its documents, in a folder of their own."""
    os.makedirs(folder)
    shutil.copy(source, os.path.join(folder, "topology.ecom"))
    custom = os.path.join(os.path.dirname(source), "custom")
    if os.path.isdir(custom):
        shutil.copytree(custom, os.path.join(folder, "custom"))
    done = subprocess.run([ECOMC, "build"], cwd=folder, capture_output=True, text=True)
    check(f"{os.path.relpath(source, tools.ROOT)} builds", done.returncode == 0, done.stderr)
    return sorted(glob.glob(os.path.join(folder, "generated", "*api*.yaml")))


def lint(files):
    done = subprocess.run(["node", "check.mjs", *files], cwd=tools.node(), capture_output=True, text=True, timeout=600)
    return done.stdout, done.stderr


def spoiled(text, old, new):
    assert text.count(old), old
    return text.replace(old, new, 1)


def main():
    global skipped
    own_problems()
    sources = ["topology.ecom", "tests/topologies/*.ecom", "tests/topologies/*/topology.ecom", "tests/golden/*/topology.ecom", "examples/*.ecom", "examples/*/topology.ecom"]
    with tempfile.TemporaryDirectory(prefix="documents-") as temp:
        files, folders = [], []
        for i, source in enumerate(path for pattern in sources for path in sorted(glob.glob(os.path.join(tools.ROOT, pattern)))):
            files += build(source, os.path.join(temp, str(i)))
            folders.append((os.path.relpath(source, tools.ROOT), os.path.join(temp, str(i), "generated")))
        check("there are documents of both kinds", len(files) > 8 and len({os.path.basename(f) for f in files}) >= 4, str(files))
        skipped += observability.suite(check, [pair for pair in folders if os.path.isdir(os.path.join(pair[1], "observability"))])
        # A linter that finds nothing in these finds nothing anywhere.
        first = os.path.join(temp, "0", "generated")
        openapi, asyncapi = (open(os.path.join(first, name), encoding="utf-8").read() for name in ("openapi.yaml", "asyncapi.yaml"))
        broken = {"openapi-example.yaml": spoiled(openapi, "qty: 1\n", "qty: one\n"),
                  "openapi-property.yaml": spoiled(openapi, "          examples: [1]\n", "          examples: [one]\n"),
                  "openapi-parameter.yaml": spoiled(openapi, '      example: "018f3a5e-0000-7000-8000-000000000001"\n  headers:', '      example: "two words"\n  headers:'),
                  "openapi-header.yaml": spoiled(openapi, 'example: "Bearer error', 'example: 401 # "Bearer error'),
                  "openapi-shape.yaml": spoiled(openapi, "in: path", "in: way"),
                  "openapi-ref.yaml": spoiled(openapi, "#/components/responses/BadRequest", "#/components/responses/Nothing"),
                  "openapi-yaml.yaml": spoiled(openapi, "title: E-Commerce Microservices", "title: yes"),
                  "asyncapi-ref.yaml": spoiled(asyncapi, "#/components/messages/", "#/components/message/"),
                  "asyncapi-shape.yaml": spoiled(asyncapi, "action: send", "action: shout")}
        for name, text in broken.items():
            with open(os.path.join(temp, name), "w", encoding="utf-8") as file:
                file.write(text)
        try:
            out, said = lint([*files, *(os.path.join(temp, name) for name in broken)])
        except tools.fetched.Skip as reason:
            skipped += 1
            print(f"skip: documents: {reason}")
        else:
            for path in files:
                wrong = re.search(rf"^FAIL {re.escape(path)}: ((?:.|\n     )*)", out, re.M)
                check(os.path.relpath(path, temp), f"ok {path}\n" in out, wrong[1] if wrong else out[-2000:] + said[-2000:])
            for name in broken:
                check(f"what is wrong in {name} is found", f"FAIL {os.path.join(temp, name)}:" in out, out[-2000:])
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed, {skipped} skipped")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
