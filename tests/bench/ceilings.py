#!/usr/bin/env python3
"""What there is one of, and so bounds a system whatever its processors do. `docs/scale.md` says what follows from it.

    ceilings.py fsync                  how long a commit's log takes to reach this disk: PostgreSQL's own pg_test_fsync
    ceilings.py outbox [embedded]      how many events of one service's outbox Apache Kafka (the embedded broker) is given in a second, by the one
                                       replica that relays: of as many keys as events, and of one key
    ceilings.py redis                  Redis' processor time for a gateway's round trip: the limit and a value of 200 bytes, 32 at once on one
                                       connection, as a busy gateway sends them

The broker is one process on the same disk, without replicas: a cluster whose replicas are in sync takes longer for each, and one key waits for
each of its events."""
import os
import re
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "system"))
import lib

HERE = os.path.dirname(os.path.abspath(__file__))
BIN = os.environ.get("EC_PG_BIN", "/usr/lib/postgresql/15/bin")
MANY, ONE_KEY, PATIENCE = 100_000, 1_000, 300  # events, events, seconds
REDIS = 300_000  # commands
EVENTS = """INSERT INTO ec.outbox (event_id, topic, key, type, body)
SELECT id, 'peer-notes', {key}, 'Copied.v1', '{{"id":"' || id || '","n":' || n || '}}' FROM (SELECT gen_random_uuid() AS id, n FROM generate_series(1, {events}) n) e"""


def fsync():
    with tempfile.TemporaryDirectory(dir=os.path.join(lib.ROOT, ".ecom")) as folder:
        done = subprocess.run([os.path.join(BIN, "pg_test_fsync"), "-s", "2", "-f", os.path.join(folder, "log")], capture_output=True, text=True, check=True)
    one = done.stdout.partition("one 8kB write")[2].partition("\n\n")[0]
    per_second, us = re.search(r"fdatasync\s+([\d.]+) ops/sec\s+([\d.]+) usecs/op", one).groups()
    print(f"{float(us):8.0f} us  fdatasync of 8 kB: {float(per_second):.0f} commits/s, one after the other")


def spent(port):
    told = subprocess.run(["redis-cli", "-p", str(port), "INFO", "cpu"], capture_output=True, text=True, check=True).stdout
    return sum(float(value) for value in re.findall(r"^used_cpu_(?:sys|user):([\d.]+)", told, re.M))


def redis():
    """By the commands of runtime/limiter.c."""
    now, top = int(time.time() * 1e6), (1 << 63) - 1 - 2000000
    question = ["BITFIELD", "bucket:__rand_int__", "GET", "u63", "0", "OVERFLOW", "SAT", "INCRBY", "u63", "0", str(-now), "INCRBY", "u63", "0", str(top),
                "OVERFLOW", "FAIL", "INCRBY", "u63", "0", "10000", "INCRBY", "u63", "0", str(now - top)]
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    server = subprocess.Popen(["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"], stdout=subprocess.DEVNULL)
    try:
        ask = ["redis-cli", "-p", str(port)]
        lib.wait(lambda: subprocess.run([*ask, "PING"], capture_output=True).returncode == 0, 10, "Redis is there")
        subprocess.run([*ask, "SET", "value", "x" * 200], stdout=subprocess.DEVNULL, check=True)
        costs = []
        for command in (question, ["GET", "value"]):
            runs = []
            for _ in range(5):
                before = spent(port)
                subprocess.run(["redis-benchmark", "-p", str(port), "-c", "1", "-P", "32", "-r", "100000", "-n", str(REDIS), "-q", *command],
                               stdout=subprocess.DEVNULL, check=True)
                runs.append((spent(port) - before) / REDIS * 1e6)
            costs.append(sorted(runs)[2])
    finally:
        server.terminate()
        server.wait(10)
    print(f"{sum(costs):8.1f} us  a round trip of a gateway, {costs[0]:.1f} of it the limit: {1e6 / sum(costs):.0f}/s of one core")


def relayed(system, key, events):
    """Events a second, from the commit of their rows until the outbox is empty."""
    system.sql("source-svc", EVENTS.format(key=key, events=events))
    begun = time.monotonic()
    while system.sql("source-svc", "SELECT 1 FROM ec.outbox LIMIT 1"):
        assert time.monotonic() - begun < PATIENCE, "the outbox does not get empty"
        time.sleep(0.02)
    return events / (time.monotonic() - begun)


def outbox(kafka="apache"):
    with lib.System(os.path.join(HERE, "drain.ecom"), build=lib.RELEASE, kafka=kafka) as system:
        relayed(system, "id::text", 100)  # the topic is known, statements are prepared
        for what, key, events in (("of many keys", "id::text", MANY), ("of one key", "'one'", ONE_KEY)):
            rates = sorted(relayed(system, key, events) for _ in range(5))
            print(f"{rates[2]:8.0f} events/s  {what} ({rates[0]:.0f} to {rates[-1]:.0f} in five runs), {kafka}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["fsync"]:
        fsync()
    elif sys.argv[1:2] == ["redis"]:
        redis()
    elif sys.argv[1:2] == ["outbox"]:
        outbox(*sys.argv[2:])
    else:
        sys.exit(__doc__)
