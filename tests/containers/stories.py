"""The four stories of the example for whoever stands outside: told through the published port, while parts may fail. Exactly one effect of each is asked
of the databases in the end."""
import http.client
import re
import threading
import time

import lib
from shop import Customer, at_once


def place(customer, key, sku, qty=1, method="pm_card_visa", seconds=90):
    """Asked under one key until there is a verdict; what a customer's client does. That a part was not there is a verdict, too, and a saga's stands
    for as long as its key is kept: heard a second time, it is another order that is placed."""
    end = time.monotonic() + seconds
    reply, away, orders = None, 0, 1
    while time.monotonic() < end:
        try:
            reply = customer.order(sku, qty, method, Idempotency_Key=f"{key}-{orders}")
            if reply.status in (201, 402):
                return reply
            away += reply.status == 503 and reply.json["type"].endswith("-unavailable")
        except (OSError, http.client.HTTPException) as error:
            reply = error
        if away == 2:
            away, orders = 0, orders + 1
        time.sleep(0.3)
    raise AssertionError(f"no verdict in {seconds} s: {reply}")


def patient(call, seconds=60):
    """What asks again until it is answered: for requests that change nothing, or whose repetition does no harm."""
    end = time.monotonic() + seconds
    while True:
        try:
            return call()
        except (OSError, http.client.HTTPException, AssertionError):
            if time.monotonic() > end:
                raise
            time.sleep(0.5)


def happy(system, n):
    customer = patient(lambda: Customer(system))
    reply = place(customer, f"happy-{n}", "mug", 2)
    assert reply.status == 201, reply
    order = reply.json["id"]
    lib.wait(lambda: patient(lambda: customer.get(f"/v1/orders/{order}")).json.get("status") == "confirmed", 60, "it is confirmed")
    return order


def declined(system, n):
    customer = patient(lambda: Customer(system))
    reply = place(customer, f"declined-{n}", "scale", 1, "pm_card_chargeDeclined")
    assert reply.status == 402 and reply.json["type"].endswith("card-declined"), reply
    rows = lib.wait(lambda: system.sql("order-svc", f"SELECT id, status FROM orders WHERE user_id = '{customer.id}'"), 20, "the order")
    assert {row[1] for row in rows} == {"cancelled"}, rows
    return [row[0] for row in rows]


def cached(system, _=None):
    def twice():
        seen = [system.request("GET", "/v1/products/kettle") for _ in range(6)]
        assert all(r.status == 200 for r in seen) and any(r.headers["x-cache"] == "hit" for r in seen), seen
    patient(twice)


def breaker(system, _=None):
    """With several of order-svc each has a breaker of its own, and the one that is open answers first: orders are placed until one has opened."""
    customers = [patient(lambda: Customer(system)) for _ in range(4)]
    state = 'ec_breaker_state{edge="order-svc -> inventory-svc"}'

    def is_open():
        names = [name for name in system.processes() if re.fullmatch(r"order-svc(-\d+)?", name)]
        return any(system.metrics(name).get(state) == 2 for name in names)
    with system.paused("inventory-svc"):
        end = time.monotonic() + 90
        while not is_open():
            replies = at_once([lambda c=c: c.order("press") for c in customers])
            assert {r.status for r in replies} == {503} and all("retry-after" in r.headers for r in replies), replies
            assert time.monotonic() < end, "no breaker opens"
    lib.wait(lambda: patient(lambda: customers[0].order("press")).status == 201, 60, "it closes again")


class Killer:
    """Ends one container of each service in turn, each as soon as the one before is replaced."""

    def __init__(self, system, services):
        self.system, self.services = system, services
        self.killed, self.error, self.thread = [], None, threading.Thread(target=self.run)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.thread.join()
        if self.error:
            raise self.error

    def run(self):
        try:
            for service in self.services:
                victims = [c for c in self.system.containers(service)]
                assert len(victims) == 2, f"{service}: {len(victims)} replicas"
                self.system.engine.docker("kill", victims[0]["Id"])
                lib.wait(lambda: [c["State"].get("Health", {}).get("Status") for c in self.system.containers(service)] == ["healthy"] * 2, 120,
                         f"{service} has two again")
                assert victims[0]["Id"] not in [c["Id"] for c in self.system.containers(service)]
                self.killed.append(service)
        except Exception as error:  # told by who waits
            self.error = error
