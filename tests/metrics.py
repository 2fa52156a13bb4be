"""docs/metrics.md against runtime/: each metric that a process may have stands there, as the process tells of it, and nothing else does.
That the labels are those of a running system, and that rules and dashboards name nothing else, is seen in tests/system/test_observe.py and
tests/documents."""
import glob
import os
import re

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TABLE = os.path.join(ROOT, "docs", "metrics.md")
ROW = re.compile(r"^\| `([a-z_]+)` \| (counter|gauge|histogram) \| ([a-z, ]*?) ?\| (.*) \|$", re.M)
CALL = re.compile(r'\bec_metric\(\s*EC_(\w+),\s*"(\w+)",\s*"((?:[^"\\]|\\.)*)",')
NAME = re.compile(r"\b(?:ec|process)_[a-z_]+\b")


def table():
    """name: (type, labels, help)"""
    with open(TABLE, encoding="utf-8") as file:
        return {name: (kind, set(filter(None, labels.split(", "))), what) for name, kind, labels, what in ROW.findall(file.read())}


def declared():
    """name: (type, help), by the calls that make them; and calls that can't be read so."""
    out, odd = {}, []
    for path in sorted(glob.glob(os.path.join(ROOT, "runtime", "*.c"))):
        text = open(path, encoding="utf-8").read()
        if path.endswith("/metrics.c"):
            continue
        calls = CALL.findall(text)
        if len(calls) != len(re.findall(r"\bec_metric\(", text)):
            odd.append(os.path.basename(path))
        for kind, name, what in calls:
            kind = kind.partition("_")[0]  # of several workers the most, the least or all: a gauge
            if out.setdefault(name, (kind.lower(), what)) != (kind.lower(), what):
                odd.append(f"{name} has two types or two texts")
    return out, odd


def family(name):
    """A histogram's series belong to it."""
    return re.sub(r"_(bucket|sum|count)$", "", name)


def mistakes():
    known, (made, odd) = {name: (kind, what) for name, (kind, _, what) in table().items()}, declared()
    out = [f"{what}: names and texts of metrics are literals" for what in odd]
    out += [f"docs/metrics.md lacks `{name}` | {made[name][0]} | {made[name][1]}" for name in sorted(set(made) - set(known))]
    out += [f"docs/metrics.md has {name}, which nobody makes" for name in sorted(set(known) - set(made))]
    out += [f"docs/metrics.md says of {name}: {known[name]}, and the runtime {made[name]}" for name in sorted(set(known) & set(made))
            if known[name] != made[name]]
    bad = [name for name, (kind, _) in made.items()
           if (kind == "counter") != name.endswith("_total") or (kind == "histogram" and not name.endswith("_seconds"))]
    out += [f"{name}: a counter ends in _total, a histogram in _seconds" for name in bad]
    return out


def unknown(text):
    """Metrics that an expression names and no process has."""
    known = table()
    return sorted(name for name in set(NAME.findall(text)) if name not in known and known.get(family(name), [None])[0] != "histogram")
