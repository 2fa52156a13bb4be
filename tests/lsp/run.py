#!/usr/bin/env python3
"""`ecomc lsp`, asked over its pipes by a client of our own (client.py): each function test_* of test_*.py beside this script is a test.

usage: run.py ECOMC [NAME ...]

§Name§ in a text is a mark: it is taken out, and `marks["Name"]` is the offset where it stood.
"""
import json
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
import each  # noqa: E402


class Tools:
    def __init__(self, ecomc):
        self.ecomc = str(pathlib.Path(ecomc).resolve())

    def marked(self, text):
        marks, out = {}, ""
        for i, part in enumerate(re.split(r"§(\w+)§", text)):
            if i % 2:
                marks[part] = len(out)
            else:
                out += part
        return out, marks

    def trip(self):
        return self.marked((HERE / "trip.marked").read_text())

    def check(self, text):
        """What `ecomc check` says of a text: (code, severity, start, end, message), places in bytes."""
        with tempfile.TemporaryDirectory() as folder:  # without an ecom.lock: what was released is not the text's
            run = subprocess.run([self.ecomc, "check", "-", "--format=json"], input=text.encode(), capture_output=True, timeout=120, cwd=folder)
        assert run.returncode in (0, 1) and not run.stderr, run.stderr.decode()
        return sorted((d["code"], d["severity"], d["place"]["start"], d["place"]["end"], d["message"]) for d in json.loads(run.stdout))

    def told(self, client, uri):
        """The same of what the server has told."""
        text, out = client.text(uri), []
        for d in client.settled(uri):
            start, end = (len(text.text[:text.offset(d["range"][side])].encode()) for side in ("start", "end"))
            out.append((d["code"], {1: "error", 2: "warning"}[d["severity"]],
                start, end, d["message"].split("\nnote: ")[0].split("\nhelp: ")[0]))
            assert d["source"] == "ecomc"
        return sorted(out)

    def build(self, text):
        """Path: text of every generated file."""
        with tempfile.TemporaryDirectory() as temp:
            (pathlib.Path(temp) / "topology.ecom").write_text(text)
            run = subprocess.run([self.ecomc, "build"], cwd=temp, capture_output=True, text=True, timeout=120)
            assert run.returncode == 0, run.stderr
            folder = pathlib.Path(temp) / "generated"
            return {str(p.relative_to(folder)): p.read_text() for p in sorted(folder.rglob("*")) if p.is_file() and p.name != "MANIFEST"}

    def formatted(self, text):
        return subprocess.run([self.ecomc, "fmt", "-"], input=text.encode(), capture_output=True, timeout=120, check=True).stdout.decode()


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__.strip())
    tools = Tools(sys.argv[1])
    return each.run(each.tests_in(HERE, sys.argv[2:]), lambda test: test(tools))


if __name__ == "__main__":
    sys.exit(main())
