"""The topology is edited while the system is in production: sagas that are in flight finish by the steps that they were started with, old and
new processes share a database and a topic, and what either says is read by the other. One system goes through three versions."""
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import uuid

import lib
from lib import wait
from service_token import service_token

TOPOLOGY = os.path.join(lib.ROOT, "tests", "topologies", "rooms.ecom")
KAFKA = ["apache"]
ENV = {"EC_DRAIN_MS": "300"}  # what is in flight at a stop stays so

# A step in the middle, one less at the end, another argument; operations and fields with new names; answers that say more; events of two versions.
SECOND = [
    ('record Room     { id: uuid  kind: Kind }', 'record Room     { id: uuid  size: Kind was(kind)  floor: int }'),
    ('event Rented v1 { id: uuid  kind: Kind }',
     'event Rented v1 { id: uuid  size: Kind was(kind)  times: int = 1  note: text? }\nevent Rented v2 { id: uuid  by: text }'),
    ('op Hold(id: uuid, n: int) -> Room {', 'op Take(id: uuid, count: int was(n)) -> Room was(Hold) {'),
    ('VALUES (:id, :n)', 'VALUES (:id, :count)'),
    ('Room { id: id  kind: small }', 'Room { id: id  size: small  floor: 3 }'),
    ('      label   text?\n', '      label   text?\n      seen    bool = false\n'),
    ('  op Free(id: uuid)', '''  op Look(id: uuid) {
    sql exec """UPDATE rooms SET seen = true WHERE id = :id"""
  }

  op LookAway(id: uuid) {
    sql exec """UPDATE rooms SET seen = false WHERE id = :id"""
  }

  op Free(id: uuid)'''),
    ('room-svc.Hold(id: id, n: 1)', 'room-svc.Take(id: id, count: 2)'),
    ('  step charge', '  step look       do   room-svc.Look(id: id)  undo room-svc.LookAway(id: id)\n  step charge'),
    ('  step label      do room-svc.Label(id: id, label: "first")\n', ''),
    ("'rented, first'", "'rented, second'"), ("'failed, first'", "'failed, second'"),
    ('publish Rented { id: id  kind: hold.kind }', 'publish Rented v2 { id: id  by: "second" }'),
    ('      kind        Kind?\n', '      kind        Kind?\n      times       int?\n      note        text?\n'),
    ('''  on Rented(e) from rentals group log  retry 3 backoff 100ms..1s {
    sql exec """INSERT INTO lines (id, version, kind) VALUES (:e.id, 1, :e.kind) ON CONFLICT DO NOTHING"""
  }''', '''  on Rented v1(e) from rentals group log  retry 3 backoff 100ms..1s {
    sql exec """INSERT INTO lines (id, version, kind, times, note) VALUES (:e.id, 1, :e.size, :e.times, :e.note) ON CONFLICT DO NOTHING"""
  }

  on Rented v2(e) from rentals group log  retry 3 backoff 100ms..1s {
    sql exec """INSERT INTO lines (id, version, note) VALUES (:e.id, 2, :e.by) ON CONFLICT DO NOTHING"""
  }'''),
]
# The first version is given up, with what only it needed.
THIRD = [('  op Label(id: uuid, label: text) {\n    sql exec """UPDATE rooms SET label = :label WHERE id = :id"""\n  }\n', ''), ]


def edited(text, edits):
    for old, new in edits:
        assert text.count(old) == 1, (text.count(old), old)
        text = text.replace(old, new)
    return text


def text_of(system):
    with open(os.path.join(system.folder, "topology.ecom"), encoding="utf-8") as file:
        return file.read()


def saga_rows(system, where="true"):
    """id, version, state, fence and what is known of its steps, of each saga."""
    steps = "(SELECT string_agg(step || '/' || phase || '=' || p.state, ' ' ORDER BY at) FROM ec.saga_step p WHERE p.saga_id = s.id)"
    return system.sql("desk-svc", f"SELECT id, version, state, fence, {steps}, params->>'id' FROM ec.saga s WHERE {where} ORDER BY created_at")


def in_flight(system, step):
    """Ids of rentals whose present step is this one."""
    return [row[5] for row in saga_rows(system, f"""state = 'running' AND EXISTS (
        SELECT 1 FROM ec.saga_step p WHERE p.saga_id = s.id AND p.step = '{step}' AND p.state = 'sent')""")]


def hang(system, n):
    """The bank does what it is asked the next n times, and says nothing."""
    before = len([e for e in system.ledger("bank-sandbox") if e.get("fault")])
    system.fault("bank-sandbox", call="Charge", kind="timeout", times=n)
    return lambda: len([e for e in system.ledger("bank-sandbox") if e.get("fault")]) - before == n


def rent(system, card="good"):
    return system.request("POST", "/rentals", {"card": card})


def rent_unseen(system, card):
    def ask():
        with contextlib.suppress(OSError):
            rent(system, card)
    threading.Thread(target=ask, daemon=True).start()


def rentals(system):
    return {row[0]: row[1] for row in system.sql("desk-svc", "SELECT id, state FROM rentals")}


def lines(system, rental):
    """version, kind, times, note: what the log has of a rental."""
    return system.sql("log-svc", f"SELECT version, kind, times, note FROM lines WHERE id = '{rental}'")


def produce(system, rental, body, version):
    """The bytes of a message, as they are."""
    words = ["-H", f"ce_id={uuid.uuid4()}", "-H", f"ce_type=Rented.v{version}", "-H", "content-type=application/json"]
    done = subprocess.run(["kcat", "-b", system.brokers(), "-P", "-t", "rentals", "-k", rental, *words], input=body.encode(), capture_output=True, timeout=30)
    assert done.returncode == 0, done


def holds(system):
    audit = system.ecomc("invariants", timeout=120)
    assert audit.returncode == 0, audit.stdout + audit.stderr


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


class Old:
    """A process of the first version's binary, on what the running one of that service has: its database, keys, brokers, peers."""

    def __init__(self, system, service):
        with open(f"/proc/{system.pid(service)}/environ", "rb") as file:
            env = dict(pair.split("=", 1) for pair in file.read().decode().split("\0") if "=" in pair)
        self.system, self.service, self.port = system, service, free_port()
        self.log = open(os.path.join(system.folder, ".ecom", "logs", f"old-{service}.log"), "wb")
        self.process = subprocess.Popen([os.path.join(system.folder, "first", service)], env=dict(env, PORT=str(self.port), EC_VERSION="first"),
                                        stdout=self.log, stderr=self.log)

    def __enter__(self):
        def ready():
            assert self.process.poll() is None, f"the old {self.service} ended"
            with contextlib.suppress(OSError):
                return self.system.request("GET", "/readyz", port=self.port).status == 200
        wait(ready, 30, f"the old {self.service} is ready beside the new one")
        return self

    def __exit__(self, *error):
        self.end(signal.SIGKILL)

    def end(self, sig):
        if self.process.poll() is None:
            self.process.send_signal(sig)
            self.process.wait(30)
        self.log.close()

    def metric(self, name):
        out = self.system.request("GET", "/metrics", port=self.port).body.decode()
        return sum(float(line.rsplit(" ", 1)[1]) for line in out.splitlines() if line.startswith(name))

    def op(self, name, body, caller="door"):
        return self.system.request("POST", f"/ops/{name}", body, token=service_token(self.system, caller, self.service), port=self.port, timeout=40)


def test_sagas_in_flight_finish_by_the_old_table(system):
    if "Rented v2" in text_of(system):
        raise lib.Skip("this system is at another version")
    first = rent(system)
    assert first.status == 201, first
    wait(lambda: system.sql("log-svc", f"SELECT 1 FROM lines WHERE id = '{first.json['id']}'"), 30, "the first rental is in the log")
    for service in ("desk-svc", "log-svc"):
        os.makedirs(os.path.join(system.folder, "first"), exist_ok=True)
        shutil.copy(os.path.join(system.folder, ".ecom", "services", service, service), os.path.join(system.folder, "first", service))
    with system.paused("log-svc"):  # a message of the first version that only the second reads
        unread = rent(system)
        assert unread.status == 201, unread
        wait(lambda: len(system.topic("rentals")) == 2, 20, "its message is in the topic")
        cards = ["good", "bad", "good", "bad"]
        fired = hang(system, len(cards))
        for card in cards:
            rent_unseen(system, card)
        wait(lambda: len(in_flight(system, "charge")) == len(cards) and fired(), 20, "all are at the bank, which says nothing")
        held = in_flight(system, "charge")
        os.kill(system.pid("log-svc"), signal.SIGKILL)  # or it would be woken to stop, and might read the message first
        system.replace(edited(text_of(system), SECOND))

    wait(lambda: not saga_rows(system, "ended_at IS NULL"), 60, "those in flight have ended")
    states = rentals(system)
    cards_of = dict(system.sql("desk-svc", "SELECT id, card FROM rentals"))
    for rental in held:  # each as its card says
        assert states[rental] == ("failed, first" if cards_of[rental] == "bad" else "rented, first"), (rental, states, cards_of)
    assert {cards_of[rental] for rental in held} == {"good", "bad"}, (held, cards_of)
    steps = {row[5]: row for row in saga_rows(system)}
    for rental in held:
        _, version, state, fence, did, _ = steps[rental]
        assert version == "1" and int(fence) > 1, steps[rental]  # another process has finished it
        if cards_of[rental] == "good":
            assert state == "done" and did == "hold/do=done charge/do=done label/do=done", steps[rental]
        else:
            assert state == "failed" and "hold/undo=done" in did and "charge/do=failed" in did and "label" not in did, steps[rental]
        assert "look" not in did, steps[rental]
    rooms = {row[0]: row[1:] for row in system.sql("room-svc", "SELECT id, n, coalesce(label, '-'), seen, state FROM rooms")}
    for rental in held:
        assert rooms[rental] == (["1", "first", "f", "held"] if cards_of[rental] == "good" else ["1", "-", "f", "free"]), rooms[rental]

    good, bad = rent(system), rent(system, "bad")  # what starts from now on does so by the new one
    assert good.status == 201 and bad.status == 402, (good, bad)
    *_, newest, refused = saga_rows(system)
    assert newest[1:3] == ["2", "done"] and newest[4] == "hold/do=done look/do=done charge/do=done", newest
    assert refused[1:3] == ["2", "failed"] and "look/undo=done" in refused[4] and "hold/undo=done" in refused[4], refused
    assert rentals(system)[newest[5]] == "rented, second"
    wait(lambda: lines(system, newest[5]) == [["2", "", "", "second"]], 30, "its event is of the second version")
    wait(lambda: lines(system, unread.json["id"]) == [["1", "small", "1", ""]], 30, "the old message is read by the new consumer")
    holds(system)


def test_old_and_new_side_by_side(system):
    of_the_second_version(system)
    with Old(system, "desk-svc") as old:
        # The old one calls the new room-svc by the old names, and reads answers that say more than it knows.
        reply = old.op("Rent", {"card": "good"})
        assert reply.status == 200, reply
        (row,) = saga_rows(system, f"params->>'id' = '{reply.json['id']}'")
        assert row[1:3] == ["1", "done"] and rentals(system)[reply.json["id"]] == "rented, first", row
        wait(lambda: lines(system, reply.json["id"]) == [["1", "small", "1", ""]], 30, "what the old one publishes is read by the new consumer")

        # An instance of the new version is left alone by the old binary, however long nobody runs it.
        fired = hang(system, 1)
        rent_unseen(system, "good")
        (mine,) = wait(lambda: fired() and in_flight(system, "charge"), 20, "one of the new version is at the bank")
        with system.paused("desk-svc"):
            wait(lambda: saga_rows(system, f"params->>'id' = '{mine}' AND lease_until < now()"), 20, "its lease has run out")
            wait(lambda: old.metric("ec_saga_unknown") == 1, 30, "the old one counts it")
            (row,) = saga_rows(system, f"params->>'id' = '{mine}'")
            assert row[1:4] == ["2", "running", "1"], row
        # What became of the call meanwhile is not known, so it may be undone; either end is of the new version.
        wait(lambda: rentals(system)[mine] in ("rented, second", "failed, second"), 60, "the new one goes on with it")
        wait(lambda: old.metric("ec_saga_unknown") == 0, 30, "nothing waits any more")

        # One that the old binary has started, and lost, is finished by the new one.
        fired = hang(system, 1)
        threading.Thread(target=old_rent, args=(old,), daemon=True).start()
        (theirs,) = wait(lambda: fired() and in_flight(system, "charge"), 20, "one of the old version is at the bank")
        old.end(signal.SIGKILL)
    wait(lambda: rentals(system)[theirs] == "rented, first", 60, "the new binary finishes it by the old table")
    (row,) = saga_rows(system, f"params->>'id' = '{theirs}'")
    assert row[1] == "1" and row[4].endswith("label/do=done"), row
    assert system.counted("desk-svc", "ec_saga_unknown") == 0
    holds(system)


def of_the_second_version(system):
    text = text_of(system)
    if "Rented v2" not in text or "Label" not in text:
        raise lib.Skip("this system is at another version")


def old_rent(old):
    with contextlib.suppress(OSError):
        old.op("Rent", {"card": "good"})


def test_messages_of_both_versions(system):
    of_the_second_version(system)
    plain, more, second = (str(uuid.uuid4()) for _ in range(3))
    produce(system, plain, json.dumps({"id": plain, "kind": "large"}), 1)  # as the first version's publisher writes it
    wait(lambda: lines(system, plain) == [["1", "large", "1", ""]], 30, "the new consumer reads it: the default, and nothing")
    with Old(system, "log-svc") as old, system.paused("log-svc"):
        wait(lambda: old.metric("ec_consumer_partitions") == 1, 60, "the old consumer has the partition")
        # as the second version's publishers write them
        produce(system, more, json.dumps({"id": more, "size": "large", "kind": "large", "times": 2, "note": "n", "later": {"a": [1]}}), 1)
        produce(system, second, json.dumps({"id": second, "by": "somebody"}), 2)
        wait(lambda: system.sql("log-svc", f"SELECT version, kind FROM lines WHERE id = '{more}'") == [["1", "large"]], 30,
             "the old consumer reads the new bytes")
        wait(lambda: old.metric("ec_dead_letters_total") == 1, 30, "what it can't know is a dead letter, not lost")
        assert not lines(system, second)
        old.end(signal.SIGTERM)
    wait(lambda: system.metrics("log-svc").get('ec_consumer_partitions{group="log-svc.log"}') == 1, 60, "the new one has the partition again")
    done = system.ecomc("dead-letters", "log-svc", "replay", "--all")
    assert done.returncode == 0, done
    wait(lambda: lines(system, second) == [["2", "", "", "somebody"]], 30, "the new consumer reads it")


def test_a_version_that_is_dropped(system):
    of_the_second_version(system)
    text = text_of(system)
    wait(lambda: not saga_rows(system, "ended_at IS NULL"), 60, "nothing is in flight")
    path = os.path.join(system.folder, "topology.ecom")
    with open(path, "w", encoding="utf-8") as file:
        file.write(edited(text, THIRD))
    refused = system.ecomc("check")
    assert refused.returncode == 1 and "E0652" in refused.stderr and "no operation of room-svc called `Label`" in refused.stderr, refused
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    left = str(uuid.uuid4())  # somebody forgot one
    system.sql("desk-svc", f"""INSERT INTO ec.saga (id, name, version, state, step, params, lease_until)
                               VALUES ('{left}', 'rent', 1, 'running', 2, '{{"id": "{left}", "card": "good"}}', now() + interval '1 h')""")
    system.replace(edited(text, THIRD) + '\ndrop saga rent v1 "none is in flight"\n')
    system.sql("desk-svc", f"UPDATE ec.saga SET lease_until = now() WHERE id = '{left}'")
    assert rent(system).status == 201
    wait(lambda: system.counted("desk-svc", "ec_saga_unknown") == 1, 30, "it is counted")
    with open(os.path.join(system.folder, ".ecom", "logs", "desk-svc.log"), errors="replace") as log:
        assert any("sagas wait for a binary that has their version" in line and '"version":"1"' in line for line in log)
    (row,) = saga_rows(system, f"id = '{left}'")
    assert row[2:4] == ["running", "0"], row
    system.sql("desk-svc", f"DELETE FROM ec.saga WHERE id = '{left}'")
    wait(lambda: system.counted("desk-svc", "ec_saga_unknown") == 0, 30, "nothing waits any more")
