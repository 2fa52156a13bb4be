"""Messages that can't be handled, on the running system: they become dead letters with all they were, nothing else stops, and
`ecomc dead-letters` lists, shows and sends them back, each with one effect."""
import json
import os
import subprocess
import tempfile
import uuid

import lib
from lib import wait
from shop import Customer

KAFKA = ["embedded", "apache"]
NOTIFY = "notify-svc.notify"


def kcat(system, *words):
    done = subprocess.run(["kcat", "-b", system.brokers(), *words], capture_output=True, text=True, errors="surrogateescape", timeout=30)
    assert done.returncode == 0, done.stderr
    return done.stdout


def produce(system, topic, key, value, **headers):
    """One message, byte for byte, by another client. Header names with _ for -."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(value)
        file.flush()
        words = [word for name, text in headers.items() for word in ("-H", f"{name}={text}")]
        kcat(system, "-P", "-t", topic, "-k", key, *words, file.name)


def read(system, topic):
    """Every message as it lies there: partition, offset, key, headers in order, payload."""
    out = []
    for line in kcat(system, "-C", "-t", topic, "-o", "beginning", "-e", "-q", "-J").splitlines():
        message = json.loads(line)
        message["headers"] = list(zip(message.get("headers", [])[::2], message.get("headers", [])[1::2]))
        out.append(message)
    return out


def letters(system, service):
    done = system.ecomc("dead-letters", service, "list", "--format", "json")
    assert done.returncode == 0, done
    return json.loads(done.stdout)


def of_note(messages, note):
    return [m for m in messages if ("note", note) in m["headers"]]


def placed(order, customer):
    return json.dumps({"order_id": order, "user_id": customer.id, "total_cents": 4900}).encode()


def sent(system, sandbox, order):
    return [e for e in system.ledger(sandbox) if order in json.dumps(e)]


def metric(system, name, process="notify-svc"):
    return system.metrics(process).get(name, 0)


def test_each_kind_of_poison(system):
    customer = Customer(system)
    key, good = str(uuid.uuid4()), str(uuid.uuid4())
    kinds = {
        "malformed": (b'{"order_id":', {"ce_type": "OrderPlaced.v1", "ce_id": str(uuid.uuid4())}),
        "invalid": (b'{"order_id":"seven","user_id":"eight","total_cents":1}', {"ce_type": "OrderPlaced.v1", "ce_id": str(uuid.uuid4())}),
        "unknown-type": (b'{"a":1}', {"ce_type": "OrderLost.v1", "ce_id": str(uuid.uuid4())}),
    }
    before = {reason: metric(system, f'ec_dead_letters_total{{group="{NOTIFY}",reason="{reason}"}}') for reason in kinds}
    for reason, (value, headers) in kinds.items():
        produce(system, "order-events", key, value, **headers, note=f"{key} {reason}")
    produce(system, "order-events", key, b"{}", note=f"{key} no type")
    produce(system, "order-events", key, placed(good, customer), ce_type="OrderPlaced.v1", ce_id=good)
    reply = customer.order()
    assert reply.status == 201, reply
    for order in (good, reply.json["id"]):  # the same key and another one go on
        wait(lambda: len(sent(system, "twilio-sandbox", order)) == 1, 30, f"an SMS for {order}")
        assert len(sent(system, "sendgrid-sandbox", order)) == 1

    wait(lambda: len([m for m in read(system, "order-events.dead-letter") if m["key"] == key]) == 4, 30, "four dead letters")
    was, now = read(system, "order-events"), read(system, "order-events.dead-letter")
    for reason, (value, _) in {**kinds, "no type": (b"{}", {})}.items():
        (source,), (letter,) = of_note(was, f"{key} {reason}"), of_note(now, f"{key} {reason}")
        assert letter["payload"] == value.decode() == source["payload"] and letter["key"] == key, letter
        assert letter["headers"][:len(source["headers"])] == source["headers"], (letter, source)
        why = dict(letter["headers"][len(source["headers"]):])
        assert why["dead-letter-reason"] == ("unknown-type" if reason == "no type" else reason), why
        assert why["dead-letter-group"] == NOTIFY and why["dead-letter-topic"] == "order-events", why
        assert (int(why["dead-letter-partition"]), int(why["dead-letter-offset"])) == (source["partition"], source["offset"]), (why, source)
        assert why["dead-letter-attempts"] == "0" and why["dead-letter-time"].endswith("Z") and why["dead-letter-detail"], why
        assert "seven" not in why["dead-letter-detail"], why
    after = {reason: metric(system, f'ec_dead_letters_total{{group="{NOTIFY}",reason="{reason}"}}') for reason in kinds}
    assert {r: after[r] - before[r] for r in kinds} == {"malformed": 1, "invalid": 1, "unknown-type": 2}, (before, after)
    assert metric(system, f'ec_dead_letters_waiting{{group="{NOTIFY}"}}') == 0
    assert read(system, "payment-events.dead-letter") == []  # types that notify has no consumer for are no poison

    lines = system.ecomc("dead-letters", "notify-svc", "list").stdout.splitlines()
    mine = [line for line in lines if key in line]
    assert len(mine) == 4 and all(NOTIFY in line and line.startswith("order-events.dead-letter/") for line in mine), lines
    (malformed,) = [line for line in mine if "malformed: " in line]
    shown = system.ecomc("dead-letters", "notify-svc", "show", malformed.split()[0])
    assert shown.returncode == 0 and shown.stdout.endswith('\n\n12 bytes\n{"order_id":\n'), shown
    assert f"note: {key} malformed\n" in shown.stdout and "dead-letter-reason: malformed\n" in shown.stdout, shown
    # The service's binary alone, as in a container.
    binary = os.path.join(system.folder, ".ecom", "services", "notify-svc", "notify-svc")
    env = {"KAFKA_BROKERS": system.brokers()}
    alone = subprocess.run([binary, "dead-letters", "list"], env=env, capture_output=True, text=True, timeout=30)
    assert alone.returncode == 0 and alone.stdout.splitlines() == lines, alone


def raw(system, letter):
    """The value of a message, by its id."""
    topic, partition, offset = letter["id"].split("/")
    words = ["-C", "-t", topic, "-p", partition, "-o", offset, "-c", "1", "-e", "-q", "-f", "%s"]
    return subprocess.run(["kcat", "-b", system.brokers(), *words], capture_output=True, timeout=30, check=True).stdout


def test_bytes_that_are_no_text(system):
    """All that a byte can be comes to the dead letter as it was, and back and there again."""
    key, value = str(uuid.uuid4()), bytes(range(256)) + b"\xff\xc3\x28\r\n\x00"
    produce(system, "order-events", key, value, ce_type="OrderPlaced.v1", ce_id=str(uuid.uuid4()))

    def found(n):
        return wait(lambda: len(of := [x for x in letters(system, "notify-svc") if x["key"] == key]) == n and of, 30, f"{n} letters")
    (letter,) = found(1)
    assert letter["reason"] == "malformed" and letter["value"] == {"hex": value.hex()} and raw(system, letter) == value, letter
    assert system.ecomc("dead-letters", "notify-svc", "replay", letter["id"]).returncode == 0
    assert [raw(system, each) for each in found(2)] == [value, value]


def test_provider_is_down_until_retries_are_used_up(system):
    customer = Customer(system)
    system.fault("twilio-sandbox", call="Send", kind="status", status=500, times=6)
    reply = customer.order()
    assert reply.status == 201, reply
    order = reply.json["id"]
    (letter,) = wait(lambda: [x for x in letters(system, "notify-svc") if x["key"] == order], 60, "a dead letter")
    tries = sent(system, "twilio-sandbox", order)
    assert len(tries) == 6 and all(e["status"] == 500 and e.get("fault") for e in tries), tries
    assert (letter["attempts"], letter["group"], letter["type"], letter["replayed"]) == (6, NOTIFY, "OrderPlaced.v1", None), letter
    assert letter["reason"] == "bad-gateway" and letter["detail"] == "twilio failed", letter
    assert metric(system, f'ec_dead_letters_total{{group="{NOTIFY}",reason="bad-gateway"}}') >= 1
    events = [m for m in read(system, "order-events") if dict(m["headers"]).get("ce_id") == letter["event_id"]]
    assert len(events) == 1, events

    done = system.ecomc("dead-letters", "notify-svc", "replay", letter["id"])
    assert done.returncode == 0 and done.stdout == f"{letter['id']} replayed\n", done
    wait(lambda: len(sent(system, "twilio-sandbox", order)) == 7, 30, "the SMS")
    query = f"SELECT channel, status FROM messages WHERE order_id = '{order}' ORDER BY 1"
    wait(lambda: system.sql("notify-svc", query) == [["mail", "sent"], ["sms", "sent"]], 30, "both are noted")
    assert sent(system, "twilio-sandbox", order)[-1]["status"] in (200, 201)
    again = system.ecomc("dead-letters", "notify-svc", "replay", letter["id"])
    assert again.returncode == 0 and again.stdout == "" and "already" in again.stderr, again
    (listed,) = [x for x in letters(system, "notify-svc") if x["id"] == letter["id"]]
    assert listed["replayed"], listed
    events = [m for m in read(system, "order-events") if dict(m["headers"]).get("ce_id") == letter["event_id"]]
    assert len(events) == 2 and events[0]["payload"] == events[1]["payload"] and events[0]["key"] == events[1]["key"], events
    extra = [h for h in events[1]["headers"] if h not in events[0]["headers"]]
    assert extra == [("replay-group", NOTIFY), ("replay-of", f"order-events/{events[0]['partition']}/{events[0]['offset']}")], extra

    # Sent once more by hand, past the mark: the inbox knows the event.
    produce(system, "order-events", order, events[0]["payload"].encode(), **dict(events[0]["headers"]))
    other = customer.order("mug").json["id"]
    wait(lambda: len(sent(system, "twilio-sandbox", other)) == 1, 30, "the next SMS")
    wait(lambda: metric(system, f'ec_consumer_lag{{group="{NOTIFY}"}}') == 0, 15, "nothing waits")
    assert len(sent(system, "twilio-sandbox", order)) == 7 and len(sent(system, "sendgrid-sandbox", order)) == 1


def test_all_of_one_group(system):
    """Two groups have a letter each of one message; what is sent back for one does not reach the other."""
    note = str(uuid.uuid4())
    produce(system, "shipping-events", note, b"[1,", ce_type="OrderShipped.v1", note=note)
    for service in ("order-svc", "inventory-svc"):
        wait(lambda: [x for x in letters(system, service) if x["key"] == note], 30, f"a letter of {service}")
    assert len(read(system, "shipping-events.dead-letter")) == 2
    skipped = 'ec_consumer_events_total{group="inventory-svc.inventory",event="OrderShipped.v1",outcome="skipped"}'
    before = metric(system, skipped, "inventory-svc")
    done = system.ecomc("dead-letters", "order-svc", "replay", "--all")
    assert done.returncode == 0 and done.stdout.endswith(" replayed\n") and "1 replayed" in done.stderr, done
    wait(lambda: len([x for x in letters(system, "order-svc") if x["key"] == note]) == 2, 30, "it has failed again")
    wait(lambda: metric(system, skipped, "inventory-svc") == before + 1, 30, "the other group has passed it over")
    assert len([x for x in letters(system, "inventory-svc") if x["key"] == note]) == 1
    first, second = [x for x in letters(system, "order-svc") if x["key"] == note]
    assert first["replayed"] and not second["replayed"] and second["value"] == "[1,", (first, second)
    assert system.ecomc("dead-letters", "order-svc", "replay", "--all").stdout.count("\n") == 1  # the second one
    wait(lambda: len([x for x in letters(system, "order-svc") if x["key"] == note]) == 3, 30, "and once more")


def test_refusals():
    system = lib.System(os.path.join(lib.ROOT, "topology.ecom"))

    def says(code, *words):
        done = system.ecomc("dead-letters", *words)
        assert done.returncode == code and done.stdout == "" and done.stderr.count("\n") == 1, done
        return done.stderr

    assert "needs a service" in says(64)
    assert "text or json" in says(64, "notify-svc", "list", "--format", "sarif")
    assert "catalog-svc is not a service that consumes" in says(1, "catalog-svc", "list")
    assert "not built yet" in says(1, "notify-svc", "list")
    lib.shutil.rmtree(system.folder)
