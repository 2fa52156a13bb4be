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
sys.path.insert(0, str(HERE.parent))
import schema  # noqa: E402

ECOMC = str(pathlib.Path(sys.argv[-1]).resolve())
results = {}  # by topology and scenario: whether all was well


def check(name, good, why=""):
    what = name.split(":")[0]
    results[what] = results.get(what, True) and bool(good)
    if not good:
        print(f"FAIL {name}: {why}")


def ecomc(*args, cwd=None):
    return subprocess.run([ECOMC, *args, "--color=never"], cwd=cwd, capture_output=True, text=True, timeout=60)


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


def refuses(schemas, scenario):
    """The schema is one that can say no."""
    for what, spoil in (("a member that is not known", lambda s: s.update(position=3)), ("no narration", lambda s: s.pop("say")),
                        ("another status", lambda s: s.update(status="fine")), ("an empty name", lambda s: s.update(id=""))):
        broken = json.loads(json.dumps(scenario))
        spoil(broken["steps"][0])
        check(f"the schema refuses {what}", list(schema.faults(broken, schemas["scenario"])), "it does not")


def topologies():
    yield from sorted(HERE.glob("*.ecom"))
    yield from sorted((ROOT / "tests" / "topologies").glob("*.ecom"))
    yield from sorted((ROOT / "examples").glob("*/topology.ecom"))
    yield ROOT / "topology.ecom"


def called(path):
    """What its .expected is called: an example after its folder."""
    return f"example-{path.parent.name}" if path.parent.parent.name == "examples" else path.stem


def main():
    schemas = {name: json.loads((ROOT / "docs" / "schema" / f"{name}.json").read_text()) for name in ("scenario", "topology")}
    for path in topologies():
        with tempfile.TemporaryDirectory() as folder:
            shutil.copy(path, pathlib.Path(folder) / "topology.ecom")
            listed = ecomc("scenario", cwd=folder)
            names = [line.split("  ", 1)[0] for line in listed.stdout.splitlines()]
            built = ecomc("build", cwd=folder)
            check(called(path), listed.returncode == 0 and built.returncode == 0, listed.stderr + built.stderr)
            studio = pathlib.Path(folder) / "generated" / "studio"
            topology = json.loads((studio / "topology.json").read_text())
            wrong = list(schema.faults(topology, schemas["topology"]))
            check(called(path), not wrong, f"topology.json: {wrong[:3]}")
            check(called(path), names == [s["name"] for s in topology["scenarios"]], "the list and the data name other scenarios")
            text = listed.stderr
            for name in names:
                told = ecomc("scenario", name, cwd=folder).stdout
                text += f"== {name}\n" + (told if told.count("\n") < 200 else f"{told.count(chr(10))} hops\n")
                asked = ecomc("scenario", name, "--format=json", cwd=folder).stdout
                written = (studio / "scenarios" / f"{name}.json").read_text()
                check(f"{called(path)} {name}", asked == written, "the command and the file differ")
                scenario = json.loads(asked)
                wrong = list(schema.faults(scenario, schemas["scenario"]))
                check(f"{called(path)} {name}", not wrong, wrong[:3])
                whole(f"{called(path)} {name}", scenario, topology)
        expected = HERE / (called(path) + ".expected")
        if "--bless" in sys.argv:
            expected.write_text(text)
        known = expected.read_text() if expected.exists() else ""
        lines = difflib.unified_diff(known.splitlines(True), text.splitlines(True), "expected", "now")
        check(called(path), known == text, "".join(list(lines)[:40]))
    refuses(schemas, scenario)
    print(f"{sum(results.values())} passed, {len(results) - sum(results.values())} failed")
    return 0 if all(results.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
