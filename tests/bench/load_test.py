#!/usr/bin/env python3
"""The load generator held against what is known: a server that is slow on purpose, and wrk.

usage: load_test.py         (gcc; wrk where it is installed)

The server answers each request 20 ms after it came, and once, in the middle, nobody for 400 ms. In a closed loop of 4 connections load
and wrk must tell the same rate and the same median. In an open loop at half of that rate every request that was due during the stop has
it in its time, so a tenth of all takes hundreds of milliseconds; in a closed loop each connection meets the stop once, and nine tenths
know nothing of it (coordinated omission). wrk 4 puts a guess into its figures afterwards, from the mean, so there it is not compared."""
import contextlib
import os
import re
import selectors
import shutil
import socket
import subprocess
import sys
import threading
import time

import method
import world

sys.path.append(os.path.join(world.ROOT, "tests"))
import each  # noqa: E402

DELAY, STOP, SECONDS, CONNECTIONS = 0.020, 0.4, 2.0, 4
REPLY = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Slow:
    """Inside, it answers at `port`; `stop_at` is when its stop begins, or None. What it has answered is counted."""

    def __init__(self):
        self.listen = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port, self.ended, self.stop_at, self.answered = self.listen.getsockname()[1], False, None, 0

    def __enter__(self):
        self.thread = threading.Thread(target=self.run)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended = True
        self.thread.join()

    def run(self):
        loop, due = selectors.DefaultSelector(), []  # due: (when, connection), in order
        loop.register(self.listen, selectors.EVENT_READ)
        while not self.ended:
            wait = max(0, due[0][0] - time.monotonic()) if due else 0.02
            for key, _ in loop.select(min(wait, 0.02)):
                if key.fileobj is self.listen:
                    loop.register(self.listen.accept()[0], selectors.EVENT_READ)
                    continue
                data = b""
                with contextlib.suppress(OSError):
                    data = key.fileobj.recv(65536)
                if not data:
                    loop.unregister(key.fileobj)
                    key.fileobj.close()
                due += [(time.monotonic() + DELAY, key.fileobj)] * data.count(b"\r\n\r\n")
            if self.stop_at and time.monotonic() >= self.stop_at:
                self.stop_at = None
                time.sleep(STOP)
            while due and due[0][0] <= time.monotonic():
                conn = due.pop(0)[1]
                with contextlib.suppress(OSError):
                    conn.sendall(REPLY)
                    self.answered += 1
        for key in list(loop.get_map().values()):
            key.fileobj.close()


def ours(slow, rate=0):
    subject = method.Subject(slow.port, lambda: [world.request("GET", "/")], list, length=2)
    return method.load(world.compiled("load", "load.c"), subject, SECONDS, CONNECTIONS, method.cores()[1], rate)


def wrk(slow):
    """Requests a second, median and 99th percentile in ms."""
    done = subprocess.run(["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS:.0f}s", "--latency", f"http://127.0.0.1:{slow.port}/"],
                          capture_output=True, text=True, timeout=60, check=True)
    unit = {"us": 0.001, "ms": 1, "s": 1000}
    at = {q: float(n) * unit[u] for q, n, u in re.findall(r"^\s+(\d+)%\s+([\d.]+)(us|ms|s)$", done.stdout, re.M)}
    return float(re.search(r"^Requests/sec:\s+([\d.]+)", done.stdout, re.M)[1]), at["50"], at["99"]


def near(a, b, part):
    return abs(a - b) <= part * max(a, b)


def test_counts():
    """It sends what it says, and all of that arrives."""
    with Slow() as slow:
        told = ours(slow)
    assert told["sent"] == told["good"] and told["sent"] <= slow.answered <= told["sent"] + 2 * CONNECTIONS, (told, slow.answered)


def test_wrong_replies_are_seen():
    with Slow() as slow:
        for status, length in ((201, 2), (200, 3)):
            subject = method.Subject(slow.port, lambda: [world.request("GET", "/")], list, status, length)
            try:
                method.load(world.compiled("load", "load.c"), subject, 0.2, 1, method.cores()[1])
            except method.Lost:
                continue
            raise AssertionError(f"a reply that is not {status} of {length} bytes was taken")


def test_as_wrk_says():
    if not shutil.which("wrk"):
        raise each.Skip("wrk is not installed (apt-get install wrk)")
    with Slow() as slow:
        told, (rate, median, _) = ours(slow), wrk(slow)
    assert near(told["per_second"], rate, 0.1), (told["per_second"], rate)
    assert near(told["p50_us"] / 1000, median, 0.1), (told["p50_us"], median)


def test_coordinated_omission():
    """One stop of 400 ms in two seconds: a fifth of what was due has met it, and each of four connections once."""
    seen = {}
    for name, rate in (("closed", 0), ("open", CONNECTIONS / DELAY / 2)):
        with Slow() as slow:
            slow.stop_at = time.monotonic() + SECONDS / 2
            seen[name] = ours(slow, rate)
            assert not slow.stop_at, "the stop came"
    assert seen["open"]["p90_us"] > STOP * 1e6 * 0.3, seen["open"]
    assert seen["closed"]["p90_us"] < STOP * 1e6 * 0.3, seen["closed"]
    assert seen["open"]["max_us"] > STOP * 1e6 * 0.9 and seen["closed"]["max_us"] > STOP * 1e6 * 0.9, seen
    p90 = {name: told["p90_us"] / 1000 for name, told in seen.items()}
    print(f"a stop of {STOP * 1000:.0f} ms: p90 {p90['closed']:.0f} ms in a closed loop, {p90['open']:.0f} ms in an open one")


if __name__ == "__main__":
    sys.exit(each.run((test_counts, test_wrong_replies_are_seen, test_as_wrk_says, test_coordinated_omission), lambda test: test()))
