#!/usr/bin/env python3
"""Plans: what `ecomc plan` says of each pair here, and what must hold for any pair.

run.py ECOMC [NAME ...]      compares; run.py --bless ECOMC [NAME ...] writes the expected texts anew, to be looked at in the diff.
A folder has old.ecom and new.ecom, and what is said of them: expected.txt, expected.md, expected.json. Together, forwards and backwards,
they have every kind of compare/kinds.h. Of each pair: what is added one way is removed the other way, and the files with their numbers of
lines are those of two real builds. Of each topology: nothing differs from itself, nor from itself in another order; and when one thing
is changed by chance and the generated files change, something is told.
"""
import collections
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
FORMATS = {"txt": "text", "md": "md", "json": "json"}
CASES = sorted(n for n in os.listdir(HERE) if os.path.exists(os.path.join(HERE, n, "new.ecom")))
WHOLE = [os.path.join(ROOT, "topology.ecom"), os.path.join(ROOT, "tests", "topologies", "parcel.ecom"),
         os.path.join(ROOT, "tests", "golden", "workflow", "topology.ecom")]


def run(argv, cwd):
    done = subprocess.run(argv, cwd=cwd, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout, done.stderr


def plan(ecomc, cwd, *args):
    return run([ecomc, "plan", *args], cwd)


def plan_json(ecomc, cwd, old, new):
    code, out, err = plan(ecomc, cwd, "--against", old, "--format", "json", new)
    assert code in (0, 2), f"exit {code}: {err}{out}"
    return json.loads(out), code


# ------------------------------------------------------------------ pairs

def said(ecomc, name, bless):
    folder, wrong = os.path.join(HERE, name), []
    for suffix, format in FORMATS.items():
        code, out, err = plan(ecomc, folder, "--against", "old.ecom", "--format", format, "new.ecom")
        path = os.path.join(folder, "expected." + suffix)
        if code not in (0, 2) or err:
            return [f"exit {code}: {err or out}"]
        if bless:
            with open(path, "w") as file:
                file.write(out)
        expected = open(path).read() if os.path.exists(path) else ""
        if out != expected:
            at = next((i for i, (a, b) in enumerate(zip(expected.splitlines(), out.splitlines())) if a != b), -1)
            wrong.append(f"expected.{suffix}: " + (f"line {at + 1}: {out.splitlines()[at]!r}" if at >= 0 else "another number of lines"))
        if format == "json":
            summary, refused = json.loads(out)["summary"], json.loads(out)["refused"]
            if code != (2 if summary["breaking"] or summary["destructive"] or refused else 0):
                wrong.append(f"exit {code} with {summary}")
    return wrong


def family(difference):
    """What of a difference stays the same when the sides change places."""
    kind = re.sub(r"-(added|needed|removed|removed-in-use|abandoned)$", "", difference["kind"])
    kind = re.sub("^event-version$", "event", kind)  # the other way it is an event that is gone
    named = re.search(r"`([^`]*)`|step (\S+)", difference["what"])
    inner = named and re.search(r"field|param|setting|step", kind)
    return kind, difference["subject"], (named[1] or named[2]) if inner else ""


def both_ways(forward, backward):
    def of(plan, change):
        return collections.Counter(family(d) for d in plan["differences"] if d["change"] == change)

    def kinds(counter):
        return collections.Counter(kind for kind, _, _ in counter.elements())
    if any(d["change"] == "renamed" for d in forward["differences"]):
        new_names = [d["kind"] for d in forward["differences"] if d["change"] == "renamed"]
        renamed = collections.Counter(re.sub(r"-renamed(-in-use)?$", "", kind) for kind in new_names)
        # Nothing says `was` the other way: one more is gone and one more is new. What belongs to one that is gone is not told.
        pairs = [(kinds(of(forward, one)) + renamed, kinds(of(backward, other)))
                 for one, other in (("added", "removed"), ("removed", "added"))]
        for counter in sum(pairs, ()):
            for inner in ("column", "param", "result-field"):
                counter.pop(inner, None)
    else:
        pairs = [(of(forward, "added"), of(backward, "removed")), (of(forward, "removed"), of(backward, "added"))]
    return [f"one way {list((a - b))[:3]}, the other way {list((b - a))[:3]}" for a, b in pairs if a != b]


def tree(root):
    found = {}
    for folder, _, names in os.walk(root):
        for name in names:
            with open(os.path.join(folder, name), "rb") as file:
                found[os.path.relpath(os.path.join(folder, name), root)] = file.read()
    return found


def line_counts(old, new):
    """Added and removed, by the longest common subsequence, row by row."""
    row = [0] * (len(new) + 1)
    for line in old:
        last, row = row, [0]
        for i, other in enumerate(new):
            row.append(last[i] + 1 if line == other else max(last[i + 1], row[i]))
    return len(new) - row[-1], len(old) - row[-1]


def builds(ecomc, name, plan_of):
    """The files of the plan, with their numbers of lines, are those of two builds."""
    with tempfile.TemporaryDirectory() as temp:
        for side in ("old", "new"):
            os.makedirs(os.path.join(temp, side))
            shutil.copy(os.path.join(HERE, name, side + ".ecom"), os.path.join(temp, side, "topology.ecom"))
        for side in ("old", "new"):
            if side == "new":
                shutil.copy(os.path.join(temp, "old", "ecom.lock"), os.path.join(temp, "new"))
            code, out, err = run([ecomc, "build"], os.path.join(temp, side))
            if code:
                return [] if plan_of["refused"] and side == "new" else [f"the build of {side} fails, the plan does not say so: {err[:200]}"]
            os.remove(os.path.join(temp, side, "generated", "MANIFEST"))
        if plan_of["refused"]:
            return ["the plan says that the build refuses it, but it does not"]
        trees = [tree(os.path.join(temp, side, "generated")) for side in ("old", "new")]
        real = {p: line_counts(*(t.get(p, b"").splitlines() for t in trees)) for p in set(trees[0]) | set(trees[1])}
        real = {p: counts for p, counts in real.items() if trees[0].get(p) != trees[1].get(p)}
        mine = {f["path"]: (f["added"], f["removed"]) for f in plan_of["files"]}
        return [f"{p}: told {mine.get(p)}, real {real.get(p)}" for p in sorted(set(mine) | set(real)) if mine.get(p) != real.get(p)]


# ------------------------------------------------------------------ order

def chunks(lines, start):
    """Groups of lines: each begins where `start` matches; what stands before the first is a head."""
    head, groups = [], []
    for line in lines:
        if re.match(start, line):
            groups.append([line])
        elif groups:
            groups[-1].append(line)
        else:
            head.append(line)
    return head, groups


def shuffled(text, chance):
    """The same topology with declarations, members, columns and fields in another order. Relies on how the files here are laid out."""
    def table(lines):
        body = lines[1:-1]
        if len(lines) < 3 or any(not re.match(r" {6}[a-z]", line) for line in body):
            return lines
        chance.shuffle(body)
        return [lines[0], *body, lines[-1]]

    def member(lines):
        if not re.match(r"  database", lines[0]) or len(lines) < 3:
            return lines
        end = max(i for i, line in enumerate(lines) if line.startswith("  }"))
        head, tables = chunks(lines[1:end], r"    (table|seed)\b")
        tables = [table([line for line in t if line.strip()]) if t[0].startswith("    table") else t for t in tables]
        chance.shuffle(tables)
        return [lines[0], *head, *sum(tables, []), *lines[end:]]

    def declaration(lines):
        record = re.match(r"record (\w+)\s*\{ (.*) \}$", lines[0])
        if record and len([line for line in lines if line.strip()]) == 1 and "{" not in record[2]:
            fields = re.split(r" {2,}", record[2])
            chance.shuffle(fields)
            return [f"record {record[1]} {{ {'  '.join(fields)} }}"]
        if not re.match(r"(service|gateway|bus|cache) ", lines[0]) or len(lines) < 3:
            return lines
        end = max(i for i, line in enumerate(lines) if line.startswith("}"))
        head, members = chunks(lines[1:end], r"  [a-z]")
        members = [member([line for line in m if not re.match(r"\s*//", line)]) for m in members]
        chance.shuffle(members)
        return [lines[0], *head, *sum(members, []), *lines[end:]]

    head, groups = chunks(text.splitlines(), r"[a-z]")
    groups = [declaration(group) for group in groups]
    chance.shuffle(groups)
    return "\n".join(head + sum(groups, [])) + "\n"


def same_meaning(ecomc, path, seeds=5):
    with tempfile.TemporaryDirectory() as temp:
        text, wrong = open(path).read(), []
        for name, other in [("itself", text)] + [(f"order {seed}", shuffled(text, random.Random(seed))) for seed in range(seeds)]:
            with open(os.path.join(temp, "other.ecom"), "w") as file:
                file.write(other)
            if name != "itself" and other == text:
                wrong.append(f"{name} is the same order")
            code, out, err = plan(ecomc, temp, "--against", path, "--format", "json", "other.ecom")
            if code == 1 or not out:
                wrong.append(f"{name}: exit {code}: {(out + err)[:300]}")
            elif code or json.loads(out)["differences"]:
                wrong.append(f"{name}: {json.loads(out)['differences'][:2]}")
            elif name == "itself" and json.loads(out)["files"]:
                wrong.append(f"files differ from themselves: {json.loads(out)['files'][:2]}")
        return wrong


# ------------------------------------------------------------------ one thing changed

WORDS = [("public", "auth"), ("required", "optional"), ("optional", "required"), ("allow", "refuse"), ("dead-letter", "drop"),
         (" idempotent", ""), ("text?", "text"), (": int", ": float"), ("unique", ""), ("timeouts", "failures"), ("one ", "maybe "),
         (" and ", " or "), ("==", "!=")]


def changes(text):
    """Every number one larger, every text one letter longer, every line gone, and some words for others."""
    for found in re.finditer(r'(?<![\w"])(\d+)(?=\W|ms|[smhd]\b)', text):
        yield found.start(), found.end(), str(int(found[1]) + 1)
    for found in re.finditer(r'"([^"\n]+)"(?!")', text):
        yield found.start(1), found.end(1), found[1] + "x"
    for old, new in WORDS:
        for found in re.finditer(re.escape(old), text):
            yield found.start(), found.end(), new
    for found in re.finditer(r"^.*\S.*\n", text, re.M):
        yield found.start(), found.end(), ""


def told(ecomc, path, wanted):
    """What changes a generated file is told. Changes that do not compile are passed over, until `wanted` have been looked at."""
    text, wrong, seen = open(path).read(), [], 0
    every = list(changes(text))
    random.Random(1).shuffle(every)
    with tempfile.TemporaryDirectory() as temp:
        for start, end, new in every:
            with open(os.path.join(temp, "other.ecom"), "w") as file:
                file.write(text[:start] + new + text[end:])
            code, out, err = plan(ecomc, temp, "--against", path, "--format", "json", "other.ecom")
            what = f"{text[max(0, start - 30):end + 20]!r} with {new!r}"
            if code == 1:
                continue
            seen += 1
            if code not in (0, 2):
                wrong.append(f"{what}: exit {code}: {err[:200]}")
            elif json.loads(out)["files"] and not json.loads(out)["differences"]:
                wrong.append(f"{what}: nothing is told of {json.loads(out)['files'][0]['path']}")
            if seen == wanted:
                return wrong
    return wrong + [f"only {seen} changes compile"]


# ------------------------------------------------------------------ commits

SMALL = """topology "T"
error Gone 404 "It is gone"
record Thing { id: uuid }
client c "C"
service a-svc "A" {
  database postgres { table things { id uuid primary key%s } }
  op Get(id: uuid) -> Thing errors { Gone } {
    let t = sql one \"\"\"SELECT id FROM things WHERE id = :id\"\"\"  none -> fail Gone
    return t }
}
gateway g "G" { listen 8080  route GET "/things/{id}" public -> a-svc.Get(id: path.id) }
edge c -> g { http }
edge g -> a-svc { http  timeout %s }
"""


def commits(ecomc):
    wrong = []

    def expect(what, code, text, *args, cwd):
        got, out, err = plan(ecomc, cwd, *args)
        if got != code or text not in out + err:
            wrong.append(f"{what}: exit {got} for {code}, {(out + err)[:300]!r} for {text!r}")
        return out

    def write(path, text):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(text)

    with tempfile.TemporaryDirectory() as temp:
        repo, sub = os.path.join(temp, "repo"), os.path.join(temp, "repo", "deep er")
        file = os.path.join(sub, "topology.ecom")
        outside = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}

        def git(*args):
            author = ["-c", "user.name=t", "-c", "user.email=t@example.test"]
            subprocess.run(["git", *author, *args], cwd=repo, check=True, capture_output=True, env=outside)
        write(file, SMALL % ("", "1s"))
        expect("no repository", 74, "no such commit", cwd=sub)
        git("init", "-q")
        expect("no commit yet", 74, "no such commit", cwd=sub)
        write(os.path.join(repo, "README"), "x\n")
        git("add", "README")
        git("commit", "-qm", "before")
        git("tag", "before")
        out = expect("not there at the ref", 0, "0 breaking, 0 destructive", cwd=sub)
        if "  topology.ecom:11: GET /things/{id}: new route" not in out or "  add    a-svc/db.c" not in out or " changed" in out:
            wrong.append("not there at the ref: not everything is new: " + out)
        run([ecomc, "build"], sub)
        git("add", "-A")
        git("commit", "-qm", "first")
        git("tag", "v1")
        expect("nothing since", 0, "no difference\n", cwd=sub)
        write(file, SMALL % ("  note text?", "2s"))
        out = expect("since HEAD", 0, "timeout was 1s and is 2s", cwd=sub)
        if "a-svc 000002_add_things_note" not in out:
            wrong.append("the migration is not named: " + out)
        run([ecomc, "build"], sub)  # the lock of the working folder has the migration already: it is still one of this change
        if expect("after the build", 0, "timeout was 1s and is 2s", cwd=sub) != out:
            wrong.append("a build changes the plan")
        expect("from elsewhere", 0, "deep er/topology.ecom:13: edge g -> a-svc: timeout was 1s and is 2s",
               os.path.join("deep er", "topology.ecom"), cwd=repo)
        git("add", "-A")
        git("commit", "-qm", "second")
        expect("a commit by name", 0, "timeout was 1s and is 2s", "--against", "v1", cwd=sub)
        expect("a commit by its parent", 0, "timeout was 1s and is 2s", "--against=HEAD~1", cwd=sub)
        write(file, SMALL % ("", "2s"))
        expect("what is gone has its place in the old file", 2,
               "  HEAD:topology.ecom:6: column things.note of a-svc: column is gone, without a `drop", cwd=sub)
        expect("a ref that is not there", 74, "no such commit", "--against", "nowhere", cwd=sub)
        expect("an option for git", 64, "neither a commit nor a file", "--against=--output=x", cwd=sub)
        expect("a path of git", 64, "neither a commit nor a file", "--against=HEAD:README", cwd=sub)
        expect("a file that is not there", 74, "there is no such file", "--against", "v1", "other.ecom", cwd=sub)
        expect("a format that is not there", 64, "no format 'sarif'", "--format=sarif", cwd=sub)
        expect("too many words", 64, "does not know what to do with", "topology.ecom", "b", cwd=sub)
        write(file, "topology \"T\"\nnonsense\n")
        expect("a mistake in the new file", 1, "error[", cwd=sub)
        git("add", "-A")
        git("commit", "-qm", "broken")
        write(file, SMALL % ("", "2s"))
        expect("a mistake in the old file", 74, "does not compile", cwd=sub)
        write(os.path.join(sub, "v1"), SMALL % ("", "3s"))
        expect("a file before a ref of its name", 0, "timeout was 3s and is 2s", "--against", "v1", cwd=sub)
    return wrong


def main():
    arguments = sys.argv[1:]
    bless = "--bless" in arguments
    arguments = [a for a in arguments if a != "--bless"]
    if not arguments:
        sys.exit(__doc__.strip())
    ecomc, names = os.path.abspath(arguments[0]), arguments[1:]
    results, seen = [], set()

    def check(what, wrong):
        results.append(not wrong)
        print(f"{'FAIL' if wrong else 'ok  '} plan {what}")
        for line in wrong[:20]:
            print("     " + line)
    for name in names or CASES:
        wrong = said(ecomc, name, bless)
        if not any(w.startswith("exit") for w in wrong):
            folder = os.path.join(HERE, name)
            (forward, _), (backward, _) = plan_json(ecomc, folder, "old.ecom", "new.ecom"), plan_json(ecomc, folder, "new.ecom", "old.ecom")
            seen |= {d["kind"] for p in (forward, backward) for d in p["differences"]}
            wrong += both_ways(forward, backward) + builds(ecomc, name, forward)
            wrong += sum((same_meaning(ecomc, os.path.join(folder, side), 2) for side in ("old.ecom", "new.ecom")), [])
        check(name, wrong)
    if not names:
        with open(os.path.join(ROOT, "compare", "kinds.h")) as file:
            kinds = {k.lower().replace("_", "-") for k in re.findall(r"^XO?\((\w+),", file.read(), re.M)}
        check("has every kind of difference", sorted(kinds - seen) + [f"{k} is none" for k in seen - kinds])
        for path in WHOLE:
            check("order of " + os.path.relpath(path, ROOT), same_meaning(ecomc, path))
        for path, wanted in zip(WHOLE, (60, 40, 40)):
            check(f"tells {wanted} changes of " + os.path.relpath(path, ROOT), told(ecomc, path, wanted))
        check("against commits", commits(ecomc))
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
