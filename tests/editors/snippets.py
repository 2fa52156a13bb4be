"""The snippets of editors/vscode: each, as it comes out when nothing is typed over, is read by the compiler and is canonical."""
import json
import re
import subprocess
import textwrap

# Where it belongs is how its description begins. The lines around it.
PLACES = {
    "in a service: ": ['service a-svc "A" {', "}"],
    "in a database: ": ['service a-svc "A" {', "database postgres {", "}", "}"],
    "in an operation: ": ['service a-svc "A" {', "op Do() {", "}", "}"],
    "in a gateway: ": ['gateway a "A" {', "}"],
    "": [],
}


def expanded(body):
    """What VS Code puts in; a place to type at that has no text holds a comment."""
    text = "\n".join(body)
    text = re.sub(r"\$\{\d+\|([^,|]*)[^}]*\|\}", r"\1", text)
    text = re.sub(r"\$\{\d+:((?:\\.|[^}\\])*)\}", r"\1", text)
    return re.sub(r"\$\d+", "// here", text).replace("\\}", "}").replace("\\$", "$")


def placed(text, description):
    place = next(p for p in PLACES if description.startswith(p))
    around = PLACES[place]
    depth = len(around) // 2
    lines = ["  " * i + line for i, line in enumerate(around[:depth])]
    lines += textwrap.indent(text, "  " * depth).splitlines()
    lines += ["  " * (depth - 1 - i) + line for i, line in enumerate(around[depth:])]
    return "\n".join(lines) + "\n"


def run(ecomc, path, check):
    with open(path) as file:
        snippets = json.load(file)
    check("there are snippets", len(snippets) > 20, str(len(snippets)))
    prefixes = [s["prefix"] for s in snippets.values()]
    check("each snippet has a prefix of its own", len(set(prefixes)) == len(prefixes), str(sorted(prefixes)))
    for name, snippet in snippets.items():
        text = placed(expanded(snippet["body"]), snippet["description"])
        done = subprocess.run([ecomc, "fmt", "-", "--color=never"], input=text, capture_output=True, text=True, timeout=60)
        good = done.returncode == 0 and done.stdout == text
        check(f"the snippet {name} is canonical", good, f"\n{text}--- fmt\n{done.stdout}{done.stderr}")
