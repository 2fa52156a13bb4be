#!/usr/bin/env python3
"""What `ecomc scenario` derives: each topology beside this script, and the example, against the .expected beside it; and what must hold of
the JSON of any of them.

usage: run.py [--bless] ECOMC

--bless writes each .expected. The JSON is held against docs/schema/scenario.json and docs/schema/topology.json.
"""
import difflib
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
ECOMC = str(pathlib.Path(sys.argv[-1]).resolve())
results = {}  # by topology and scenario: whether all was well


def check(name, good, why=""):
    what = name.split(":")[0]
    results[what] = results.get(what, True) and bool(good)
    if not good:
        print(f"FAIL {name}: {why}")


def ecomc(*args, cwd=None):
    return subprocess.run([ECOMC, *args, "--color=never"], cwd=cwd, capture_output=True, text=True, timeout=60)


def fits(value, schema, root, at="$"):
    """The first thing that a value has against a schema of the few words that ours use; None when there is none."""
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rsplit("/", 1)[1]]
    words = "type properties required items enum const minimum minLength minItems description title $schema $defs"
    unknown = set(schema) - set(words.split())
    assert not unknown, unknown
    kinds = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool}
    if "type" in schema and (not isinstance(value, kinds[schema["type"]]) or (schema["type"] == "integer" and isinstance(value, bool))):
        return f"{at} is no {schema['type']}"
    if "enum" in schema and value not in schema["enum"] or "const" in schema and value != schema["const"]:
        return f"{at} is {value!r}"
    if "minimum" in schema and value < schema["minimum"] or len(value if isinstance(value, (str, list)) else "x") < schema.get(
            "minLength", schema.get("minItems", 0)):
        return f"{at} is too small: {value!r}"
    if isinstance(value, dict):
        for key in schema.get("required", []):
            if key not in value:
                return f"{at} lacks {key}"
        for key, inner in value.items():
            if key not in schema.get("properties", {}):
                return f"{at} has {key}"
            wrong = fits(inner, schema["properties"][key], root, f"{at}.{key}")
            if wrong:
                return wrong
    if isinstance(value, list):
        for i, inner in enumerate(value):
            wrong = fits(inner, schema["items"], root, f"{at}[{i}]")
            if wrong:
                return wrong
    return None


def whole(name, scenario, topology):
    """What a player relies on beyond the schema."""
    edges = {(e["from"], e["to"]) for e in topology["edges"]}
    nodes = {n["id"] for n in topology["nodes"]}
    ids, open_calls = {}, []
    for step in scenario["steps"]:
        here = f"{name}: {step['id']}"
        check(here, step["id"] not in ids, "the id is there twice")
        check(here, step.get("parent") is None or step["parent"] in ids, "its parent comes later")
        check(here, {step["from"], step["to"]} <= nodes, "an end that is no node")
        way = (step["to"], step["from"]) if step["kind"] == "reply" else (step["from"], step["to"])
        check(here, way in edges, f"no edge {way}")
        check(here, step["edge"] == " -> ".join(way), step["edge"])
        if step["kind"] == "reply":
            check(here, open_calls and open_calls[-1] == step["parent"], f"a reply to {step['parent']}, awaited: {open_calls[-1:]}")
            open_calls.pop()
        elif step["status"] == "sent":
            open_calls.append(step["id"])
        elif step.get("parent") and ids[step["parent"]]["status"] == "sent":
            check(here, ids[step["parent"]]["to"] == step["from"], "it is not sent by who was called")
        ids[step["id"]] = step
    check(name, not open_calls or scenario.get("cut"), f"no reply to {open_calls}")


def topologies():
    yield from sorted(HERE.glob("*.ecom"))
    yield from sorted((ROOT / "tests" / "topologies").glob("*.ecom"))
    yield ROOT / "topology.ecom"


def main():
    schemas = {name: json.loads((ROOT / "docs" / "schema" / f"{name}.json").read_text()) for name in ("scenario", "topology")}
    for path in topologies():
        with tempfile.TemporaryDirectory() as folder:
            shutil.copy(path, pathlib.Path(folder) / "topology.ecom")
            listed = ecomc("scenario", cwd=folder)
            names = [line.split("  ", 1)[0] for line in listed.stdout.splitlines()]
            built = ecomc("build", cwd=folder)
            check(path.name, listed.returncode == 0 and built.returncode == 0, listed.stderr + built.stderr)
            studio = pathlib.Path(folder) / "generated" / "studio"
            topology = json.loads((studio / "topology.json").read_text())
            wrong = fits(topology, schemas["topology"], schemas["topology"])
            check(path.name, not wrong, f"topology.json: {wrong}")
            check(path.name, names == [s["name"] for s in topology["scenarios"]], "the list and the data name other scenarios")
            text = listed.stderr
            for name in names:
                told = ecomc("scenario", name, cwd=folder).stdout
                text += f"== {name}\n" + (told if told.count("\n") < 200 else f"{told.count(chr(10))} hops\n")
                asked = ecomc("scenario", name, "--format=json", cwd=folder).stdout
                written = (studio / "scenarios" / f"{name}.json").read_text()
                check(f"{path.name} {name}", asked == written, "the command and the file differ")
                scenario = json.loads(asked)
                wrong = fits(scenario, schemas["scenario"], schemas["scenario"])
                check(f"{path.name} {name}", not wrong, wrong)
                whole(f"{path.name} {name}", scenario, topology)
        expected = HERE / (path.stem + ".expected")
        if "--bless" in sys.argv:
            expected.write_text(text)
        known = expected.read_text() if expected.exists() else ""
        lines = difflib.unified_diff(known.splitlines(True), text.splitlines(True), "expected", "now")
        check(path.name, known == text, "".join(list(lines)[:40]))
    print(f"{sum(results.values())} passed, {len(results) - sum(results.values())} failed")
    return 0 if all(results.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
