#!/usr/bin/env python3
"""How check and build grow with the topology.

usage: run.py ECOMC            a table of times and memory, 10 to 1,000 services: the least of several runs, since a machine has other work, too
       run.py ECOMC --guard    a test, without a clock: instructions (valgrind) and memory at 1,000 services, against limits and against 100

ECOMC is a build without a sanitizer. The topologies are those of gen_topology.py.
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

import gen_topology

SIZES = (10, 30, 100, 300, 1000)
RUNS = 7
# At 1,000 services, a fifth above what was measured: millions of instructions, and megabytes.
MOST = {"check": (1650, 120), "build": (5400, 400)}
STEEPEST = 11  # times the instructions for ten times the services


class Bench:
    def __init__(self, ecomc, temp):
        self.ecomc, self.temp = os.path.abspath(ecomc), pathlib.Path(temp)

    def folder(self, n, name=""):
        folder = self.temp / f"{n}{name}"
        folder.mkdir()
        (folder / "topology.ecom").write_text(gen_topology.topology(n))
        return folder

    def run(self, folder, command):
        """Seconds by the clock, seconds of the processors, megabytes."""
        begun = time.monotonic()
        process = subprocess.Popen([self.ecomc, command], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        said = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0 and not said, (command, folder, said[:500])
        return time.monotonic() - begun, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024

    def least(self, folder, command, runs=RUNS):
        return [min(column) for column in zip(*(self.run(folder, command) for _ in range(runs)))]

    def instructions(self, folder, command):
        """In millions; the program alone, not the kernel. An instruction that repeats itself (`rep stosb`) would count as many."""
        env = dict(os.environ, GLIBC_TUNABLES="glibc.cpu.hwcaps=-ERMS")
        done = subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", self.ecomc, command], cwd=folder, env=env,
                              capture_output=True, text=True, timeout=1200)
        assert done.returncode == 0, done.stderr[-2000:]
        return int(re.search(r"Collected : (\d+)", done.stderr)[1]) / 1e6


def table(bench):
    print("services  edges  SQL   | check ms (CPU)  MB | first build ms (CPU)  MB | build again ms (CPU)")
    for n in SIZES:
        folder = bench.folder(n)
        check = bench.least(folder, "check")
        first = bench.run(folder, "build")
        again = bench.least(folder, "build")
        print(f"{n:8} {5 * n:6} {3 * n:5} | {check[0] * 1000:8.0f} {check[1] * 1000:6.0f} {check[2]:4.0f} | {first[0] * 1000:14.0f} {first[1] * 1000:6.0f} "
              f"{first[2]:4.0f} | {again[0] * 1000:14.0f} {again[1] * 1000:6.0f}", flush=True)


def test_generator(bench):
    """What is measured is what was asked for, and it has no mistake and no warning (run() refuses any)."""
    for n in (10, 100):
        text = gen_topology.topology(n)
        assert text == gen_topology.topology(n) != gen_topology.topology(n, 2)
        counts = [len(re.findall(what, text, re.M)) for what in (r"^service ", r"^edge ", r"\bsql (one|maybe|many|exec) ")]
        assert counts == [n, 5 * n, 3 * n], counts
        bench.run(bench.folder(n, "-generator"), "check")


def test_growth(bench):
    small, large = bench.folder(100, "-guard"), bench.folder(1000, "-guard")
    for command, (most, memory) in MOST.items():
        few, many = bench.instructions(small, command), bench.instructions(large, command)
        used = bench.run(large, command)[2]
        print(f"{command}: {few:.0f} million instructions at 100 services, {many:.0f} at 1,000; {used:.0f} MB")
        assert many <= most, f"{command} of 1,000 services takes {many:.0f} million instructions, more than {most}"
        assert many <= few * STEEPEST, f"{command} is not linear: {few:.0f} million instructions at 100 services, {many:.0f} at 1,000"
        assert used <= memory, f"{command} of 1,000 services takes {used:.0f} MB, more than {memory}"


def main():
    if len(sys.argv) not in (2, 3) or sys.argv[2:] not in ([], ["--guard"]):
        sys.exit(__doc__.strip())
    with tempfile.TemporaryDirectory(prefix="ecom-bench-") as temp:
        bench = Bench(sys.argv[1], temp)
        if not sys.argv[2:]:
            table(bench)
            return 0
        passed = failed = 0
        for test in (test_generator, test_growth):
            try:
                test(bench)
            except AssertionError as error:
                failed += 1
                print(f"FAIL {test.__name__}: {error}")
                continue
            passed += 1
            print(f"ok   {test.__name__}", flush=True)
        print(f"{passed} passed, {failed} failed")
        return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
