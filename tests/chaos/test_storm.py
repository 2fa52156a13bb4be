"""Faults while customers order: processes killed, the provider failing, a database stopped. After calm, everything adds up.

Each case lets customers place orders, does its harm meanwhile, proves that the harm was done, waits until nothing is under way any more and
then checks the invariants over all orders there are. With EC_LONG=1 there are more customers and more rounds.
"""
import os
import signal
import time

from lib import wait
from storm import BETWEEN, LONG, ROUNDS, Storm

BUILDS = ["release"]
ARGS = ["--replicas", "2"]
SERVICES = ["order-svc", "payment-svc", "inventory-svc", "shipping-svc", "catalog-svc"]


def faults(system):
    return system.request("GET", "/_sandbox/faults", port=system.processes()["stripe-sandbox"]["port"], tls=True).json


def test_services_are_killed(system):
    with Storm(system) as storm:
        for name in (SERVICES + [f"{name}-2" for name in SERVICES if LONG] + ["order-svc-2"]) * ROUNDS:
            storm.go_on(BETWEEN // 2)
            storm.kill(name)
        storm.go_on()
    restarts = {name: system.processes()[name]["restarts"] for name in SERVICES}
    assert all(n >= ROUNDS for n in restarts.values()), restarts


def test_provider_fails_and_services_die(system):
    """The charge's outcome is unknown, and those who would find out are killed."""
    asked = [("CreatePayment", "timeout", {}), ("CreatePayment", "truncate", {}), ("CreatePayment", "status", {"status": 500}),
             ("CreatePayment", "timeout", {"effect": False}), ("CreatePayment", "close", {}), ("CreatePayment", "status", {"status": 429}),
             ("CreateRefund", "status", {"status": 500}), ("CreateRefund", "timeout", {}), ("CreatePayment", "truncate", {"times": 6})]
    with Storm(system) as storm:
        for call, kind, more in asked * ROUNDS:
            system.fault("stripe-sandbox", call=call, kind=kind, **{"times": 3, **more})
            storm.go_on(BETWEEN // 2)
        for name in ["order-svc", "payment-svc"] * ROUNDS:
            system.fault("stripe-sandbox", call="CreatePayment", kind="timeout", times=2)
            wait(lambda: faults(system)[-1]["fired"], 30, "a charge hangs")
            storm.kill(name)
        wait(lambda: all(f["left"] == 0 for f in faults(system)) or storm.wrong, 120, "every fault has fired")
    fired = faults(system)
    assert len(fired) == (len(asked) + 2) * ROUNDS and all(f["fired"] and not f["left"] for f in fired), fired
    system.request("DELETE", "/_sandbox/faults", port=system.processes()["stripe-sandbox"]["port"], tls=True)


def test_cache_and_databases_end(system):
    with Storm(system) as storm:
        for _ in range(ROUNDS):
            storm.go_on()
            storm.kill("redis")
            storm.go_on()
            storm.kill("payment-svc-db", signal.SIGINT)
            storm.go_on()
            storm.kill("order-svc-db", signal.SIGKILL)
            storm.go_on()
            storm.kill("inventory-svc-db", signal.SIGQUIT)
        storm.go_on()
    ended = {name: system.processes()[name]["restarts"] for name in ("redis", "payment-svc-db", "order-svc-db", "inventory-svc-db")}
    assert all(n >= ROUNDS for n in ended.values()), ended


def test_stopped_past_its_lease(system):
    """An orchestrator, and one who charges, stand still until others have taken over, and then go on with what they were doing."""
    taken = "SELECT count(*) FROM ec.saga WHERE fence > 1"
    with Storm(system) as storm:
        for name, replica in [("order-svc", "order-svc-2"), ("payment-svc", None)] * ROUNDS:
            storm.go_on()
            before, pid = system.sql("order-svc", taken), system.pid(name)
            os.kill(pid, signal.SIGSTOP)
            try:
                if replica:
                    wait(lambda: system.sql("order-svc", taken) != before, 40, "the other replica has taken over")
                else:
                    time.sleep(12 if LONG else 3)
            finally:
                os.kill(pid, signal.SIGCONT)
            storm.go_on()
            assert system.pid(name) == pid, f"{name} went on"
