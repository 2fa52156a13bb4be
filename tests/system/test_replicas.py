"""Two of everything: all stories hold, and one of each may be killed while customers order. With EC_LONG=1 twenty times on each broker in
each build."""
import itertools
import threading
import time

import test_stories
from lib import wait
from shop import Customer, calm, money, stock

KAFKA, BUILDS, ROUNDS = test_stories.KAFKA, test_stories.BUILDS, test_stories.ROUNDS
ARGS = ["--replicas", "2"]
globals().update((name, value) for name, value in vars(test_stories).items() if name.startswith("test_"))  # a story that is added is told here, too
SERVICES = ["api-gateway", "user-svc", "catalog-svc", "inventory-svc", "payment-svc", "shipping-svc", "order-svc", "notify-svc"]


def test_one_of_each_is_killed(system):
    assert all(len(system.replicas(service)) == 2 for service in SERVICES)
    restarts = {service: system.processes()[service + "-2"]["restarts"] for service in SERVICES}
    customers = [Customer(system) for _ in range(5)]
    before, stop, placed, wrong = stock(system, "filter"), threading.Event(), [], []
    refused = []

    def live(customer):
        """Each wish has a key, and is asked for until it is placed. An order that failed because somebody died has failed for good: the
        same key tells so each time."""
        for n in itertools.count():
            failures, end = 0, time.monotonic() + 60
            while failures < 20:
                try:
                    reply = customer.order("filter", Idempotency_Key=f"wish-{n}")
                except OSError:  # its gateway was killed
                    reply = None
                if reply and reply.status in (201, 202):
                    placed.append(reply.json["id"])
                    break
                # 409: whoever had begun it was killed, and has it still for as long as the request would have had.
                if reply and reply.status not in (409, 502, 503, 504) or time.monotonic() > end:
                    wrong.append(reply)
                    return
                failures += bool(reply) and reply.status != 409
                time.sleep(0.05)
            else:
                refused.append(reply)
            if stop.is_set():
                return
    threads = [threading.Thread(target=live, args=(customer,), daemon=True) for customer in customers]
    for thread in threads:
        thread.start()
    try:
        for service in SERVICES:
            target = len(placed) + 2
            wait(lambda: len(placed) >= target or wrong, 60, "orders are placed")
            system.kill(service + "-2")
        target = len(placed) + 3
        wait(lambda: len(placed) >= target or wrong, 60, "orders are placed")
    finally:
        stop.set()
        for thread in threads:
            thread.join(90)
    assert not any(thread.is_alive() for thread in threads)
    assert not wrong, wrong
    wait(lambda: all(p["state"] in ("ready", "ended") for p in system.processes().values()), 40, "everything runs again")
    assert all(system.processes()[service + "-2"]["restarts"] > restarts[service] for service in SERVICES)
    calm(system, 90)
    theirs = f"SELECT id, status FROM orders WHERE user_id IN ({','.join(repr(customer.id) for customer in customers)})"
    orders = dict(system.sql("order-svc", theirs))
    assert set(placed) <= set(orders) and set(orders.values()) <= {"confirmed", "cancelled"}
    assert list(orders.values()).count("cancelled") >= len(refused), refused
    confirmed = [order for order, status in orders.items() if status == "confirmed"]
    ledger = system.ledger("stripe-sandbox")
    for order in confirmed:
        assert money(system, order, ledger) == ([600], []), order
    after = stock(system, "filter")
    assert after == (before[0] - len(confirmed), before[1] + len(confirmed), before[2]), (before, after, len(confirmed))
    told = "SELECT order_id FROM messages WHERE kind = 'placed' AND status = 'sent'"
    wait(lambda: {row[0] for row in system.sql("notify-svc", told)} >= set(confirmed), 60, "each customer is told")
    print(f"  {len(orders)} orders, {len(confirmed)} confirmed, {len(refused)} refused")
