"""From a commit to an effect, over Apache Kafka: in order for each key, whatever commits late, and once."""
import json
import subprocess
import uuid

from lib import wait
from shop import Customer, at_once, calm, events, messages, stock

KAFKA = ["apache"]


def handled(system, service, event):
    """How often the service has taken in an event of the type."""
    return system.counted(service, "ec_consumer_events_total", f'event="{event}"', 'outcome="done"')


def produce(system, topic, key, event, event_id, body, times=1):
    text = "".join(f"{key}\t{json.dumps(body)}\n" for _ in range(times))
    headers = [f"ce_id={event_id}", f"ce_type={event}", "ce_source=test", "ce_specversion=1.0", "content-type=application/json"]
    done = subprocess.run(["kcat", "-b", system.brokers(), "-P", "-t", topic, "-K", "\t", *[word for h in headers for word in ("-H", h)]],
                          input=text, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr


def test_order_of_each_key(system):
    customers = [Customer(system) for _ in range(4)]

    def place_and_cancel(customer):
        placed = [customer.order("mug") for _ in range(5)]
        assert {r.status for r in placed} == {201}, placed
        ids = [r.json["id"] for r in placed]
        assert {customer.post(f"/v1/orders/{order}/cancel").status for order in ids} == {200}
        return ids
    orders = [order for ids in at_once([lambda c=c: place_and_cancel(c) for c in customers]) for order in ids]
    calm(system)
    of = {topic: system.topic(topic) for topic in ("order-events", "payment-events")}
    for topic, expected in (("order-events", ["OrderPlaced.v1", "OrderCancelled.v1"]),
                            ("payment-events", ["PaymentCaptured.v1", "PaymentRefunded.v1"])):
        for order in orders:  # what is delivered twice counts once
            found = list(dict.fromkeys((h["ce_id"], h["ce_type"]) for key, h, _ in of[topic] if key == order))
            assert [kind for _, kind in found] == expected, (topic, order, found)

    told = "Your order is confirmed", "Your order was cancelled"

    def mails():
        sent = system.ledger("sendgrid-sandbox")
        return {order: tuple(e["request"]["subject"] for e in sent if order in json.dumps(e) and e["request"]["subject"] in told)
                for order in orders}
    wait(lambda: all(len(subjects) == 2 for subjects in mails().values()), 40, "two mails each")
    assert set(mails().values()) == {told}


def test_a_late_commit_is_not_lost(system):
    """A transaction takes the lower id and commits after higher ones have been relayed and deleted."""
    customer, order, event = Customer(system), str(uuid.uuid4()), str(uuid.uuid4())
    body = json.dumps({"order_id": order, "user_id": customer.id, "total_cents": 1})
    insert = f"INSERT INTO ec.outbox (event_id, topic, key, type, body) " \
             f"VALUES ('{event}', 'order-events', '{order}', 'OrderPlaced.v1', '{body}')"
    with system.transaction("order-svc", insert):
        later = [customer.order("mug").json["id"] for _ in range(3)]
        wait(lambda: all(events(system, each, "order-events") == ["OrderPlaced.v1"] for each in later), 30, "what came later is relayed")
        wait(lambda: system.sql("order-svc", "SELECT count(*) FROM ec.outbox") == [["0"]], 10, "and deleted")
        assert not events(system, order, "order-events")
    wait(lambda: events(system, order, "order-events") == ["OrderPlaced.v1"], 30, "it comes after them")
    wait(lambda: messages(system, "twilio-sandbox", order) and messages(system, "sendgrid-sandbox", order), 30, "and has its effect")
    assert [h["ce_id"] for key, h, _ in system.topic("order-events") if key == order] == [event]
    assert system.sql("order-svc", "SELECT count(*) FROM ec.outbox") == [["0"]]


def test_an_event_that_comes_twice(system):
    """Under one id, however often and on whatever partition: one effect."""
    customer, order = Customer(system), str(uuid.uuid4())
    body = {"order_id": order, "user_id": customer.id, "total_cents": 1}
    before = handled(system, "notify-svc", "OrderPlaced.v1")
    event = str(uuid.uuid4())
    produce(system, "order-events", order, "OrderPlaced.v1", event, body, times=3)
    wait(lambda: handled(system, "notify-svc", "OrderPlaced.v1") >= before + 3, 30, "all three are taken in")
    produce(system, "order-events", order, "OrderPlaced.v1", event, body)
    wait(lambda: handled(system, "notify-svc", "OrderPlaced.v1") >= before + 4, 30, "and the one that comes later")
    assert len(messages(system, "sendgrid-sandbox", order)) == len(messages(system, "twilio-sandbox", order)) == 1
    # Of a real one: the stock is moved on once, the order is shipped.
    staff = Customer(system, staff=True)
    held = stock(system, "press")
    bought = customer.order("press", 2).json["id"]
    shipped = staff.post(f"/v1/orders/{bought}/ship")
    assert shipped.status == 200 and shipped.json["status"] == "shipped", shipped
    wait(lambda: stock(system, "press") == (held[0] - 2, held[1], held[2] + 2), 30, "the stock has moved on")
    wait(lambda: customer.get(f"/v1/orders/{bought}").json["status"] == "shipped", 30, "the order is shipped")
    (again, sent), = [(h, b) for key, h, b in system.topic("shipping-events") if key == bought]
    services = "inventory-svc", "order-svc"
    before = [handled(system, service, "OrderShipped.v1") for service in services]
    produce(system, "shipping-events", bought, again["ce_type"], again["ce_id"], sent, times=2)
    for service, n in zip(services, before):
        wait(lambda: handled(system, service, "OrderShipped.v1") >= n + 2, 30, f"{service} has seen it again")
    assert stock(system, "press") == (held[0] - 2, held[1], held[2] + 2)
    assert customer.post(f"/v1/orders/{bought}/cancel").status == 409
    assert staff.post(f"/v1/orders/{bought}/ship").status == 409
