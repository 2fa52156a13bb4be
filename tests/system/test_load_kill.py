"""Orders at a steady rate, three in ten of them declined, while the three services that a saga needs are killed again and again. After it
every saga ends in half a minute, and everything adds up. With EC_LONG=1: on both brokers, more than a thousand orders, ten kills
each."""
import collections
import json
import os
import subprocess

from lib import LONG, wait

BUILDS = ["release"]
KAFKA = ["embedded", "apache"] if LONG else ["apache"]
ENV = {"EC_BACKOFF_MS": "300"}  # what is killed is started again soon, or most of the orders would be refused
ORDERS, RATE, KILLS = (1300, 10, 10) if LONG else (240, 12, 3)
VICTIMS = ["order-svc", "payment-svc", "inventory-svc"]


def test_orders_while_services_are_killed(system):
    argv = [os.path.join(system.build, "tool", "ecomc"), "load", "happy-path", "--rate", str(RATE), "--count", str(ORDERS),
            "--mix", "payment-failure=30", "--format=json"]
    load = subprocess.Popen(argv, cwd=system.folder, env=system.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        placed = "SELECT count(*) FROM ec.saga"
        before = {name: system.processes()[name]["restarts"] for name in VICTIMS}
        for round_ in range(KILLS):
            for name in VICTIMS:
                seen = int(system.sql("order-svc", placed)[0][0])
                wait(lambda: int(system.sql("order-svc", placed)[0][0]) >= seen + 2 or load.poll() is not None, 60, "orders are placed")
                assert load.poll() is None, f"the load ended before round {round_} of the kills: {load.communicate()}"
                system.kill(name)
        (last,), = system.sql("order-svc", "SELECT clock_timestamp()")
        out, err = load.communicate(timeout=ORDERS / RATE + 150)
    finally:
        if load.poll() is None:
            load.kill()
            load.wait()
    report = json.loads(out)
    restarts = {name: system.processes()[name]["restarts"] - before[name] for name in VICTIMS}
    assert all(n >= KILLS for n in restarts.values()), restarts
    assert load.returncode == 0 and report["violations"] == 0, (load.returncode, report, err)
    asked = {i["check"]: i["skipped"] for i in report["invariants"]}
    assert len(asked) >= 16 and not any(asked.values()), asked
    # Nothing that was promised is lost: who was told 201 has an order that stands, who was told 202 or 402 has one.
    counts = collections.Counter()
    for status, n in system.sql("order-svc", "SELECT status, count(*) FROM orders GROUP BY status"):
        counts[status] = int(n)
    told = {s["name"]: s for s in report["scenarios"]}
    assert told["happy-path"]["ok"] <= counts["confirmed"] and told["payment-failure"]["ok"] <= counts["cancelled"], (told, counts)
    assert sum(s["ok"] + s["accepted"] for s in told.values()) <= sum(counts.values()), (told, counts)
    late = system.sql("order-svc", f"SELECT id, created_at, ended_at FROM ec.saga WHERE created_at <= '{last}' AND"
                                   f" (ended_at IS NULL OR ended_at > timestamptz '{last}' + interval '30 s')")
    assert not late, f"not ended 30 s after the last kill, at {last}: {late}"
    (sagas, longest), = system.sql("order-svc", f"SELECT count(*), max(ended_at) FILTER (WHERE created_at <= '{last}')"
                                                f" - timestamptz '{last}' FROM ec.saga")
    assert int(sagas) >= (1000 if LONG else 120), f"{sagas} orders are too few to tell"
    answers = {s["name"]: {"ok": s["ok"], "accepted": s["accepted"], "errors": s["errors"]} for s in report["scenarios"]}
    print(f"  {ORDERS} orders at {RATE}/s, {restarts} ended and started again: {sagas} sagas,"
          f" the last of those before the last kill ended {longest} after it; {answers}")
