"""What a consumer takes: a backlog of events, published while it is stopped, until each has had its one effect in the database."""
import contextlib
import os
import re
import signal
import subprocess
import time

import method
import peers
import world
from work_data import databases, processes, replicas, synchronous
from workload import Point, Workload

# One row for each event; the second time it would say so.
TABLES = """CREATE SCHEMA IF NOT EXISTS peer;
CREATE TABLE IF NOT EXISTS peer.inbox (id uuid PRIMARY KEY, at timestamptz NOT NULL DEFAULT now());
CREATE TABLE IF NOT EXISTS peer.effects (id uuid PRIMARY KEY, n int NOT NULL, times int NOT NULL);
"""
SIZES = (10, 100, 1000, 10000)
PARTITIONS = 6
PATIENCE = 120  # seconds for one backlog
SETTLED = 0.1  # after the last effect: what comes twice has been seen by then


class Asked:
    """A psql that stays, for a question that is asked again and again."""

    def __init__(self, system, service):
        self.psql = subprocess.Popen(system.psql(service), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def numbers(self, text):
        self.psql.stdin.write(text + ";\n")
        self.psql.stdin.flush()
        line = self.psql.stdout.readline()
        if not line:
            raise method.Lost(f"psql has ended at: {text}")
        return [int(word) for word in line.split()]

    def close(self):
        self.psql.stdin.close()
        self.psql.wait()


@contextlib.contextmanager
def stopped(pids):
    """Nobody of them does anything inside."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def publish(system, topic, kind, backlog):
    """How many different events the messages were."""
    argv = [world.compiled("publish", "publish.c", "-lrdkafka"), system.brokers(), topic, kind, str(backlog)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=PATIENCE)
    if done.returncode:
        raise method.Lost(done.stderr.strip())
    return int(done.stdout)


def emptied(asked, table, different):
    """Waits until each event has had its effect, more seldom the more are left, so that asking takes little."""
    begun = time.monotonic()
    while True:
        done = asked.numbers(f"SELECT count(*) FROM {table}")[0]
        took = time.monotonic() - begun
        if done >= different:
            return took
        if took > PATIENCE:
            raise method.Lost(f"after {PATIENCE} s {done} of {different} events have had their effect")
        # At first a tenth of what it has taken, or the whole of a short one would be one sleep; then a third of what is left by the rate so far:
        # to count is the dearer the more there is.
        time.sleep(max(0.0005, took / 10 if took < 0.02 else min(0.05, took * (different - done) / max(done, 1) / 3)))


def drained(w, system, backlog, topic, kind, table, consumers, counted, facts=dict):
    """Backlog after backlog for as long as a slice lasts. `consumers()` are stopped meanwhile; the time of `counted()` is what counts;
    `facts()` is asked after each slice."""
    synchronous(system, "sink-svc")
    asked, told = Asked(system, "sink-svc"), {}
    w.at_end.append(asked.close)

    def drive(seconds, _):
        times, cpu, begun = [], 0, time.monotonic()
        while not times or time.monotonic() - begun < seconds:
            system.sql("sink-svc", f"TRUNCATE {table}")
            with stopped(consumers()):
                different = publish(system, topic, kind, backlog)
                used = method.cpu(counted())
            times.append(emptied(asked, table, different))
            cpu += method.cpu(counted()) - used
            time.sleep(SETTLED)
            rows, effects = asked.numbers(f"SELECT count(*), sum(times) FROM {table}")
            if not rows == effects == different:
                raise method.Lost(f"{different} events: {rows} had an effect, {effects} effects in all")
        times.sort()
        messages = len(times) * backlog
        told.update(facts())
        return {"per_second": messages / sum(times), "good": messages, "sent": messages, "cpu": cpu,
                "p50_us": times[len(times) // 2] * 1e6, "p99_us": times[len(times) * 99 // 100] * 1e6}
    return method.Subject(0, list, counted, drive=drive, spread=True, memory=consumers, facts=told)


def group_commits(system, names):
    """What the commits of these processes hold from now on, as facts."""
    def count():
        each = [system.metrics(name) for name in names]
        return [sum(metrics.get(f"ec_group_{what}_total", 0) for metrics in each) for what in ("units", "commits", "again")]
    before = count()

    def facts():
        units, commits, again = (now - then for now, then in zip(count(), before))
        return {"messages that share a commit": (units / max(commits, 1), ""), "messages that are run again": (int(again), "")}
    return facts


def ours(backlog, n=1):
    def start(w):
        system = w.ours("drain.ecom", spread=True, replicas=n)
        names = replicas(system, "sink-svc")
        pids = [system.processes()[name]["pid"] for name in names]
        assert len(pids) == n
        # A service of several workers is a parent that only watches: all below it stop, too.
        return drained(w, system, backlog, "notes", "Noted.v1", "effects", lambda: method.below(*pids), processes(system, "sink-svc"),
                       group_commits(system, names))
    return start


def share_out(started):
    """Waits until the partitions are shared out: a process that is stopped while its group forms keeps its part from the others."""
    def parts(process):
        with open(process.log, encoding="utf-8") as log:
            found = re.findall(r"partitions (\d+)", log.read())
        return int(found[-1]) if found else 0
    end = time.monotonic() + PATIENCE
    while any(parts(process) != PARTITIONS // len(started) for process in started):
        if time.monotonic() > end:
            raise method.Lost(f"after {PATIENCE} s the consumers by hand have {[parts(process) for process in started]} partitions")
        time.sleep(0.1)


def by_hand(backlog, n=1):
    def start(w):
        system = w.ours("drain.ecom", spread=True, replicas=n)
        if ("drain", n) not in w.shared:
            system.sql("sink-svc", TABLES)
            url = peers.database_url(system, "sink-svc") + "&pool_max_conns=8"
            argv = [peers.go_program("drain"), system.brokers(), "peer-notes", "peer", url]
            w.shared["drain", n] = [w.spawn(argv, None) for _ in range(n)]
            share_out(w.shared["drain", n])
        started = w.shared["drain", n]

        def consumers():
            if any(process.poll() is not None for process in started):
                raise method.Lost("the consumer by hand has ended")
            return method.below(*(process.pid for process in started))
        return drained(w, system, backlog, "peer-notes", "Copied.v1", "peer.effects", consumers,
                       lambda: method.below(*(process.pid for process in started), *databases(system)))
    return start


WORK = "A backlog is published while the consumer is stopped (SIGSTOP), one message in ten of it twice, as a producer does that has no " \
       "answer; then the time until each event has had its one effect, a row in PostgreSQL. Two effects of one event, or none, fail the " \
       "run. The consumer by hand is Go with franz-go and pgx: a transaction for each event with a row in an inbox, partitions side by " \
       "side. Same broker ({}), six partitions, same database; of both the database is counted. The times are those of a whole backlog."
BROKER = "Apache Kafka" if world.lib.KAFKA == "apache" else "the embedded one, which keeps nothing on a disk"
WORKLOADS = [
    Workload("drain", "A consumer's backlog", WORK.format(BROKER),
             [Point(str(n), {"Go, by hand": by_hand(n), "ours": ours(n)}) for n in SIZES], "Go, by hand", [], axis="messages",
             of="messages"),
    Workload("drain-two", "A backlog for one process and for two",
             f"{SIZES[-1]} messages, as above; the partitions are shared out among the processes.",
             [Point(str(n), {"Go, by hand": by_hand(SIZES[-1], n), "ours": ours(SIZES[-1], n)}) for n in (1, 2)], "Go, by hand", [],
             axis="processes", of="messages"),
]
