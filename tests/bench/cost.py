#!/usr/bin/env python3
"""What a request costs each process: the system is brought up, scenarios are played at a rate that does not fill it, and the processor
time of each process (a database with all of its backends), beyond what it takes when nothing happens, is divided by what was answered.
`docs/scale.md` says what follows from it.

    cost.py [SCENARIO [RATE [SECONDS]]]        happy-path 20 30

Time that a process waits for the processor does not count, so other work on the machine changes the figures by some tens of percent, not
by times; how long requests take is another matter, and printed only to show that none failed."""
import json
import os
import resource
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "system"))
import lib

IDLE_S = 10
TICK = os.sysconf("SC_CLK_TCK")


def children():
    """Pids by parent."""
    out = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            rest = open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()
        except OSError:
            continue
        out.setdefault(int(rest[1]), []).append(int(pid))
    return out


def seconds(pid, tree):
    """Of a process, those below it, and those that have ended below it."""
    try:
        rest = open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()
    except OSError:
        return 0
    return sum(map(int, rest[11:15])) / TICK + sum(seconds(child, tree) for child in tree.get(pid, []))


def spent(system):
    tree = children()
    return {name: seconds(p["pid"], tree) for name, p in system.processes().items() if p["pid"]}


def children_spent():
    """Of this process's own that have ended: who asks."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main():
    scenario, rate, length = (sys.argv[1:] + ["happy-path", "20", "30"][len(sys.argv) - 1:])[:3]
    with lib.System(os.path.join(lib.ROOT, "topology.ecom"), build=lib.RELEASE, env={"EC_TRACES_A_SECOND": "1"}) as system:
        subprocess.run([os.path.join(system.build, "tool", "ecomc"), "load", scenario, "--rate", rate, "--for", "3s"], cwd=system.folder,
                       env=system.env, capture_output=True, check=True)
        first = spent(system)
        time.sleep(IDLE_S)
        before = spent(system)
        idle = {name: (before[name] - first.get(name, 0)) / IDLE_S for name in before}
        begun, asker = time.monotonic(), children_spent()
        done = system.ecomc("load", scenario, "--rate", rate, "--for", f"{length}s", "--format=json")
        report, after, took = json.loads(done.stdout), spent(system), time.monotonic() - begun
        asker = children_spent() - asker
    answered = report["ok"]
    cost = {name: (after[name] - before.get(name, 0) - idle.get(name, 0) * took) * 1e6 / answered for name in after}
    for name, us in sorted(cost.items(), key=lambda item: -item[1]):
        if us >= 1:
            print(f"{us:8.0f} us  {name}")
    print(f"{asker * 1e6 / report['sent']:8.0f} us  who asks, ecomc load, for each of {report['sent']} sent; not counted below")
    print(f"{sum(idle.values()) * 1e3:8.1f} ms  a second, all, idle; not counted above")
    print(f"{sum(cost.values()):8.0f} us  all, for each of {answered} requests of {scenario} at {rate}/s; {report['errors']} failed")


if __name__ == "__main__":
    main()
