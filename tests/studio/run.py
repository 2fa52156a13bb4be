#!/usr/bin/env python3
"""`ecomc studio` on a free port, asked over HTTP: each function test_* of test_*.py beside this script is a test.

usage: run.py ECOMC [NAME ...]

A test gets a Studio: a folder with the project's topology and two more under examples/, and the program that serves it. A program that writes
to standard error, or does not end with 0 on SIGTERM, fails its test, whatever the answers were.
"""
import http.client
import json
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
import each  # noqa: E402

ECOMC = str(pathlib.Path(sys.argv[1]).resolve()) if len(sys.argv) > 1 else ""


class Reply:
    def __init__(self, reply):
        self.status, self.body = reply.status, reply.read()
        self.headers = {name.lower(): value for name, value in reply.getheaders()}

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def problem(self):
        """The last part of a problem's type; what makes it one is checked."""
        assert self.headers["content-type"] == "application/problem+json", self
        assert self.json["status"] == self.status and self.json["title"] and self.json["detail"], self
        return self.json["type"].rpartition("/")[2]

    def __repr__(self):
        return f"{self.status} {self.headers} {self.body[:500]!r}"


class Studio:
    def __init__(self, file="topology.ecom", names=None):
        """names: it watches a system that is deployed, and is asked by them, too."""
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ecom-studio-"))
        for name in ("topology.ecom", "ecom.lock"):
            shutil.copy(ROOT / name, self.folder)
        for name in ("parcel", "rooms"):
            (self.folder / "examples" / name).mkdir(parents=True)
            shutil.copy(ROOT / "tests" / "topologies" / f"{name}.ecom", self.folder / "examples" / name / "topology.ecom")
        program = pathlib.Path(ECOMC).with_name("ecom-studio")
        self.command = [ECOMC, "studio", file, "--port", "0"] if names is None else [program, file, "--port", "0", "--deployed", names]
        self.file, self.topology = file, self.folder / "topology.ecom"

    def __enter__(self):
        self.errors = open(self.folder / "stderr", "w+")
        self.process = subprocess.Popen(self.command, cwd=self.folder, stdout=subprocess.PIPE, stderr=self.errors, text=True)
        line = self.process.stdout.readline()
        found = re.fullmatch(r"studio is at http://127\.0\.0\.1:(\d+)\n", line)
        assert found, (line, self.said())
        self.port = int(found[1])
        return self

    def __exit__(self, kind, error, trace):
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        self.process.stdout.close()
        said = self.said()
        self.errors.close()
        shutil.rmtree(self.folder)
        if not kind:
            assert code == 0 and not said, (code, said)
        elif said or code:
            print(f"studio ended with {code} and said: {said[-3000:]}")

    def said(self):
        self.errors.seek(0)
        return self.errors.read()

    def ask(self, method, path, body=None, headers=None, **more):
        """A body that is not bytes is sent as JSON. more: headers with _ for -; None takes away one that would be sent."""
        conn = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        sent = {"host": f"127.0.0.1:{self.port}"}
        if body is not None:
            sent["content-type"] = "application/json"
            body = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent.update(headers or {}, **{name.replace("_", "-"): value for name, value in more.items()})
        conn.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in sent.items():
            if value is not None:
                conn.putheader(name, value)
        if body is not None or method in ("POST", "PUT"):
            conn.putheader("content-length", str(len(body or b"")))
        conn.endheaders(body)
        reply = Reply(conn.getresponse())
        conn.close()
        return reply

    def get(self, path, **headers):
        return self.ask("GET", path, **headers)

    def good(self, path):
        reply = self.get(path)
        assert reply.status == 200 and reply.headers["content-type"] == "application/json", (path, reply)
        return reply.json

    def post(self, path, body, **headers):
        return self.ask("POST", path, body, **headers)


def call(test):
    if not test.__code__.co_argcount:
        return test()
    with Studio() as studio:
        return test(studio)


def main():
    if not ECOMC:
        sys.exit(__doc__.strip())
    return each.run(each.tests_in(HERE, sys.argv[2:]), call)


if __name__ == "__main__":
    sys.modules["run"] = sys.modules["__main__"]  # the tests import it, too
    sys.exit(main())
