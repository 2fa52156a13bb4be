"""Holds together what there is of each diagnostic code: its line in dsl/diag_codes.h, a case beside this file in which it is reported, its
page in docs/explain and its line in docs/diagnostics.md; and proves the examples of the pages.

An example is put behind docs/explain/prelude.ecom and given to `ecomc check`. The language of its fence may say otherwise: `alone` is a
whole topology, `latin-1` is saved so, `lock` is an ecom.lock beside the prelude. With a lock, or after a topology under `## Before`, it is
`ecomc build` that runs. The wrong example must be refused with the page's code and no other error; the mended one must pass without the
page's code.
"""
import json
import pathlib
import re
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGES = ROOT / "docs" / "explain"
INDEX = ROOT / "docs" / "diagnostics.md"
HEAD = """# Diagnostics

Every code that the compiler reports, with its page: what the rule is, why it is there, an example that breaks it and the mended one.
`ecomc explain CODE` shows the same page. Errors begin with E, warnings with W; a number is never given to anything else. The examples stand
behind [a prelude](explain/prelude.ecom).

| code | title |
|---|---|
"""


def codes():
    """{code: title}, in the order of the header."""
    found = re.findall(r'^X\((\d+), (ECC_ERROR|ECC_WARNING), \w+, "(.*)"\)$', (ROOT / "dsl" / "diag_codes.h").read_text(), re.M)
    return {("E" if severity == "ECC_ERROR" else "W") + number.zfill(4): title for number, severity, title in found}


def index(all_codes):
    return HEAD + "".join(f"| [{code}](explain/{code}.md) | {title} |\n" for code, title in all_codes.items())


def examples(code):
    """{section: (marks of the fence, text)}"""
    found = re.findall(r"^## (\w+)\n\n```([^\n]*)\n(.*?)^```$", (PAGES / f"{code}.md").read_text(), re.M | re.S)
    return {section: (set(marks.split()[1:]), text) for section, marks, text in found}


def reported(ecomc, folder, marks, text, build):
    """Exit status, and the codes that were reported for an example."""
    unknown = marks - {"alone", "latin-1", "lock"}
    if unknown:
        return f"the mark {unknown} is not known", []
    prelude = (PAGES / "prelude.ecom").read_text()
    if "lock" in marks:
        (folder / "ecom.lock").write_text(text)
        text = prelude
    elif "alone" not in marks:
        text = prelude + text
    (folder / "topology.ecom").write_text(text, encoding="latin-1" if "latin-1" in marks else "utf-8")
    command = ["build", "--check"] if build or "lock" in marks else ["check"]
    run = subprocess.run([ecomc, *command, "--format=json"], cwd=folder, capture_output=True, text=True, timeout=60)
    return run.returncode, [item["code"] for item in json.loads(run.stdout)]


def prove(ecomc, code):
    """What is not true of a page's examples, or ''."""
    parts = examples(code)
    if not {"Wrong", "Mended"} <= set(parts):
        return "the page has no example under `## Wrong` and `## Mended`"
    with tempfile.TemporaryDirectory() as temp:
        folder = pathlib.Path(temp)
        if "Before" in parts:
            (folder / "topology.ecom").write_text(parts["Before"][1])
            run = subprocess.run([ecomc, "build"], cwd=folder, capture_output=True, text=True, timeout=60)
            if run.returncode:
                return f"the topology before it does not build: {run.stderr[-300:]}"
        status, found = reported(ecomc, folder, *parts["Wrong"], "Before" in parts)
        others = {c for c in found if c != code and c[0] == "E"}
        if code not in found or others or status != (1 if code[0] == "E" else 0):
            return f"the wrong example gives {sorted(set(found))}, status {status}"
        status, found = reported(ecomc, folder, *parts["Mended"], "Before" in parts)
        if status not in ((0, 2) if "Before" in parts or "lock" in parts["Mended"][0] else (0,)) or code in found:
            return f"the mended example gives {sorted(set(found))}, status {status}"
    return ""


def check(ecomc, bless):
    """Yields (name, what is wrong with it or '')."""
    all_codes = codes()
    said = "".join(path.read_text() for path in pathlib.Path(__file__).parent.glob("*.stderr"))
    cases = set(re.findall(r"(?:error|warning)\[([EW]\d{4})\]", said))
    if bless:
        INDEX.write_text(index(all_codes))
    same = INDEX.exists() and INDEX.read_text() == index(all_codes)
    yield "docs/diagnostics.md has each code", "" if same else "run tests/ui/run.py --bless"
    listed = subprocess.run([ecomc, "explain"], capture_output=True, text=True, timeout=60).stdout
    yield "ecomc explain lists them", "" if listed == "".join(f"{c}  {t}\n" for c, t in all_codes.items()) else listed
    documents = [*(ROOT / "docs").glob("*.md"), *ROOT.glob("*.md")]
    named = {code for path in documents for code in re.findall(r"\b[EW]\d{4}\b", path.read_text())}
    yield "codes that documents name are there", "" if named <= set(all_codes) else str(sorted(named - set(all_codes)))
    for code, title in all_codes.items():
        if code not in cases:
            yield f"{code} has a case", "no tests/ui/*.stderr has it"
        page = PAGES / f"{code}.md"
        yield f"{code} is explained truly", prove(ecomc, code) if page.exists() else "it has no page"
    yield from commands(ecomc)


def commands(ecomc):
    """What `ecomc explain` takes and gives."""
    def explain(*args):
        run = subprocess.run([ecomc, "explain", *args], capture_output=True, text=True, timeout=60)
        return run.returncode, run.stdout, run.stderr

    status, text, _ = explain("E0400")
    good = status == 0 and text.startswith("E0400: conversation without an edge\n") and "```" not in text and "\x1b" not in text
    yield "explain E0400 shows the page", "" if good and "\n    edge desk-svc -> shelf-svc { http }\n" in text else text
    told = "explain prelude" in text and "prelude" not in explain("W0703")[1]
    yield "explain tells of the prelude where it is needed", "" if told else text
    for same in ("400", "0400", "e0400", "e400"):
        yield f"explain {same} is E0400", "" if explain(same) == (0, text, "") else repr(explain(same))
    bold = explain("E0400", "--color=always")[1]
    yield "explain in colour is the same page", "" if "\x1b[1m" in bold and re.sub(r"\x1b\[\d*m", "", bold) == text else bold
    for word, answer in (("W0400", "there is no code 'W0400'; did you mean E0400?"),
                         ("E0499", "there is no code 'E0499'; did you mean E04"),
                         ("edge", "there is no code 'edge'; `ecomc explain` lists them"), ("", "there is no code ''; "),
                         ("99999999999999999999", "there is no code '99999999999999999999'; ")):
        status, out, err = explain(word)
        good = status == 1 and not out and err.count("\n") == 1 and err.startswith("ecomc: " + answer)
        yield f"explain {word!r} is not known", "" if good else f"{status} {out} {err}"
    status, out, _ = explain("W0707", "--format", "json")
    page = json.loads(out)
    good = status == 0 and page["code"] == "W0707" and page["severity"] == "warning" and page["title"] == codes()["W0707"]
    good = good and page["markdown"] == (PAGES / "W0707.md").read_text() and page["about"] in page["markdown"]
    good = good and (page["wrong"], page["mended"]) == tuple(examples("W0707")[part][1] for part in ("Wrong", "Mended"))
    yield "explain W0707 as JSON", "" if good else out
    every = json.loads(explain("--format=json")[1])
    yield "the list as JSON", "" if {p["code"]: p["title"] for p in every} == codes() else str(every)
    yield "explain prelude", "" if explain("prelude")[1] == (PAGES / "prelude.ecom").read_text() else explain("prelude")[1]
    status, _, err = explain("E0400", "--format=sarif")
    yield "explain has no SARIF", "" if status == 64 and "text and json" in err else err
