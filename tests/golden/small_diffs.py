"""A small change of a topology is a small diff of generated/: diffs/base.ecom is changed by one thing, and the whole diff is kept in
diffs/<change>.diff for whoever reviews the compiler. How many lines a change may cost stands here, by hand; `run.py --bless` writes the
diffs, never the numbers."""
import difflib
import os
import subprocess
import tempfile

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "diffs")
NEW = 'service new-svc "New" {\n  op Two(id: uuid) -> { count: int } {\n    return { count: 2 }\n  }\n}\n\n'
NOTE = "    let thing = thing-svc.Get(id: thing_id)\n"

# name: what is replaced by what, and the lines that are added and removed in generated/ (MANIFEST apart)
CHANGES = {
    "field": ([("weight: int }", "weight: int  note: text }")], 11, 0),
    "step": ([(NOTE, NOTE + "    fail NoThing when thing.weight < 0\n")], 4, 0),
    "edge": ([("edge browser", "edge count-svc -> thing-svc { http }\nedge browser")], 75, 10),
    "service": ([("gateway door", NEW + "gateway door")], 419, 2),
    "timeout": ([("timeout 1s", "timeout 1500ms")], 2, 2),
    "order": ("swap", 1, 1),
}


def changed(base, change):
    if change == "swap":  # the first two services
        first, second, third = (base.index(f"service {name} ") for name in ("thing-svc", "shelf-svc", "count-svc"))
        return base[:first] + base[second:third] + base[first:second] + base[third:]
    for old, new in change:
        assert base.count(old) == 1, old
        base = base.replace(old, new)
    return base


def build(ecomc, where, text, lock=None):
    os.makedirs(where)
    for name, content in (("topology.ecom", text), ("ecom.lock", lock)):
        if content is not None:
            with open(os.path.join(where, name), "w") as file:
                file.write(content)
    done = subprocess.run([ecomc, "build"], cwd=where, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stdout + done.stderr)
    tree = {}
    for folder, _, names in os.walk(os.path.join(where, "generated")):
        for name in names:
            with open(os.path.join(folder, name)) as file:
                tree[os.path.relpath(os.path.join(folder, name), os.path.join(where, "generated"))] = file.read()
    del tree["MANIFEST"]
    with open(os.path.join(where, "ecom.lock")) as file:
        return tree, file.read()


def diff(old, new):
    for path in sorted(set(old) | set(new)):
        names = ("a/" + path if path in old else "/dev/null", "b/" + path if path in new else "/dev/null")
        yield from difflib.unified_diff(old.get(path, "").splitlines(True), new.get(path, "").splitlines(True), *names)


def check(ecomc, bless):
    """Yields each change's name and what is wrong with it."""
    with open(os.path.join(HERE, "base.ecom")) as file:
        base = file.read()
    with tempfile.TemporaryDirectory() as temp:
        before, lock = build(ecomc, os.path.join(temp, "base"), base)
        for name, (change, added, removed) in CHANGES.items():
            after, _ = build(ecomc, os.path.join(temp, name), changed(base, change), lock)
            lines = list(diff(before, after))
            counts = [sum(line[0] == sign and line[:3] != sign * 3 for line in lines) for sign in "+-"]
            path, wrong = os.path.join(HERE, name + ".diff"), []
            if bless:
                with open(path, "w") as file:
                    file.writelines(lines)
            kept = open(path).read() if os.path.exists(path) else ""
            if counts != [added, removed]:
                wrong.append(f"+{counts[0]} -{counts[1]} lines, not +{added} -{removed}")
            if kept != "".join(lines):
                wrong.append(f"diffs/{name}.diff is another")
            inside = sorted({p.split("/")[0] for p in set(before) | set(after) if before.get(p) != after.get(p) and "/" in p})
            if name == "order" and inside:
                wrong.append(f"the order of two services is seen in the files of {', '.join(inside)}")
            yield name, wrong
