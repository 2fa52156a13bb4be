"""What customers, staff and providers do while processes die: small stories, each of which passes crash points of its own.

A story goes forward, or is about something that fails and is taken back. Whoever lives one meets dead processes: what can be asked again is
asked again, what can't is left as it is, and what became of it is the business of invariants.py.
"""
import http.client
import itertools
import random
import subprocess
import threading
import time
import uuid

from invariants import STRANGER
from shop import DECLINED, SKUS, UNCONFIRMED, VISA, Customer, Wish

BROKEN = (OSError, http.client.HTTPException)
LAST_ONE = "last-one"

# Faults that only a database can have, switched on by their odds: a shipment that can't be written, one whose commit takes longer than its
# caller waits, a release that fails a few times.
KNOBS = {
    "refuse": ("shipping-svc", "shipments", "BEFORE INSERT", "RAISE EXCEPTION 'refused';"),
    "slow": ("shipping-svc", "shipments", "AFTER INSERT", "PERFORM pg_sleep(1.4);"),
    "release": ("inventory-svc", "reservations", "BEFORE UPDATE",
                "IF NEW.status = 'released' THEN RAISE EXCEPTION 'refused'; END IF;"),  # not what an event ships: that would be a dead letter
}


class World:
    def __init__(self, system):
        self.system, self.wishes, self.stop = system, {}, threading.Event()
        self.lock = threading.Lock()
        for name, (service, table, when, body) in KNOBS.items():
            deferred = when.startswith("AFTER")
            system.sql(service, f"""
                CREATE TABLE knob_{name} (odds float); INSERT INTO knob_{name} VALUES (0); GRANT SELECT ON knob_{name} TO PUBLIC;
                CREATE FUNCTION turn_{name}() RETURNS trigger LANGUAGE plpgsql AS
                  $$BEGIN IF random() < (SELECT odds FROM knob_{name}) THEN {body} END IF; RETURN NEW; END$$;
                CREATE {"CONSTRAINT" if deferred else ""} TRIGGER turn_{name} {when} ON {table}
                  {"DEFERRABLE INITIALLY DEFERRED" if deferred else ""} FOR EACH ROW EXECUTE FUNCTION turn_{name}()""")
        self.staff = self.customer()
        system.sql("user-svc", f"UPDATE users SET role = 'staff' WHERE id = '{self.staff.id}'")
        reply = self.ask("POST", "/v1/sessions", {"email": self.staff.email, "password": self.staff.password})
        self.staff.token = reply.json["token"]

    def knob(self, name, odds):
        self.system.sql(KNOBS[name][0], f"UPDATE knob_{name} SET odds = {odds}")

    def sql(self, service, text):
        """Until a knob lets it pass."""
        while True:
            try:
                return self.system.sql(service, text)
            except AssertionError:
                time.sleep(0.05)

    def customer(self):
        while True:
            try:
                customer = Customer(self.system)
            except (AssertionError, *BROKEN):
                time.sleep(0.05)
                continue
            customer.quantities = itertools.count(2)
            return customer

    def ask(self, method, path, body=None, token=None, tries=100):
        """Again and again until somebody who is alive answers; the last answer, or None."""
        reply = None
        for _ in range(tries):
            try:
                reply = self.system.request(method, path, body, token=token)
            except BROKEN:
                reply = None
            if reply and reply.status < 500 and reply.status != 429:
                break
            time.sleep(0.05)
        return reply

    def once(self, method, path, body=None, token=None):
        try:
            return self.system.request(method, path, body, token=token)
        except BROKEN:
            return None

    def place(self, customer, method=VISA, sku=None, keyed=None):
        """The order's id when it is confirmed, else None."""
        qty = next(customer.quantities)
        wish = Wish(customer, qty, method, sku or random.choice(SKUS), keyed)
        with self.lock:
            self.wishes[customer.id, qty] = wish
        wish.place(self.stop, tries=40)
        return (wish, wish.reply.json["id"]) if wish.reply and wish.reply.status == 201 else (wish, None)

    def fault(self, **fault):
        try:
            self.system.fault("stripe-sandbox", **fault)
        except BROKEN:
            pass

    def event(self, topic, kind, body):
        subprocess.run(["kcat", "-P", "-b", self.system.brokers(), "-t", topic, "-k", STRANGER + uuid.uuid4().hex,
                        "-H", f"ce_id={uuid.uuid4()}", "-H", f"ce_type={kind}.v1"], input=body, text=True, timeout=30, capture_output=True, check=True)


# ---------------------------------------------------------------- going forward


def place(world, customer):
    world.place(customer)


def place_with_key(world, customer):
    world.place(customer, keyed=True)


def cancel(world, customer):
    wish, order = world.place(customer)
    if order:
        wish.cancelled = True
        wish.cancels.append(world.once("POST", f"/v1/orders/{order}/cancel", token=customer.token))


def cancel_twice(world, customer):
    wish, order = world.place(customer)
    if order:
        wish.cancelled = True
        both = [threading.Thread(target=lambda: wish.cancels.append(world.once("POST", f"/v1/orders/{order}/cancel", token=customer.token)))
                for _ in range(2)]
        for thread in both:
            thread.start()
        for thread in both:
            thread.join()


def ship(world, customer):
    _, order = world.place(customer)
    if order:
        world.once("POST", f"/v1/orders/{order}/ship", token=world.staff.token)


def released_by_hand(world, customer):
    """Somebody has given the stock back in the database; the saga that cancels finds nothing to give back."""
    wish, order = world.place(customer)
    if order:
        world.sql("inventory-svc", f"""
            WITH r AS (UPDATE reservations SET status = 'released' WHERE order_id = '{order}' AND status = 'held' RETURNING lines)
            UPDATE stock s SET available = available + (l ->> 'qty')::int, reserved = reserved - (l ->> 'qty')::int
              FROM r, jsonb_array_elements(r.lines) l WHERE s.sku = l ->> 'sku'""")
        wish.cancelled = True
        while True:
            reply = world.ask("POST", f"/v1/orders/{order}/cancel", token=customer.token)
            (status,), = world.system.sql("order-svc", f"SELECT status FROM orders WHERE id = '{order}'")
            if status in ("cancelled", "cancelling"):
                break
            time.sleep(0.05)
        wish.cancels.append(reply)


def look(world, customer):
    _, order = world.place(customer)
    world.once("GET", "/v1/orders", token=customer.token)
    if order:
        world.once("GET", f"/v1/orders/{order}", token=customer.token)
        world.once("GET", f"/v1/orders/{order}/summary", token=customer.token)


def account(world, _):
    customer = world.customer()
    world.once("POST", "/v1/users", {"email": customer.email, "password": customer.password, "name": "Ada"})
    world.once("POST", "/v1/sessions", {"email": customer.email, "password": "not this one"})
    reply = world.ask("GET", "/v1/me", token=customer.token)
    assert reply is None or reply.status == 200, reply
    reply = world.ask("DELETE", "/v1/sessions", token=customer.token)
    if reply and reply.status == 204:
        reply = world.ask("GET", "/v1/me", token=customer.token)
        assert reply is None or reply.status == 401 or reply.status >= 500, f"a session that has ended is still good: {reply}"


def products(world, _):
    world.once("GET", "/v1/products")
    world.once("GET", "/v1/products/nothing")
    price = random.randrange(1000, 9000)
    reply = world.ask("PUT", "/v1/products/press/price", {"price_cents": price}, token=world.staff.token)
    assert reply is None or reply.status == 200 or reply.status >= 500, reply
    world.once("GET", "/v1/products/press")


def unknown(world, customer):
    world.place(customer, sku="nothing")


def events(world, _):
    """Messages that can't be read, and one about an order that nobody knows."""
    for topic, kind in (("order-events", "OrderPlaced"), ("order-events", "OrderCancelled"), ("payment-events", "PaymentRefunded"),
                        ("shipping-events", "OrderShipped")):
        world.event(topic, kind, '{"order_id": 7}')
    world.event("shipping-events", "OrderShipped", '{"order_id": "%s", "tracking": "T"}' % uuid.uuid4())


# ---------------------------------------------------------------- what fails, and is taken back


def declined(world, customer):
    world.place(customer, DECLINED)


def unconfirmed(world, customer):
    """The provider takes it only when its owner confirms, for which nobody is there."""
    world.place(customer, UNCONFIRMED)


def provider_fails_to_say_unconfirmed(world, customer):
    world.fault(call="CreatePayment", kind="status", status=500, times=3)
    world.place(customer, UNCONFIRMED)


def out_of_stock(world, customer):
    world.place(customer, sku=LAST_ONE)


def provider_fails(world, customer):
    """Whether the card was charged is not known; the undo finds out."""
    world.fault(call="CreatePayment", kind="status", status=500, times=3)
    world.place(customer)


def provider_fails_to_decline(world, customer):
    world.fault(call="CreatePayment", kind="status", status=500, times=3)
    world.place(customer, DECLINED)


def refund_fails(world, customer):
    world.fault(call="CreateRefund", kind="status", status=500, times=3)
    cancel(world, customer)


def shipping_refuses(world, customer):
    world.place(customer)


def shipping_is_late(world, customer):
    world.place(customer)


def release_fails(world, customer):
    world.place(customer, DECLINED)
    cancel(world, customer)


def cancel_shipped(world, customer):
    """The saga that cancels meets a shipment that has left."""
    wish, order = world.place(customer)
    if order:
        wish.cancelled = True
        world.once("POST", f"/v1/orders/{order}/ship", token=world.staff.token)
        wish.cancels.append(world.once("POST", f"/v1/orders/{order}/cancel", token=customer.token))


FORWARD = [place, place_with_key, cancel, cancel_twice, released_by_hand, ship, look, account, products, unknown, events]
BACK = [declined, unconfirmed, out_of_stock, provider_fails, provider_fails_to_decline, provider_fails_to_say_unconfirmed, refund_fails,
        shipping_refuses, shipping_is_late, release_fails, cancel_shipped]
ODDS = {shipping_refuses: ("refuse", 0.3), shipping_is_late: ("slow", 0.25), release_fails: ("release", 0.4)}
