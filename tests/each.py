"""The loop over the tests of a suite that is written in Python: says of each what came of it, and at the end how many there were."""
import importlib
import time
import traceback


def tests_in(folder, names=()):
    """The functions test_* of the modules test_*.py there; with names, those of these modules or of these names."""
    for path in sorted(folder.glob("test_*.py")):
        for name, test in list(vars(importlib.import_module(path.stem)).items()):
            if name.startswith("test_") and (not names or name in names or path.stem in names):
                yield test


def run(tests, call):
    """call(test) passes when it raises nothing. Returns the exit code of the suite."""
    passed = failed = 0
    for test in tests:
        begun = time.monotonic()
        try:
            call(test)
            passed += 1
            print(f"ok   {test.__name__} {time.monotonic() - begun:.1f} s", flush=True)
        except Exception:  # each test says what is wrong in its own way
            failed += 1
            print(f"FAIL {test.__name__}\n{traceback.format_exc()[-4000:]}", flush=True)
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return 1 if failed or not passed else 0
