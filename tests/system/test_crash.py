"""kill -9 of the orchestrator in the middle of a saga: after its restart the saga ends and nothing is charged twice."""
import json
import signal
import threading

from lib import wait
from shop import Customer, stock


def crash_while(system, sandbox, **fault):
    """Places an order whose charge is held up by the stand-in; kills the orchestrator meanwhile; returns the order's id."""
    customer = Customer(system)
    before = len(system.ledger(sandbox))
    system.fault(sandbox, call="CreatePayment", times=1, **fault)
    replies = []
    thread = threading.Thread(target=lambda: replies.append(customer.order("moka")), daemon=True)
    thread.start()
    wait(lambda: len(system.ledger(sandbox)) > before, 20, "the charge has reached the provider")
    system.kill("order-svc", signal.SIGKILL)
    thread.join(40)
    (order,), = system.sql("order-svc", f"SELECT id FROM orders WHERE user_id = '{customer.id}'")
    return order


def check_ended(system, order):
    wait(lambda: system.processes()["order-svc"]["state"] == "ready", 20, "the orchestrator is back")
    wait(lambda: system.sql("order-svc", "SELECT count(*) FROM ec.saga WHERE state IN ('running', 'compensating')") == [["0"]], 60, "the saga has ended")
    status = system.sql("order-svc", f"SELECT status FROM orders WHERE id = '{order}'")[0][0]
    charges = [e for e in system.ledger("stripe-sandbox") if e["call"] == "CreatePayment" and order in json.dumps(e) and e["status"] == 200 and not e["replayed"]]
    refunds = [e for e in system.ledger("stripe-sandbox") if e["call"] == "CreateRefund" and e["status"] == 200 and not e["replayed"]
               and charges and charges[0]["reply"]["id"] in json.dumps(e)]
    assert len(charges) <= 1, charges
    if status == "confirmed":
        assert len(charges) == 1 and not refunds, (charges, refunds)
    else:
        assert status == "cancelled" and len(charges) == len(refunds), (status, charges, refunds)
    stock(system, "moka")
    return status


def test_killed_while_charging(system):
    order = crash_while(system, "stripe-sandbox", kind="timeout")
    assert check_ended(system, order) in ("confirmed", "cancelled")
    faults = system.request("GET", "/_sandbox/faults", port=system.processes()["stripe-sandbox"]["port"], tls=True).json
    assert (faults[-1]["kind"], faults[-1]["fired"]) == ("timeout", 1), faults


def test_killed_at_random(system):
    """Thirty orders while the orchestrator is killed three times."""
    customer = Customer(system)
    stop = threading.Event()
    results = []

    def place():
        while not stop.is_set() and len(results) < 30:
            try:
                results.append(customer.order("grinder").status)
            except OSError:
                results.append(0)
    threads = [threading.Thread(target=place, daemon=True) for _ in range(3)]
    for thread in threads:
        thread.start()
    for round_ in range(3):
        wait(lambda: len(results) >= 5 * (round_ + 1), 60, "orders are being placed")
        system.kill("order-svc", signal.SIGKILL)
    for thread in threads:
        thread.join(60)
    stop.set()
    assert system.processes()["order-svc"]["restarts"] >= 3
    wait(lambda: system.sql("order-svc", "SELECT count(*) FROM ec.saga WHERE state IN ('running', 'compensating')") == [["0"]], 60, "every saga has ended")
    rows = dict(system.sql("order-svc", f"SELECT id, status FROM orders WHERE user_id = '{customer.id}'"))
    paid = dict(system.sql("payment-svc", "SELECT order_id, status FROM payments"))
    held = dict(system.sql("inventory-svc", "SELECT order_id, status FROM reservations"))
    for order, status in rows.items():
        if status == "confirmed":
            assert paid.get(order) == "captured" and held.get(order) == "held", (order, paid.get(order), held.get(order))
        else:
            assert status == "cancelled" and paid.get(order) in (None, "refunded", "declined") and held.get(order) in (None, "released"), (order, status)
    stock(system, "grinder")
    assert sum(1 for s in rows.values() if s == "confirmed") >= results.count(201)
