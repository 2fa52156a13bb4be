#!/usr/bin/env python3
"""Checks of the whole tree: generated/ is up to date, output is the same everywhere, the general part is general, files are short."""
import filecmp
import glob
import os
import resource
import re
import shutil
import subprocess
import sys
import tempfile

import metrics

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ECOMC = sys.argv[1]
results = []


def check(name, good, why=""):
    results.append(bool(good))
    print(f"{'ok  ' if good else 'FAIL'} {name}{'' if good else ': ' + why}")


def tracked(*folders):
    out = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", *folders], cwd=ROOT, capture_output=True, text=True)
    return [p for p in out.stdout.splitlines() if os.path.isfile(os.path.join(ROOT, p))]


def same(a, b):
    pair = filecmp.dircmp(a, b)
    if pair.left_only or pair.right_only or pair.funny_files:
        return False
    match, mismatch, errors = filecmp.cmpfiles(a, b, pair.common_files, shallow=False)
    return not mismatch and not errors and all(same(os.path.join(a, d), os.path.join(b, d)) for d in pair.common_dirs)


done = subprocess.run([ECOMC, "build", "--check"], cwd=ROOT, capture_output=True, text=True)
check("generated/ is what the compiler writes", done.returncode == 0, (done.stdout + done.stderr)[-400:])

words = re.compile(r"stripe|twilio|sendgrid|inventory|shipping|catalog.svc|order.svc|place.order", re.I)
hits = [f"{path}:{n}" for path in tracked("dsl", "codegen", "compare", "runtime", "tool", "editors", "studio/src")
        for n, line in enumerate(open(os.path.join(ROOT, path), errors="replace"), 1) if words.search(line)]
check("the general part knows no word of the example", not hits, ", ".join(hits[:5]))

long = [p for p in tracked("dsl", "codegen", "compare", "runtime", "tool", "tests", "editors", "studio/src", "studio/test")
        if p.endswith((".c", ".h", ".re", ".y", ".py", ".mjs", ".ts", ".tsx", ".css", ".tmLanguage.json"))
        and sum(1 for _ in open(os.path.join(ROOT, p), errors="replace")) > 600]
check("no file is over 600 lines", not long, ", ".join(long))

# What the runtime reads, with what it takes without it, against what deployments and the documents say of it.
read, runtime = {}, {p: open(os.path.join(ROOT, p), encoding="utf-8").read() for p in tracked("runtime") if p.endswith(".c")}
for text in runtime.values():
    for name, rest in re.findall(r'(?:ec_config_(?:get|int)|ec_app_port)\(&?errors, "([A-Z_]+)"(?:, ([^,)]+))?', text):
        default = re.search(rf"\b{rest} = (\d+)", text) if rest.isupper() and rest != "NULL" else None
        read.setdefault(name, set()).add(default[1] if default else rest.strip('"'))
deploy = open(os.path.join(ROOT, "codegen/deploy.c"), encoding="utf-8").read()
design = open(os.path.join(ROOT, "docs/design.md"), encoding="utf-8").read()
missing = [name for name in read if f"`{name}`" not in design or (f'"{name}"' not in deploy and name not in ("EC_VERSION", "EC_SANDBOX_JOURNAL", "EC_DEVELOPMENT"))]
other = [name for name, text in re.findall(r'add_tuning\(m, "([A-Z_]+)", ([^;]*);', deploy)
         if not read.get(name, set()) & set(re.findall(r'"([^"]*)"', text.rsplit(", ", 1)[0]) or ["NULL"])]
check("each setting that the runtime reads is in configuration.md, with its default, and in docs/design.md", len(read) > 20 and not missing and not other,
      f"{missing} {other} {read}")
wrong = metrics.mistakes()
check("docs/metrics.md has the metrics of the runtime", not wrong, "\n     ".join(wrong))
rules = set(re.findall(r"- alert: (\w+)", open(os.path.join(ROOT, "generated/observability/alerts.yml"), encoding="utf-8").read()))
rows = re.findall(r"^\| (`[A-Z].*?) \| (?:page|ticket)", open(os.path.join(ROOT, "docs/operating.md"), encoding="utf-8").read(), re.M)
told = re.findall(r"`(\w+)`", " ".join(rows))
check("docs/operating.md says of each alert what to do", len(rules) > 10 and sorted(told) == sorted(rules), str(rules ^ set(told)))

locks = [p for p in tracked("tests", "editors", "studio") if p.endswith("package-lock.json")]
bad = [p for p in locks for lock in [open(os.path.join(ROOT, p)).read()]
       if '"resolved"' in lock or "://registry" in lock or not 0 < lock.count('"node_modules/') <= lock.count('"integrity"')]
check("each lock of npm names hashes and no host", len(locks) > 2 and not bad, ", ".join(bad or locks))

objects = glob.glob(os.path.join(os.path.dirname(os.path.dirname(ECOMC)), "runtime", "libecruntime.a.p", "*.o"))
bad = [os.path.basename(p) for p in objects if re.search(rb"EC_CRASH_DIR|ec_crash_point", open(p, "rb").read())]
check("a build that is not for tests has no crash point in it", len(objects) > 50 and not bad, ", ".join(bad))

with tempfile.TemporaryDirectory() as temp:
    os.chmod(temp, 0o755)
    ecomc = shutil.copy(ECOMC, os.path.join(temp, "ecomc"))  # where another user can reach it
    trees = []
    for name, env, user in (("one", {"LC_ALL": "C", "TZ": "UTC", "USER": "a"}, None),
                            ("another", {"LC_ALL": "C.UTF-8", "TZ": "Asia/Tokyo", "USER": "b", "HOME": "/"}, "nobody" if os.geteuid() == 0 else None)):
        folder = os.path.join(temp, name, "deeper" if name == "another" else "")
        os.makedirs(folder, exist_ok=True)
        for file in ("topology.ecom", "ecom.lock"):
            if os.path.exists(os.path.join(ROOT, file)):
                shutil.copy(os.path.join(ROOT, file), folder)
        if user:
            for path in (folder, *(os.path.join(folder, file) for file in os.listdir(folder))):
                shutil.chown(path, user)
        done = subprocess.run([ecomc, "build"], cwd=folder, env={**os.environ, **env}, capture_output=True, text=True,
                              **({"user": user, "group": "nogroup", "extra_groups": [], "umask": 0o077} if user else {}))
        trees.append(os.path.join(folder, "generated"))
    good = all(map(os.path.isdir, trees)) and same(*trees)
    check("the same output from two folders, locales and users", good, done.stderr[-400:] or "the trees differ")

times = []  # of the processor: what else the machine does is not the compiler's
for _ in range(9):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([ECOMC, "build"], cwd=ROOT, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
print(f"build of topology.ecom with nothing to change: best {min(times) * 1000:.1f} ms, median {sorted(times)[4] * 1000:.1f} ms of 9, of the processor")
check("build of topology.ecom takes under 50 ms", min(times) < 0.050, f"{min(times) * 1000:.1f} ms")

# docs/scale.md: what measures a figure is there, what is computed is so by what stands beside it, and nothing is a guess.
scale = open(os.path.join(ROOT, "docs", "scale.md"), encoding="utf-8").read()
listed = subprocess.run([sys.executable, os.path.join(ROOT, "tests", "bench", "bench.py"), "--list"], capture_output=True, text=True).stdout
workloads = {line.split()[0] for line in listed.splitlines() if line.strip()}
wrong = sorted(set(re.findall(r"\./ecom bench (?:--profile )?([a-z-]+)", scale)) - workloads)
wrong += [path for path in sorted(set(re.findall(r"\btests/[\w/]+\.py", scale))) if not os.path.exists(os.path.join(ROOT, path))]
wrong += [word for word in ("by hand", "assumed", "some thousands") if word in scale]
numbers, unit = r"[\d.,]+(?: (?:us|ms|s|million)\b)?", {"us": 1e-6, "ms": 1e-3, "s": 1, "million": 1e6, "": 1}
sums = re.findall(rf"({numbers}(?: [x/] {numbers})+) = ({numbers})", scale)
for formula, result in sums:
    of = [float(n.replace(",", "")) * unit[u] for n, u in re.findall(r"([\d.,]+)(?: (us|ms|s|million)\b)?", f"{formula} {result}") if n.strip(".,")]
    value = of[0]
    for sign, n in zip(re.findall(r" ([x/]) ", formula), of[1:-1]):
        value = value * n if sign == "x" else value / n
    if abs(value / of[-1] - 1) > 0.03:
        wrong.append(f"{formula} = {result}: {value:.4g}")
check("docs/scale.md: its commands are there, and its sums come out", len(sums) >= 9 and not wrong, f"{len(sums)} sums; {wrong}")

print(f"{sum(results)} passed, {len(results) - sum(results)} failed, 0 skipped")
sys.exit(0 if all(results) else 1)
