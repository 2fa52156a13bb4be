#!/usr/bin/env python3
"""What the compiler knows of PostgreSQL, held against a real one.

run.py ECOMC [--long] [--seed N] [catalog|statements|expressions|migrations|tools ...]
catalog: dsl/sql_catalog.inc is what the server has. statements: those of every topology. expressions: random ones. migrations: random
schemas, one into the other. tools: other people's tools, and what may happen to `migrate`. The random ones run for a while (with --long for
long) from a seed that is printed; `--seed N` begins there.
"""
import os
import random
import sys

import expressions
import migrations
import pg
import statements
import tools

sys.path.insert(0, os.path.join(statements.ROOT, "dsl"))
import sql_catalog

PARTS = ["catalog", "statements", "expressions", "migrations", "tools"]
counts = {"passed": 0, "failed": 0, "skipped": 0}


def tell(name, wrong, skip=None):
    counts["failed" if wrong else "skipped" if skip else "passed"] += 1
    if wrong or skip:
        print(f"FAIL {name}: {wrong}" if wrong else f"skip: {name}: {skip}", flush=True)


def catalog(_ecomc, server, _seed, _long):
    with open(os.path.join(statements.ROOT, "dsl", "sql_catalog.inc")) as file:
        tell("catalog", None if file.read() == sql_catalog.catalog(server.url("postgres")) else "dsl/sql_catalog.inc is not what dsl/sql_catalog.py writes")


def all_statements(ecomc, server, _seed, _long):
    for name, wrong in statements.test(ecomc, server):
        tell(name, wrong)


def random_expressions(ecomc, server, seed, long):
    taken = made = 0
    for i in range(100 if long else 6):
        n, wrong = expressions.batch(ecomc, server, seed + i)
        taken, made = taken + n, made + 150
        tell(f"expressions {seed + i}", "\n".join(wrong) or None)
    tell("enough expressions are taken", None if taken > made / 2 else f"{taken} of {made}")
    print(f"{taken} of {made} random statements were taken, all of them are asked of PostgreSQL")


def random_migrations(ecomc, server, seed, long):
    n = 0
    for name, wrong in migrations.test(ecomc, server, 600 if long else 45, seed):
        tell(name, wrong)
        n += 1
    print(f"{n} chains of schemas")


def all_tools(ecomc, server, _seed, _long):
    for name, wrong, skip in tools.test(ecomc, server):
        tell(name, wrong, skip)


def main():
    arguments = [a for a in sys.argv[1:] if a != "--long"]
    seed = random.randrange(1, 1000000)
    if "--seed" in arguments:
        at = arguments.index("--seed")
        seed = int(arguments[at + 1])
        del arguments[at:at + 2]
    ecomc, chosen = os.path.abspath(arguments[0]), arguments[1:] or PARTS
    parts = dict(zip(PARTS, [catalog, all_statements, random_expressions, random_migrations, all_tools]))
    print(f"seed {seed}")
    with pg.Server() as server:
        for part in chosen:
            parts[part](ecomc, server, seed, "--long" in sys.argv)
    print(f"{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped")
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
