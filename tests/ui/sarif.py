"""What `ecomc check --format=sarif` says (`ecomc build`, with a lock) is SARIF 2.1.0: held against the JSON schema of the standard for each
case beside this file.

sarif-2.1.0-rtm.5.json is the schema as the npm package @microsoft/jest-sarif 1.0.0-beta.0 has it (MIT). tests/schema.py validates.
"""
import json
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import schema  # noqa: E402

SCHEMA = json.loads((HERE / "sarif-2.1.0-rtm.5.json").read_text())

def of_case(run_case, ecomc, file):
    """What is wrong with the SARIF of one case, or ''."""
    log = json.loads(run_case(ecomc, file, "--format=sarif").stdout)
    wrong = list(schema.faults(log, SCHEMA))
    rules = {r["id"]: r for r in log["runs"][0]["tool"]["driver"]["rules"]}
    results = log["runs"][0]["results"]
    expected = re.findall(r"^\S+?:\d+:\d+: (?:error|warning)\[(\w+)\]", file.with_suffix(".stderr").read_text(), re.M)
    if [r["ruleId"] for r in results] != expected or set(rules) != set(expected):
        wrong.append(f"the rules are {sorted(rules)}, the results {[r['ruleId'] for r in results]}, but {expected} was said")
    for code, rule in rules.items():
        page = (HERE.parents[1] / "docs" / "explain" / f"{code}.md").read_text()
        if rule["help"]["markdown"] != page or not rule["help"]["text"] or rule["help"]["text"] not in page or "helpUri" in rule:
            wrong.append(f"the help of rule {code} is not its page")
    for place in [loc["physicalLocation"]["region"] for r in results for loc in r["locations"] + r.get("relatedLocations", [])]:
        if (place["endLine"], place["endColumn"]) < (place["startLine"], place["startColumn"]):
            wrong.append(f"a region ends before it begins: {place}")
    return "; ".join(wrong[:3])


def check(run_case, ecomc, files):
    """Yields (name, what is wrong with it or ''). run_case: of run.py."""
    for file in files:
        if file.with_suffix(".stderr").exists():
            yield f"{file.name} as SARIF", of_case(run_case, ecomc, file)
    run = subprocess.run([ecomc, "check", "E0100_duplicate.ecom", "--format=sarif"], cwd=HERE, capture_output=True, text=True,
                         timeout=60)
    sample = run.stdout
    for what, spoil in (("a level that does not exist", ('"level": "error"', '"level": "fatal"')),
                        ("another version", ('"2.1.0"', '"2.2.0"')),
                        ("a column 0", ('"startColumn": ', '"startColumn": -')), ("an unknown member", ('"columnKind"', '"columnKinds"')),
                        ("no message", ('"message"', '"massage"')), ("a text that is none", ('"startLine": ', '"startLine": true, "x": '))):
        broken = json.loads(sample.replace(*spoil))
        yield f"the schema refuses {what}", "" if json.loads(sample) != broken and list(schema.faults(broken, SCHEMA)) else "it does not"
