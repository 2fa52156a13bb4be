"""The lines, the generated C and the policy of what is clicked on: all of it stands in generated/ and in the topology as it is told."""
import urllib.parse

from run import ROOT


def code(studio, example="ecommerce", **query):
    found = studio.good(f"/api/examples/{example}/code?{urllib.parse.urlencode(query)}")
    topology = (studio.folder / found["source"]["file"]).read_text().split("\n")
    assert found["source"]["text"].rstrip("\n") == "\n".join(topology[found["source"]["line"] - 1:found["source"]["end_line"]]), found["source"]
    for piece in found["generated"]:
        if example == "ecommerce":  # the others are not checked in
            lines = (ROOT / piece["file"]).read_text().split("\n")
            assert piece["text"].rstrip("\n") == "\n".join(lines[piece["line"] - 1:piece["end_line"]]), piece
        assert piece["text"].strip(), piece
    assert len({(p["file"], p["line"]) for p in found["generated"]}) == len(found["generated"]), "twice"
    found["files"] = [p["file"].removeprefix("generated/") for p in found["generated"]]
    found["policies"] = {p["name"]: p["value"] for p in found["policy"]}
    return found


def has(found, file, text):
    return any(p["file"] == "generated/" + file and text in p["text"] for p in found["generated"])


def test_nodes(studio):
    whole = studio.good("/api/examples/ecommerce")
    for node in whole["topology"]["nodes"]:
        found = code(studio, node=node["id"])
        assert bool(found["generated"]) == (node["kind"] != "client"), node
        assert bool(found["policy"]) == (node["kind"] not in ("client", "database")), node
    order = code(studio, node="order-svc")
    assert {"order-svc/main.c", "order-svc/ops/place_order.c", "order-svc/sagas/place_order.c"} <= set(order["files"]), order["files"]
    assert code(studio, node="kafka")["policies"]["order-events"] == "by order_id, 6 partitions"
    assert "order-svc/migrations/000001_initial.up.sql" in code(studio, node="order-svc-db")["files"]
    assert code(studio, node="api-gateway")["policies"]["limit"] == "100/s, burst 200, per identity or address, allowed while its cache is down"


def test_edges(studio):
    whole = studio.good("/api/examples/ecommerce")
    for edge in whole["topology"]["edges"]:
        found = code(studio, edge=f"{edge['from']} -> {edge['to']}")
        assert found["generated"], edge
        assert bool(found["policy"]) == (edge["protocol"] != "sql"), edge
    found = code(studio, edge="order-svc -> inventory-svc")
    assert found["policies"] == {"protocol": "http", "timeout": "800ms", "breaker": "opens after 3 timeouts in a row, for 10s, then 1 probe",
                                 "on failure": "InventoryUnavailable"}, found["policies"]
    assert has(found, "order-svc/clients.c", "struct ec_edge inventory_svc_edge = {") and has(found, "order-svc/clients.c", "void inventory_svc_release(")
    one = code(studio, edge="order-svc -> inventory-svc", label="Reserve")
    assert has(one, "order-svc/clients.c", "void inventory_svc_reserve(") and has(one, "inventory-svc/ops/reserve.c", "reserve_run")
    assert not any("release" in p["text"] for p in one["generated"]), "of this message alone"
    stripe = code(studio, edge="payment-svc -> stripe", label="CreatePayment")
    assert stripe["policies"]["retry"] == "2, after 100ms to 1s" and stripe["policies"]["error"] == "402 is CardDeclined", stripe["policies"]
    assert has(stripe, "stripe-sandbox/main.c", "create_payment_rules[]") and not has(stripe, "stripe-sandbox/main.c", "get_payment_rules[]")
    route = code(studio, edge="mobile -> api-gateway", label="POST /v1/orders/018f3a5e-0000-7000-8000-000000000001/cancel")
    assert route["files"] == ["api-gateway/routes/post_v1_orders_id_cancel.c"], route["files"]


def test_steps(studio):
    """Each step of each scenario has lines and code; the code of a statement is that statement."""
    for name in ("ecommerce", "parcel", "rooms"):
        whole = studio.good(f"/api/examples/{name}")
        for scenario in whole["scenarios"]:
            for step in scenario["steps"]:
                found = code(studio, name, scenario=scenario["name"], step=step["id"])
                assert found["generated"], step
                place = whole["places"]["steps"][scenario["name"]][step["id"].removesuffix(".reply") if step["kind"] == "reply" else step["id"]]
                assert (found["source"]["line"], found["source"]["end_line"]) == (place["line"], place["end_line"]), step
    found = code(studio, scenario="happy-path", step="inventory-svc-db.update_stock")
    assert sum("ec_sql " in p["text"] and p["file"].endswith("/db.c") for p in found["generated"]) == 1, found["files"]
    assert has(found, "inventory-svc/db.c", "UPDATE stock SET") and "inventory-svc/ops/reserve.c" in found["files"]
    found = code(studio, scenario="happy-path", step="inventory-svc.Reserve")
    assert "order-svc/sagas/place_order.c" in found["files"] and "inventory-svc/ops/reserve.c" in found["files"]
    assumed = code(studio, scenario="happy-path", step="inventory-svc.Release", edge="order-svc -> inventory-svc", label="Release")
    assert has(assumed, "order-svc/clients.c", "void inventory_svc_release("), "a step that is there only under an assumption"


def test_what_there_is_not(studio):
    assert studio.get("/api/examples/none/code?node=order-svc").problem == "not-found"
    for query, status in (("", 400), ("node=nobody", 404), ("node=", 404), ("node=kafka-db", 404), ("edge=order-svc", 404), ("edge=order-svc%20-%3E%20nobody", 404),
                          ("edge=inventory-svc%20-%3E%20order-svc", 404), ("edge=kafka%20-%3E%20order-svc-db", 404), ("scenario=happy-path&step=none", 400),
                          ("node=%ff", 400), ("scenario=happy-path", 400)):
        reply = studio.get(f"/api/examples/ecommerce/code?{query}")
        assert reply.status == status and reply.problem, (query, reply)
    studio.topology.write_text(studio.topology.read_text() + "}")
    assert studio.get("/api/examples/ecommerce/code?node=order-svc").problem == "conflict"
