"""What came of each test of a suite that is written in Python: said at once, and at the end how many there were."""
import importlib
import time
import traceback


class Skip(Exception):
    """Raised by a test that can't run here; the text is the reason."""


class Results:
    """lets: what a test may raise that ends the suite."""

    def __init__(self, lets=()):
        self.passed = self.failed = self.skipped = 0
        self.lets = lets

    def attempt(self, name, function, *args):
        """What it gives, True for nothing and for one that is skipped; None: it failed, which is shown, and the rest still runs."""
        begun = time.monotonic()
        try:
            result = function(*args)
        except Skip as why:
            self.skip(name, why)
            return True
        except self.lets:
            raise
        except Exception:
            self.fail(name, "\n" + traceback.format_exc()[-6000:])
            return None
        self.passed += 1
        print(f"ok   {name} ({time.monotonic() - begun:.1f} s)", flush=True)
        return True if result is None else result

    def fail(self, name, why, n=1):
        self.failed += n
        print(f"FAIL {name}: {why}", flush=True)

    def skip(self, name, why, n=1):
        self.skipped += n
        print(f"skip: {name}: {why}", flush=True)

    def add(self, counts):
        """Passed, failed and skipped of another."""
        passed, failed, skipped = counts
        self.passed, self.failed, self.skipped = self.passed + passed, self.failed + failed, self.skipped + skipped

    def end(self):
        """The exit code of the suite."""
        print(f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped")
        return 1 if self.failed else 0


def tests_in(folder, names=()):
    """The functions test_* of the modules test_*.py there; with names, those of these modules or of these names."""
    for path in sorted(folder.glob("test_*.py")):
        for name, test in list(vars(importlib.import_module(path.stem)).items()):
            if name.startswith("test_") and (not names or name in names or path.stem in names):
                yield test


def run(tests, call):
    """call(test) passes when it raises nothing. Returns the exit code of the suite."""
    results = Results()
    for test in tests:
        results.attempt(test.__name__, call, test)
    return results.end() or not results.passed
