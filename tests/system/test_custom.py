"""Operations that a person writes in C: they get what the topology declares, answer or fail as it says, are done once under a key, and one
that was written for another operation does not compile."""
import os
import shutil
import threading
import time

import lib
from lib import wait

LABELS = os.path.join(lib.ROOT, "tests", "topologies", "labels")


def put_custom(s):
    shutil.copytree(os.path.join(LABELS, "custom"), os.path.join(s.folder, "custom"))


def with_system(test):
    def run():
        made = lib.System(os.path.join(LABELS, "topology.ecom"))
        put_custom(made)
        with made as s:
            test(s)
    return run


def answers(s):
    part = {"text": "ab", "times": 2}
    plain = s.request("POST", "/layouts", {"parts": [part, {"text": "c", "times": 1}], "margin": {"left": 1, "right": 2}})
    assert plain.status == 200 and plain.json == {"text": "ab ab|c", "width": 9, "ink": "black", "lines": ["ab ab", "c"]}, plain
    full = s.request("POST", "/layouts", {"parts": [part], "ink": "red", "note": "fragile", "scale": 3, "frame": {"text": "==", "times": 0},
                                          "margin": {"left": 0, "right": 0}, "price": 1.25, "at": "2024-01-02T03:04:05Z", "int": True})
    assert full.status == 200 and full.json == {"text": "ab ab", "width": 15, "ink": "red", "lines": ["ab ab", "==", "fragile", "int"], "price": 2.5,
                                                "made": "2024-01-02T03:04:05.000000Z"}, full
    wide = s.request("POST", "/layouts", {"parts": [{"text": "x" * 30, "times": 2}], "margin": {"left": 0, "right": 0}})
    assert wide.status == 422 and wide.json["type"].endswith("/too-wide"), wide
    assert s.request("POST", "/warm", {}).status == 204
    through = s.request("POST", "/sheets", {"text": "again"})
    assert through.status == 201 and through.json["text"] == "again again", through
    assert s.request("POST", "/sheets", {"text": "x" * 40}).json["type"].endswith("/too-wide")


def once_under_a_key(s):
    first = s.request("POST", "/numbers", {"text": "seven"}, headers={"Idempotency-Key": "k1"})
    again = s.request("POST", "/numbers", {"text": "seven"}, headers={"Idempotency-Key": "k1"})
    other = s.request("POST", "/numbers", {"text": "seven"}, headers={"Idempotency-Key": "k2"})
    assert first.status == 201 and again.json == first.json and other.json["id"] != first.json["id"], (first, again, other)
    assert s.request("POST", "/numbers", {"text": "no paper"}).status == 503
    assert s.sql("press-svc", "SELECT program, state FROM ec.inbox WHERE state = 'done' ORDER BY key") == [["press-svc.Number", "done"]] * 2


def long_work_is_off_the_loop(s):
    """While hashes of seconds are computed, the same process answers at once."""
    long, slow = [], {"text": "x" * 1000, "rounds": 100000}
    sum_of = s.request("POST", "/hashes", {"text": "label", "rounds": 3})
    expected = 14695981039346656037
    for byte in b"label" * 3:
        expected = (expected ^ byte) * 1099511628211 % 2**64
    assert sum_of.status == 200 and sum_of.json == {"sum": str(expected >> 1), "rounds": 3}, sum_of
    threads = [threading.Thread(target=lambda: long.append(s.request("POST", "/hashes", slow))) for _ in range(2)]
    begun = time.monotonic()
    for thread in threads:
        thread.start()
    answered = 0
    while any(thread.is_alive() for thread in threads):
        assert s.request("POST", "/warm", {}).status == 204
        answered += 1
    for thread in threads:
        thread.join()
    assert time.monotonic() - begun > 0.05 and answered >= 3, (answered, long)
    assert all(reply.status in (200, 504) for reply in long), long


def a_stale_one_does_not_compile(s):
    """The topology gets on, custom/ does not: the compiler's message names the function and the file."""
    path = os.path.join(s.folder, "topology.ecom")
    text = open(path).read()
    changes = [("op Hash(text: secret(1..1000), rounds: int(1..100000)) ->", "op Hash(text: secret(1..1000), rounds: float) ->", "hash_custom", "hash.c"),
               ("    scale: int?,\n", "", "layout_custom", "layout.c"),
               ("op Number(text: text(1..200)) ->", "op Number(text: text(1..200)?) ->", "number_custom", "number.c"),
               ("  op Number(text: text(1..200)) -> Sheet errors { NoPaper } custom", "  op Number(text: text(1..200)) -> Sheet custom", "error_no_paper", "number.c"),
               ("width: int  ink", "breadth: int  ink", "width", "layout.c")]
    log = os.path.join(s.folder, ".ecom", "logs", "build.log")
    for before, after, name, file in changes:
        assert before in text, before
        open(path, "w").write(text.replace(before, after))
        done = s.ecomc("up", "--detach", *s.args)
        said = open(log).read()
        assert done.returncode and "do not build" in done.stderr, (after, done)
        assert any("error:" in line and file in line and name in line for line in said.splitlines()), (after, said[-3000:])
    open(path, "w").write(text)
    os.rename(os.path.join(s.folder, "custom", "label-svc", "warm.c"), os.path.join(s.folder, "warm.c"))
    for command in (["build"], ["build", "--check"], ["up", "--detach", *s.args]):
        done = s.ecomc(*command)
        assert done.returncode == 1 and done.stderr.count("ecomc: ") == 1, done
        assert "label-svc.Warm is custom and custom/label-svc/warm.c is missing" in done.stderr, done
    os.rename(os.path.join(s.folder, "warm.c"), os.path.join(s.folder, "custom", "label-svc", "warm.c"))
    before = {name: open(os.path.join(s.folder, "custom", name)).read() for name in ("label-svc/warm.c", "press-svc/number.c")}
    assert s.ecomc("build").returncode == 0
    assert before == {name: open(os.path.join(s.folder, "custom", name)).read() for name in before}


@with_system
def test_custom(s):
    answers(s)
    once_under_a_key(s)
    long_work_is_off_the_loop(s)
    assert s.ecomc("down").returncode == 0
    a_stale_one_does_not_compile(s)
    assert s.ecomc("up", "--detach", *s.args).returncode == 0
    wait(lambda: s.request("POST", "/warm", {}).status == 204, 30, "what is mended runs")
