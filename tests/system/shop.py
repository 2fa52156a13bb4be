"""What a customer of the example does."""
import concurrent.futures
import http.client
import json
import random
import time

from lib import unique_email, wait

SKUS = ["kettle", "teapot", "mug", "filter"]
VISA, DECLINED, UNCONFIRMED = "pm_card_visa", "pm_card_chargeDeclined", "pm_card_authenticationRequired"
REFUSED = (DECLINED, UNCONFIRMED)  # what ends as card-declined
VERDICTS = ("card-declined", "out-of-stock", "inventory-unavailable", "payment-unavailable", "shipping-unavailable", "unknown-sku")


class Customer:
    def __init__(self, system, phone="+15005550010", staff=False):
        self.system, self.email, self.password = system, unique_email(), "correct horse battery"
        body = {"email": self.email, "password": self.password, "name": "Ada"}
        if phone:
            body["phone"] = phone
        reply = system.request("POST", "/v1/users", body)
        assert reply.status == 201, reply
        self.id = reply.json["id"]
        if staff:
            system.sql("user-svc", f"UPDATE users SET role = 'staff' WHERE id = '{self.id}'")
        self.sign_in()

    def sign_in(self):
        reply = self.system.request("POST", "/v1/sessions", {"email": self.email, "password": self.password})
        assert reply.status == 201, reply
        self.token = reply.json["token"]

    def get(self, path):
        return self.system.request("GET", path, token=self.token)

    def post(self, path, body=None, **headers):
        return self.system.request("POST", path, body, token=self.token, headers={k.replace("_", "-"): v for k, v in headers.items()})

    def order(self, sku="kettle", qty=1, method="pm_card_visa", **headers):
        return self.post("/v1/orders", {"lines": [{"sku": sku, "qty": qty}], "payment_method": method}, **headers)


def stock(system, sku):
    (row,) = system.sql("inventory-svc", f"SELECT initial, available, reserved, shipped FROM stock WHERE sku = '{sku}'")
    initial, available, reserved, shipped = (int(v) for v in row)
    assert available >= 0 and available + reserved + shipped == initial, row
    return available, reserved, shipped


class Wish:
    """One order that a customer wants: what was asked, and the last answer."""

    def __init__(self, customer, qty, method=None, sku=None, keyed=None):
        self.customer, self.qty = customer, qty
        self.method = method or (DECLINED if random.random() < 0.3 else VISA)
        self.key = f"wish-{qty}" if (random.random() < 0.5 if keyed is None else keyed) else None
        self.sku = sku or random.choice(SKUS)
        self.reply, self.tries = None, 0
        self.cancelled, self.cancels = False, []  # asked for; what was answered

    def is_answered(self):
        """With a key, whatever doesn't say what became of the order is asked again; without, only what was surely not begun."""
        if self.reply is None:
            return not self.key
        if self.reply.status in (201, 202, 402):
            return True
        if self.reply.status == 429:
            return False
        return not self.key or self.reply.json["type"].rsplit("/")[-1] in VERDICTS

    def place(self, stop, tries=None):
        """Until there is an answer, or for so many tries: a saga that has failed by a mistake of the system answers so for ever."""
        headers = {"Idempotency_Key": self.key} if self.key else {}
        while True:
            self.tries += 1
            try:
                self.reply = self.customer.order(self.sku, self.qty, self.method, **headers)
            except (OSError, http.client.HTTPException):
                self.reply = None
            if self.is_answered() or (tries and self.tries >= tries) or (stop.is_set() and self.tries > 200):
                return
            time.sleep(0.1)


def at_once(calls):
    """Runs them side by side; their results, in order."""
    with concurrent.futures.ThreadPoolExecutor(len(calls)) as pool:
        return [future.result(120) for future in [pool.submit(call) for call in calls]]


def messages(system, sandbox, text):
    """What a stand-in was asked that has this text in it."""
    return [entry for entry in system.ledger(sandbox) if text in json.dumps(entry)]


def events(system, order, *topics):
    """The types of the order's events."""
    return [headers["ce_type"] for topic in topics for key, headers, body in system.topic(topic)
            if key == order and body["order_id"] == order]


def calm(system, seconds=60):
    """Until no saga is under way and nothing waits to be published."""
    left = "SELECT id, name, state, step, attempts, error FROM ec.saga WHERE state IN ('running', 'compensating')"
    try:
        wait(lambda: not system.sql("order-svc", left), seconds, "every saga has ended")
    except AssertionError as late:
        raise AssertionError(f"{late}: {system.sql('order-svc', left)}") from late
    for service in ("order-svc", "payment-svc", "shipping-svc"):
        wait(lambda: system.sql(service, "SELECT count(*) FROM ec.outbox") == [["0"]], 30, f"the outbox of {service} is empty")


def money(system, order, ledger=None):
    """What the provider has captured and what it has refunded of an order, each as often as it did."""
    done = [e for e in ledger or system.ledger("stripe-sandbox") if e["status"] == 200 and not e["replayed"]]
    captured = [e["reply"] for e in done if e["call"] == "CreatePayment" and e["reply"]["status"] == "succeeded" and
                e["reply"]["metadata"]["order_id"] == order]
    intents = [reply["id"] for reply in captured]
    refunded = [e["reply"] for e in done if e["call"] == "CreateRefund" and e["reply"]["payment_intent"] in intents]
    return [int(reply["amount"]) for reply in captured], [int(reply["amount"]) for reply in refunded]
