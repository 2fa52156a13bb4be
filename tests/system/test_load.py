"""`ecomc load` on the example: what it reports is what the databases, the provider's ledger and the gateways say. The system is a release
build, and ecomc the one under the sanitizers."""
import collections
import contextlib
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import tempfile

import lib
from lib import wait
from shop import calm

BUILDS = ["release"]
ARGS = ["--replicas", "2"]
SETTLED = ("503 inventory-unavailable", "503 payment-unavailable", "503 shipping-unavailable")  # what a busy machine may answer: the order is undone


def ecomc(system, *args):
    return subprocess.run([lib.ECOMC, *args], cwd=system.folder, env=system.env, capture_output=True, text=True, timeout=300)


def load(system, *args, code=0):
    """The report of a run."""
    done = ecomc(system, "load", *args, "--format=json")
    assert done.returncode == code, (args, done.returncode, done.stdout, done.stderr)
    return adds_up(json.loads(done.stdout))


def adds_up(report):
    parts = report["scenarios"]
    for name in ("sent", "dropped", "ok", "accepted", "errors"):
        assert report[name] == sum(part[name] for part in parts), (name, report)
    for part in parts:
        assert part["sent"] == part["ok"] + part["accepted"] + part["errors"], part
        assert part["errors"] == sum(kind["n"] for kind in part["kinds"]), part
        for verdict, times in part["us"].items():
            assert part[verdict] and 0 < times["p50"] <= times["p90"] <= times["p99"] <= times["p99.9"] <= times["max"], part
    assert report["violations"] == 0, report
    return report


def part(report, name):
    (found,) = [p for p in report["scenarios"] if p["name"] == name]
    return found


def orders(system):
    return {row[0]: row[1:] for row in system.sql("order-svc", "SELECT id, user_id, status, payment_method FROM orders")}


def keys(system):
    return int(system.sql("order-svc", "SELECT count(*) FROM ec.inbox WHERE key LIKE 'client/%'")[0][0])


def posts(system, gateway):
    """Orders that came in by one of the gateways."""
    return sum(n for name, n in system.metrics(gateway).items() if name.startswith('ec_gateway_requests_total{route="POST /v1/orders"'))


def test_what_is_reported_has_happened(system):
    before, keys_before = orders(system), keys(system)
    users = int(system.sql("user-svc", "SELECT count(*) FROM users")[0][0])
    came = {gateway: posts(system, gateway) for gateway in ("api-gateway", "api-gateway-2")}
    report = load(system, "happy-path", "--rate", "20", "--for", "5s", "--mix", "payment-failure=30", "--identities", "4")
    good, bad = part(report, "happy-path"), part(report, "payment-failure")
    assert (good["sent"], bad["sent"], report["dropped"], report["identities"]) == (70, 30, 0, 4), report
    assert 4.9 < report["seconds"] < 30 and not report["interrupted"], report
    calm(system)
    made = {order: row for order, row in orders(system).items() if order not in before}
    kinds = {kind["what"]: kind["n"] for p in report["scenarios"] for kind in p["kinds"]}
    assert set(kinds) <= set(SETTLED), kinds
    status = collections.Counter((method, state) for _, state, method in made.values())
    confirmed = status["pm_card_visa", "confirmed"]
    assert good["ok"] <= confirmed <= good["ok"] + good["accepted"] and good["ok"] > 0, (report, status)
    declined = "pm_card_chargeDeclined"
    assert status[declined, "confirmed"] == 0 and status[declined, "cancelled"] >= bad["ok"] > 0, (report, status)
    assert len(made) <= report["sent"] == keys(system) - keys_before, "each request has a key of its own"
    ledger = [entry for entry in system.ledger("stripe-sandbox") if not entry["replayed"]]
    order_of = {e["reply"]["id"]: e["reply"]["metadata"]["order_id"] for e in ledger if e["call"] == "CreatePayment" and e["status"] == 200}
    refunded = {order_of[e["reply"]["payment_intent"]] for e in ledger if e["call"] == "CreateRefund" and e["status"] == 200}
    assert len(set(order_of.values()) & set(made) - refunded) == confirmed, "the provider holds the money of confirmed orders"
    assert sum(1 for e in ledger if e["status"] == 402) >= bad["ok"]
    assert int(system.sql("user-svc", "SELECT count(*) FROM users")[0][0]) == users + 4
    per_user = collections.Counter(user for user, _, _ in made.values())
    assert len(per_user) == 4 and max(per_user.values()) <= 25, per_user
    for gateway, n in came.items():
        assert posts(system, gateway) - n == 50, "the gateways take turns"


def test_count_is_exact(system):
    before = keys(system)
    report = load(system, "happy-path", "--rate", "50", "--count", "37", "--mix", "payment-failure=10")
    assert (report["sent"], part(report, "payment-failure")["sent"]) == (37, 4), report
    assert keys(system) - before == 37
    report = load(system, "cache-hit", "--rate", "50", "--count", "20")
    assert report["identities"] == 0 and report["sent"] == report["ok"] == 20, report


def told_to_a_terminal(system, *args):
    """Exit code, stdout, and what a terminal shows of stderr meanwhile."""
    terminal, end = pty.openpty()
    process = subprocess.Popen([lib.ECOMC, *args], cwd=system.folder, env=system.env, stdout=subprocess.PIPE, stderr=end, text=True)
    os.close(end)
    shown = b""
    with open(terminal, "rb", buffering=0) as screen, contextlib.suppress(OSError):  # EIO: nobody writes any more
        while piece := screen.read(4096):
            shown += piece
    out, _ = process.communicate(timeout=100)
    return process.returncode, out, shown.decode()


def test_a_live_line(system):
    """Twice a second, in place: rate, what came of the requests, percentiles."""
    code, out, shown = told_to_a_terminal(system, "load", "cache-hit", "--rate=40", "--count=100")
    assert code == 0 and out.startswith("cache-hit: 100 sent\n"), (code, out, shown)
    line = re.compile(r" *([\d.]+) s +(\d+)/s  ok ([\d,]+)  accepted 0  errors 0  p50 [\d.]+ [mu]?s  p99 [\d.]+ [mu]?s  in flight \d+")
    live = [line.search(part) for part in shown.split("\r") if "/s" in part]
    assert len(live) >= 3 and all(live), shown
    assert [float(m[1]) for m in live] == sorted(float(m[1]) for m in live) and int(live[-1][3]) > int(live[0][3]), shown
    assert all(int(m[2]) > 0 for m in live) and shown.endswith("\r\x1b[K"), shown


def test_what_does_not_hold_fails_the_load(system):
    """Though each request was answered as it should be."""
    calm(system)
    system.sql("inventory-svc", "UPDATE stock SET available = available - 1 WHERE sku = 'last-one'")
    try:
        done = ecomc(system, "load", "cache-hit", "--rate=40", "--count=4", "--within=0")
    finally:
        system.sql("inventory-svc", "UPDATE stock SET available = available + 1 WHERE sku = 'last-one'")
    assert done.returncode == 1 and "cache-hit: 4 sent\n  ok                4" in done.stdout, done
    assert "BROKEN stock is conserved: 1 violation\n         sku=last-one\n" in done.stdout and done.stdout.count("BROKEN") == 1, done.stdout


def test_text(system):
    done = ecomc(system, "load", "cache-hit", "--rate=40", "--count=20")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "cache-hit: 20 sent", done.stdout
    assert lines[1].split()[:2] == ["ok", "20"] and "p99.9" in lines[1], done.stdout
    assert any(line.startswith("20 sent in 0.") and "0 dropped; 0 identities" in line for line in lines), done.stdout


def test_interrupt_ends_sending_and_is_reported(system):
    before = len(orders(system))
    process = subprocess.Popen(
        [lib.ECOMC, "load", "happy-path", "--rate", "10", "--for", "10m", "--format=json"],
        cwd=system.folder, env=system.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        wait(lambda: process.poll() is not None or len(orders(system)) > before + 3, 60, "orders come in")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0, err
    report = adds_up(json.loads(out))
    assert report["interrupted"] and 3 < report["sent"] < 6000, report
    calm(system)
    assert len(orders(system)) - before <= report["sent"], report


def test_errors_are_told_and_strict_fails(system):
    """More from one address than the gateway lets in."""
    report = load(system, "cache-hit", "--rate", "600", "--for", "2s")
    assert report["errors"] > 0 and {kind["what"] for kind in report["scenarios"][0]["kinds"]} == {"429 rate-limited"}, report
    done = ecomc(system, "load", "cache-hit", "--rate", "600", "--for", "2s", "--strict")
    assert done.returncode == 1 and "429 rate-limited" in done.stdout, (done.stdout, done.stderr)
    assert "note: 600/s are counted for one address" in done.stderr, done.stderr
    report = load(system, "happy-path", "--rate", "2", "--count", "2", "--identities", "3")  # signing in waits until it may
    assert report["identities"] == 3 and report["sent"] == 2, report


def test_what_is_refused(system):
    for args, code, text in (
            (["circuit-breaker", "--rate", "5"], 64, "scenario 'circuit-breaker' needs a fault (inventory-svc hangs)"),
            (["happy-pat", "--rate", "5"], 64, "there is no scenario 'happy-pat'; did you mean 'happy-path'?"),
            (["happy-path"], 64, "load needs a scenario and a rate"),
            (["--rate", "5"], 64, "load needs a scenario and a rate"),
            (["happy-path", "--rate", "0"], 64, "--rate is a number of requests a second from 1"),
            (["happy-path", "--rate", "x"], 64, "--rate is a number"),
            (["happy-path", "--rate", "5", "--for", "3"], 64, "--for is a time such as"),
            (["happy-path", "--rate", "5", "--for", "25h"], 64, "--for is a time such as"),
            (["happy-path", "--rate", "5", "--for", "3s", "--count", "9"], 64, "either --for or --count"),
            (["happy-path", "--rate", "5", "--count", "0"], 64, "--count is a number of requests"),
            (["happy-path", "--rate", "5", "--identities", "1001"], 64, "--identities is a number from 1 to 1000"),
            (["happy-path", "--rate", "5", "--within", "soon"], 64, "--within takes a number of seconds from 0 to 3600, not 'soon'"),
            (["happy-path", "--rate", "5", "--mix", "payment-failure"], 64, "--mix is SCENARIO=PERCENT"),
            (["happy-path", "--rate", "5", "--mix", "payment-failure=100"], 64, "--mix is SCENARIO=PERCENT"),
            (["happy-path", "--rate", "5", "--mix", "payment-failure=60", "--mix", "cache-hit=40"], 64, "--mix gives away 100 percent"),
            (["happy-path", "--rate", "5", "--mix", "happy-path=10"], 64, "scenario 'happy-path' is named twice"),
            (["happy-path", "--rate", "5", "--mix", "circuit-breaker=10"], 64, "needs a fault"),
            (["happy-path", "--rate", "5", "--format=sarif"], 64, "load has the formats text and json"),
            (["happy-path", "--rate", "5", "--wat"], 64, "load has no option --wat"),
            (["happy-path", "nothing.ecom", "--rate", "5"], 74, "nothing.ecom: there is no such file")):
        done = ecomc(system, "load", *args)
        assert done.returncode == code and text in done.stderr and done.stderr.count("\n") == 1 and not done.stdout, (args, done)


def test_nothing_is_up():
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(os.path.join(lib.ROOT, "topology.ecom"), folder)
        done = subprocess.run([lib.ECOMC, "load", "happy-path", "--rate", "5"], cwd=folder, capture_output=True,
                              text=True)
        assert done.returncode == 74 and done.stderr == "ecomc: nothing is up here; `ecomc up --detach` starts it\n", done
