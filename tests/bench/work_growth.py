"""How cost grows with what there is: rows of a table, processes of a service."""
import json
import random
import subprocess
import time

import method
import peers
import service_token
import work_data
import work_http
import world
from workload import Point, Workload

ROWS = (10_000, 100_000, 1_000_000)
LARGE = 10_000_000  # minutes to fill, and 3 GB
ASKED = 10_000  # different keys of a slice
HEAD = "item-"


def key(n):
    return f"{HEAD}{n:08}"


def filled(w, rows):
    """The system with that many rows more than its seed; what is there stays. Each has the length of the others."""
    system = w.ours(env=work_http.GATEWAYS, spread=True)
    work_data.synchronous(system, "item-svc")
    have = int(system.sql("item-svc", f"SELECT count(*) FROM items WHERE length(id) = {len(key(0))}")[0][0])
    if have < rows:
        fill = f"""INSERT INTO items (id, name, description, price_cents)
            SELECT '{HEAD}' || lpad(n::text, 8, '0'), 'An item', 'What is said of it, in a line of its own', 4900
            FROM generate_series({have}, {rows - 1}) n"""
        subprocess.run([*system.psql("item-svc"), "-c", fill, "-c", "VACUUM (ANALYZE) items", "-c", "CHECKPOINT"], check=True,
                       stdout=subprocess.DEVNULL)
    assert have <= rows, "points go from few to many"
    return system


def keys(rows):
    return [key(n) for n in random.Random(rows).choices(range(rows), k=ASKED)]


def our_rows(rows):
    """An operation as its caller calls it, and its statement."""
    def start(w):
        system = filled(w, rows)
        port = system.processes()["item-svc"]["port"]

        def requests():
            token = [("Authorization", "Bearer " + service_token.service_token(system, "front", "item-svc", exp=int(time.time()) + 240))]
            return [world.request("POST", "/ops/Get", json.dumps({"id": each}).encode(), token) for each in keys(rows)]
        return peers.Subject(port, requests, work_data.processes(system, "item-svc"), length=body_length(), spread=True,
                             memory=lambda: method.below(*(system.processes()[n]["pid"] for n in work_data.replicas(system, "item-svc"))))
    return start


def body_length():
    return len(json.dumps({**work_http.ITEM, "id": key(0)}, separators=(",", ":")))


def go_rows(rows):
    def start(w):
        system = filled(w, rows)
        if "go rows" not in w.shared:
            w.shared["go rows"] = peers.go_service(w, database=peers.database_url(system, "item-svc") + "&pool_max_conns=8", spread=True)
        port, process = w.shared["go rows"]
        requests = [world.request("GET", f"/rows/{each}") for each in keys(rows)]
        return peers.Subject(port, lambda: requests, lambda: method.below(process.pid, *work_data.databases(system)), length=body_length(),
                             spread=True, memory=lambda: method.below(process.pid))
    return start


def reads(rows):
    return {"Go, pgx": go_rows(rows), "ours": our_rows(rows)}


def saga_processes(n):
    return {"six commits, pgbench": lambda w: work_data.six_commits(w, n), "ours": lambda w: work_data.our_sagas(w, n)}


WORKLOADS = [
    Workload("rows", "A read by key, from ten thousand rows to ten million",
             f"A row by its primary key from a table that grows, {ASKED:,} keys by chance: an operation of ours, called with a service "
             "token, and the service in Go with pgx. Of both the database is counted, and both have all processors. --large adds ten "
             "million.",
             [Point(str(n), reads(n)) for n in ROWS] + [Point(str(LARGE), reads(LARGE), large=True)], "Go, pgx", [], axis="rows"),
    Workload("sagas-two", "Sagas with one of each process and with two",
             "As `sagas`; the engine and the steps have as many processes each, and the first gateway is asked.",
             [Point(str(n), saga_processes(n)) for n in (1, 2)], "six commits, pgbench", [], axis="processes", of="sagas"),
]
