"""Workloads on a database: sagas by themselves, whole orders of the shop, and what recording traces costs."""
import os
import re
import shutil
import socket
import statistics
import subprocess
import tempfile
import time

import engines
import method
import peers
import work_http
import world
from workload import Limit, Point, Target, Workload

# What a saga of four steps is without an engine that shares commits: begun, each step written before it is called, ended, with what it
# tells.
SIX_COMMITS = """\\set id random(1, 9000000000000000000)
BEGIN;
INSERT INTO bench.saga (id, state, step) VALUES (:id, 'running', 0);
INSERT INTO bench.job (id, state) VALUES (:id, 'begun');
COMMIT;
UPDATE bench.saga SET step = 1 WHERE id = :id;
UPDATE bench.saga SET step = 2 WHERE id = :id;
UPDATE bench.saga SET step = 3 WHERE id = :id;
UPDATE bench.saga SET step = 4 WHERE id = :id;
BEGIN;
UPDATE bench.saga SET state = 'done' WHERE id = :id;
INSERT INTO bench.told (id, what) VALUES (:id, 'done');
COMMIT;
"""
TABLES = """CREATE SCHEMA IF NOT EXISTS bench;
CREATE TABLE IF NOT EXISTS bench.saga (id bigint PRIMARY KEY, state text NOT NULL, step int NOT NULL);
CREATE TABLE IF NOT EXISTS bench.job (id bigint PRIMARY KEY, state text NOT NULL);
CREATE TABLE IF NOT EXISTS bench.told (n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, id bigint NOT NULL, what text NOT NULL);
"""
EXTERNAL = 'edge="payment-svc -> stripe"'
LEAST_ORDERS = 10  # of a slice, one at a time
CLIENTS = 32  # of pgbench: more are no quicker, and of the server's 100 connections the others have theirs


def databases(system):
    return [p["pid"] for p in system.processes().values() if p["kind"] == "database"]


def replicas(system, *services):
    """The names of the processes of these services."""
    names = [name for service in services for name in system.replicas(service)]
    assert len(names) >= len(services), (services, names)
    return names


def processes(system, *services):
    """All processes of these of ours, and all databases, with those below them."""
    pids = [system.processes()[name]["pid"] for name in replicas(system, *services)]
    return lambda: method.below(*pids, *databases(system))


def synchronous(system, service):
    """What is measured is durable, or it is not counted."""
    got = [system.sql(service, f"SHOW {name}")[0][0] for name in ("synchronous_commit", "fsync", "full_page_writes")]
    if got != ["on", "on", "on"]:
        raise method.Lost(f"the database is not durable: synchronous_commit, fsync, full_page_writes are {got}")


def sagas(w, n=1):
    return w.ours("sagas.ecom", spread=True, replicas=n)


def our_sagas(w, n=1):
    """A request is a saga, answered when it has ended; n processes of each."""
    system = sagas(w, n)
    synchronous(system, "engine-svc")
    subject = peers.Subject(system.gateway, lambda: [world.request("POST", "/jobs", b"{}")],
                            processes(system, "engine-svc", "step-svc", "door"), status=201, spread=True)
    seen = [0]

    def drive(seconds, connections):
        told = method.load(world.compiled("load", "load.c"), subject, seconds, connections, None)
        # Who was answered has a saga that is done, and each of those a job that is done.
        done, jobs, left = (int(system.sql("engine-svc", text)[0][0]) for text in (
            "SELECT count(*) FROM ec.saga WHERE state = 'done'", "SELECT count(*) FROM jobs WHERE state = 'done'",
            "SELECT count(*) FROM ec.saga WHERE state <> 'done'"))
        if done - seen[0] < told["good"] or done != jobs or left:
            raise method.Lost(f"{told['good']} were answered, {done - seen[0]} sagas are done, {jobs} jobs of {done}, {left} not done")
        seen[0] = done
        return told
    return method.Subject(subject.port, subject.requests, subject.processes, drive=drive, spread=True)


def pgbench(system, service, script, seconds, clients):
    """What pgbench tells of a script, in the form of load()."""
    folder = os.path.realpath(os.path.join(system.folder, ".ecom", "pg", service))
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file, tempfile.TemporaryDirectory() as logs:
        file.write(script)
        file.flush()
        program = shutil.which("pgbench") or "/usr/lib/postgresql/15/bin/pgbench"
        options = ["-n", "-j", "1", "-M", "prepared", "-c", str(clients), "-T", str(max(1, round(seconds)))]
        log = ["-l", "--log-prefix", os.path.join(logs, "l")]
        done = subprocess.run([program, *options, *log, "-h", folder, "-U", "postgres", "-f", file.name, "postgres"], capture_output=True,
                              text=True, timeout=seconds + 60)
        if done.returncode:
            raise method.Lost(f"pgbench: {done.stderr.strip()[-500:]}")
        times = sorted(int(line.split()[2]) for name in os.listdir(logs) for line in open(os.path.join(logs, name), encoding="utf-8"))
    if not times:
        raise method.Lost(f"pgbench has ended no transaction in {seconds:g} s; --seconds takes a longer slice")
    rate = float(re.search(r"^tps = ([\d.]+)", done.stdout, re.M)[1])
    middle, late = times[len(times) // 2], times[len(times) * 99 // 100]
    return {"per_second": rate, "good": len(times), "sent": len(times), "p50_us": middle, "p99_us": late}


def six_commits(w, n=1):
    """On the same database as ours."""
    system = sagas(w, n)
    system.sql("engine-svc", TABLES)

    def drive(seconds, _):
        before = int(system.sql("engine-svc", "SELECT count(*) FROM bench.told")[0][0])
        told = pgbench(system, "engine-svc", SIX_COMMITS, seconds, CLIENTS)
        after = int(system.sql("engine-svc", "SELECT count(*) FROM bench.told")[0][0])
        if after - before != told["good"]:
            raise method.Lost(f"pgbench says {told['good']}, the table {after - before}")
        return told
    return method.Subject(0, list, lambda: method.below(*databases(system)), drive=drive, spread=True)


# ---------------------------------------------------------------- whole orders

def shop(w):
    """The topology of the repository, without the limit that would refuse the load."""
    with open(os.path.join(world.ROOT, "topology.ecom"), encoding="utf-8") as file:
        text, n = re.subn(r"limit 100/s burst 200", "limit 1000000/s burst 1000000", file.read())
    assert n == 1
    return w.ours(w.write("shop.ecom", text), spread=True)


def order(system):
    """The request, of somebody who has signed in."""
    email, password = world.lib.unique_email(), "correct horse battery"
    assert system.request("POST", "/v1/users", {"email": email, "password": password, "name": "Bench"}).status == 201
    token = system.request("POST", "/v1/sessions", {"email": email, "password": password}).json["token"]
    body = b'{"lines":[{"sku":"kettle","qty":1}],"payment_method":"pm_card_visa"}'
    return world.request("POST", "/v1/orders", body, [("Authorization", "Bearer " + token)])


def our_orders(w):
    """Gateway, saga, three services, a provider's stand-in over TLS, the outbox; all that runs is counted, brokers and stand-ins, too."""
    system = shop(w)
    requests = [order(system)]
    subject = peers.Subject(system.gateway, lambda: requests, lambda: method.below(world.supervisor(system)), status=201, spread=True)
    seen = [0]

    def drive(seconds, connections):
        told = method.load(world.compiled("load", "load.c"), subject, seconds, connections, None)
        seen[0] += are_confirmed(system, seen[0], told["good"])
        return told
    w.at_end.append(lambda: invariants(system))
    return method.Subject(system.gateway, list, subject.processes, drive=drive, spread=True)


def are_confirmed(system, before, answered):
    """How many orders are, beside those of before: each that was answered, and nothing is under way."""
    world.lib.wait(lambda: system.sql("order-svc", "SELECT count(*) FROM ec.outbox") == [["0"]], 60, "the outbox is empty")
    rows = dict(system.sql("order-svc", "SELECT status, count(*) FROM orders GROUP BY status"))
    confirmed = int(rows.pop("confirmed", 0)) - before
    if confirmed < answered or rows:
        raise method.Lost(f"{answered} orders were answered, {confirmed} are confirmed; others: {rows}")
    return confirmed


def external_seconds(system, service):
    """How long all calls of the service to a provider have taken so far, by its own count: the attempt with what it waits for."""
    return sum(value for key, value in system.metrics(service).items() if key.startswith("ec_edge_seconds_sum{") and EXTERNAL in key)


def one_order(without):
    """An order at a time on one connection. without: of each the time that its calls to the provider took is subtracted, which is asked
    of the process between two orders, and not while one is under way."""
    def start(w):
        system = shop(w)
        synchronous(system, "order-svc")
        request, facts = order(system), {}
        with socket.create_connection(("127.0.0.1", system.gateway)) as probe:
            answer(probe, request)  # the first opens connections and prepares statements

        def drive(seconds, _):
            seen = confirmed(system)
            times, provider = [], []
            with socket.create_connection(("127.0.0.1", system.gateway)) as sock:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                begun = time.monotonic()
                while time.monotonic() - begun < seconds or len(times) < LEAST_ORDERS:
                    before = external_seconds(system, "payment-svc") if without else 0
                    at = time.monotonic()
                    answer(sock, request)
                    took = time.monotonic() - at
                    provider.append((external_seconds(system, "payment-svc") if without else 0) - before)
                    if without and not 0 < provider[-1] < took:
                        raise method.Lost(f"an order took {took * 1e3:.2f} ms, and its calls to the provider {provider[-1] * 1e3:.2f}")
                    times.append((took - provider[-1]) * 1e6)
            are_confirmed(system, seen, len(times))
            if without:
                facts["calls to the provider, median"] = statistics.median(provider) * 1e3, "ms"
            times.sort()
            return {"per_second": len(times) / sum(times) * 1e6, "good": len(times), "p50_us": times[len(times) // 2],
                    "p99_us": times[len(times) * 99 // 100]}
        w.at_end.append(lambda: invariants(system))
        return method.Subject(system.gateway, list, lambda: method.below(world.supervisor(system)), drive=drive, spread=True, facts=facts)
    return start


def confirmed(system):
    return int(system.sql("order-svc", "SELECT count(*) FROM orders WHERE status = 'confirmed'")[0][0])


def answer(sock, request):
    """Of an order, which must be made."""
    sock.sendall(request)
    got = b""
    while True:
        head, found, body = got.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
        if found and length and len(body) >= int(length[1]):
            break
        more = sock.recv(65536)
        if not more:
            raise method.Lost(f"the connection ended within {got[:300]!r}")
        got += more
    if not got.startswith(b"HTTP/1.1 201 ") or b'"status":"confirmed"' not in body:
        raise method.Lost(f"an order was answered with {got[:500]!r}")


def invariants(system):
    done = system.ecomc("invariants")
    if done.returncode:
        raise method.Lost(f"an invariant does not hold: {(done.stdout + done.stderr)[-1000:]}")


def six_commits_of_shop(w, clients=CLIENTS):
    """The script against the database of the orders."""
    system = shop(w)
    system.sql("order-svc", TABLES)
    return method.Subject(0, list, lambda: method.below(*databases(system)), spread=True,
                          drive=lambda seconds, _: pgbench(system, "order-svc", SIX_COMMITS, seconds, clients))


# ---------------------------------------------------------------- traces

def hop_with(**env):
    """The proxy hop, in a system of its own."""
    def start(w):
        system = w.ours(env={**work_http.GATEWAYS, **env})
        port = system.processes()["bare"]["port"]
        return peers.Subject(port, lambda: work_http.GET, w.our_server(system, "bare"), length=len(work_http.BODY))
    return start


# ---------------------------------------------------------------- the same sagas by other engines

def dbos_sagas(w):
    return engines.dbos(w, sagas(w), "engine-svc")


def temporal_sagas(w):
    sagas(w)  # which shares the processors, as with the others
    return engines.temporal(w)


SAGAS = {"six commits, pgbench": six_commits, "ours": our_sagas}
ENGINES = {**SAGAS, "DBOS": dbos_sagas, "Temporal": temporal_sagas}
WORKLOADS = [
    Workload("sagas", "Durable sagas of four steps",
             "A request starts a saga and is answered when it has ended; its steps call an operation that answers at once. Beside it a "
             "script for pgbench on the same database that does what an engine without shared commits would: six commits, three INSERT, "
             "five UPDATE. DBOS is on the same PostgreSQL; Temporal's development server has a SQLite of its own, in a file, with a "
             "write-ahead log and synchronous=FULL. Their steps ask the raw libuv server over HTTP. All have all processors; of each its "
             "processes are counted, and its database. synchronous_commit and fsync are on. The rate of these two is that of the mean time "
             "(Little's law), since a saga of theirs may take as long as a slice.",
             [Point("64 connections", ENGINES), Point("256 connections", SAGAS, connections=256)], "six commits, pgbench",
             [Target("ours", "six commits, pgbench", "per_second", 4), Target("ours", "DBOS", "per_second", 25),
              Target("ours", "Temporal", "per_second", 1)],
             of="sagas", absent=["dtm"]),
    Workload("orders", "Whole orders of the shop",
             "POST /v1/orders: the gateway with its limit and token, a saga over three services, a provider's stand-in over TLS, an event. "
             "All processes share all processors with the load, and all are counted. After each slice every order that was answered is "
             "confirmed and the outbox is empty, at the end the topology's invariants hold.",
             [Point("64 connections", {"six commits, pgbench": six_commits_of_shop, "ours": our_orders})], "six commits, pgbench", [],
             of="orders", limits=[Limit("ours", "per_second", 2500)]),
    Workload("order-latency", "One order at a time",
             "As `orders`, on one connection that has its answer before it sends the next; the system is idle but for it. The pgbench script "
             "has one client. `without the provider`: of each order what its calls to the provider took (request, TLS, the stand-in's own "
             "work, reply; payment-svc counts that for each edge) is subtracted from its time. The counter is read between two orders, which "
             "is in the processors' time of that line, and not in its latency.",
             [Point("", {"six commits, pgbench": lambda w: six_commits_of_shop(w, 1), "ours": one_order(False),
                         "ours, without the provider": one_order(True)}, connections=1)],
             "six commits, pgbench", [], of="orders", limits=[Limit("ours, without the provider", "p50_us", 5)]),
    Workload("tracing", "Traces", "The proxy hop with no trace recorded, a hundred a second (what `up` does), and all.",
             [Point("", {"none": work_http.our_hop, "100 a second": hop_with(OTEL_TRACES_SAMPLER_ARG="1", EC_TRACES_A_SECOND="100"),
                         "all": hop_with(OTEL_TRACES_SAMPLER_ARG="1", EC_TRACES_A_SECOND="0")})], "none", []),
]
