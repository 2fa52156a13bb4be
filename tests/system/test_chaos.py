"""Faults while customers order: processes killed, the provider failing, a database stopped. After calm, everything adds up.

Each case lets customers place orders, does its harm meanwhile, proves that the harm was done, waits until nothing is under way any more and
then checks the invariants over all orders there are: from the databases, the provider's ledger, the topics and the messages that went out.
An order is known by its customer and its quantity, which no other order of that customer has, so one that nobody has an answer for, or a
second one for the same wish, is found too. With EC_LONG=1 there are more customers and more rounds.
"""
import collections
import itertools
import json
import os
import random
import signal
import threading
import time

import lib
from lib import wait
from shop import Customer, stock

LONG = os.environ.get("EC_LONG") == "1"
BUILD = lib.RELEASE
ARGS = ["--replicas", "2"]
CUSTOMERS, ROUNDS, BETWEEN = (12, 4, 40) if LONG else (6, 1, 5)
SERVICES = ["order-svc", "payment-svc", "inventory-svc", "shipping-svc", "catalog-svc"]
SKUS = ["kettle", "teapot", "mug", "filter"]
DECLINED = "pm_card_chargeDeclined"
VERDICTS = ("card-declined", "out-of-stock", "inventory-unavailable", "payment-unavailable")
Order = collections.namedtuple("Order", "user status total method reason lines")
wishes = {}  # (customer's id, quantity) -> Wish, of all cases


class Wish:
    """One order that a customer wants: what was asked, and the last answer."""

    def __init__(self, customer, qty):
        self.customer, self.qty = customer, qty
        self.method = DECLINED if random.random() < 0.3 else "pm_card_visa"
        self.key = f"wish-{qty}" if random.random() < 0.5 else None
        self.sku = random.choice(SKUS)
        self.reply, self.tries, self.cancelled = None, 0, False

    def is_answered(self):
        """With a key, whatever doesn't say what became of the order is asked again; without, only what was surely not begun."""
        if self.reply is None:
            return not self.key
        if self.reply.status in (201, 202, 402):
            return True
        if self.reply.status == 429:
            return False
        return not self.key or self.reply.json["type"].rsplit("/")[-1] in VERDICTS

    def place(self, stop):
        headers = {"Idempotency_Key": self.key} if self.key else {}
        while True:
            self.tries += 1
            try:
                self.reply = self.customer.order(self.sku, self.qty, self.method, **headers)
            except OSError:
                self.reply = None
            if self.is_answered() or (stop.is_set() and self.tries > 200):
                return
            time.sleep(0.1)


class Storm:
    """`with Storm(system) as storm:` customers order inside; after it, all is calm and was checked."""

    def __init__(self, system):
        self.system, self.stop, self.answered, self.wrong = system, threading.Event(), 0, []
        self.customers = [Customer(system) for _ in range(CUSTOMERS)]

    def life(self, customer):
        try:
            for qty in itertools.count(1):
                if self.stop.is_set():
                    return
                wish = wishes[customer.id, qty] = Wish(customer, qty)
                wish.place(self.stop)
                self.answered += 1
                if wish.reply and wish.reply.status == 201 and random.random() < 0.1:
                    wish.cancelled = True  # asked for: whether it was answered doesn't matter
                    try:
                        customer.post(f"/v1/orders/{wish.reply.json['id']}/cancel")
                    except OSError:
                        pass
        except Exception as error:  # a thread's failure is the test's
            self.wrong.append(repr(error))

    def __enter__(self):
        self.threads = [threading.Thread(target=self.life, args=(customer,), daemon=True) for customer in self.customers]
        for thread in self.threads:
            thread.start()
        return self

    def go_on(self, n=BETWEEN):
        """Until n more orders have been answered."""
        target = self.answered + n
        wait(lambda: self.answered >= target or self.wrong, 60, f"{n} more orders are answered")

    def kill(self, name, sig=signal.SIGKILL):
        before = self.system.processes()[name]["restarts"]
        self.system.kill(name, sig)
        wait(lambda: self.system.processes()[name]["restarts"] > before, 10, f"{name} has been started again")

    def __exit__(self, kind, error, trace):
        self.stop.set()
        for thread in self.threads:
            thread.join(90)
        if kind:
            return
        assert not self.wrong, self.wrong
        assert not any(thread.is_alive() for thread in self.threads), "every customer has an answer"
        calm(self.system)
        check(self.system)


# ---------------------------------------------------------------- calm


def calm(system):
    wait(lambda: all(p["state"] in ("ready", "ended") for p in system.processes().values()), 40, "everything runs again")
    open_sagas = "SELECT id, name, state, step, attempts, error FROM ec.saga WHERE state NOT IN ('done', 'failed')"
    try:
        wait(lambda: not system.sql("order-svc", open_sagas), 90, "every saga has ended")
    except AssertionError as late:
        raise AssertionError(f"{late}: {system.sql('order-svc', open_sagas)}")
    for service in ("order-svc", "payment-svc", "shipping-svc"):
        wait(lambda: system.sql(service, "SELECT count(*) FROM ec.outbox") == [["0"]], 30, f"the outbox of {service} is empty")


# ---------------------------------------------------------------- what must hold


def events(system, topic):
    """Each key's event types in the order of the topic; an event that was delivered twice counts once."""
    seen, out = {}, collections.defaultdict(list)
    for key, headers, body in system.topic(topic):
        assert key == body["order_id"], (key, body)
        if headers["ce_id"] in seen:
            assert seen[headers["ce_id"]] == (key, headers["ce_type"], body), "an event's id means one event"
            continue
        seen[headers["ce_id"]] = key, headers["ce_type"], body
        out[key].append(headers["ce_type"].split(".")[0])
    return out


def check_money(system, orders):
    """I2: the provider's books, which no fault of ours reaches."""
    captured, refunded, of_intent = collections.defaultdict(list), collections.Counter(), {}
    for entry in system.ledger("stripe-sandbox"):
        if entry["status"] != 200 or entry["replayed"]:
            continue
        reply = entry["reply"]
        if entry["call"] == "CreatePayment" and reply["status"] == "succeeded":
            captured[reply["metadata"]["order_id"]].append(int(reply["amount"]))
            of_intent[reply["id"]] = reply["metadata"]["order_id"]
        elif entry["call"] == "CreateRefund":
            refunded[of_intent[reply["payment_intent"]]] += int(reply["amount"])
    for order, (_, status, total, method, _, _) in orders.items():
        assert len(captured[order]) <= 1, f"{order} was charged {len(captured[order])} times"
        kept = sum(captured[order]) - refunded[order]
        assert kept == (total if status == "confirmed" else 0), f"{order} is {status}, of {total} there is {kept} kept"
        assert method != DECLINED or not captured[order], f"{order} was declined, and charged"
    strangers = set(captured) - set(orders)
    assert not strangers, f"charged for orders that don't exist: {strangers}"


def check_goods(system, orders):
    """I1 and the other half of I6: stock, reservations, shipments."""
    held = dict(system.sql("inventory-svc", "SELECT order_id, status FROM reservations"))
    sent = dict(system.sql("shipping-svc", "SELECT order_id, status FROM shipments"))
    paid = dict(system.sql("payment-svc", "SELECT order_id, status FROM payments"))
    reserved = collections.Counter()
    for order, (_, status, _, _, _, lines) in orders.items():
        state = held.get(order), paid.get(order), sent.get(order)
        if status == "confirmed":
            assert state == ("held", "captured", "scheduled"), (order, status, state)
            for line in lines:
                reserved[line["sku"]] += line["qty"]
        else:
            assert state[0] in (None, "released") and state[1] in (None, "pending", "declined", "refunded"), (order, status, state)
            assert state[2] in (None, "cancelled"), (order, status, state)
    for sku in SKUS:
        assert stock(system, sku)[1:] == (reserved[sku], 0), (sku, stock(system, sku), reserved[sku])
    for name, rows in (("reservation", held), ("shipment", sent), ("payment", paid)):
        assert set(rows) <= set(orders), f"a {name} without its order: {set(rows) - set(orders)}"


def check_events(system, orders):
    """I4 and I5: one event for what has happened, one effect for each event."""
    of_orders, of_payments = events(system, "order-events"), events(system, "payment-events")
    paid = dict(system.sql("payment-svc", "SELECT order_id, status FROM payments"))
    messages = set()
    for order, (_, status, _, _, reason, _) in orders.items():
        expected = ["OrderPlaced"] if status == "confirmed" else ["OrderCancelled"]
        if reason == "cancelled by the customer":
            expected = ["OrderPlaced", "OrderCancelled"]
        assert of_orders[order] == expected, (order, status, reason, of_orders[order])
        ways = {"captured": [["PaymentCaptured"]], "refunded": [["PaymentCaptured", "PaymentRefunded"], ["PaymentRefunded"]]}
        assert of_payments[order] in ways.get(paid.get(order), [[]]), (order, paid.get(order), of_payments[order])
        for event in expected:
            messages |= {(order, "placed", "mail"), (order, "placed", "sms")} if event == "OrderPlaced" else {(order, "cancelled", "mail")}
        if "PaymentRefunded" in of_payments[order]:
            messages.add((order, "refunded", "mail"))
    assert {k for k in of_orders if of_orders[k]} <= set(orders) and {k for k in of_payments if of_payments[k]} <= set(orders)

    def sent():
        return [tuple(row) for row in system.sql("notify-svc", "SELECT order_id, kind, channel FROM messages WHERE status = 'sent'")]
    wait(lambda: len(sent()) >= len(messages), 60, f"{len(messages)} messages are sent")
    assert set(sent()) == messages, (set(sent()) ^ messages)
    mails = collections.Counter()
    for entry in system.ledger("sendgrid-sandbox"):
        text = entry["request"]["content"][0]["value"]
        mails[next(word.rstrip(".") for word in text.split() if len(word.rstrip(".")) == 36), entry["request"]["subject"]] += 1
    assert sum(mails.values()) == len(mails) == sum(1 for m in messages if m[2] == "mail"), [m for m in mails.items() if m[1] > 1]
    texts = collections.Counter(entry["request"]["Body"] for entry in system.ledger("twilio-sandbox"))
    assert sum(texts.values()) == len(texts) == sum(1 for m in messages if m[2] == "sms"), [t for t in texts.items() if t[1] > 1]


def check_sagas(system):
    """I3: of a failed saga every step that was done, or may have been, is undone; of a done one none."""
    left = system.sql("order-svc", """
        SELECT g.id, g.name, g.state, d.step, d.state, u.state FROM ec.saga g JOIN ec.saga_step d ON d.saga_id = g.id AND d.phase = 'do'
          LEFT JOIN ec.saga_step u ON u.saga_id = d.saga_id AND u.step = d.step AND u.phase = 'undo'
         WHERE g.name = 'place-order' AND CASE g.state WHEN 'done' THEN d.state <> 'done' OR u.state IS NOT NULL
                                          ELSE d.state IN ('done', 'unknown', 'sent') AND u.state IS DISTINCT FROM 'done' END""")
    assert not left, left


def check_answers(orders):
    """Every answer that was given is true, and no wish became two orders."""
    of_wish = collections.defaultdict(list)
    for order, (user, status, _, _, reason, lines) in orders.items():
        of_wish[user, lines[0]["qty"]].append((order, status, reason))
    for wish_id, found in of_wish.items():
        assert wish_id in wishes, f"an order that nobody placed: {found}"
    for wish_id, wish in wishes.items():
        found, reply = of_wish[wish_id], wish.reply
        assert len(found) <= (1 if wish.key else wish.tries), (wish.tries, found)
        if reply is None:
            continue
        assert reply.status in (201, 202, 402, 409, 502, 503, 504), f"nobody has earned {reply}"
        if reply.status in (201, 202):
            assert [order for order, _, _ in found] == [reply.json["id"]], (reply, found)
            if reply.status == 201:
                (_, status, reason), = found
                assert status == "confirmed" or (wish.cancelled and reason == "cancelled by the customer"), (reply, found)
                assert wish.method != DECLINED
        elif reply.status == 402:
            assert found and all(status == "cancelled" and reason == "card-declined" for _, status, reason in found), (reply, found)
            assert wish.method == DECLINED


def check(system):
    orders = {}
    columns = "id, user_id, status, total_cents, payment_method, coalesce(reason, ''), lines::text"
    for row in system.sql("order-svc", f"SELECT {columns} FROM orders"):
        orders[row[0]] = Order(row[1], row[2], int(row[3]), row[4], row[5], json.loads(row[6]))
        assert row[2] in ("confirmed", "cancelled"), row
    check_sagas(system)
    check_money(system, orders)
    check_goods(system, orders)
    check_answers(orders)
    check_events(system, orders)
    answers = collections.Counter(wish.reply.status if wish.reply else 0 for wish in wishes.values())
    reasons = collections.Counter(order.reason for order in orders.values() if order.reason)
    assert "conflict" not in reasons, "an order fails because its own step is in progress"
    confirmed = sum(order.status == "confirmed" for order in orders.values())
    print(f"  {len(orders)} orders, {confirmed} confirmed, the others {dict(sorted(reasons.items()))}; answers {dict(sorted(answers.items()))}")


# ---------------------------------------------------------------- the harm


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
        wait(lambda: all(f["left"] == 0 for f in faults(system) if f["call"] == "CreatePayment"), 60, "every fault of a charge has fired")
    fired = faults(system)
    assert sum(f["fired"] for f in fired if f["call"] == "CreatePayment") >= 28 * ROUNDS, fired
    assert any(f["fired"] for f in fired if f["call"] == "CreateRefund"), fired
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
