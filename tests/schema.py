"""JSON against a JSON schema. Knows the keywords that the schemas here use and refuses to run on any other, so that none is passed over."""
import json
import re
import urllib.parse

TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int, "number": (int, float)}
SILENT = {"$schema", "$id", "id", "title", "description", "default", "definitions", "$defs"}


def is_type(value, name):
    return isinstance(value, TYPES[name]) and (name == "boolean" or not isinstance(value, bool))


def is_format(value, name):
    if name == "date-time":
        return bool(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", value))
    if not re.fullmatch(r"(%[0-9A-Fa-f]{2}|[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=-])*", value):
        return False
    return name == "uri-reference" or bool(urllib.parse.urlsplit(value).scheme)


def faults(value, schema, root=None, at="$"):
    """Yields what is wrong with a value. root: the whole that a $ref of schema points into; schema itself unless given."""
    root = root or schema
    for word, rule in schema.items():
        if word in SILENT:
            continue
        if word == "$ref":
            section, name = rule.removeprefix("#/").split("/")
            yield from faults(value, root[section][name], root, at)
        elif word == "type":
            if not any(is_type(value, t) for t in ([rule] if isinstance(rule, str) else rule)):
                yield f"{at} is no {rule}"
        elif word in ("enum", "const"):
            if value not in (rule if word == "enum" else [rule]):
                yield f"{at} is {value!r}, not {rule}"
        elif word in ("anyOf", "oneOf"):
            fit = sum(not list(faults(value, s, root, at)) for s in rule)
            if not fit or (word == "oneOf" and fit > 1):
                yield f"{at} fits {fit} of {word}"
        elif word in ("minimum", "maximum"):
            if is_type(value, "number") and (value < rule if word == "minimum" else value > rule):
                yield f"{at} is {value}, {word} is {rule}"
        elif word == "minLength":
            if isinstance(value, str) and len(value) < rule:
                yield f"{at} has {len(value)} characters"
        elif word in ("pattern", "format"):
            if isinstance(value, str) and not (re.search(rule, value) if word == "pattern" else is_format(value, rule)):
                yield f"{at} is {value!r}, not of {word} {rule}"
        elif word in ("items", "minItems", "uniqueItems"):
            if isinstance(value, list):
                yield from faults_of_list(value, word, rule, root, at)
        elif word in ("properties", "required", "additionalProperties"):
            if isinstance(value, dict):
                yield from faults_of_object(value, schema, word, rule, root, at)
        else:
            raise NotImplementedError(f"the keyword {word} of the schema is not known here")


def faults_of_list(value, word, rule, root, at):
    if word == "items":
        for i, item in enumerate(value):
            yield from faults(item, rule, root, f"{at}[{i}]")
    elif word == "minItems" and len(value) < rule:
        yield f"{at} has {len(value)} items"
    elif word == "uniqueItems" and rule and len({json.dumps(v, sort_keys=True) for v in value}) < len(value):
        yield f"{at} has the same twice"


def faults_of_object(value, schema, word, rule, root, at):
    if word == "properties":
        for name in rule.keys() & value.keys():
            yield from faults(value[name], rule[name], root, f"{at}.{name}")
    elif word == "required":
        yield from (f"{at} lacks {name}" for name in rule if name not in value)
    else:
        for name in value.keys() - schema.get("properties", {}).keys():
            if rule is False:
                yield f"{at} has {name}, which is not known"
            elif isinstance(rule, dict):
                yield from faults(value[name], rule, root, f"{at}.{name}")
