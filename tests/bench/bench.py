#!/usr/bin/env python3
"""How fast ours is beside others, on this machine, in one run.

usage: ./ecom bench [NAME ...] [--rounds N] [--seconds S] [--noisy] [--large] [--write] [--list]
       ./ecom bench --profile NAME ...

Without a name all workloads are run, 9 rounds of slices of 2 s each. What comes of it is printed, and stands in .ecom/bench/report.md
with its drawings; --write puts it into docs/performance.md and docs/performance/, when each figure has 9 quiet rounds. --noisy counts
slices that others have disturbed, too: to try the tool, never for a figure. --profile tells where the time of ours goes instead, process by process. `method.py` has the method, `peers.py` where the peers come
from."""
import dataclasses
import datetime
import json
import os
import signal
import subprocess
import sys

import method
import peers
import profile_of
import report
import work_data
import work_drain
import work_growth
import work_http
import work_tool
import workload
import world

MODULES = (work_http, work_data, work_drain, work_growth, work_tool)
LEAST_ROUNDS = 9


def say(text):
    print(text, flush=True)


def machine():
    """What the figures are of."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        model = next((line.partition(":")[2].strip() for line in file if line.startswith("model name")), "unknown")
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=world.ROOT, capture_output=True, text=True).stdout.strip()
    syscall = subprocess.run([world.compiled("syscall", "syscall.c")], capture_output=True, text=True, check=True).stdout
    compiler = subprocess.run(["gcc", "-dumpfullversion"], capture_output=True, text=True).stdout.strip()
    return {"cpu": model, "cpus": os.cpu_count(), "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
            "kernel": os.uname().release, "syscall_ns": int(syscall), "gcc": compiler, "commit": commit,
            "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M")}


def arguments(known):
    names, values, flags = [], {"--rounds": LEAST_ROUNDS, "--seconds": 2.0}, set()
    words = iter(sys.argv[1:])
    for word in words:
        if word in values:
            try:
                values[word] = type(values[word])(next(words))
                assert values[word] > 0
            except (StopIteration, ValueError, AssertionError):
                sys.exit(f"bench: {word} takes a number above 0")
        elif word in ("--noisy", "--large", "--write", "--list", "--profile"):
            flags.add(word)
        elif word in ("--help", "-h"):
            print(__doc__)
            sys.exit(0)
        elif word.startswith("-") or word not in known:
            options = "--rounds N --seconds S --noisy --large --write --list --profile"
            sys.exit(f"bench: there is no '{word}'; workloads: {' '.join(known)}; options: {options}")
        else:
            names.append(word)
    if "--profile" in flags and not names:
        sys.exit("bench: --profile takes the names of workloads")
    return names or list(known), values, flags


def main():
    known = {w.name: w for module in MODULES for w in module.WORKLOADS}
    names, values, flags = arguments(known)
    if "--list" in flags:
        for w in known.values():
            print(f"{w.name:14} {w.title}")
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what runs is ended, as with Ctrl-C
    rounds = values["--rounds"]
    if "--write" in flags and ("--noisy" in flags or rounds < LEAST_ROUNDS):
        sys.exit(f"bench: what is written into docs/performance.md has {LEAST_ROUNDS} quiet rounds or more")
    store = os.path.join(world.STORE, "results")
    os.makedirs(store, exist_ok=True)
    about = machine()
    say(f"{about['cpus']} processors, {about['cpu']}; a system call takes {about['syscall_ns']} ns")
    failed = []
    for name in names:
        with world.World() as w:
            run = method.Run(world.compiled("load", "load.c"), w.roots, values["--seconds"], "--noisy" in flags, say)
            try:
                if "--profile" in flags:
                    profile_of.workload(run, w, known[name], values["--seconds"])
                    continue
                asked = dataclasses.replace(known[name], points=[p for p in known[name].points if "--large" in flags or not p.large])
                result = workload.run(run, w, asked, rounds)
            except method.Lost as why:
                say(f"FAIL {name}: {why}")
                failed.append(name)
                continue
        result["missing"].update({peer: peers.ABSENT[peer] for peer in known[name].absent})
        result.update(machine=about, seconds=values["--seconds"], asked=rounds, slices=run.slices, thrown=run.thrown, noisy=run.kept_noisy)
        with open(os.path.join(store, name + ".json"), "w", encoding="utf-8") as file:
            json.dump(result, file, indent=1)
        say("\n" + report.table(result) + "\n")
    if "--profile" in flags:
        return 1 if failed else 0
    results = report.load(store, known)
    report.write(results, os.path.join(world.STORE, "report.md"), os.path.join(world.STORE, "report"))
    say(f"all of it is in {os.path.relpath(os.path.join(world.STORE, 'report.md'))}")
    if "--write" in flags:
        bad = [r["name"] for r in results if not report.counts(r, LEAST_ROUNDS)]
        if bad or failed:
            sys.exit(f"bench: nothing is written: {', '.join(bad + failed)} has too few quiet rounds, or failed")
        report.write_into(results, os.path.join(world.ROOT, "docs", "performance.md"), os.path.join(world.ROOT, "docs", "performance"))
        say("written into docs/performance.md")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
