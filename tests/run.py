#!/usr/bin/env python3
"""Runs the suites and adds up their counts. `run.py` runs all, `run.py NAME ...` the suites (or one unit test or one system test) so named;
with `--long` (or EC_TEST_LONG=1) each fuzzer runs a million times, not 10 s, each allocation fails, the stories 20 times on each broker and in
each build, chaos at full size (EC_LONG=1) and the extension in VS Code; tests/system/runner.py has EC_REPEAT, EC_BUILD and EC_KAFKA. The last
line is `N passed, N failed, N skipped`; each skip has its reason above it."""
import concurrent.futures
import os
import re
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
WORK = os.path.join(ROOT, ".ecom", "test")
JOBS = str(os.cpu_count() or 2)
LONG = "--long" in sys.argv[1:] or os.environ.get("EC_TEST_LONG", "0") not in ("", "0")
# gcc warns of what its own instrumentation made; warnings are errors in the builds without it.
SANITIZE = ["-Db_sanitize=address,undefined", "-Db_lundef=false", "-Dwerror=false"]
# Leaks of a library's own at exit are not ours to mend; everything else is fatal.
ENV = dict(os.environ, ASAN_OPTIONS="detect_leaks=1:abort_on_error=0", UBSAN_OPTIONS="halt_on_error=1:print_stacktrace=1",
           LSAN_OPTIONS="suppressions=" + os.path.join(HERE, "lsan.supp") + ":print_suppressions=0", LC_ALL="C.UTF-8",
           EC_LONG="1" if LONG else os.environ.get("EC_LONG", ""))


class Tally:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def add(self, name, passed, failed, skipped, seconds):
        self.passed += passed
        self.failed += failed
        self.skipped += skipped
        print(f"{name}: {passed} passed, {failed} failed, {skipped} skipped in {seconds:.0f} s", flush=True)


def run(argv, log, env=ENV, cwd=ROOT, timeout=2400):
    """Exit code and output; the output goes to the log as well."""
    os.makedirs(os.path.dirname(log), exist_ok=True)
    with open(log, "w+b") as file:  # written while it runs: of what takes hours one may see how far it is
        try:
            code = subprocess.run(argv, cwd=cwd, env=env, stdout=file, stderr=subprocess.STDOUT, timeout=timeout).returncode
        except subprocess.TimeoutExpired:
            code = 124
            file.write(f"\nno end after {timeout} s\n".encode())
        file.seek(0)
        return code, file.read().decode("utf-8", "replace")


def tail(text, lines=30):
    return "\n".join("    " + line for line in text.splitlines()[-lines:])


def failures(text):
    """What failed, each with the lines that follow it, in front of how it ended: a long run's first failure is far from its end."""
    shown, taken = [], False
    for line in text.splitlines():
        if re.match(r"(FAIL|ok|not ok)\b|skip:|==", line):
            taken = "FAIL" in line or line.startswith("not ok")
        if taken:
            shown.append(line)
    return "\n".join("    " + line for line in shown[:400]) + "\n" + tail(text, 15 if shown else 60)


def build(name, compiler, options, targets=()):
    """Builds everything, or the targets, with a compiler into .ecom/test/NAME; returns the folder, or None after showing what failed."""
    folder = os.path.join(WORK, name)
    env = dict(ENV, CC=compiler)
    if not os.path.exists(os.path.join(folder, "build.ninja")):
        code, out = run(["meson", "setup", folder, *options], os.path.join(WORK, name + "-setup.log"), env)
        if code:
            print(tail(out))
            return None
    code, out = run(["ninja", "-C", folder, "-j", JOBS, *targets], os.path.join(WORK, name + "-build.log"), env)
    if code:
        print(tail(out))
        return None
    return folder


def asan_build():
    return build("asan", "gcc", ["--buildtype=debug", "-Doptimization=1", *SANITIZE])


def suite_unit(only=None):
    """Each module's cmocka program, under ASan and UBSan."""
    folder = asan_build()
    if not folder:
        return 0, 1, 0
    programs = sorted(f for f in os.listdir(os.path.join(folder, "tests", "unit")) if re.fullmatch(r"test_" + (only or r"\w+"), f))
    passed = failed = skipped = 0

    def one(program):
        return program, *run([os.path.join(folder, "tests", "unit", program)], os.path.join(WORK, "unit", program + ".log"), timeout=300)
    with concurrent.futures.ThreadPoolExecutor(int(JOBS)) as pool:
        for program, code, out in pool.map(one, programs):
            good = len(re.findall(r"^\[       OK \]", out, re.M))
            bad = len(set(re.findall(r"^\[  FAILED  \] \w+$", out, re.M))) if code else 0  # cmocka names each twice
            skip = len(re.findall(r"^\[  SKIPPED \] \w+$", out, re.M)) // 2
            for line in re.findall(r"^skip: .*$", out, re.M):
                print(f"  {program}: {line}")
            if code and not bad:
                bad = 1
            if code:
                print(f"  {program} failed ({code}):\n{tail(out, 40)}")
            passed, failed, skipped = passed + good, failed + bad, skipped + skip
    return passed, failed, skipped


def suite_clang():
    """Everything builds with clang, warnings as errors."""
    return (1, 0, 0) if build("clang", "clang", ["--buildtype=debug"]) else (0, 1, 0)


def script(path, *args, timeout=2400):
    code, out = run([sys.executable, os.path.join(HERE, path), *args], os.path.join(WORK, path.replace("/", "-") + ".log"), timeout=timeout)
    counts = re.findall(r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$", out, re.M)
    shown = [line for line in out.splitlines() if re.match(r"skip:|seed \d+$|measured: |fuzz_\w+: \d+ executions$", line)]
    if shown:
        print("\n".join("  " + line for line in shown))
    if not counts or code:
        print(failures(out))
    if not counts:
        return 0, 1, 0
    passed, failed, skipped = (int(n or 0) for n in counts[-1])
    if code and not failed:
        failed = 1
    return passed, failed, skipped


def ecomc(folder="asan"):
    return os.path.join(WORK, folder, "tool", "ecomc")


def suite_ui():
    """Diagnostics against the expected text beside each source."""
    return script("ui/run.py", ecomc()) if asan_build() else (0, 1, 0)


def suite_golden():
    """Generated folders against the expected ones."""
    return script("golden/run.py", ecomc()) if asan_build() else (0, 1, 0)


def suite_fmt():
    """The canonical form: expected texts, and of every topology that it is stable and means the same."""
    return script("fmt/run.py", ecomc()) if asan_build() else (0, 1, 0)


def suite_scenarios():
    """What is derived of scenarios, and the data of the player."""
    return script("scenarios/run.py", ecomc()) if asan_build() else (0, 1, 0)


def suite_tool():
    """Help, completions, the manual page, `init`: all from one table."""
    return script("tool/run.py", ecomc()) if asan_build() else (0, 1, 0)


def suite_editors():
    """What editors take: the grammar against the compiler, snippets, the package, its client with `ecomc lsp`."""
    folder = asan_build()
    if not folder:
        return 0, 1, 0
    return script("editors/run.py", ecomc(), os.path.join(folder, "tests", "editors", "words"), timeout=3600)


def suite_page():
    """Studio's page: its build, and what it does in a browser."""
    return script("studio_page/run.py", os.path.join(ROOT, ".ecom", "build", "tool", "ecom-studio"))


def suite_lsp():
    """The language server, asked over its pipes."""
    return script("lsp/run.py", ecomc()) if asan_build() else (0, 1, 0)


def suite_studio():
    """The studio's server, asked over HTTP."""
    return script("studio/run.py", ecomc()) if asan_build() else (0, 1, 0)


def suite_plans():
    """What `ecomc plan` says of pairs of topologies, and what must hold of any pair."""
    return script("plan/run.py", ecomc()) if asan_build() else (0, 1, 0)


def suite_database():
    """What the compiler knows of PostgreSQL, and its migrations, against a real one."""
    return script("database/run.py", ecomc(), *(["--long"] if LONG else []), timeout=7200 if LONG else 2400) if asan_build() else (0, 1, 0)


def suite_documents():
    """openapi.yaml, asyncapi.yaml and observability/, by the standards' own tools."""
    return script("documents/run.py", ecomc()) if asan_build() else (0, 1, 0)


def suite_k8s():
    """generated/k8s: the schemas of Kubernetes and of the operators, and what no schema says."""
    return script("k8s/run.py", ecomc()) if asan_build() else (0, 1, 0)


def suite_checks():
    """What is checked in is what the compiler writes; the general part knows no word of the example."""
    return script("checks.py", os.path.join(ROOT, ".ecom", "build", "tool", "ecomc"))


def suite_memory():
    """Each allocation of the compiler fails in turn."""
    return script("memory/run.py", os.path.join(ROOT, ".ecom", "build", "tool", "ecomc"), *(["--all"] if LONG else []))


def suite_scale():
    """A topology of a thousand services: memory, time, and that both grow linearly."""
    return script("bench/run.py", os.path.join(ROOT, ".ecom", "build", "tool", "ecomc"), "--long" if LONG else "--guard")


def suite_guard():
    """How many instructions parse, route, JSON, JWT, a saga and a compile take, against what is kept; with --long the load generator against wrk."""
    counts = script("bench/guard.py")
    return tuple(map(sum, zip(counts, script("bench/load_test.py")))) if LONG else counts


def suite_system(only=None):
    """The whole system on real servers."""
    if not asan_build():
        return 0, 1, 0
    return script("system/run.py", *([only] if only else []), timeout=(6 * 3600 if LONG else 2400) * int(os.environ.get("EC_REPEAT") or 1))


def suite_containers():
    """What docker-compose says of the files; with --long images, Compose and a swarm, on an engine of the test's own."""
    return script("containers/run.py", os.path.join(ROOT, ".ecom", "build", "tool", "ecomc"), timeout=3600 if LONG else 1800)


def suite_chaos(only=None):
    """Processes end at each crash point, the parts around them fail; nothing is lost, doubled or left undone."""
    if not build("crash", "gcc", ["--buildtype=debugoptimized", "-Dcrash_points=true"], ["tool/ecomc", "tool/ecom-broker", "tool/ecom-studio", "runtime/libecruntime.a"]):
        return 0, 1, 0
    return script("chaos/run.py", *([only] if only else []), timeout=12 * 3600 if LONG else 3600)


def suite_fuzz():
    """Bytes by chance through the compiler and the parsers."""
    folder = build("fuzz", "clang", ["--buildtype=debugoptimized", "-Dfuzz=true"])
    if not folder:
        return 0, 1, 0
    findings = os.path.join(WORK, "fuzz-findings")
    return script("fuzz/run.py", os.path.join(folder, "tests", "fuzz"), "1000000x" if LONG else "10", findings, timeout=24 * 3600 if LONG else 3000)


SUITES = {"unit": suite_unit, "clang": suite_clang, "ui": suite_ui, "golden": suite_golden, "plans": suite_plans, "documents": suite_documents, "k8s": suite_k8s,
          "fmt": suite_fmt, "scenarios": suite_scenarios, "tool": suite_tool, "lsp": suite_lsp, "studio": suite_studio, "editors": suite_editors,
          "database": suite_database, "memory": suite_memory, "checks": suite_checks, "guard": suite_guard, "scale": suite_scale, "page": suite_page,
          "fuzz": suite_fuzz, "system": suite_system, "containers": suite_containers, "chaos": suite_chaos}
# In a run of everything these go beside the others, two at once, each in a process of its own that gives way: what the others, who mostly wait,
# leave of the processors is enough for them. None looks at a clock; what scale measures has head room, but not with --long. The long ones come first.
BESIDE = ["fuzz", "database", "fmt", "clang", "k8s", "plans", "documents", "lsp", "ui", "editors", *(() if LONG else ("scale",)), "studio", "golden",
          "scenarios", "tool", "memory", "guard", "checks"]


def in_process(name):
    """One suite; what it printed, and its counts and seconds."""
    out = subprocess.run([sys.executable, os.path.abspath(__file__), name, *(["--long"] if LONG else [])], stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, text=True, errors="replace", preexec_fn=lambda: os.nice(5)).stdout
    counts = re.search(rf"^{name}: (\d+) passed, (\d+) failed, (\d+) skipped in (\d+) s$", out, re.M)
    return (out[:counts.start()], *(int(n) for n in counts.groups())) if counts else (out, 0, 1, 0, 0)


def main():
    names = [a for a in sys.argv[1:] if not a.startswith("-")]
    unknown = [a for a in sys.argv[1:] if a.startswith("-") and a != "--long"]
    if unknown:
        sys.exit(f"unknown option '{unknown[0]}'; there is --long")
    os.makedirs(WORK, exist_ok=True)
    tally = Tally()
    chosen = []
    for name in names or SUITES:
        if name in SUITES:
            chosen.append((name, SUITES[name], ()))
        elif os.path.exists(os.path.join(HERE, "unit", f"test_{name}.c")):
            chosen.append((name, suite_unit, (name,)))
        elif os.path.exists(os.path.join(HERE, "system", f"test_{name}.py")):
            chosen.append((name, suite_system, (name,)))
        elif os.path.exists(os.path.join(HERE, "chaos", f"test_{name}.py")):
            chosen.append((name, suite_chaos, (name,)))
        else:
            sys.exit(f"there is no test '{name}'; suites: {' '.join(SUITES)}, or a unit, system or chaos test by its name")
    beside = {}
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        if not names and asan_build():  # which most of them begin with
            beside = {pool.submit(in_process, name): name for name in BESIDE}
        for name, suite, args in chosen:
            if name not in beside.values():
                print(f"== {name}: {suite.__doc__.splitlines()[0]}", flush=True)
                begun = time.monotonic()
                tally.add(name, *suite(*args), time.monotonic() - begun)
        for done in concurrent.futures.as_completed(beside):
            out, *counts = done.result()
            print(out, end="")
            tally.add(beside[done], *counts)
    print(f"{tally.passed} passed, {tally.failed} failed, {tally.skipped} skipped")
    return 1 if tally.failed or not tally.passed else 0


if __name__ == "__main__":
    sys.exit(main())
