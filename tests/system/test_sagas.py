"""Sagas seen from outside: what takes too long is answered 202 and goes on, a cancellation is one too, what is not known is found out
with the same key, and the gauges tell how many are where."""
import os
import signal
import threading
import time
import uuid

from lib import wait
from service_token import service_token
from shop import Customer, calm, events, messages, money, stock

KAFKA = ["embedded"]


def sagas(system):
    """running, compensating, stuck: over all processes."""
    return tuple(int(system.counted("order-svc", f"ec_saga_{state}")) for state in ("running", "compensating", "stuck"))


def start(call):
    """Runs it meanwhile; [(when, reply)] when it is there."""
    out = []

    def run():
        reply = call()
        out.append((time.monotonic(), reply))
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread, out


def counts(system, *expected):
    """Soon: a gauge is told a moment after the row is there to be read."""
    wait(lambda: sagas(system) == expected, 10, f"running, compensating, stuck are {expected}; they are {sagas(system)}")


def ends(system, customer, location, seconds=90):
    """Follows the Location until the order has an end; what was seen on the way."""
    seen = []

    def poll():
        reply = customer.get(location)
        assert reply.status == 200, reply
        if reply.json["status"] not in seen:
            seen.append(reply.json["status"])
        return seen[-1] in ("confirmed", "cancelled")
    wait(poll, seconds, f"{location} has an end")
    return seen


def check_late(reply, status):
    assert reply.status == 202 and reply.json["status"] == status, reply
    assert reply.headers["location"] == f"/v1/orders/{reply.json['id']}", reply.headers
    return reply.headers["location"]


def order_of(system, customer):
    (row,) = system.sql("order-svc", f"SELECT id FROM orders WHERE user_id = '{customer.id}'")
    return row[0]


def test_late_is_202_and_goes_on(system):
    """At the same time, 15 s after they came: an order that will be confirmed, one that will be cancelled, the cancellation of a third."""
    calm(system)
    counts(system, 0, 0, 0)
    slow, doomed, sorry = (Customer(system) for _ in range(3))
    third = sorry.order("teapot").json["id"]
    before = stock(system, "teapot")
    charges = len(system.ledger("stripe-sandbox"))
    system.fault("stripe-sandbox", call="CreatePayment", kind="timeout")  # time enough to get hold of its row
    begun = time.monotonic()
    first = start(lambda: slow.order("teapot"))
    wait(lambda: len(system.ledger("stripe-sandbox")) > charges, 15, "the charge is at the provider")
    with system.transaction("order-svc", f"SELECT 1 FROM orders WHERE id = '{order_of(system, slow)}' FOR UPDATE"):
        shipped = f"SELECT 1 FROM shipments WHERE order_id = '{order_of(system, slow)}'"
        wait(lambda: system.sql("shipping-svc", shipped), 15, "it has come to its end")
        counts(system, 1, 0, 0)
        with system.paused("payment-svc"):
            second, cancel = start(lambda: doomed.order("teapot")), start(lambda: sorry.post(f"/v1/orders/{third}/cancel"))
            wait(lambda: sagas(system) == (3, 0, 0), 8, "three go forward")
            wait(lambda: sagas(system) == (2, 1, 0), 15, "one goes back: its charge has not been answered in time")
            for thread, _ in (first, second, cancel):
                thread.join(40)
            at, reply = first[1][0]
            slow_at = check_late(reply, "pending")
            assert 13 < at - begun < 20, at - begun
            doomed_at, third_at = check_late(second[1][0][1], "pending"), check_late(cancel[1][0][1], "cancelling")
            assert third_at == f"/v1/orders/{third}"
            assert slow.get(slow_at).json["status"] == "pending" and sorry.get(third_at).json["status"] == "cancelling"
    assert ends(system, slow, slow_at)[-1] == "confirmed"
    assert ends(system, sorry, third_at)[-1] == "cancelled"
    assert ends(system, doomed, doomed_at)[-1] == "cancelled"
    calm(system)
    counts(system, 0, 0, 0)
    total = [3900]
    assert money(system, slow_at.split("/")[-1]) == (total, []) and money(system, third) == (total, total)
    captured, refunded = money(system, doomed_at.split("/")[-1])
    assert captured == refunded and len(captured) <= 1, (captured, refunded)
    after = stock(system, "teapot")
    assert after == before, (before, after)  # one more of slow's is held, and the third's is not any more
    wait(lambda: events(system, third, "order-events") == ["OrderPlaced.v1", "OrderCancelled.v1"], 20, "both of its events, in order")


def test_cancel_while_a_participant_dies(system):
    """The refund is at the provider when payment-svc is killed: it is asked again under the same key, and paid back once."""
    customer = Customer(system)
    before = stock(system, "moka")
    order = customer.order("moka", 2).json["id"]
    seen = sum(e["call"] == "CreateRefund" for e in system.ledger("stripe-sandbox"))
    system.fault("stripe-sandbox", call="CreateRefund", kind="timeout")
    thread, out = start(lambda: customer.post(f"/v1/orders/{order}/cancel"))
    wait(lambda: sum(e["call"] == "CreateRefund" for e in system.ledger("stripe-sandbox")) > seen, 20, "the refund is at the provider")
    system.kill("payment-svc")
    thread.join(40)
    assert out[0][1].status in (200, 202), out
    assert ends(system, customer, f"/v1/orders/{order}")[-1] == "cancelled"
    calm(system)
    assert money(system, order) == ([6800], [6800])
    tried = [e for e in system.ledger("stripe-sandbox") if e["call"] == "CreateRefund"][seen:]
    assert len({e["key"] for e in tried}) == 1 and [e["replayed"] for e in tried][:2] == [False, True], tried
    assert stock(system, "moka") == before
    assert customer.post(f"/v1/orders/{order}/cancel").status == 409
    assert tried[0]["fault"] == "timeout"


def refund_asks(system, order):
    """What the provider was asked about refunds of the order: CreateRefund and GetRefund, with the status that it told."""
    ledger = system.ledger("stripe-sandbox")
    intents = {e["reply"]["id"] for e in ledger if e["call"] == "CreatePayment" and e["status"] == 200 and e["reply"]["metadata"]["order_id"] == order}
    refunds = [e["reply"]["id"] for e in ledger if e["call"] == "CreateRefund" and e["status"] == 200 and e["reply"]["payment_intent"] in intents]
    return refunds, [e["reply"]["status"] for e in ledger if e["call"] == "GetRefund" and e["request"]["refund"] in refunds]


def paid_back(system, order):
    return system.sql("payment-svc", f"SELECT status FROM payments WHERE order_id = '{order}'")[0][0]


def test_a_refund_that_takes_its_time(system):
    """A refund that the provider calls pending is none yet: the customer is told 202, the payment is `refunding`, and it is asked until it is."""
    customer, before = Customer(system), stock(system, "moka")
    order = customer.order("moka", 1, "pm_card_pendingRefund").json["id"]
    pending = {"id": "re_1", "status": "pending", "amount": 3400}
    system.fault("stripe-sandbox", call="GetRefund", kind="status", status=200, body=pending, times=1000)
    reply = customer.post(f"/v1/orders/{order}/cancel")
    assert reply.status == 202 and reply.json["status"] == "cancelling" and reply.headers["location"] == f"/v1/orders/{order}", reply
    assert customer.get(reply.headers["location"]).json["status"] == "cancelling"
    assert paid_back(system, order) == "refunding" and customer.get(f"/v1/orders/{order}/summary").json["payment"]["status"] == "refunding"
    assert customer.post(f"/v1/orders/{order}/cancel").status == 202, "it is under way"
    assert events(system, order, "payment-events") == ["PaymentCaptured.v1"], "no money is back yet"
    system.request("DELETE", "/_sandbox/faults", port=system.processes()["stripe-sandbox"]["port"], tls=True)
    assert ends(system, customer, f"/v1/orders/{order}")[-1] == "cancelled"
    calm(system)
    refunds, told = refund_asks(system, order)
    assert len(refunds) == 1 and "pending" in told and told[-1] == "succeeded" and told.count("succeeded") == 1, (refunds, told)
    assert paid_back(system, order) == "refunded" and money(system, order) == ([3400], [3400]) and stock(system, "moka") == before
    wait(lambda: events(system, order, "payment-events") == ["PaymentCaptured.v1", "PaymentRefunded.v1"], 20, "it is told, once")


def test_an_undo_waits_for_its_refund(system):
    """The order fails when it has been paid for: it is given up only when the money is back, and the provider is asked twice for that."""
    customer = Customer(system)
    with system.paused("shipping-svc"):
        reply = customer.order("moka", 1, "pm_card_pendingRefund")
    assert reply.status == 503 and reply.json["type"].endswith("shipping-unavailable"), reply
    order = order_of(system, customer)
    assert ends(system, customer, f"/v1/orders/{order}")[-1] == "cancelled"
    calm(system)
    refunds, told = refund_asks(system, order)
    assert len(refunds) == 1 and told == ["pending", "succeeded"] and paid_back(system, order) == "refunded", (refunds, told)


def charges_of(system, order):
    return [e for e in messages(system, "stripe-sandbox", order) if e["call"] == "CreatePayment"]


def test_unknown_is_asked_again_not_guessed(system):
    """The provider did it and the answer was lost: the same key finds out."""
    for kind in ("timeout", "truncate", "close"):
        customer = Customer(system)
        system.fault("stripe-sandbox", call="CreatePayment", kind=kind)
        reply = customer.order("moka")
        assert reply.status == 201, (kind, reply)
        tried = charges_of(system, reply.json["id"])
        assert len(tried) == 2 and len({e["key"] for e in tried}) == 1 and [e["replayed"] for e in tried] == [False, True], (kind, tried)
        assert [e.get("fault") for e in tried] == [kind, None] and money(system, reply.json["id"]) == ([3400], [])
    # Every answer is lost: nobody says that it was not paid. It is asked once more when it is undone, and paid back.
    customer = Customer(system)
    system.fault("stripe-sandbox", call="CreatePayment", kind="timeout", times=3)
    reply = customer.order("moka")
    assert reply.status in (202, 503), reply
    order = order_of(system, customer)
    assert ends(system, customer, f"/v1/orders/{order}")[-1] == "cancelled"
    calm(system)
    tried = charges_of(system, order)
    assert len({e["key"] for e in tried}) == 1 and [e["replayed"] for e in tried][:3] == [False, True, True] and len(tried) >= 4, tried
    assert money(system, order) == ([3400], [3400])
    assert system.sql("payment-svc", f"SELECT status FROM payments WHERE order_id = '{order}'") == [["refunded"]]
    wait(lambda: events(system, order, "order-events") == ["OrderCancelled.v1"], 20, "it is told")


def test_the_barrier_of_each_participant(system):
    """Asked as the orchestrator would: a do that comes after its undo is refused, one that comes twice is done once."""
    customer, before = Customer(system), stock(system, "moka")
    charge = {"user_id": customer.id, "amount_cents": 3400, "method": "pm_card_visa"}
    steps = (("inventory-svc", "Reserve", "Release", {"lines": [{"sku": "moka", "qty": 1}]}, "reservations", "released"),
             ("payment-svc", "Charge", "Refund", charge, "payments", "refunded"),
             ("shipping-svc", "Schedule", "Unschedule", {}, "shipments", "cancelled"))
    for service, do, undo, more, table, gone in steps:
        port, token = system.ports(service)[0], service_token(system, "order-svc", service)

        def ask(op, key, body, **headers):
            headers = {"idempotency-key": key, **{k.replace("_", "-"): v for k, v in headers.items()}}
            return system.request("POST", f"/ops/{op}", body, token=token, headers=headers, port=port)

        def row(order):
            return system.sql(service, f"SELECT status FROM {table} WHERE order_id = '{order}'")
        order, key = str(uuid.uuid4()), str(uuid.uuid4())
        undone = [ask(undo, f"{key}/undo", {"order_id": order}, ec_undoes=f"{key}/do") for _ in range(2)]
        late = [ask(do, f"{key}/do", {"order_id": order, **more}) for _ in range(2)]
        assert [r.status for r in undone] == [200, 200], (service, undone)
        assert all(r.status == 409 and r.json["type"].endswith("/revoked") for r in late) and not row(order), (service, late)
        assert not messages(system, "stripe-sandbox", order)
        order, key = str(uuid.uuid4()), str(uuid.uuid4())
        done = [ask(do, f"{key}/do", {"order_id": order, **more}) for _ in range(2)]
        assert [r.status for r in done] == [200, 200] and done[0].json == done[1].json and len(row(order)) == 1, (service, done)
        undone = [ask(undo, f"{key}/undo", {"order_id": order}, ec_undoes=f"{key}/do") for _ in range(2)]
        assert [r.status for r in undone] == [200, 200] and row(order) == [[gone]], (service, undone, row(order))
        assert ask(do, f"{key}/do", {"order_id": order, **more}).status == 409 and row(order) == [[gone]]
        assert money(system, order) == (([3400], [3400]) if service == "payment-svc" else ([], []))
    assert stock(system, "moka") == before


def restart_with(system, sql):
    """Kills order-svc and changes its rows before it comes back."""
    names, processes = system.replicas("order-svc"), system.processes()
    with system.paused("order-svc"):
        system.sql("order-svc", sql)
        for name in names:
            os.kill(processes[name]["pid"], signal.SIGKILL)
    wait(lambda: all(p["state"] == "ready" and p["pid"] != processes[n]["pid"] for n, p in system.processes().items() if n in names),
         30, "order-svc is back")


def test_a_stuck_saga_is_seen(system):
    """More than ten attempts that failed make it a stuck one, until it goes on. Ten are written into its row: they take minutes."""
    calm(system)
    customer, before = Customer(system), stock(system, "moka")
    with system.paused("inventory-svc"):
        reply = customer.order("moka")
        assert reply.status == 503 and reply.json["type"].endswith("inventory-unavailable"), reply
        counts(system, 0, 1, 0)
        restart_with(system, "UPDATE ec.saga SET attempts = 10, next_at = now() WHERE state = 'compensating'")
        wait(lambda: sagas(system) == (0, 1, 1), 30, "it is seen to be stuck")
        restart_with(system, "UPDATE ec.saga SET next_at = now() WHERE state = 'compensating'")  # not to wait for half a minute
    order = order_of(system, customer)
    assert ends(system, customer, f"/v1/orders/{order}")[-1] == "cancelled"
    calm(system)
    counts(system, 0, 0, 0)
    assert stock(system, "moka") == before
