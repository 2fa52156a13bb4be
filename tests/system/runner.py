"""Runs the tests of a folder: every test_*.py in it, or the ones named. In a module, functions `test_*(system)` share one running system of the
module's TOPOLOGY, once for each build in BUILDS and each broker in KAFKA, ROUNDS times: of several of both in pairs, and with EC_LONG=1 each with
each. Functions without the parameter make their own. A test that a module imports from another is run there, too: on that module's system. The
system tests run on Apache Kafka wherever Maven can fetch it. The first round with a failure is the last. EC_REPEAT=N is in place of a module's
ROUNDS, EC_BUILD=asan or release in place of its BUILDS; EC_KAFKA=embedded or apache leaves the other broker out."""
import concurrent.futures
import importlib
import inspect
import itertools
import os
import re
import subprocess
import sys
import time

import lib
import each

results = each.Results()
attempt = results.attempt


def run_module(name):
    module = importlib.import_module(name)
    tests = [(n, f) for n, f in inspect.getmembers(module, inspect.isfunction) if n.startswith("test_")]
    tests.sort(key=lambda pair: (pair[1].__module__ == name, pair[1].__module__, pair[1].__code__.co_firstlineno))
    shared = [(n, f) for n, f in tests if inspect.signature(f).parameters]
    for test_name, function in tests:
        if not inspect.signature(function).parameters:
            attempt(f"{name}.{test_name}", function)
    builds = [lib.BUILD] if lib.BUILD else getattr(module, "BUILDS", ["asan"])
    rounds = int(os.environ.get("EC_REPEAT") or getattr(module, "ROUNDS", 1))
    brokers = [kafka for kafka in getattr(module, "KAFKA", ["embedded"]) if lib.KAFKA in (None, kafka)]
    pairs = zip if len(builds) == len(brokers) and not lib.LONG else itertools.product
    for build, kafka in pairs(builds, brokers) if shared else ():
        where = f"{kafka}, {build}"
        system = lib.System(getattr(module, "TOPOLOGY", os.path.join(lib.ROOT, "topology.ecom")), kafka, getattr(module, "ARGS", ()),
                            getattr(module, "ENV", None), lib.BUILDS[build])
        try:
            system.__enter__()
        except Exception as error:
            if kafka == "apache" and "could not be fetched" in str(error) and not os.environ.get("EC_REQUIRE_KAFKA"):
                results.skip(f"{name} on Apache Kafka", "Maven can't fetch it here", len(shared))
                continue
            results.fail(f"{name} on {where}", error, len(shared))
            continue
        print(f"{name} on the {kafka} broker, {build} build: up in {system.seconds:.1f} s", flush=True)
        good = []
        for round_ in range(1, rounds + 1):
            what = f"{where}, round {round_}" if rounds > 1 else where
            good += [attempt(f"{name}.{n} [{what}]", f, system) for n, f in shared]
            if not all(good):
                break
        attempt(f"{name}: stops clean [{where}]", system.__exit__, *((None, None, None) if all(good) else (AssertionError, None, None)))


def in_process(folder, name):
    """One module in a process of its own; its output, which is in .ecom/test/FOLDER/NAME.log meanwhile."""
    log = os.path.join(lib.ROOT, ".ecom", "test", os.path.basename(folder), name + ".log")
    os.makedirs(os.path.dirname(log), exist_ok=True)
    with open(log, "w+", encoding="utf-8", errors="replace") as file:
        begun = time.monotonic()
        subprocess.run([sys.executable, os.path.join(folder, "run.py"), "--one", name], stdout=file, stderr=subprocess.STDOUT)
        file.seek(0)
        return name, file.read(), time.monotonic() - begun


def is_alone(folder, name):
    with open(os.path.join(folder, f"test_{name}.py")) as file:
        return re.search(r"^ALONE = True", file.read(), re.M) is not None


def main(folder):
    """Modules run side by side, EC_JOBS (2) at once, each in a process of its own, for much of their time is waiting. Those that measure say
    ALONE = True and come last, one by one."""
    if sys.argv[1:2] == ["--one"]:
        run_module("test_" + sys.argv[2])
        sys.exit(results.end())
    names = sys.argv[1:] or sorted((f[5:-3] for f in os.listdir(folder) if f.startswith("test_") and f.endswith(".py")),
                                   key=lambda name: -os.path.getsize(os.path.join(folder, f"test_{name}.py")))  # large ones tend to take long: not last
    alone = [name for name in names if is_alone(folder, name)]
    for group, jobs in (([name for name in names if name not in alone], int(os.environ.get("EC_JOBS", "2"))), (alone, 1)):
        with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
            for done in concurrent.futures.as_completed([pool.submit(in_process, folder, name) for name in group]):
                name, out, seconds = done.result()
                counts = re.findall(r"^(\d+) passed, (\d+) failed, (\d+) skipped$", out, re.M)
                print(f"== {name} ({seconds:.0f} s)\n{out}", end="", flush=True)
                if counts:
                    results.add(map(int, counts[-1]))
                else:
                    results.fail(name, "it ended without its counts")
    sys.exit(results.end())
