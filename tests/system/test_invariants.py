"""What must hold is checked on the running system, and each thing that can be wrong is found when it is."""
import json
import subprocess

from lib import wait
from shop import Customer

KAFKA = ["embedded", "apache"]


def record(system):
    done = system.ecomc("invariants", "--record")
    assert done.returncode == 0 and not done.stdout and not done.stderr, done


def invariants(system, within=0):
    """Violations by the check's name; with those that could not be asked as None."""
    done = system.ecomc("invariants", "--within", str(within), "--format=json")
    assert done.returncode in (0, 1), done
    checks = json.loads(done.stdout)
    out = {c["check"]: None if c["skipped"] else c["violations"] for c in checks}
    assert (done.returncode == 1) == any(out.values()), done
    return out


def broken(system, within=0):
    return {name: n for name, n in invariants(system, within).items() if n}


def orders(system):
    """One of each course that an order can take."""
    customer = Customer(system)
    placed = [customer.order("kettle"), customer.order("mug", 2), customer.order("press")]
    assert all(reply.status == 201 for reply in placed), placed
    assert customer.order("kettle", 1, "pm_card_chargeDeclined").status == 402
    assert customer.post(f"/v1/orders/{placed[2].json['id']}/cancel").status == 200
    return [reply.json["id"] for reply in placed]


def test_all_hold_and_all_were_asked(system):
    record(system)
    orders(system)
    answers = invariants(system, 60)
    assert len(answers) >= 16 and all(n == 0 for n in answers.values()), answers
    left = [service for service in ("order-svc", "payment-svc", "shipping-svc")
            if system.sql(service, "SELECT 1 FROM pg_class WHERE relname = 'outbox_record'")]
    assert not left, left
    # Without recording, what needs it is not asked, and said so.
    answers = invariants(system, 60)
    assert sum(n is None for n in answers.values()) == 4 and not any(answers.values()), answers
    text = system.ecomc("invariants").stdout
    assert "holds  every saga has ended" in text and "skip   what was published is in its topic" in text, text


def broken_by(system, service, harm, repair):
    system.sql(service, harm)
    try:
        return broken(system)
    finally:
        system.sql(service, repair)
        assert not broken(system, 30)


def test_a_wrong_row_is_found(system):
    good, _, cancelled = orders(system)
    assert not broken(system, 60)
    found = broken_by(system, "inventory-svc", "UPDATE stock SET available = available - 1 WHERE sku = 'mug'",
                      "UPDATE stock SET available = available + 1 WHERE sku = 'mug'")
    assert found == {"stock is conserved": 1}, found
    found = broken_by(system, "order-svc", f"UPDATE orders SET total_cents = total_cents + 1 WHERE id = '{good}'",
                      f"UPDATE orders SET total_cents = total_cents - 1 WHERE id = '{good}'")
    assert found == {"the money that is kept is the total of the orders that stand, captured once each": 1}, found
    found = broken_by(system, "shipping-svc", f"UPDATE shipments SET status = 'scheduled' WHERE order_id = '{cancelled}'",
                      f"UPDATE shipments SET status = 'cancelled' WHERE order_id = '{cancelled}'")
    assert found == {"a confirmed order has all of its effects, a cancelled one none": 1}, found
    found = broken_by(system, "payment-svc", "INSERT INTO payments (order_id, user_id, amount_cents, method) VALUES"
                      " ('00000000-0000-7000-8000-000000000001', '00000000-0000-7000-8000-000000000002', 1, 'x')",
                      "DELETE FROM payments WHERE method = 'x'")
    assert found == {"no effect is without its order": 1}, found


def test_a_wrong_saga_is_found(system):
    good, _, _ = orders(system)
    assert not broken(system, 60)
    (saga,), = system.sql("order-svc", f"SELECT id FROM ec.saga WHERE params->'order'->>'id' = '{good}' AND name = 'place-order'")
    where = f"saga_id = '{saga}' AND step = 'charge' AND phase = 'do'"
    found = broken_by(system, "order-svc", f"UPDATE ec.saga_step SET state = 'unknown' WHERE {where}",
                      f"UPDATE ec.saga_step SET state = 'done' WHERE {where}")
    assert found == {"of a saga that is done every step is done and none undone": 1}, found
    found = broken_by(system, "order-svc", f"UPDATE ec.saga SET state = 'failed' WHERE id = '{saga}'",
                      f"UPDATE ec.saga SET state = 'done' WHERE id = '{saga}'")
    assert found == {"of a saga that failed every step that was done, or may have been, is undone": 3,
                     "the participants of a saga that failed have undone its steps, or never done them": 3}, found
    key = f"key = '{saga}/ship/do'"
    found = broken_by(system, "shipping-svc", f"UPDATE ec.inbox SET state = 'failed' WHERE {key}",
                      f"UPDATE ec.inbox SET state = 'done' WHERE {key}")
    assert found == {"the participants of a saga that is done have done its steps": 1}, found
    # A lease that no engine takes over while we look: it is far in the future.
    found = broken_by(system, "order-svc",
                      f"UPDATE ec.saga SET state = 'running', lease_until = now() + interval '1 hour' WHERE id = '{saga}'",
                      f"UPDATE ec.saga SET state = 'done' WHERE id = '{saga}'")
    assert found == {"every saga has ended": 1}, found
    system.sql("order-svc", f"CREATE TABLE kept AS SELECT * FROM ec.saga_step WHERE saga_id = '{saga}' AND step = 'ship'")
    found = broken_by(system, "order-svc", f"DELETE FROM ec.saga_step WHERE saga_id = '{saga}' AND step = 'ship'",
                      "INSERT INTO ec.saga_step SELECT * FROM kept; DROP TABLE kept")
    assert found == {"of a saga that is done every step is done and none undone": 1,
                     "no participant has done a step of a saga that does not know of it": 1}, found


def produce(system, topic, key, event, value, kind="OrderShipped.v1"):
    subprocess.run(["kcat", "-b", system.brokers(), "-P", "-t", topic, "-k", key, "-H", f"ce_id={event}", "-H", f"ce_type={kind}"],
                   input=value.encode(), check=True, timeout=30)


def test_a_wrong_topic_is_found(system):
    record(system)
    good, _, _ = orders(system)
    # the effect of an event that is in no topic; an event that nobody published
    system.sql("notify-svc", "INSERT INTO ec.inbox (key, program, state) VALUES"
               " ('event/notify-svc.notify/0192f000-0000-7000-8000-000000000000', 'x', 'done')")
    produce(system, "shipping-events", "k", "0192f000-0000-7000-8000-000000000001",
            '{"order_id": "0192f000-0000-7000-8000-000000000002", "tracking": "T"}')
    wait(lambda: system.sql("order-svc", "SELECT 1 FROM ec.inbox WHERE key LIKE"
                            " 'event/order-svc.orders/0192f000-%'"), 30, "the event has been taken")
    # an event that was noted and never sent; one that differs from what was sent
    system.sql("shipping-svc", "INSERT INTO ec.outbox_record (id, event_id, topic, key, type, body) VALUES"
               " (0, '0192f000-0000-7000-8000-000000000003', 'shipping-events', 'k', 'OrderShipped.v1', '{}')")
    system.sql("order-svc", f"UPDATE ec.outbox_record SET body = body || ' ' WHERE key = '{good}'")
    found = broken(system, 0)
    assert found == {"no effect is of an event that was not published": 1, "nothing is in a topic that was not published": 1,
                     "what was published is in its topic, as it was written": 2}, found
    system.sql("notify-svc", "DELETE FROM ec.inbox WHERE program = 'x'")


def test_a_wrong_order_is_found(system):
    record(system)
    _, _, cancelled = orders(system)
    assert not system.sql("order-svc", "SELECT 1 FROM ec.outbox_record WHERE id < 0")
    wait(lambda: system.sql("order-svc", "SELECT count(*) FROM ec.outbox") == [["0"]], 30, "all is delivered")
    system.sql("order-svc", f"UPDATE ec.outbox_record SET id = -id, snapshot = pg_current_snapshot() WHERE key = '{cancelled}'")
    found = broken(system, 0)
    assert found == {"the events of a key are in its topic in the order of their transactions": 1}, found


def test_usage(system):
    done = system.ecomc("invariants", "--within", "soon")
    assert done.returncode == 64 and "--within" in done.stderr, done


def test_nothing_is_up():
    import lib
    import os
    import shutil
    system = lib.System(os.path.join(lib.ROOT, "topology.ecom"))
    done = system.ecomc("invariants")
    assert done.returncode == 74 and "nothing is up" in done.stderr, done
    shutil.rmtree(system.folder)
