"""What must hold when nothing is under way any more, whatever has happened before: from the databases, the provider's ledger, the topics
and the messages that went out. An order is known by its customer and its quantity, which no other order of that customer has (shop.Wish)."""
import collections
import json

import shop
from lib import wait
from shop import REFUSED, SKUS, stock

Order = collections.namedtuple("Order", "user status total method reason lines")
STRANGER = "stranger-"  # the keys of events that a test made up


def story_of(system, order):
    """What the databases say of an order that is not as it should be."""
    steps = f"""SELECT s.name, s.state, s.error, t.step, t.phase, t.state, t.attempts, t.error, t.at
                  FROM ec.saga s JOIN ec.saga_step t ON t.saga_id = s.id WHERE s.params::text LIKE '%{order}%' ORDER BY t.at"""
    return "".join("\n    " + " ".join(row) for row in system.sql("order-svc", steps))


def calm(system):
    wait(lambda: all(p["state"] in ("ready", "ended") for p in system.processes().values()), 40, "everything runs again")
    shop.calm(system, 90)
    for service, table in (("order-svc", "orders WHERE status = 'shipped'"), ("inventory-svc", "reservations WHERE status = 'shipped'")):
        wait(lambda: int(system.sql(service, f"SELECT count(*) FROM {table}")[0][0]) >=
             int(system.sql("shipping-svc", "SELECT count(*) FROM shipments WHERE status = 'shipped'")[0][0]), 30, f"{service} knows what has been shipped")


# ---------------------------------------------------------------- what must hold


def events(system, topic):
    """Each key's event types in the order of the topic; an event that was delivered twice counts once."""
    seen, out = {}, collections.defaultdict(list)
    for key, headers, body in system.topic(topic):
        if key.startswith(STRANGER):
            continue
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
        assert kept == (total if status in ("confirmed", "shipped") else 0), f"{order} is {status}, of {total} there is {kept} kept{story_of(system, order)}"
        assert method not in REFUSED or not captured[order], f"{order} was declined, and charged"
    strangers = set(captured) - set(orders)
    assert not strangers, f"charged for orders that don't exist: {strangers}"


def check_goods(system, orders):
    """I1 and the other half of I6: stock, reservations, shipments."""
    held = dict(system.sql("inventory-svc", "SELECT order_id, status FROM reservations"))
    sent = dict(system.sql("shipping-svc", "SELECT order_id, status FROM shipments"))
    paid = dict(system.sql("payment-svc", "SELECT order_id, status FROM payments"))
    reserved, shipped = collections.Counter(), collections.Counter()
    for order, (_, status, _, _, _, lines) in orders.items():
        state = held.get(order), paid.get(order), sent.get(order)
        if status == "confirmed":
            assert state == ("held", "captured", "scheduled"), f"{order} {status} {state}{story_of(system, order)}"
            for line in lines:
                reserved[line["sku"]] += line["qty"]
        elif status == "shipped":
            assert state == ("shipped", "captured", "shipped"), f"{order} {status} {state}{story_of(system, order)}"
            for line in lines:
                shipped[line["sku"]] += line["qty"]
        else:
            assert state[0] in (None, "released") and state[1] in (None, "pending", "declined", "refunded"), f"{order} {status} {state}{story_of(system, order)}"
            assert state[2] in (None, "cancelled"), f"{order} {status} {state}{story_of(system, order)}"
    for sku in SKUS:
        assert stock(system, sku)[1:] == (reserved[sku], shipped[sku]), (sku, stock(system, sku), reserved[sku], shipped[sku])
    for name, rows in (("reservation", held), ("shipment", sent), ("payment", paid)):
        assert set(rows) <= set(orders), f"a {name} without its order: {set(rows) - set(orders)}"


def check_events(system, orders, twice=0):
    """I4 and I5: one event for what has happened, one effect for each event. A mail or a text message has no key that its provider knows:
    whoever dies after it has sent one, and before it has noted that, sends it again; so there may be `twice` too many of them."""
    of_orders, of_payments = events(system, "order-events"), events(system, "payment-events")
    paid = dict(system.sql("payment-svc", "SELECT order_id, status FROM payments"))
    messages = set()
    for order, (_, status, _, _, reason, _) in orders.items():
        expected = ["OrderPlaced"] if status in ("confirmed", "shipped") else ["OrderCancelled"]
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
    assert len(mails) == sum(1 for m in messages if m[2] == "mail") and sum(mails.values()) <= len(mails) + twice, [m for m in mails.items() if m[1] > 1]
    texts = collections.Counter(entry["request"]["Body"] for entry in system.ledger("twilio-sandbox"))
    assert len(texts) == sum(1 for m in messages if m[2] == "sms") and sum(texts.values()) <= len(texts) + twice, [t for t in texts.items() if t[1] > 1]
    sent_out = collections.Counter(key for key in events(system, "shipping-events"))
    assert set(sent_out) == {order for order in orders if orders[order].status == "shipped"} and max(sent_out.values(), default=1) == 1, sent_out


def check_sagas(system):
    """I3: of a failed saga every step that was done, or may have been, is undone; of a done one none."""
    left = system.sql("order-svc", """
        SELECT g.id, g.name, g.state, d.step, d.state, u.state FROM ec.saga g JOIN ec.saga_step d ON d.saga_id = g.id AND d.phase = 'do'
          LEFT JOIN ec.saga_step u ON u.saga_id = d.saga_id AND u.step = d.step AND u.phase = 'undo'
         WHERE g.name = 'place-order' AND CASE g.state WHEN 'done' THEN d.state <> 'done' OR u.state IS NOT NULL
                                          ELSE d.state IN ('done', 'unknown', 'sent') AND u.state IS DISTINCT FROM 'done' END""")
    assert not left, left


def check_answers(orders, wishes):
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
        assert reply.status in (201, 202, 402, 409, 422, 502, 503, 504), f"nobody has earned {reply}"
        if any(cancel and cancel.status == 200 for cancel in wish.cancels):
            assert all(status == "cancelled" for _, status, _ in found), (wish.cancels, found)
        if reply.status in (201, 202):
            assert [order for order, _, _ in found] == [reply.json["id"]], (reply, found)
            if reply.status == 201:
                (_, status, reason), = found
                assert status in ("confirmed", "shipped") or (wish.cancelled and reason == "cancelled by the customer"), (reply, found)
                assert wish.method not in REFUSED
        elif reply.status == 402:
            assert found and all(status == "cancelled" and reason == "card-declined" for _, status, reason in found), (reply, found)
            assert wish.method in REFUSED


def check(system, wishes, twice=0):
    """All of it; prints what there was."""
    orders = {}
    columns = "id, user_id, status, total_cents, payment_method, coalesce(reason, ''), lines::text"
    for row in system.sql("order-svc", f"SELECT {columns} FROM orders"):
        orders[row[0]] = Order(row[1], row[2], int(row[3]), row[4], row[5], json.loads(row[6]))
        assert row[2] in ("confirmed", "cancelled", "shipped"), row
    check_sagas(system)
    check_money(system, orders)
    check_goods(system, orders)
    check_answers(orders, wishes)
    check_events(system, orders, twice)
    answers = collections.Counter(wish.reply.status if wish.reply else 0 for wish in wishes.values())
    reasons = collections.Counter(order.reason for order in orders.values() if order.reason)
    assert "conflict" not in reasons, "an order fails because its own step is in progress"
    confirmed = sum(order.status != "cancelled" for order in orders.values())
    print(f"  {len(orders)} orders, {confirmed} confirmed, the others {dict(sorted(reasons.items()))}; answers {dict(sorted(answers.items()))}")
