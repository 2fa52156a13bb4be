#!/usr/bin/env python3
"""How check and build grow with the topology.

usage: run.py ECOMC            a table of times and memory, 10 to 1,000 services: the least of several runs
       run.py ECOMC --guard    a test: growth in instructions, which valgrind counts the same on every machine; memory and time at 1,000
       run.py ECOMC --long     the same, of the least of more runs

Times are held with head room, since a clock also measures what a machine does beside it; how far they are from what is to be taken
(docs/performance.md) is printed.

ECOMC is a build without a sanitizer. The topologies are those of gen_topology.py.
"""
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

import gen_topology

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent))
import each  # noqa: E402

SIZES = (10, 30, 100, 300, 1000)
RUNS = 7
# Services that instructions are counted at, and the most of them, in millions: a fifth above what was measured.
COUNTED = {"check": (100, 1000, 1350), "build": (30, 300, 2550)}
STEEPEST = 1.1  # for each time as many services
# At 1,000 services: megabytes, and the milliseconds that are to be taken.
MOST = {"check": (125, 150), "build": (290, 1000)}
HEAD_ROOM = 6  # for a machine that has other work; of the kernel's time no number holds (a file system may take ten times as long)


class Bench:
    def __init__(self, ecomc, temp):
        self.ecomc, self.temp = os.path.abspath(ecomc), pathlib.Path(temp)

    def folder(self, n, name=""):
        folder = self.temp / f"{n}{name}"
        folder.mkdir()
        (folder / "topology.ecom").write_text(gen_topology.topology(n))
        return folder

    def run(self, folder, command):
        """Seconds by the clock, seconds of the processors, megabytes, and of the seconds those outside of the kernel."""
        begun = time.monotonic()
        process = subprocess.Popen([self.ecomc, command], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        said = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0 and not said, (command, folder, said[:500])
        return time.monotonic() - begun, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, usage.ru_utime

    def least(self, folder, command, runs=RUNS):
        return [min(column) for column in zip(*(self.run(folder, command) for _ in range(runs)))]

    def instructions(self, folder, command):
        """In millions; the program alone, not the kernel. An instruction that repeats itself (`rep stosb`) would count as many."""
        env = dict(os.environ, GLIBC_TUNABLES="glibc.cpu.hwcaps=-ERMS")
        done = subprocess.run(["valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null", self.ecomc, command],
                              cwd=folder, env=env, capture_output=True, text=True, timeout=1200)
        assert done.returncode == 0, done.stderr[-2000:]
        return int(re.search(r"I\s+refs:\s+([\d,]+)", done.stderr)[1].replace(",", "")) / 1e6


def table(bench):
    print("services  edges  SQL   | check ms (CPU)  MB | first build ms (CPU)  MB | build again ms (CPU)")
    for n in SIZES:
        folder = bench.folder(n)
        check = bench.least(folder, "check")
        first = bench.run(folder, "build")
        again = bench.least(folder, "build")
        print(f"{n:8} {5 * n:6} {3 * n:5} | {check[0] * 1000:8.0f} {check[1] * 1000:6.0f} {check[2]:4.0f} | "
              f"{first[0] * 1000:14.0f} {first[1] * 1000:6.0f} {first[2]:4.0f} | {again[0] * 1000:14.0f} {again[1] * 1000:6.0f}",
              flush=True)


def test_generator(bench, _):
    """What is measured is what was asked for, and it has no mistake and no warning (run() refuses any)."""
    for n in (10, 100):
        text = gen_topology.topology(n)
        assert text == gen_topology.topology(n) != gen_topology.topology(n, 2)
        counts = [len(re.findall(what, text, re.M)) for what in (r"^service ", r"^edge ", r"\bsql (one|maybe|many|exec) ")]
        assert counts == [n, 5 * n, 3 * n], counts
        bench.run(bench.folder(n, "-generator"), "check")
        without = gen_topology.without_statements(text)
        counts = [len(re.findall(what, without, re.M)) for what in (r"^service ", r"^edge ", r"\bsql\b", r"^\s+table ")]
        assert counts == [n, 5 * n, 0, len(re.findall(r"^\s+table ", text, re.M))], counts
        folder = bench.folder(n, "-without")
        (folder / "topology.ecom").write_text(without)
        bench.run(folder, "check")


def test_processors(bench, _):
    """With one processor there is no thread at all: what is said and what is written is the same."""
    folder, text = bench.folder(100, "-processors"), gen_topology.topology(100)
    all_cpus = sorted(os.sched_getaffinity(0))
    wrong = ("many", "return request", "return reqest", 0), ("last", "return known", "return nown", 9)
    for name, old, new, left in (("right", "", "", 0), *wrong):
        pieces = text.split(old) if old else [text]
        assert not old or len(pieces) > 20, f"{old!r} is not in the topology"
        whole = len(pieces) - left
        changed = old.join(pieces[:whole]) + new + new.join(pieces[whole:]) if left else new.join(pieces)
        seen = []
        for cpus in (all_cpus, all_cpus[:1]):
            into = folder / name
            into.mkdir()
            (into / "topology.ecom").write_text(changed)
            done = subprocess.run([bench.ecomc, "build"], cwd=into, capture_output=True, text=True,
                                  preexec_fn=lambda cpus=cpus: os.sched_setaffinity(0, cpus))
            manifest = into / "generated" / "MANIFEST"
            seen.append((done.returncode, done.stderr, manifest.read_text() if manifest.exists() else None))
            shutil.rmtree(into)
        assert seen[0] == seen[1], f"{name}: with one processor it is not the same"
        assert (seen[0][0] == 0) == (name == "right"), seen[0][:2]


def test_growth(bench, _):
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        counts = {command: [pool.submit(bench.instructions, bench.folder(n, "-" + command), command) for n in sizes[:2]]
                  for command, sizes in COUNTED.items()}
    for command, (small, large, most) in COUNTED.items():
        few, many = (count.result() for count in counts[command])
        print(f"{command}: {few:.0f} million instructions at {small} services, {many:.0f} at {large}")
        assert many <= most, f"{command} of {large} services takes {many:.0f} million instructions, more than {most}"
        times = many / few / (large / small)
        assert times <= STEEPEST, f"{command} is not linear: {few:.0f} million instructions at {small} services, {many:.0f} at {large}"


def test_a_thousand(bench, long):
    for command, (memory, most) in MOST.items():  # each time in a folder of its own: a second build writes nothing
        runs = [bench.run(bench.folder(1000, f"-{command}-{i}"), command) for i in range(RUNS if long else 1)]
        wall, cpu, used, own = (min(column) for column in zip(*runs))
        print(f"measured: {command} of 1,000 services: {wall * 1000:.0f} ms ({most} is to take), {cpu * 1000:.0f} ms of the processors, "
              f"{used:.0f} MB")
        assert used <= memory, f"{command} of 1,000 services takes {used:.0f} MB, more than {memory}"
        assert own * 1000 <= most * HEAD_ROOM, f"{command} of 1,000 services takes {own * 1000:.0f} ms, more than {most * HEAD_ROOM}"


def test_many_requests(bench, _):
    """Of one route: each is an example in openapi.yaml, unless it says what another does."""
    used = {}
    for n in (50, 1000):
        folder = pathlib.Path(bench.temp / f"requests-{n}")
        folder.mkdir()
        (folder / "topology.ecom").write_text("""topology "Requests"
record Word { text: text }
client user "User"
service words-svc "Words" {
  op Say(text: text) -> Word {
    return Word { text: text }
  }
}
gateway door "Door" {
  listen 8080
  route POST "/words" public -> words-svc.Say(text: body.text)  reply 200
}
edge user -> door      { http }
edge door -> words-svc { http }
""" + "".join(f"""scenario say-{i} "Say {i}" {{
  when   user POST "/words" {{ text: "word {i % (n - 1)}" }}
  expect 200
}}
""" for i in range(n)))
        used[n] = bench.run(folder, "build")[2]
        told = (folder / "generated" / "openapi.yaml").read_text().count("value:\n")
        assert told == n - 1, (n, told)
    print(f"measured: build with 1,000 requests of a route: {used[1000]:.0f} MB, {used[50]:.0f} MB with 50")
    assert used[1000] < 100, f"{used[1000]:.0f} MB for 1,000 requests of a route"


def main():
    if sys.argv[2:] not in ([], ["--guard"], ["--long"]):
        sys.exit(__doc__.strip())
    with tempfile.TemporaryDirectory(prefix="ecom-bench-") as temp:
        bench = Bench(sys.argv[1], temp)
        if not sys.argv[2:]:
            table(bench)
            return 0
        return each.run((test_generator, test_processors, test_growth, test_a_thousand, test_many_requests), lambda test: test(bench, sys.argv[2] == "--long"))


if __name__ == "__main__":
    sys.exit(main())
