"""Other engines for durable sagas, told to do what ours does: a request is a saga of four steps and is answered when it has ended; each
step asks a server over HTTP that answers at once, and is durable before the next begins. After each slice the engine's own books are
asked.

npm: DBOS (peers/node/sagas.mjs), on the PostgreSQL that ours is on. Go's proxy: Temporal's development server, from Temporal's command
line tool (peers/go/temporal-server), and a program with its SDK (peers/go/temporal)."""
import json
import os
import subprocess
import time

import method
import peers
import world

STEP = '{"n":1}'
LEAST = 6  # seconds of a slice
PATIENCE = 60


def steps(w):
    """The raw libuv server, and its process."""
    port, process = w.limit_server("step", STEP, None)
    return f"http://127.0.0.1:{port}", process


def counted(port, processes, books):
    """Asked by the load. books() -> sagas that are done, and others; who was answered must be done, and nothing under way."""
    subject = peers.Subject(port, lambda: [world.request("POST", "/", b"{}")], processes, status=201, spread=True)
    seen = [books()[0]]

    def drive(seconds, connections):
        # A saga may take as long as a slice: those that have ended within it would say little. In a closed loop whose requests wait for
        # nothing the rate is the number of connections over the mean time (Little's law).
        told = method.load(world.compiled("load", "load.c"), subject, max(seconds, LEAST), connections, None, drain=PATIENCE)
        told["per_second"] = connections / told["mean_us"] * 1e6
        for _ in range(100):  # a reply may be a moment before the books
            done, others = books()
            if not others and done - seen[0] >= told["good"]:
                break
            time.sleep(0.1)
        else:
            raise method.Lost(f"{told['good']} were answered, {done - seen[0]} sagas are done, {others} are not")
        seen[0] = done
        return told
    return method.Subject(port, subject.requests, processes, drive=drive, spread=True)


def dbos(w, system, service):
    """Its tables are a database of its own in the service's PostgreSQL."""
    folder, port = peers.node_packages(), world.free_port()
    url, step = steps(w)
    if system.sql(service, "SELECT 1 FROM pg_database WHERE datname = 'dbos'") == []:
        system.sql(service, "CREATE DATABASE dbos")
    database = peers.database_url(system, service).replace("/postgres?", "/dbos?")
    argv = [peers.program("node", "nodejs"), os.path.join(folder, "sagas.mjs"), str(port), url, database]
    process = w.spawn(argv, None, port, cwd=folder)
    databases = [p["pid"] for p in system.processes().values() if p["kind"] == "database"]
    psql = [*system.psql(service), "-d", "dbos", "-c", "SELECT count(*) FILTER (WHERE status = 'SUCCESS'), "
            "count(*) FILTER (WHERE status <> 'SUCCESS') FROM dbos.workflow_status"]

    def books():
        return tuple(map(int, subprocess.run(psql, capture_output=True, text=True, check=True).stdout.split()))
    return counted(port, lambda: method.below(process.pid, step.pid, *databases), books)


def temporal(w):
    """In the file of a SQLite with a write-ahead log, synchronous FULL, and no page of its own."""
    server, program = peers.go_program("temporal-server", "github.com/temporalio/cli/cmd/temporal"), peers.go_program("temporal")
    url, step = steps(w)
    address, port = world.free_port(), world.free_port()
    argv = [server, "server", "start-dev", "--headless", "--ip", "127.0.0.1", "--port", str(address), "--log-level", "error",
            "--db-filename", os.path.join(w.folder, "temporal.db"), "--sqlite-pragma", "journal_mode=WAL",
            "--sqlite-pragma", "synchronous=FULL", "--disable-config-file", "--disable-config-env"]
    engine = w.spawn(argv, None, address, ready=None)
    process = w.spawn([program, str(port), url, f"127.0.0.1:{address}"], None, port, patience=90)

    def books():
        got = json.loads(world.get(port, "/count", timeout=30)[1])
        return got["completed"], got["others"]
    return counted(port, lambda: method.below(engine.pid, process.pid, step.pid), books)
