"""What watches a running system is true of it: metrics as docs/metrics.md has them, rules and dashboards by a real Prometheus, spans by a
real OpenTelemetry Collector, and logs."""
import atexit
import json
import os
import re
import secrets
import subprocess
import sys
import time

from lib import ROOT, Skip, wait
from shop import DECLINED, Customer

sys.path += [os.path.join(ROOT, "tests"), *(os.path.join(ROOT, "tests", folder) for folder in ("observe", "documents"))]
import gotools  # noqa: E402
import metrics  # noqa: E402
import observability  # noqa: E402
from collector import Collector  # noqa: E402
from prometheus import Prometheus  # noqa: E402

# Studio hands on to it what it is told itself. Without the program, nothing is there and nothing is tried.
COLLECTOR, WITHOUT_COLLECTOR = Collector.start(gotools)
if COLLECTOR:
    atexit.register(COLLECTOR.stop)
    ENV = {"OTEL_EXPORTER_OTLP_ENDPOINT": COLLECTOR.endpoint}

# Panels of what goes wrong, or has not happened here; each must still be a question that Prometheus takes.
EDGE = "order-svc -> inventory-svc"
MAY_BE_EMPTY = re.compile(r"Alerts|Calls that went wrong|Of a version that nobody has")


def watched(system):
    """name: probe port, of the processes that tell metrics."""
    return {name: p["probe_port"] for name, p in system.processes().items() if p["kind"] in ("service", "gateway")}


def live(system):
    """Orders that hold, one that is refused, one that is cancelled: all edges have carried something."""
    ada = Customer(system)
    orders = [ada.order("filter").json["id"] for _ in range(2)]
    ada.order("filter", method=DECLINED)
    for path in ("/v1/products/mug", "/v1/products/mug", "/v1/products?limit=5", "/v1/me", f"/v1/orders/{orders[0]}/summary"):
        assert ada.get(path).status == 200, path
    ada.post(f"/v1/orders/{orders[0]}/cancel")
    shipped = Customer(system, staff=True).post(f"/v1/orders/{orders[1]}/ship")
    assert shipped.status == 200, shipped
    port = system.processes()["notify-svc"]["port"]
    wait(lambda: b"ec_consumer_seconds_count" in system.request("GET", "/metrics", port=port).body, 30, "an event has been handled")
    return ada


def test_metrics_are_as_documented(system):
    live(system)
    known, seen = metrics.table(), {}
    for name, port in watched(system).items():
        text = system.request("GET", "/metrics", port=port).body.decode()
        done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0 and not (done.stdout + done.stderr).strip(), (name, done.stdout, done.stderr)
        told = dict(re.findall(r"^# TYPE (\w+) (\w+)$", text, re.M))
        texts = dict(re.findall(r"^# HELP (\w+) (.*)$", text, re.M))
        for family, kind in told.items():
            assert family in known and known[family][0] == kind and known[family][2] == texts[family], (name, family, kind, texts[family])
        for series, labels in re.findall(r"^(\w+)(?:\{(.*)\})? \S+$", text, re.M):
            family = series if series in told else metrics.family(series)
            own = set(re.findall(r'(?:^|,)(\w+)="', labels)) - ({"le"} if told[family] == "histogram" else set())
            assert own == known[family][1], (name, series, own)
            seen[family] = seen.get(family, 0) + 1
        failed = re.findall(r'^ec_sql_errors_total\{statement="ec\.outbox\..*(?<! 0)$', text, re.M)
        assert not failed, failed
    # Nothing became a dead letter; and no keyspace has `near`: those of one that has are looked at in test_example_tickets.py.
    near = {"ec_cache_near_bytes", "ec_cache_near_hits_total"}
    assert set(known) - set(seen) <= {"ec_dead_letters_total", *near}, set(known) - set(seen)


def test_prometheus(system):
    folder = os.path.join(system.folder, "generated", "observability")
    targets = {}
    for name, port in watched(system).items():
        targets.setdefault(name, []).append(port)
    with Prometheus(folder, targets) as prometheus:
        prometheus.until(lambda: prometheus.get("/api/v1/targets")["activeTargets"] and prometheus.up(), 60, "every process is scraped")
        time.sleep(2)
        ada = live(system)
        questions = list(observability.expressions(folder))
        empty = wait_for_data(prometheus, questions, lambda: live(system))
        assert not empty, empty
        rules = prometheus.rules()
        assert rules and all(rule["health"] == "ok" for rule in rules), [r for r in rules if r["health"] != "ok"]
        expected = "ErrorBudgetBurnsFast", "ErrorBudgetBurnsSlowly", "DeadLetter"  # other tests of this system may have left them
        firing = [alert["labels"] for alert in prometheus.alerts() if alert["labels"]["alertname"] not in expected]
        assert not firing, firing

        def told(name, state=None):
            return [a["labels"] for a in prometheus.alerts() if a["labels"]["alertname"] == name and state in (None, a["state"])]
        with system.paused("inventory-svc"):
            wait(lambda: ada.order("filter").status and system.metrics("order-svc")[f'ec_breaker_state{{edge="{EDGE}"}}'] == 2, 120,
                 "the breaker opens")
            labels = prometheus.until(lambda: told("BreakerOpen"), 30, "BreakerOpen is told")[0]
            assert labels["edge"] == EDGE and labels["job"] == "order-svc", labels
            assert prometheus.value('sum(increase(ec_breaker_changes_total{to="open"}[20s])) > 0'), "a rate sees the first"
            labels = prometheus.until(lambda: told("ProcessDown"), 60, "ProcessDown is told")[0]
            assert labels["job"] == "inventory-svc", labels
            labels = prometheus.until(lambda: told("ErrorBudgetBurnsFast", "firing"), 60, "the budget of the route burns")[0]
            assert labels["route"] == "POST /v1/orders", labels

        def over():
            ada.order("filter")  # a breaker closes when a call goes well
            return not told("BreakerOpen") and not told("ProcessDown")
        prometheus.until(over, 120, "both are over")
    print(f"  {len(questions)} expressions of panels, {len(rules)} rules")


def wait_for_data(prometheus, questions, again):
    """Of the panels, those that show nothing although what they tell of has happened."""
    for attempt in range(4):
        empty = [(where, asked) for where, asked in questions if not prometheus.value(asked) and not MAY_BE_EMPTY.search(where)]
        if not empty:
            return []
        if attempt < 3:
            again()
            time.sleep(2)
    return empty


def log_lines(system):
    """(process, line) of services and gateways."""
    for name in watched(system):
        with open(os.path.join(system.folder, ".ecom", "logs", f"{name}.log"), encoding="utf-8") as file:
            yield from ((name, line) for line in file)


def test_logs(system):
    """Each line is one object; what is said of a request has the trace that its client was told."""
    ada = live(system)
    with system.paused("inventory-svc"):
        reply = wait(lambda: next((r for r in [ada.order("filter")] if r.status >= 500), None), 60, "an order fails")
    trace = reply.json["trace_id"]
    assert re.fullmatch("[0-9a-f]{32}", trace), reply
    wait(lambda: {name for name, line in log_lines(system) if trace in line} >= {"api-gateway", "order-svc"}, 10,
         "the gateway and the service tell of it")
    hidden = [ada.password, ada.token, ada.email]
    folder = os.path.join(system.folder, ".ecom", "secrets")
    for path in os.listdir(folder):
        text = open(os.path.join(folder, path), encoding="utf-8", errors="replace").read().strip()
        hidden += [text] if "\n" not in text and len(text) >= 8 else re.findall(r'"d":\s*"([^"]{20,})"', text)
    assert len(hidden) > 5
    lines = 0
    for name, line in log_lines(system):
        entry = json.loads(line)
        assert isinstance(entry, dict) and line == line.strip() + "\n", (name, line)
        assert {"ts", "level", "service", "msg"} <= set(entry) and entry["level"] in ("debug", "info", "warn", "error"), (name, line)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", entry["ts"]), (name, line)
        if "trace_id" in entry:
            assert re.fullmatch("[0-9a-f]{32}", entry["trace_id"]), (name, line)
        assert "trace_id" in entry or not {"op", "route"} & set(entry), (name, line)
        assert not any(text in line for text in hidden), (name, "a secret is in a line")
        lines += 1
    assert lines > 2 * len(watched(system))
    print(f"  {lines} lines")


# As OTLP numbers them.
INTERNAL, SERVER, CLIENT, PRODUCER, CONSUMER = range(1, 6)


def ours(spans, trace):
    return [span for span in spans if span["traceId"] == trace]


def test_collector(system):
    if not COLLECTOR:
        raise Skip(WITHOUT_COLLECTOR)
    ada = Customer(system)
    trace, parent = secrets.token_hex(16), secrets.token_hex(8)
    reply = ada.order("filter", traceparent=f"00-{trace}-{parent}-01")
    assert reply.status == 201, reply
    services = {"api-gateway", "order-svc", "inventory-svc", "payment-svc", "shipping-svc", "notify-svc"}

    def arrived():
        spans = ours(COLLECTOR.spans(), trace)
        return services <= {span["service"] for span in spans} and any(span["kind"] == CONSUMER for span in spans)
    wait(arrived, 60, "the order's spans arrive")
    time.sleep(1)
    spans = ours(COLLECTOR.spans(), trace)
    by_id = {span["spanId"]: span for span in spans}
    assert len(by_id) == len(spans), "each came once"
    roots = [span for span in spans if span.get("parentSpanId") == parent]
    assert [(span["service"], span["kind"]) for span in roots] == [("api-gateway", SERVER)], roots
    for span in spans:
        assert re.fullmatch("[0-9a-f]{16}", span["spanId"]) and int(span["startTimeUnixNano"]) <= int(span["endTimeUnixNano"]), span
        assert {"service.name", "service.version", "service.instance.id"} <= set(span["resource"]), span
        assert span in roots or span["parentSpanId"] in by_id, f"a span's parent is missing: {span}"
        above = by_id.get(span.get("parentSpanId"))
        if span["kind"] == SERVER and above:
            assert above["kind"] == CLIENT and above["service"] != span["service"], (above, span)
        if span["kind"] == CLIENT and above:
            assert above["service"] == span["service"], (above, span)
        if span["kind"] == CONSUMER:
            assert above["kind"] == PRODUCER, (above, span)
    assert {SERVER, CLIENT, PRODUCER, CONSUMER} <= {span["kind"] for span in spans}
    assert not any(span.get("status", {}).get("code") == 2 for span in roots), roots
    trace = secrets.token_hex(16)
    reply = ada.order("filter", method=DECLINED, traceparent=f"00-{trace}-{parent}-01")
    assert reply.status == 402, reply
    root = wait(lambda: [s for s in ours(COLLECTOR.spans(), trace) if s.get("parentSpanId") == parent], 30, "what was refused arrives")[0]
    assert root["status"]["code"] == 2, root
    accepted, refused = COLLECTOR.counted()
    assert accepted >= len(COLLECTOR.spans()) > 0 and refused == 0, (accepted, refused)
    print(f"  {len(spans)} spans of an order, {accepted:.0f} in all")
