"""Random schemas, migrated one into the other on a real PostgreSQL.

A chain of three versions A, B, C is built, each on the lock of the one before. A's tables get rows; the migrations to B and to C are
applied as `migrate` does it; after each, the catalog is that of a database which never knew another version (old names that are kept apart),
and every column that is still there has its values. A second database without rows goes down to A again, and up.
"""
import json
import os
import random
import re
import shutil
import subprocess
import tempfile
import time

import pg
import schemas


class Wrong(Exception):
    """What did not hold."""


def build(ecomc, text, lock):
    """The lock that comes of it, as JSON. lock None: none there."""
    folder = tempfile.mkdtemp(prefix="ecom-chain-")
    try:
        for name, content in (("topology.ecom", text), ("ecom.lock", lock)):
            if content:
                with open(os.path.join(folder, name), "w") as file:
                    file.write(content)
        done = subprocess.run([ecomc, "build"], cwd=folder, capture_output=True, text=True, timeout=60)
        if done.returncode:
            raise Wrong(f"it does not build ({done.returncode}): {done.stderr}{done.stdout}")
        return open(os.path.join(folder, "ecom.lock")).read()
    finally:
        shutil.rmtree(folder)


def service(lock):
    return json.loads(lock)["services"]["thing-svc"]


def migrations(lock):
    return service(lock)["migrations"]


def apply(db, migration, way):
    sql = "\n".join(migration[way]) + "\n"
    try:
        db.run(sql)  # several statements are one transaction
    except pg.Error as error:
        raise Wrong(f"{migration['name']}, {way}: {error}\n{sql}") from error


def fresh(db):
    db.run("DROP SCHEMA public CASCADE; CREATE SCHEMA public")


def kept(lock):
    """Lines of the catalog that are there for old names."""
    patterns = []
    for table in service(lock)["tables"]:
        if "was" in table:
            patterns += [rf"relation v {table['was']}$", rf"column {table['was']}\.", rf"view {table['was']} "]
        for column in table["columns"]:
            if "was" in column:
                patterns += [rf"column {table['name']}\.{column['was']} ", rf"trigger .*{table['name']}_.*was", rf"function .*{table['name']}_.*was"]
    if patterns:
        patterns += [r"index CREATE .*_was\"? ON .*", r"relation i .*_was$"]
    return re.compile("|".join(patterns) if patterns else "$.")


def difference(found, expected):
    return "\n".join([f"  + {line}" for line in sorted(set(found) - set(expected))] + [f"  - {line}" for line in sorted(set(expected) - set(found))])


def ordered(lines):
    """The order of an enum's values is nothing that a migration is made for."""
    return sorted(re.sub(r"(?<=_enum CHECK \(\()(.*ARRAY\[)(.*?)(?=\])", lambda m: m[1] + ", ".join(sorted(m[2].split(", "))), line) for line in lines)


def compare(found, expected, lock, what):
    skip = kept(lock)
    found, expected = ordered(line for line in found if not skip.match(line)), ordered(expected)
    if found != expected:
        raise Wrong(f"{what}: the catalog differs\n{difference(found, expected)}")


# ------------------------------------------------------------------ rows

def fill(db, r, schema):
    """Rows of A; by table and column ids, the values that were given."""
    given, n = {}, r.randint(1, 12)
    for table in schema.tables:
        for row in range(1, n + 1):
            values = {c.id: None if c.references or (c.optional and r.random() < 0.3) else c.value(row, ["red", "green"][row % 2]) for c in table.columns}
            columns = ", ".join(f'"{c.name}"' for c in table.columns)
            db.run(f'INSERT INTO "{table.name}" ({columns}) VALUES ({", ".join(f"${i + 1}" for i in range(len(table.columns)))})',
                   *[values[c.id] for c in table.columns])
            given[table.id, row] = values
    for table in schema.tables:
        for column in table.columns:
            if column.references and r.random() < 0.7:
                target = column.references.key()
                db.run(f'UPDATE "{table.name}" SET "{column.name}" = $1', target.value(1, "red"))
    return given


def survive(db, before, schema, given):
    """Each column that A had, too, has its rows' values; those of columns whose type is another are not compared."""
    for table in schema.tables:
        old = next((t for t in before.tables if t.id == table.id), None)
        if not old:
            continue
        for column in table.columns:
            was = next((c for c in old.columns if c.id == column.id), None)
            if not was or was.kind != column.kind or column.kind in ("json", "record", "list") or was.references:
                continue
            cast = "::timestamptz::text" if column.kind == "time" else "::text"
            expected = [values[column.id] for (table_id, _), values in given.items() if table_id == table.id]
            typed = {"int": "bigint", "float": "float8", "bool": "boolean", "uuid": "uuid", "time": "timestamptz"}.get(column.kind, "text")
            expected = sorted(row[0] for row in db.run(f"SELECT unnest($1::text[])::{typed}{cast}", "{" + ",".join(
                "NULL" if v is None else '"' + v + '"' for v in expected) + "}") if row[0] is not None)
            found = [row[0] for row in db.run(f'SELECT "{column.name}"{cast} FROM "{table.name}"')]
            values = sorted(v for v in found if v is not None)
            for value in expected:
                if value not in values:
                    raise Wrong(f"{table.name}.{column.name} has lost {value!r}: {values[:20]}")
            if len(found) != sum(1 for table_id, _ in given if table_id == table.id):
                raise Wrong(f"{table.name} has {len(found)} rows")


# ------------------------------------------------------------------ a chain

def chain(ecomc, db, seed):
    """Raises Wrong. The versions are on the exception."""
    r = random.Random(seed)
    versions = [schemas.first(r)]
    for _ in range(2):
        versions.append(schemas.evolve(r, versions[-1]))
    texts = [v.text() for v in versions]
    try:
        run_chain(ecomc, db, r, versions, texts)
    except (Wrong, pg.Error) as wrong:
        raise Wrong(f"{wrong}\n" + "".join(f"---- version {name}\n{text}" for name, text in zip("ABC", texts))) from wrong


def run_chain(ecomc, db, r, versions, texts):
    locks = [None]
    for text in texts:
        locks.append(build(ecomc, text, locks[-1]))
    locks = locks[1:]
    if build(ecomc, texts[-1], locks[-1]) != locks[-1]:
        raise Wrong("a second build of C makes another migration")
    expected = []
    for text in texts:
        fresh(db)
        for migration in migrations(build(ecomc, text, None)):
            apply(db, migration, "up")
        expected.append(pg.catalog(db))

    fresh(db)
    done, given = 0, {}
    for version, lock, name in zip(range(3), locks, "ABC"):
        for migration in migrations(lock)[done:]:
            apply(db, migration, "up")
        done = len(migrations(lock))
        compare(pg.catalog(db), expected[version], lock, f"with rows, at {name}")
        if version == 0:
            given = fill(db, r, versions[0])
        survive(db, versions[0], versions[version], given)

    fresh(db)
    states = []
    for migration in migrations(locks[2]):
        states.append(pg.catalog(db))
        apply(db, migration, "up")
    last = pg.catalog(db)
    first = len(migrations(locks[0]))
    for i in reversed(range(first, len(states))):
        apply(db, migrations(locks[2])[i], "down")
    compare_back(pg.catalog(db), states[first] if first < len(states) else last, any(v.lossy for v in versions))
    for migration in migrations(locks[2])[first:]:
        apply(db, migration, "up")
    if ordered(pg.catalog(db)) != ordered(last):
        raise Wrong(f"down to A and up again is not the same\n{difference(pg.catalog(db), last)}")


def compare_back(found, expected, lossy):
    """A required column that was dropped comes back without its NOT NULL: there is no value for it."""
    if lossy:
        found, expected = ([re.sub(r"^(column .* not null )\w+", r"\1-", line) for line in lines] for lines in (found, expected))
    found, expected = ordered(found), ordered(expected)
    if found != expected:
        raise Wrong(f"down from C to A: the catalog differs\n{difference(found, expected)}")


def test(ecomc, server, seconds, seed):
    """(name, what is wrong or None) of each chain, until the time is over."""
    end, n = time.monotonic() + seconds, 0
    with server.database("chains") as db:
        while time.monotonic() < end:
            try:
                chain(ecomc, db, seed + n)
                yield f"chain {seed + n}", None
            except Wrong as wrong:
                yield f"chain {seed + n}", str(wrong)
            n += 1
