"""What `ecomc check --format=sarif` says is SARIF 2.1.0: held against the JSON schema of the standard for each case beside this file.

sarif-2.1.0-rtm.5.json is the schema as the npm package @microsoft/jest-sarif 1.0.0-beta.0 has it (MIT). The validator below knows the
keywords that this schema uses and refuses to run on any other, so that none is passed over.
"""
import json
import pathlib
import re
import subprocess
import urllib.parse

HERE = pathlib.Path(__file__).resolve().parent
SCHEMA = json.loads((HERE / "sarif-2.1.0-rtm.5.json").read_text())
TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int, "number": (int, float)}
SILENT = {"$schema", "id", "title", "description", "default", "definitions"}


def is_type(value, name):
    return isinstance(value, TYPES[name]) and (name == "boolean" or not isinstance(value, bool))


def is_format(value, name):
    if name == "date-time":
        return bool(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", value))
    if not re.fullmatch(r"(%[0-9A-Fa-f]{2}|[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=-])*", value):
        return False
    return name == "uri-reference" or bool(urllib.parse.urlsplit(value).scheme)


def faults(value, schema, at="$"):
    """Yields what is wrong with a value."""
    for word, rule in schema.items():
        if word in SILENT:
            continue
        if word == "$ref":
            yield from faults(value, SCHEMA["definitions"][rule.removeprefix("#/definitions/")], at)
        elif word == "type":
            if not any(is_type(value, t) for t in ([rule] if isinstance(rule, str) else rule)):
                yield f"{at} is no {rule}"
        elif word == "enum":
            if value not in rule:
                yield f"{at} is {value!r}, none of {rule}"
        elif word in ("anyOf", "oneOf"):
            fit = sum(not list(faults(value, s, at)) for s in rule)
            if not fit or (word == "oneOf" and fit > 1):
                yield f"{at} fits {fit} of {word}"
        elif word in ("minimum", "maximum"):
            if is_type(value, "number") and (value < rule if word == "minimum" else value > rule):
                yield f"{at} is {value}, {word} is {rule}"
        elif word in ("pattern", "format"):
            if isinstance(value, str) and not (re.search(rule, value) if word == "pattern" else is_format(value, rule)):
                yield f"{at} is {value!r}, not of {word} {rule}"
        elif word in ("items", "minItems", "uniqueItems"):
            if isinstance(value, list):
                yield from faults_of_list(value, word, rule, at)
        elif word in ("properties", "required", "additionalProperties"):
            if isinstance(value, dict):
                yield from faults_of_object(value, schema, word, rule, at)
        else:
            raise NotImplementedError(f"the keyword {word} of the schema is not known here")


def faults_of_list(value, word, rule, at):
    if word == "items":
        for i, item in enumerate(value):
            yield from faults(item, rule, f"{at}[{i}]")
    elif word == "minItems" and len(value) < rule:
        yield f"{at} has {len(value)} items"
    elif word == "uniqueItems" and rule and len({json.dumps(v, sort_keys=True) for v in value}) < len(value):
        yield f"{at} has the same twice"


def faults_of_object(value, schema, word, rule, at):
    if word == "properties":
        for name in rule.keys() & value.keys():
            yield from faults(value[name], rule[name], f"{at}.{name}")
    elif word == "required":
        yield from (f"{at} lacks {name}" for name in rule if name not in value)
    else:
        for name in value.keys() - schema.get("properties", {}).keys():
            if rule is False:
                yield f"{at} has {name}, which the standard does not know"
            elif isinstance(rule, dict):
                yield from faults(value[name], rule, f"{at}.{name}")


def of_case(ecomc, file):
    """What is wrong with the SARIF of one case, or ''."""
    run = subprocess.run([ecomc, "check", file.name, "--format=sarif"], cwd=file.parent, capture_output=True, text=True, timeout=60)
    log = json.loads(run.stdout)
    wrong = list(faults(log, SCHEMA))
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


def check(ecomc, files):
    """Yields (name, what is wrong with it or '')."""
    for file in files:
        if file.with_suffix(".stderr").exists() and not file.with_suffix(".lock").exists():
            yield f"{file.name} as SARIF", of_case(ecomc, file)
    run = subprocess.run([ecomc, "check", "E0100_duplicate.ecom", "--format=sarif"], cwd=HERE, capture_output=True, text=True,
                         timeout=60)
    sample = run.stdout
    for what, spoil in (("a level that does not exist", ('"level": "error"', '"level": "fatal"')),
                        ("another version", ('"2.1.0"', '"2.2.0"')),
                        ("a column 0", ('"startColumn": ', '"startColumn": -')), ("an unknown member", ('"columnKind"', '"columnKinds"')),
                        ("no message", ('"message"', '"massage"')), ("a text that is none", ('"startLine": ', '"startLine": true, "x": '))):
        broken = json.loads(sample.replace(*spoil))
        yield f"the schema refuses {what}", "" if json.loads(sample) != broken and list(faults(broken, SCHEMA)) else "it does not"
