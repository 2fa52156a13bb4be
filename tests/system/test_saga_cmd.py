"""`ecomc saga`: what is stuck is seen, and a person ends it: by mending what fails and asking again, or by a decision. A participant is kept down,
so that undos fail for real; ten failed attempts are written into the row, because they take minutes, and the one that makes it stuck is real. With
EC_LONG=1 also a step that goes forward, an effect that is kept, and the build under the sanitizers."""
import json
import os
import re

from lib import BUILD, BUILDS as BUILD_PATHS, LONG, ROOT, System, wait
from shop import Customer, calm, stock
from test_sagas import counts, ends, order_of, sagas, start

BUILDS = ["release", "asan"] if LONG else ["release"]
DECLINED = "pm_card_chargeDeclined"
RELEASE = """UPDATE stock SET available = available + 1, reserved = reserved - 1 WHERE sku = '{sku}';
             UPDATE reservations SET status = 'released' WHERE order_id = '{order}' AND status = 'held'"""


def saga(system, *args, code=0):
    done = system.ecomc("saga", *args)
    assert done.returncode == code, (args, done.returncode, done.stdout, done.stderr)
    return done.stdout if code == 0 else done.stderr


def listed(system, *args):
    return json.loads(saga(system, "list", *args, "--format=json"))


def shown(system, id_):
    return json.loads(saga(system, "show", id_, "--format=json"))


def fault(system, *args):
    done = system.ecomc("fault", *args)
    assert done.returncode == 0, (args, done.stdout, done.stderr)


def invariants(system):
    """Exit code, and each check by its title."""
    done = system.ecomc("invariants", "--within", "20", "--format=json")
    return done.returncode, {check["check"]: check for check in json.loads(done.stdout)}


def compensating(system, customer, sku):
    """The id of a saga whose stock is reserved, whose card is declined, and whose undo meets nobody: inventory-svc is down from then on."""
    asked = len(system.ledger("stripe-sandbox"))
    system.fault("stripe-sandbox", call="CreatePayment", kind="timeout")  # time enough; the repeat is told that it is declined
    thread, out = start(lambda: customer.order(sku, 1, DECLINED))
    wait(lambda: len(system.ledger("stripe-sandbox")) > asked, 20, "the charge is at the provider")
    fault(system, "inventory-svc down")
    thread.join(40)
    assert out[0][1].status in (202, 402), out
    (found,) = wait(lambda: [row for row in listed(system) if row["state"] == "compensating"], 20, "it goes back")
    wait(lambda: listed(system)[0]["condition"] == "waits", 20, "an undo has failed")
    return found["id"]


def bump(system, service, id_):
    system.sql(service, f"UPDATE ec.saga SET attempts = 10, next_at = NULL, owner = NULL, fence = fence + 1, lease_until = now() WHERE id = '{id_}'")


def make_stuck(system, id_):
    bump(system, "order-svc", id_)
    wait(lambda: listed(system)[0]["condition"] == "stuck", 30, "one more attempt has failed")


def test_what_is_asked_wrongly(system):
    calm(system)
    assert saga(system, "list") == "" and listed(system) == []
    nobody = "00000000-0000-4000-8000-000000000000"
    assert "no saga" in saga(system, "show", nobody, code=1) and "no saga" in saga(system, "retry", nobody, code=1)
    assert "UUID" in saga(system, "show", "42", code=64) and "usage" in saga(system, "resolve", nobody, code=64)
    assert "--reason" in saga(system, "resolve", nobody, "undone", code=64) and "not 'gone'" in saga(system, "resolve", nobody, "gone", "--reason", "x", code=64)
    assert "what to do" in saga(system, code=64) and "needs the id" in saga(system, "retry", code=64)


def test_two_services_a_secret_and_a_reply():
    """Each has sagas; what is stuck comes first, whosever it is. No secret is shown, and a step's reply must fit."""
    with System(os.path.join(ROOT, "tests", "topologies", "desks.ecom"), build=BUILD_PATHS[BUILD or "release"]) as system:
        fault(system, "box-svc down")
        for side in ("east", "west"):
            assert system.request("POST", f"/{side}", {"pin": "4711-secret"}).status == 201
        west = wait(lambda: [row for row in listed(system) if row["service"] == "west-svc" and row["condition"] == "waits"], 20, "it waits")[0]["id"]
        bump(system, "west-svc", west)
        wait(lambda: listed(system)[0]["condition"] == "stuck", 30, "one more attempt has failed")
        assert [(row["service"], row["condition"]) for row in listed(system)] == [("west-svc", "stuck"), ("east-svc", "waits")]
        text = saga(system, "list")
        assert text.index("east-svc\nwaits") < text.index("west-svc\nstuck"), text
        for out in (saga(system, "show", west), saga(system, "show", west.upper(), "--format=json")):
            assert "4711" not in out and '"pin":"***"' in out and "--reply JSON" in out, out
        assert "give it as --reply" in saga(system, "resolve", west, "done", "--reason", "x", code=1)
        assert "does not fit" in saga(system, "resolve", west, "done", "--reason", "x", "--reply", '{"code": 1, "pin": "4711-secret"}', code=1)
        saga(system, "resolve", west, "done", "--reason", "brought over", "--reply", '{"code": "by hand", "pin": "4711-secret"}')
        wait(lambda: system.sql("west-svc", "SELECT state FROM jobs") == [["by hand"]], 20, "it goes on with the reply")
        assert "4711" not in saga(system, "show", west, "--format=json") and "4711" not in saga(system, "list", "--all", "--format=json")
        assert "no service here has" in saga(system, "show", "00000000-0000-4000-8000-000000000000", code=1)
        fault(system, "--end")
        wait(lambda: system.sql("east-svc", "SELECT state FROM jobs") == [["box"]], 40, "the other ends by itself")


def test_stuck_is_seen_mended_and_retried(system):
    customer, before = Customer(system), stock(system, "moka")
    id_ = compensating(system, customer, "moka")
    assert "is not stuck" in saga(system, "resolve", id_, "undone", "--reason", "too early", code=1)
    counts(system, 0, 1, 0)
    make_stuck(system, id_)
    wait(lambda: sagas(system) == (0, 1, 1), 20, "the metric tells it")
    (row,) = listed(system)
    assert (row["service"], row["saga"], row["step"], row["phase"], row["attempts"]) == ("order-svc", "place-order", "reserve", "undo", 11), row
    assert "inventory-unavailable" in row["last_error"] and row["error"] == "card-declined" and row["age_s"] >= 0, row
    assert re.match(rf"stuck    {id_}  place-order v1  compensating  reserve \(undo\)  age \d+s  attempts 11  ", saga(system, "list")), saga(system, "list")
    one, text = shown(system, id_), saga(system, "show", id_)
    steps = {(s["step"], s["phase"]): s for s in one["steps"]}
    assert {k: s["state"] for k, s in steps.items()} == {("reserve", "do"): "done", ("charge", "do"): "failed", ("reserve", "undo"): "unknown"}, steps
    assert steps["reserve", "undo"]["key"] == f"{id_}/reserve/undo" and steps["reserve", "undo"]["calls"] == "inventory-svc.Release", steps
    assert re.fullmatch("[0-9a-f]{32}", one["trace_id"]) and one["left_to_undo"] == ["reserve"] and one["params"]["order"]["user_id"] == customer.id, one
    for part in ("inventory-svc.Release", f"saga retry {id_}", f"saga resolve {id_} undone"):
        assert part in one["advice"] and part in text, (part, text)
    # Asked again too early: it is tried at once, in vain, and counts from the beginning.
    assert "next: reserve" in saga(system, "retry", id_, "--by", "ada", "--reason", "hoping")
    wait(lambda: listed(system)[0]["condition"] == "waits" and listed(system)[0]["attempts"] in range(1, 9), 20, "it is tried from the beginning")
    assert "is not stuck" in saga(system, "resolve", id_, "undone", "--reason", "not yet", code=1)
    make_stuck(system, id_)
    fault(system, "--end")
    wait(lambda: system.processes()["inventory-svc"]["state"] == "ready", 30, "inventory-svc is back")
    if listed(system):  # else it was quicker
        saga(system, "retry", id_)
    assert ends(system, customer, f"/v1/orders/{order_of(system, customer)}")[-1] == "cancelled"
    calm(system)
    counts(system, 0, 0, 0)
    one = shown(system, id_)
    assert (one["state"], one["condition"]) == ("failed", "ended") and one["decisions"][0]["by"] == "ada" and one["decisions"][0]["reason"] == "hoping", one
    assert stock(system, "moka") == before and "has ended" in saga(system, "retry", id_, code=1)
    code, checks = invariants(system)
    assert code == 0 and "steps of sagas that a person has resolved" not in checks, checks


def test_an_undo_by_hand(system):
    customer, before = Customer(system), stock(system, "moka")
    id_ = compensating(system, customer, "moka")
    make_stuck(system, id_)
    assert "undone` or `kept" in saga(system, "resolve", id_, "done", "--reason", "x", code=1)
    system.sql("inventory-svc", RELEASE.format(sku="moka", order=order_of(system, customer)))
    assert "next: the end" in saga(system, "resolve", id_, "undone", "--reason", "released by hand,\x1b[31m ticket 7", "--by", "ada")
    assert ends(system, customer, f"/v1/orders/{order_of(system, customer)}")[-1] == "cancelled"
    fault(system, "--end")
    calm(system)
    counts(system, 0, 0, 0)
    assert stock(system, "moka") == before
    text = saga(system, "show", id_)
    assert "\x1b" not in text and "undone reserve  by ada: released by hand,\\x1b[31m ticket 7" in text, text
    assert "has ended" in saga(system, "resolve", id_, "undone", "--reason", "again", code=1)
    code, checks = invariants(system)
    told = checks["steps of sagas that a person has resolved"]
    assert code == 0 and told["told"] == 1 and told["violations"] == 0 and f"saga={id_}" in told["rows"][0], checks


def a_step_by_hand(system):
    """A saga that can only go forward."""
    customer, before = Customer(system), stock(system, "moka")
    order = customer.order("moka").json["id"]
    fault(system, "inventory-svc down")
    reply = customer.post(f"/v1/orders/{order}/cancel")
    assert reply.status == 202, reply
    (row,) = listed(system)
    make_stuck(system, row["id"])
    assert (listed(system)[0]["saga"], listed(system)[0]["step"], listed(system)[0]["phase"]) == ("cancel-order", "restock", "do")
    assert "goes forward" in saga(system, "resolve", row["id"], "undone", "--reason", "x", code=1)
    assert "nothing reads a reply" in saga(system, "resolve", row["id"], "done", "--reply", "{}", "--reason", "x", code=1)
    system.sql("inventory-svc", RELEASE.format(sku="moka", order=order))
    saga(system, "resolve", row["id"], "done", "--reason", "put back on the shelf")
    assert ends(system, customer, f"/v1/orders/{order}")[-1] == "cancelled"
    fault(system, "--end")
    calm(system)
    assert stock(system, "moka") == before and shown(system, row["id"])["state"] == "done"
    code, checks = invariants(system)
    assert code == 0 and checks["steps of sagas that a person has resolved"]["told"] == 2, checks


def what_is_kept_is_told(system):
    """An effect that stays is not the engine's violation, but what the topology says of its own data is."""
    customer = Customer(system)
    id_ = compensating(system, customer, "moka")
    make_stuck(system, id_)
    saga(system, "resolve", id_, "kept", "--reason", "written off")
    assert ends(system, customer, f"/v1/orders/{order_of(system, customer)}")[-1] == "cancelled"
    fault(system, "--end")
    calm(system)
    code, checks = invariants(system)
    broken = [title for title, check in checks.items() if check["violations"]]
    assert code == 1 and broken == ["a confirmed order has all of its effects, a cancelled one none"], broken


if LONG:
    test_a_step_by_hand, test_what_is_kept_is_told = a_step_by_hand, what_is_kept_is_told
