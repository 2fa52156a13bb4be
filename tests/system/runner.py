"""Runs the tests of a folder: every test_*.py in it, or the ones named. In a module, functions `test_*(system)` share one running system of the
module's TOPOLOGY, once for each broker in KAFKA; functions without the parameter make their own. A test that a module imports from another
is run there, too: on that module's system. The system tests run on Apache Kafka wherever Maven can fetch it. With EC_REPEAT=N the shared
functions run N times on the same running system; the first round with a failure is the last. EC_KAFKA=embedded or apache leaves the other
broker out."""
import importlib
import inspect
import os
import sys
import time
import traceback

import lib

REPEAT = int(os.environ.get("EC_REPEAT", "1"))
passed = failed = skipped = 0


def attempt(name, function, *args):
    global passed, failed, skipped
    begun = time.monotonic()
    try:
        function(*args)
    except lib.Skip as why:
        skipped += 1
        print(f"skip: {name}: {why}", flush=True)
        return True
    except Exception:  # every failure is shown, and the rest still runs
        failed += 1
        print(f"FAIL {name}\n{traceback.format_exc()}", flush=True)
        return False
    passed += 1
    print(f"ok   {name} ({time.monotonic() - begun:.1f} s)", flush=True)
    return True


def run_module(name):
    global failed, skipped
    module = importlib.import_module(name)
    tests = [(n, f) for n, f in inspect.getmembers(module, inspect.isfunction) if n.startswith("test_")]
    tests.sort(key=lambda pair: (pair[1].__module__ == name, pair[1].__module__, pair[1].__code__.co_firstlineno))
    shared = [(n, f) for n, f in tests if inspect.signature(f).parameters]
    for test_name, function in tests:
        if not inspect.signature(function).parameters:
            attempt(f"{name}.{test_name}", function)
    for kafka in getattr(module, "KAFKA", ["embedded"]) if shared else []:
        if os.environ.get("EC_KAFKA", kafka) != kafka:
            continue
        system = lib.System(getattr(module, "TOPOLOGY", os.path.join(lib.ROOT, "topology.ecom")), kafka, getattr(module, "ARGS", ()),
                            getattr(module, "ENV", None), getattr(module, "BUILD", lib.SANITIZED))
        try:
            system.__enter__()
        except Exception as error:
            if kafka == "apache" and "could not be fetched" in str(error) and not os.environ.get("EC_REQUIRE_KAFKA"):
                skipped += len(shared)
                print(f"skip: {name} on Apache Kafka: Maven can't fetch it here")
                continue
            failed += len(shared)
            print(f"FAIL {name} on {kafka}: {error}", flush=True)
            continue
        print(f"{name} on the {kafka} broker: up in {system.seconds:.1f} s", flush=True)
        good = []
        for round_ in range(1, REPEAT + 1):
            what = f"{kafka}, round {round_}" if REPEAT > 1 else kafka
            good += [attempt(f"{name}.{n} [{what}]", f, system) for n, f in shared]
            if not all(good):
                break
        attempt(f"{name}: stops clean [{kafka}]", system.__exit__, *((None, None, None) if all(good) else (AssertionError, None, None)))


def main(folder):
    names = sys.argv[1:] or sorted(f[5:-3] for f in os.listdir(folder) if f.startswith("test_") and f.endswith(".py"))
    for each in names:
        run_module("test_" + each)
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    sys.exit(1 if failed else 0)
