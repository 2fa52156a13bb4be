"""examples/hello: two services and an edge between them that may fail."""
import time

from examples import as_derived, hold, is_problem, topology

TOPOLOGY = topology("hello")


def test_greeting(system):
    reply = system.request("GET", "/hello/ada")
    assert reply.status == 200 and reply.json == {"text": "Hello, Countess of Lovelace!"}, reply
    is_problem(system.request("GET", "/hello/nobody"), 404, "nobody-by-that-name")
    assert system.request("GET", "/hello/" + 41 * "x").status == 404, "no name is so long"
    load = system.ecomc("load", "greeting", "--rate", "20", "--count", "20", "--strict")
    assert load.returncode == 0, load.stdout + load.stderr


def test_nobody_answers(system):
    with system.paused("people-svc"):
        begun = time.monotonic()
        is_problem(system.request("GET", "/hello/ada"), 503, "people-unavailable")
        assert time.monotonic() - begun >= 0.4, "it has waited for the edge's timeout"
    assert system.request("GET", "/hello/ada").status == 200


def test_scenarios(system):
    as_derived(system)


def test_what_must_hold(system):
    hold(system, [])
