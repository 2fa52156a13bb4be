#!/usr/bin/env python3
"""A guard against slow creep: how many instructions parse, route, JSON, JWT, a saga and a compile take, held against guard.json.

usage: guard.py [--accept]

More than 3% above what is kept there fails, and so does 3% below, so that what was won is kept, too: `--accept` writes the figures of
now, and the change says why. callgrind counts, the same on every machine and beside any other work: of the runtime what stands between
two marks of guard/*.c, of the compiler what ten services more cost `check`. Functions that are chosen by the processor are held to the
oldest one. The figures are of one compiler, libc and version of a library: with others they are told, and not held against what is kept."""
import concurrent.futures
import json
import os
import re
import subprocess
import sys
import tempfile

import gen_topology

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BUILD = os.path.join(ROOT, ".ecom", "build")
STORE = os.path.join(ROOT, ".ecom", "bench")
KEPT = os.path.join(HERE, "guard.json")
MOST = 0.03
LIBRARIES = {"jwt": "libcrypto", "saga": "libpq"}  # whose instructions are a part of the figure
UNIT = [os.path.join(ROOT, "tests", "unit", name) for name in ("db_test.c", "pg_server.c", "saga_fake.c")]
PROGRAMS = {"guard_request": [], "guard_saga": UNIT}
SIZES = (10, 20)  # services that `check` is counted with
# No AVX, no fast `rep movsb`, no instructions for SHA: what every x86-64 has.
PLAIN = {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX,-AVX2,-AVX512F,-ERMS,-FSRM,-BMI2", "OPENSSL_ia32cap": "~0x1000000000000000:0",
         "LC_ALL": "C"}


def made_with():
    """What the figures are of."""
    gcc = subprocess.run(["gcc", "-dumpfullversion"], capture_output=True, text=True, check=True).stdout.strip()
    versions = {name: subprocess.run(["pkg-config", "--modversion", name], capture_output=True, text=True, check=True).stdout.strip()
                for name in LIBRARIES.values()}
    return {"gcc": gcc, "libc": os.confstr("CS_GNU_LIBC_VERSION"), "machine": os.uname().machine, **versions}


def flags(*packages):
    env = dict(os.environ, PKG_CONFIG_PATH=os.path.join(BUILD, "meson-uninstalled"))
    done = subprocess.run(["pkg-config", "--cflags", "--libs", *packages], env=env, capture_output=True, text=True, check=True)
    return done.stdout.split()


def compiled(name):
    """With the flags of the build that `./ecom up` runs, against its runtime."""
    path = os.path.join(STORE, name)
    sources = [os.path.join(HERE, "guard", name + ".c"), *PROGRAMS[name]]
    needed = [*sources, os.path.join(HERE, "guard", "guard.h"), os.path.join(BUILD, "runtime", "libecruntime.a")]
    if not os.path.exists(path) or os.path.getmtime(path) < max(map(os.path.getmtime, needed)):
        os.makedirs(STORE, exist_ok=True)
        warn = ["-Wall", "-Wextra", "-Wno-missing-field-initializers", "-Werror", "-D_GNU_SOURCE"]
        done = subprocess.run(["gcc", "-std=gnu11", "-O2", "-g", "-fno-strict-aliasing", "-fno-omit-frame-pointer", *warn,
                               "-o", path, *sources, "-I", os.path.join(ROOT, "runtime"), "-I", os.path.join(ROOT, "tests", "unit"),
                               *flags("ecom-runtime", *(["cmocka"] if PROGRAMS[name] else []))], capture_output=True, text=True)
        if done.returncode:
            raise AssertionError(f"{name} does not compile: {done.stderr[:1500]}")
    return path


def callgrind(argv, cwd):
    """{name of a mark, or "" for the end: instructions}."""
    with tempfile.TemporaryDirectory(prefix="ecom-guard-") as temp:
        os.chmod(temp, 0o777)  # a database runs as another user
        done = subprocess.run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={temp}/out.%p", *argv], cwd=cwd,
                              env={**os.environ, **PLAIN}, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, (argv, done.returncode, done.stdout[-2000:], done.stderr[-3000:])
        pid = re.search(r"^==(\d+)==", done.stderr, re.M)[1]
        out = {}
        times = dict(re.findall(r"^(\S+) (\d+)$", done.stdout, re.M))
        for file in sorted(os.listdir(temp)):
            if re.fullmatch(rf"out\.{pid}(\.\d+)?", file):
                text = open(os.path.join(temp, file), encoding="utf-8", errors="replace").read()
                mark = re.search(r"^desc: Trigger: Client Request: (\S+)", text, re.M)
                name = mark[1] if mark else ""
                count = int(re.search(r"^(?:totals|summary): (\d+)", text, re.M)[1]) / int(times.get(name, 1))
                out[name] = min(count, out.get(name, count))
        return out


def of_program(name):
    return {mark: count for mark, count in callgrind([compiled(name)], ROOT).items() if mark}


def of_compiler(services):
    with tempfile.TemporaryDirectory(prefix="ecom-guard-") as folder:
        with open(os.path.join(folder, "topology.ecom"), "w", encoding="utf-8") as file:
            file.write(gen_topology.topology(services))
        return callgrind([os.path.join(BUILD, "tool", "ecomc"), "check"], folder)[""]


def measure():
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        programs = [pool.submit(of_program, name) for name in PROGRAMS]
        few, many = [pool.submit(of_compiler, n) for n in SIZES]
        out = {"compile": (many.result() - few.result()) / (SIZES[1] - SIZES[0])}
        for program in programs:
            out.update(program.result())
    return {name: round(count) for name, count in sorted(out.items())}


def verdict(name, now, kept, of):
    """("ok" | "FAIL" | "skip", why) of one figure."""
    count, before = now.get(name), kept["instructions"].get(name)
    if count is None or before is None:
        return "FAIL", f"{name} is not " + ("kept" if count else "counted any more")
    others = [f"{what} {of[what]}, not {kept['of'].get(what)}" for what in ("gcc", "libc", "machine", LIBRARIES.get(name))
              if what and kept["of"].get(what) != of[what]]
    if others:
        return "skip", f"{name}: {count} instructions, but with {', '.join(others)}: nothing to hold them against"
    change = count / before - 1
    said = f"{name}: {count} instructions, {before} kept, {change:+.1%}"
    return ("ok", said) if abs(change) <= MOST else ("FAIL", said + "; when that is meant: python3 tests/bench/guard.py --accept")


def main():
    if sys.argv[1:] not in ([], ["--accept"]):
        sys.exit(__doc__.strip())
    now, of = measure(), made_with()
    if sys.argv[1:]:
        with open(KEPT, "w", encoding="utf-8") as file:
            json.dump({"of": of, "instructions": now}, file, indent=2)
            file.write("\n")
        print(f"kept in {os.path.relpath(KEPT)}; read the diff, and say in the change what made it")
        return 0
    with open(KEPT, encoding="utf-8") as file:
        kept = json.load(file)
    for factor, word in ((1.04, "FAIL"), (0.96, "FAIL"), (1.02, "ok")):  # the guard itself
        assert verdict("x", {"x": factor * 1000}, {"of": of, "instructions": {"x": 1000}}, of)[0] == word, factor
    told = [verdict(name, now, kept, of) for name in sorted({*now, *kept["instructions"]})]
    for word, why in told:
        print(f"skip: {why}" if word == "skip" else f"{word:4} {why}")
    count = [sum(word == each for word, _ in told) for each in ("ok", "FAIL", "skip")]
    print("{} passed, {} failed, {} skipped".format(*count))
    return 1 if count[1] else 0


if __name__ == "__main__":
    sys.exit(main())
