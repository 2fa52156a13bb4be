"""Every statement of every topology, prepared on a real PostgreSQL: the types that it describes are those that the compiler takes them to be.

`ecomc build --statements` gives the statements as they are sent. A parameter must have exactly its own type, because it is sent as that
type's text; a column may be a smaller type of the same text (an int may be int4).
"""
import glob
import json
import os
import re
import shutil
import subprocess
import tempfile

import pg

HERE = os.path.dirname(os.path.abspath(__file__))
TESTS = os.path.dirname(HERE)
ROOT = os.path.dirname(TESTS)
READ_AS = {"smallint": "bigint", "integer": "bigint", "character varying": "text", "character": "text", "name": "text", "real": "double precision",
           "json": "jsonb", "timestamp with time zone": "timestamptz", "bpchar": "text"}
SENT_AS = {"timestamp with time zone": "timestamptz"}


def topologies():
    """All that there are but those that are for their mistakes."""
    found = glob.glob(os.path.join(ROOT, "*.ecom"))
    for folder in ("docs", "examples", "tests"):
        found += glob.glob(os.path.join(ROOT, folder, "**", "*.ecom"), recursive=True)
    return sorted(path for path in found if not re.search(r"/tests/(ui/[EW]|ui/syntax_|fmt/|unit/|editors/)", path))


def build(ecomc, path):
    """Statements and ecom.lock of a topology, or None and why not."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(path, os.path.join(folder, "topology.ecom"))
        custom = os.path.join(os.path.dirname(path), "custom")
        if os.path.isdir(custom):
            shutil.copytree(custom, os.path.join(folder, "custom"))
        for args in ([], ["--statements", "statements.json"]):
            done = subprocess.run([ecomc, "build", *args], cwd=folder, capture_output=True, text=True, timeout=120)
            if done.returncode:
                return None, None, done.stderr
        lock = os.path.join(folder, "ecom.lock")
        return json.load(open(os.path.join(folder, "statements.json"))), json.load(open(lock)) if os.path.exists(lock) else {"services": {}}, ""


def differences(db, statement):
    """What PostgreSQL says otherwise."""
    try:
        params, columns = db.describe(statement["sql"])
    except pg.Error as error:
        yield f"PostgreSQL refuses it: {error}"
        return
    if len(params) != len(statement["params"]):
        yield f"it has {len(params)} parameters, not {len(statement['params'])}"
    for i, (found, param) in enumerate(zip(params, statement["params"])):
        if SENT_AS.get(found, found) != param["type"]:
            yield f"parameter {i + 1} is {found}, not {param['type']}"
    if statement["shape"] != "exec" and len(columns) != len(statement["columns"]):
        yield f"it has {len(columns)} columns, not {len(statement['columns'])}"
    for (name, found), column in zip(columns, statement["columns"]):
        if name != column["name"] or READ_AS.get(found, found) != column["type"]:
            yield f"column {name} is {found}, not {column['name']} {column['type']}"


def migrate(db, lock, service):
    for migration in lock["services"].get(service, {}).get("migrations", []):
        db.run("\n".join(migration["up"]))


def test(ecomc, server):
    """(name, what is wrong or None) of each topology."""
    with tempfile.TemporaryDirectory() as folder:  # what `ecomc init` writes, too
        subprocess.run([ecomc, "init"], cwd=folder, stdout=subprocess.DEVNULL, check=True)
        yield from test_each(ecomc, server, [*topologies(), os.path.join(folder, "topology.ecom")])


def test_each(ecomc, server, paths):
    for path in paths:
        name = os.path.relpath(path, ROOT) if path.startswith(ROOT) else "what init writes"
        statements, lock, said = build(ecomc, path)
        if statements is None:
            if not os.path.basename(path).startswith("new"):  # tests/plan has versions that can't follow
                yield f"statements of {name}", said
            continue
        wrong = []
        for service in sorted({s["service"] for s in statements}):
            with server.database("statements") as db:
                migrate(db, lock, service)
                for s in statements:
                    if s["service"] == service:
                        wrong += [f"{s['statement']}: {why}\n  {s['sql']}" for why in differences(db, s)]
        yield f"{len(statements)} statements of {name}", "\n".join(wrong) or None
