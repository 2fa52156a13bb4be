"""What the tests of the examples share: where they are, people who sign up and ask, what must hold in the end."""
import json
import os

import lib
from lib import unique_email, wait

PASSWORD = "correct horse battery"


def topology(name):
    return os.path.join(lib.ROOT, "examples", name, "topology.ecom")


class Person:
    """Somebody with an account; the subclass says how one is made and leaves the token."""

    def __init__(self, system):
        self.system, self.email, self.token = system, unique_email(), None

    def ask(self, method, path, body=None, status=None, **headers):
        """The reply; its JSON when a status is named that it must have."""
        reply = self.system.request(method, path, body, token=self.token, headers={k.replace("_", "-"): v for k, v in headers.items()})
        if status is None:
            return reply
        assert reply.status == status, (method, path, reply)
        return reply.json if reply.body else None

    def sign_in(self):
        self.token = self.ask("POST", "/v1/sessions", {"email": self.email, "password": PASSWORD}, 201)["token"]


def is_problem(reply, status, name):
    assert reply.status == status and reply.json["type"].endswith("/" + name), reply


def asked(system, sandbox, call, **request):
    """What a stand-in was asked by this call, with these fields, and answered for the first time."""
    return [e for e in system.ledger(sandbox) if e["call"] == call and not e["replayed"] and request.items() <= e["request"].items()]


def ended(system, service, seconds=60):
    """Until no saga of the service is under way."""
    left = "SELECT id, name, state, step, error FROM ec.saga WHERE state IN ('running', 'compensating')"
    wait(lambda: not system.sql(service, left), seconds, f"every saga of {service} has ended")


def counts(system, service, edge):
    """Of an edge of a service with one process: its breaker (0 closed, 2 open), and how often nothing was sent because it was open."""
    metrics = system.metrics(service)
    return metrics[f'ec_breaker_state{{edge="{edge}"}}'], metrics.get(f'ec_edge_seconds_count{{edge="{edge}",outcome="open"}}', 0)


def as_derived(system):
    """Every scenario is played for real, its faults made real, and what the processes tell of it is what the compiler derives."""
    done = system.ecomc("verify", "--rounds", "10" if lib.LONG else "1", "--format=json", timeout=3600)
    told = json.loads(done.stdout)
    wrong = [(t["scenario"], t["verdict"], t.get("why"), [d["text"] for d in t["differences"]]) for t in told if t["verdict"] != "same"]
    assert done.returncode == 0 and told and not wrong, (wrong, done.stderr)


def hold(system, names):
    """All that must hold does, the example's own invariants (by their names) included."""
    done = system.ecomc("invariants", "--within", "60", "--format=json")
    answers = {c["check"]: None if c["skipped"] else c["violations"] for c in json.loads(done.stdout)}
    assert done.returncode == 0 and not any(answers.values()), (answers, done.stderr)
    missing = [name for name in names if answers.get(name) != 0]
    assert not missing, f"not asked: {missing}"


def broken_by(system, service, change, back):
    """Which checks tell of a change that was made by hand, and is taken back."""
    system.sql(service, change)
    try:
        done = system.ecomc("invariants", "--within", "0", "--format=json")
        return {c["check"] for c in json.loads(done.stdout) if c["violations"]}
    finally:
        system.sql(service, back)
