"""`ecomc verify`: every scenario is as derived on the running system, again and again; what was changed by hand in a generated service is
told; faults are mended whatever becomes of whoever made them; and the same through studio's API."""
import contextlib
import glob
import json
import os
import re
import shutil
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request

import lib
from lib import wait

KAFKA = ["embedded", "apache"] if lib.LONG else ["apache"]
BUILDS = ["asan", "release"] if lib.LONG else ["release"]
PLAYS = 10 if lib.LONG else 1
TOPOLOGY = os.path.join(lib.ROOT, "topology.ecom")
SCENARIOS = re.findall(r"^scenario ([a-z0-9-]+)", open(TOPOLOGY, encoding="utf-8").read(), re.M)


def verify(system, *args):
    done = system.ecomc("verify", *args, "--format=json", timeout=3000)
    assert done.returncode in (0, 1) and done.stdout, done
    return done.returncode, json.loads(done.stdout)


def told(results):
    return [(r["scenario"], [(d["kind"], d["text"]) for d in r["differences"]]) for r in results if r["verdict"] == "different"]


def faults(system):
    return json.loads(system.ecomc("status", "--format=json").stdout)["faults"]


def stopped(system, service):
    def state(pid):
        return open(f"/proc/{pid}/stat", encoding="utf-8").read().rpartition(")")[2].split()[0]
    processes = system.processes()
    return [state(processes[name]["pid"]) == "T" for name in system.replicas(service)]


def test_every_scenario_is_as_derived(system):
    code, results = verify(system, "--rounds", str(PLAYS))
    assert code == 0 and not told(results), told(results)
    assert [r["scenario"] for r in results] == SCENARIOS * PLAYS
    assert {r["verdict"] for r in results} == {"same"}, [(r["scenario"], r.get("why")) for r in results if r["verdict"] != "same"]
    for result in results:
        assert len(result["recorded"]["steps"]) >= len([s for s in result["derived"]["steps"] if not s.get("maybe")]) - 20
        assert all(s["end_ms"] >= s["start_ms"] >= 0 for s in result["recorded"]["steps"])
    happy = next(r for r in results if r["scenario"] == "happy-path")
    assert [s["to"] for s in happy["recorded"]["steps"] if s["kind"] == "deliver"] == ["notify-svc"], "over Kafka, too"
    late = next(r for r in results if r["scenario"] == "too-late-to-cancel")
    assert [s["error"] for s in late["recorded"]["steps"] if s["edge"] == "order-svc -> shipping-svc" and "error" in s] == ["AlreadyShipped"]
    assert faults(system) == []
    # Kafka has told by now what it was slow to tell: the order that could not be cancelled has been shipped.
    wait(lambda: system.sql("order-svc", "SELECT 1 FROM orders WHERE status = 'shipped'"), 60, "the order has been shipped")
    assert not system.sql("order-svc", "SELECT 1 FROM orders WHERE status = 'cancelling'")


def test_breakers_begin_anew(system):
    """What a breaker has counted in one story, and that it is open, is nothing that the next one finds."""
    edge = "order-svc -> inventory-svc"

    def breaker():
        return system.metrics("order-svc").get(f'ec_breaker_state{{edge="{edge}"}}', 0)

    code, results = verify(system, "circuit-breaker")
    opened = [s for s in results[0]["recorded"]["steps"] if s.get("opens") or s["status"] == "open"]
    assert code == 0 and opened, (told(results), results[0]["recorded"]["steps"])
    begun_at = time.monotonic()
    for _ in range(3):  # one timeout each: the third would open it
        code, results = verify(system, "happy-path", "--assume", "inventory-svc hangs")
        assert code == 0 and not told(results), told(results)
        assert not any(s.get("opens") or s["status"] == "open" for s in results[0]["recorded"]["steps"]), results[0]["recorded"]["steps"]
        assert breaker() == 0
    assert time.monotonic() - begun_at < 120


def test_assumed_beside(system):
    """Switches: what is assumed beside what is written is derived and made real, too."""
    for assume in ("inventory-svc hangs", "inventory-svc down", "kafka down", "notify-svc hangs", "breaker order-svc -> inventory-svc open",
                   "redis.sessions misses", "stripe hangs", "stripe down", "stripe.CreatePayment fails PaymentUnavailable"):
        code, results = verify(system, "happy-path", "--assume", assume)
        assert code == 0 and not told(results), (assume, told(results))
    code, results = verify(system, "happy-path", "--assume", "stripe.CreatePayment fails CardDeclined")
    assert code == 0 and results[0]["recorded"]["steps"][-1]["http"] == 402 or any(s.get("http") == 402 for s in results[0]["recorded"]["steps"])
    done = system.ecomc("verify", "happy-path", "--assume", "nobody hangs")
    assert done.returncode == 1 and "nobody" in done.stderr, done


def begun(system, *args):
    """A verify whose fault is there by now."""
    verify_ = subprocess.Popen([os.path.join(system.build, "tool", "ecomc"), "verify", *args], cwd=system.folder, env=system.env,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    wait(lambda: all(stopped(system, "inventory-svc")), 60, "inventory-svc is stopped")
    return verify_


def test_faults_are_mended(system):
    for number in (signal.SIGINT, signal.SIGTERM):  # who is told to stop mends
        verify_ = begun(system, "circuit-breaker")
        assert "inventory-svc hangs (`ecomc verify` is at work)" in system.ecomc("status").stdout
        assert "another verify is at work" in system.ecomc("verify", "happy-path").stderr
        verify_.send_signal(number)
        verify_.communicate(timeout=60)
        assert verify_.returncode == 1 and not any(stopped(system, "inventory-svc")) and faults(system) == []
    verify_ = begun(system, "circuit-breaker")
    verify_.kill()
    verify_.communicate(timeout=60)
    assert all(stopped(system, "inventory-svc")) and [f["text"] for f in faults(system)] == ["inventory-svc hangs"]
    assert "left by a verify that was killed" in system.ecomc("status").stdout
    code, results = verify(system, "cache-hit")  # the next one mends
    assert code == 0 and not told(results) and not any(stopped(system, "inventory-svc")) and faults(system) == []


def test_fault_by_hand(system):
    assert "nothing is broken" in system.ecomc("fault").stdout
    for text, service in (("inventory-svc hangs", "inventory-svc"), ("shipping-svc down", "shipping-svc"), ("stripe.CreatePayment fails CardDeclined", None)):
        assert system.ecomc("fault", text).returncode == 0
        assert system.ecomc("fault").stdout == f"{text} (by hand)\n"
        if service and "hangs" in text:
            assert all(stopped(system, service))
        if service and "down" in text:
            assert not any(os.path.exists(f"/proc/{system.processes()[name]['pid']}") and system.processes()[name]["pid"] for name in system.replicas(service))
        code, results = verify(system, "cache-hit")
        assert code == 1 and "by hand" in results[0]["why"], results
        assert system.ecomc("fault", text, "--end").returncode == 0 and faults(system) == []
        if service:
            assert all(system.processes()[name]["state"] == "ready" for name in system.replicas(service))
    assert system.ecomc("fault", "kafka down").returncode == 0
    for _ in range(2):  # the second meets what the first could not send, for which nobody can wait as long as this stays so
        start = time.monotonic()
        code, results = verify(system, "happy-path", "--assume", "kafka down")
        assert code == 0 and not told(results), results
        assert time.monotonic() - start < 40, "it waited for what can't be sent"
    assert system.ecomc("fault", "--end").returncode == 0 and faults(system) == []
    assert "can't be made true" in system.ecomc("fault", "user-svc.GetUser fails InvalidToken").stderr
    assert system.ecomc("fault", "inventory-svc hangs }").returncode == 64
    code, results = verify(system, "happy-path")
    assert code == 0, told(results)


# ---------------------------------------------------------------- studio's API


def ask(system, path, body=None, timeout=120):
    port = system.processes()["studio"]["port"]
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", None if body is None else json.dumps(body).encode(),
                                     {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=timeout) as reply:
            return reply.status, json.loads(reply.read() or b"null")
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def traffic(system, seconds, until):
    """Events of the stream, until one is as wanted."""
    port = system.processes()["studio"]["port"]
    end = time.monotonic() + seconds
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/live/events", timeout=seconds) as stream:
        assert stream.headers["content-type"] == "text/event-stream"
        for line in stream:
            if line.startswith(b"data: "):
                event = json.loads(line[6:])
                if until({e["edge"]: e for e in event["edges"]}, {n["node"]: n["state"] for n in event["nodes"]}):
                    return event
            if time.monotonic() > end:
                raise AssertionError(f"nothing of what was wanted in {seconds} s")
    raise AssertionError("the stream has ended")


def test_live(system):
    status, run = ask(system, "/api/live/run", {"scenario": "payment-failure", "switches": []})
    assert status == 200 and run["verdict"] == "same" and run["differences"] == [], run
    assert {s["kind"] for s in run["recorded"]["steps"]} >= {"request", "call", "sql", "external", "publish", "deliver", "reply"}
    status, spans = ask(system, f"/api/traces/{run['trace_id']}")
    assert status == 200 and len(spans["resourceSpans"]) > 5
    assert ask(system, "/api/traces/" + "0" * 32)[0] == 404
    status, run = ask(system, "/api/live/run", {"scenario": "happy-path", "switches": ["stripe.CreatePayment.CardDeclined"]})
    assert status == 200 and run["verdict"] == "same" and any(s.get("error") == "CardDeclined" for s in run["recorded"]["steps"]), run
    assert ask(system, "/api/live/run", {"scenario": "nothing"})[0] == 404
    assert ask(system, "/api/live/run", {"scenario": "happy-path", "switches": ["x"]})[0] == 422
    on = {"id": "inventory-svc.hangs", "on": True}
    assert ask(system, "/api/live/switches", on) == (204, None)
    assert all(stopped(system, "inventory-svc"))
    assert [s["id"] for s in ask(system, "/api/live/switches")[1]["switches"] if s["on"]] == ["inventory-svc.hangs"]
    runs = []
    play = threading.Thread(target=lambda: runs.append(ask(system, "/api/live/run", {"scenario": "happy-path", "switches": ["inventory-svc.hangs"]})))
    play.start()
    edge = "order-svc -> inventory-svc"
    event = traffic(system, 30, lambda edges, nodes: edges.get(edge, {}).get("errors"))
    assert next(e for e in event["edges"] if e["edge"] == edge)["breaker"] in ("closed", "open", "half-open")
    assert any(e["edge"] == "mobile -> api-gateway" and e["rate"] > 0 for e in event["edges"]), event
    play.join()
    assert runs[0][0] == 200 and runs[0][1]["verdict"] == "same", runs
    assert ask(system, "/api/live/switches", dict(on, on=False)) == (204, None)
    assert not any(stopped(system, "inventory-svc"))


# ---------------------------------------------------------------- generated services, changed by hand


def edit(path, *changes):
    text = open(path, encoding="utf-8").read()
    for old, new in changes:
        text, n = re.subn(old, new, text, count=1, flags=re.S)
        assert n == 1, (path, old)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def rebuild(system, *services):
    """What stands in generated/ now is what runs."""
    subprocess.run(["ninja", "-C", os.path.join(system.folder, ".ecom", "services"), *[f"{s}/{s}" for s in services]], check=True,
                   stdout=subprocess.DEVNULL)
    for service in services:
        (program,) = [p for p in glob.glob(os.path.join(system.folder, ".ecom", "bin", service + ".*"))]
        shutil.copy(os.path.join(system.folder, ".ecom", "services", service, service), program + ".new")
        os.replace(program + ".new", program)
        for name in system.replicas(service):
            system.kill(name, signal.SIGTERM)
        wait(lambda s=service: all(system.processes()[n]["state"] == "ready" for n in system.replicas(s)), 60, f"{service} is ready")


def test_what_was_changed_by_hand_is_told(system):
    generated = os.path.join(system.folder, "generated")
    files = {"notify-svc": "consumers/notify_order_placed.c", "catalog-svc": "ops/price_lines.c", "payment-svc": "ops/charge.c"}
    saved = {s: open(os.path.join(generated, s, f), encoding="utf-8").read() for s, f in files.items()}
    try:
        # A call that is not made, over Kafka; a statement that is sent twice; one that comes after what it stood before.
        edit(os.path.join(generated, "notify-svc", files["notify-svc"]),
             (r"\n +EC_AWAIT\(task, NOTIFY_ORDER_PLACED_TWILIO_SEND,.*?\)\);\n", "\n"), (r"\n +NOTIFY_ORDER_PLACED_TWILIO_SEND,", ""))
        edit(os.path.join(generated, "catalog-svc", files["catalog-svc"]),
             (r"(\n +EC_AWAIT\(task, )(PRICE_LINES_QUOTE)(,.*?\)\);\n)", r"\1AGAIN\3\1\2\3"), (r"(\n +)(PRICE_LINES_QUOTE,)", r"\1AGAIN,\1\2"))
        edit(os.path.join(generated, "payment-svc", files["payment-svc"]),
             (r"(\n +EC_AWAIT\(task, CHARGE_INSERT_PAYMENTS,.*?\)\);)(\n +EC_AWAIT_CATCH\(task, CHARGE_INTENT,.*?\n +EC_CHECK\(task\);)", r"\2\1"))
        rebuild(system, *files)
        code, (result,) = verify(system, "happy-path")
        differences = [(d["kind"], d["text"]) for d in result["differences"]]
        assert code == 1 and len(differences) == 3, differences
        missing = [t for k, t in differences if k == "missing"]
        extra = [t for k, t in differences if k == "extra"]
        reordered = [t for k, t in differences if k == "reordered"]
        assert len(missing) == 1 and "notify-svc -> twilio Send" in missing[0], differences
        assert len(extra) == 1 and "catalog-svc -> catalog-svc-db quote" in extra[0], differences
        assert len(reordered) == 1 and "insert_payments" in reordered[0] and "CreatePayment" in reordered[0], differences
        shown = system.ecomc("verify", "happy-path")
        assert shown.returncode == 1 and re.search(r"^  -  .*twilio  Send", shown.stdout, re.M), shown.stdout
        assert re.search(r"^  \+  .*catalog-svc-db  quote", shown.stdout, re.M), shown.stdout
    finally:
        for service, text in saved.items():
            with open(os.path.join(generated, service, files[service]), "w", encoding="utf-8") as file:
                file.write(text)
        rebuild(system, *files)
    code, results = verify(system, "happy-path")
    assert code == 0, told(results)


# ---------------------------------------------------------------- systems of their own


if lib.LONG:
    def test_two_of_each():
        with lib.System(TOPOLOGY, args=["--replicas", "2"], build=lib.RELEASE) as system:
            code, results = verify(system, "--rounds", str(PLAYS))
            assert code == 0 and not told(results), told(results)
            verify_ = begun(system, "circuit-breaker")  # `down` ends what is stopped, too
            verify_.kill()
            verify_.communicate(timeout=60)
            assert any(stopped(system, "inventory-svc"))
            time_ = time.monotonic()
            assert system.ecomc("down").returncode == 0 and time.monotonic() - time_ < 20
            assert not os.path.exists(os.path.join(system.folder, ".ecom", "faults.json"))


def test_nothing_up():
    system = lib.System(TOPOLOGY, build=lib.RELEASE)
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, system.folder, ignore_errors=True)
        stack.callback(system.lock.close)
        for args in (["verify"], ["fault"], ["fault", "inventory-svc hangs"]):
            done = system.ecomc(*args)
            assert done.returncode == 74 and done.stderr.count("\n") == 1 and "nothing is up" in done.stderr and not done.stdout, done
        done = system.ecomc("verify", "hapy-path")
        assert done.returncode == 64 and "did you mean happy-path?" in done.stderr, done
        assert system.ecomc("verify", "happy-path", "--rounds", "0").returncode == 64
