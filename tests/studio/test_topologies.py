"""What is said of a topology: the same as the command says, of the file and of a text that is on no disk."""
import concurrent.futures
import json
import os
import subprocess

import schema
from run import ECOMC, ROOT

SCHEMAS = {name: json.loads((ROOT / "docs" / "schema" / f"{name}.json").read_text()) for name in ("topology", "scenario")}
CHECK, DERIVE = "/api/examples/ecommerce/check", "/api/examples/ecommerce/derive"
ELSE = "/api/examples/parcel/check"  # of a topology that has no ecom.lock

SMALL = """topology small "Small"
record Answer { text: text }
error Gone 503 "Gone"
client browser "Browser"
service back-svc "Back" {
  op Say(name: text) -> Answer { return Answer { text: name } }
}
service front-svc "Front" {
  op Ask(name: text) -> Answer errors { Gone } {
    let answer = back-svc.Say(name: name)
    return answer
  }
}
gateway door "Door" {
  listen 8080
  route GET "/say/{name}" public -> front-svc.Ask(name: path.name)
}
edge browser -> door { http }
edge door -> front-svc { http }
edge front-svc -> back-svc { http  timeout 500ms  on failure fail Gone }
"""


def scenario(name, times=1):
    return f'scenario {name} "{name}" {{\n  when browser GET "/say/x" times {times}\n  expect 200\n}}\n'


def ecomc(folder, *args):
    return subprocess.run([ECOMC, *args], cwd=folder, capture_output=True, text=True, timeout=120)


def valid(value, name):
    wrong = list(schema.faults(value, SCHEMAS[name]))
    assert not wrong, wrong[:3]
    return value


def hops(derived):
    return [(s["edge"], s["label"], s["status"], s.get("error")) for s in derived["steps"]]


def test_list(studio):
    reply = studio.get("/api/examples")
    found = reply.json["examples"]
    assert [(e["id"], e["title"], e["file"], e["live"]) for e in found] == [
        ("ecommerce", "E-Commerce Microservices", "topology.ecom", False), ("parcel", "Parcel Desk", "examples/parcel/topology.ecom", False),
        ("rooms", "Rooms", "examples/rooms/topology.ecom", False)], found
    names = ecomc(studio.folder, "scenario").stdout.splitlines()
    assert [f"{s['name']}  {s['title']}" for s in found[0]["scenarios"]] == names, found[0]
    assert studio.get("/api/examples", if_none_match=reply.headers["etag"]).status == 304


def test_one(studio):
    reply = studio.get("/api/examples/ecommerce")
    whole = reply.json
    assert whole["id"] == "ecommerce" and whole["diagnostics"] == [] and whole["file"] == "topology.ecom", whole
    assert valid(whole["topology"], "topology") == json.loads((ROOT / "generated" / "studio" / "topology.json").read_text())
    assert whole["topology"]["name"] == "ecommerce"
    for derived in whole["scenarios"]:
        assert valid(derived, "scenario") == json.loads((ROOT / "generated" / "studio" / "scenarios" / f"{derived['name']}.json").read_text())
    assert len(whole["scenarios"]) == len(whole["topology"]["scenarios"])
    assert studio.get("/api/examples/ecommerce", if_none_match=reply.headers["etag"]).status == 304
    studio.topology.write_text(studio.topology.read_text() + "\n// another\n")
    again = studio.get("/api/examples/ecommerce", if_none_match=reply.headers["etag"])
    assert again.status == 200 and again.headers["etag"] != reply.headers["etag"], again


def test_places(studio):
    for name in ("ecommerce", "parcel"):
        whole = studio.good(f"/api/examples/{name}")
        lines = (studio.folder / whole["file"]).read_text().split("\n")
        places = whole["places"]

        def text(place):
            return "\n".join(lines[place["line"] - 1:place["end_line"]])
        for node in whole["topology"]["nodes"]:
            word = "database postgres" if node["kind"] == "database" else f'{node["kind"]} {node["id"]} '
            assert text(places["nodes"][node["id"]]).lstrip().startswith(word), node
            assert text(places["nodes"][node["id"]]).count("{") - text(places["nodes"][node["id"]]).count("}") in (0, node["kind"] == "database")
        for edge in whole["topology"]["edges"]:
            if edge["protocol"] != "sql":
                assert text(places["edges"][f"{edge['from']} -> {edge['to']}"]).split()[:4] == ["edge", edge["from"], "->", edge["to"]], edge
        for derived in whole["scenarios"]:
            assert text(places["scenarios"][derived["name"]]).startswith(f"scenario {derived['name']} "), derived["name"]
            steps = places["steps"][derived["name"]]
            assert set(steps) == {s["id"] for s in derived["steps"] if s["kind"] != "reply"}
            for step in derived["steps"]:
                if step["kind"] in ("call", "external"):
                    assert step["label"] in text(steps[step["id"]]), (step, text(steps[step["id"]]))


def test_changes_on_the_disk(studio):
    """A file in place of another, one written over, one that goes, one that comes, one that is broken: as it is when asked."""
    before = studio.good("/api/examples/parcel")
    path = studio.folder / "examples" / "parcel" / "topology.ecom"
    for n in range(20):  # of the same length, within one tick of the file system's clock
        path.write_text(path.read_text().replace(before["title"] if not n else f"Parce{n - 1:02}", f"Parce{n:02}"))
        assert studio.good("/api/examples/parcel")["title"] == f"Parce{n:02}"
    path.write_text(path.read_text().replace('topology "', 'topology parcel-two "'))
    assert [e["id"] for e in studio.good("/api/examples")["examples"]] == ["ecommerce", "parcel-two", "rooms"]
    path.write_text("topology parcel-two oops")
    whole = studio.good("/api/examples/parcel-two")
    assert whole["diagnostics"][0]["severity"] == "error" and "topology" not in whole, whole
    path.write_text("no topology at all {")
    assert studio.good("/api/examples/parcel-two")["diagnostics"], "the id stays while the text is broken"
    (studio.folder / "examples" / "more").mkdir()
    (studio.folder / "examples" / "more" / "topology.ecom").write_text('topology ecommerce "Taken"\nclient a "A"\n')
    path.unlink()
    assert [e["id"] for e in studio.good("/api/examples")["examples"]] == ["ecommerce", "more", "rooms"]
    os.rename(studio.topology, studio.folder / "away")
    reply = studio.get("/api/examples/ecommerce")
    assert reply.status == 503 and "No such file" in reply.json["detail"], reply
    os.rename(studio.folder / "away", studio.topology)
    assert studio.good("/api/examples/ecommerce")["diagnostics"] == []


def test_what_is_no_text(studio):
    path = studio.folder / "examples" / "rooms" / "topology.ecom"
    path.write_bytes(b'topology "Ro\xffoms"\n')
    whole = studio.good("/api/examples/rooms")
    assert "not UTF-8" in whole["diagnostics"][0]["message"], whole
    assert studio.get("/api/examples/rooms/source").problem == "conflict"
    path.unlink()
    os.mkfifo(path)
    assert studio.get("/api/examples/rooms").status == 503  # and nobody waits for who would write into it
    path.unlink()
    path.mkdir()
    assert studio.get("/api/examples/rooms").status == 503
    path.rmdir()
    path.write_bytes(b"/" * (4 * 1024 * 1024 + 1))
    assert studio.get("/api/examples/rooms").status == 503
    assert len(studio.good("/api/examples")["examples"]) == 3


def test_check_is_what_the_command_says(studio):
    """Of the topology with each of these mistakes, the same diagnostics as `ecomc check`, and what else there is only where there are no errors."""
    text = studio.topology.read_text()
    for old, new in (("", ""), ("timeout 800ms", "timeout 800mz"), ("-> inventory-svc.Reserve", "-> nobody"), ("http  timeout 2s }", "http  timeout 2s"),
                     ("trip 3 consecutive timeouts", "trip 0 consecutive timeouts"), ('sku: "kettle"  qty: 1', 'sku: 1  qty: "x"'),
                     ("expect 201\n", "expect 402 CardDeclined\n"), ("payment-svc.Charge(", "payment-svc.Chrage(")):
        changed = text.replace(old, new, 1) if old else text
        studio.topology.write_text(changed)
        told = json.loads(ecomc(studio.folder, "check", "--format=json").stdout)
        studio.topology.write_text(text)
        reply = studio.post(CHECK, {"text": changed})
        found = reply.json["diagnostics"]
        assert [(d["code"], d["severity"], d["message"], d["line"], d["column"], d["end_line"], d["end_column"], d.get("help"), d.get("note")) for d in found] == [
            (d["code"], d["severity"], d["message"], *(d["place"][k] for k in ("line", "column", "end_line", "end_column")), d.get("help"), d.get("note"))
            for d in told], (old, found, told)
        errors = [d for d in found if d["severity"] == "error"]
        assert ("topology" in reply.json) == ("scenarios" in reply.json) == ("places" in reply.json) == ("switches" in reply.json) == (not errors), reply
    assert studio.topology.read_text() == text and not (studio.folder / "generated").exists()


def test_check_follows_the_text(studio):
    found = studio.post(ELSE, {"text": SMALL + scenario("s")}).json
    assert found["topology"]["title"] == "Small" and [s["name"] for s in found["scenarios"]] == ["s"], found
    assert found["places"]["nodes"]["back-svc"] == {"line": 5, "end_line": 7}, found["places"]
    assert studio.post(ELSE, {"text": ""}).json["diagnostics"][0]["code"] == "E0117"


def test_assumptions(studio):
    """A switch changes the derivation as the clause in the text does, and is offered where that is noticed."""
    text = studio.topology.read_text()
    plain = studio.good("/api/examples/ecommerce")
    for i, switch in enumerate(plain["switches"]):
        clause, offered = switch["assume"], "happy-path" in switch["scenarios"]
        at = text.index('scenario happy-path "')
        written = text[:at] + text[at:].replace("  expect 201\n", f"  assume {clause}\n  expect 201\n", 1)
        expected = next(s for s in studio.post(CHECK, {"text": written}).json["scenarios"] if s["name"] == "happy-path")
        derived = studio.post(DERIVE, {"scenario": "happy-path", "assume": [clause]})
        assert derived.status == 200 and valid(derived.json, "scenario") == expected, clause
        assert expected != plain["scenarios"][0] if offered else expected == plain["scenarios"][0] or switch["real"] == "never", clause
        if i % 4:
            continue  # to check is to derive once more
        checked = studio.post(CHECK, {"text": text, "scenario": "happy-path", "assume": [clause]}).json
        assert checked["diagnostics"] == [] and checked["scenarios"][0] == expected and checked["scenarios"][1:] == plain["scenarios"][1:], clause
        assert set(checked["places"]["steps"]["happy-path"]) == {s["id"] for s in expected["steps"] if s["kind"] != "reply"}
        assert checked["places"]["edges"] == plain["places"]["edges"], "no place moves"
    declined = studio.post(DERIVE, {"scenario": "happy-path", "assume": ["stripe.CreatePayment fails CardDeclined"]}).json
    assert any(s.get("error") == "CardDeclined" for s in declined["steps"]) and any(s["phase"] == "undo" for s in declined["steps"])
    both = studio.post(DERIVE, {"scenario": "happy-path", "assume": ["redis down", "kafka down"]}).json
    assert not any(s["kind"] == "deliver" for s in both["steps"]) and any(s["edge"] == "api-gateway -> redis" and s["status"] == "refused" for s in both["steps"])
    assert studio.post(DERIVE, {"scenario": "happy-path"}).json == plain["scenarios"][0]
    comment = SMALL + scenario("s").replace("expect 200\n", "expect 200 // the last line }\n")
    found = studio.post(ELSE, {"text": comment, "scenario": "s", "assume": ["back-svc down"]}).json
    assert any(s.get("error") == "Gone" for s in found["scenarios"][0]["steps"]), found


def test_assumptions_that_are_none(studio):
    for clause, why in (("stripe.CreatePayment fails CardDeclind", "CardDeclind"), ("nobody down", "nobody"), ("", "one line"), ("kafka down\nexpect 200", "one line"),
                        ("kafka down assume redis down", ""), ("kafka down }", ""), ('kafka down } scenario more "More" { when mobile GET "/v1/me" expect 401', ""),
                        ("kafka down // x", ""), ("kafka down expect 200", ""), ("kafka", ""), ("x" * 300, "one line"), (7, "one line"), ("mobile down", "needs it"),
                        ('kafka down /* x', ""), ('kafka down """', "")):
        for path, more in ((DERIVE, {}), (CHECK, {"text": studio.topology.read_text()})):
            reply = studio.post(path, {"scenario": "happy-path", "assume": [clause], **more})
            assert reply.status == 422 and reply.problem == "invalid" and why in reply.json["detail"], (clause, reply)
    for assume in ("kafka down", {"a": 1}, ["kafka down"] * 33):
        assert studio.post(DERIVE, {"scenario": "happy-path", "assume": assume}).status == 422
    assert studio.post(DERIVE, {"scenario": "nothing"}).problem == "not-found"
    assert studio.post(DERIVE, {}).problem == "invalid"
    for path in ("check", "derive"):
        assert studio.post(f"/api/examples/none/{path}", {"text": "", "scenario": "x"}).problem == "not-found"
    studio.topology.write_text("topology")
    assert studio.post(DERIVE, {"scenario": "happy-path"}).status in (404, 409)


def test_switches(studio):
    switches = {s["id"]: s for s in studio.good("/api/examples/ecommerce")["switches"]}
    card = switches["stripe.CreatePayment.CardDeclined"]
    assert card["assume"] == "stripe.CreatePayment fails CardDeclined" and card["node"] == "stripe" and card["label"], card
    assert "happy-path" in card["scenarios"] and "payment-failure" not in card["scenarios"] and "cache-hit" not in card["scenarios"], card
    assert "circuit-breaker" not in switches["inventory-svc.hangs"]["scenarios"] and "circuit-breaker" in switches["inventory-svc.down"]["scenarios"]
    assert {"kafka.down", "redis.down", "inventory-svc.hangs", "inventory-svc.down", "stripe.hangs", "stripe.down"} <= set(switches)
    assert card["what"] == "CreatePayment fails with CardDeclined" and card["real"] == "now", card
    stock, open_, miss, session = (switches[f"{name}"] for name in (
        "inventory-svc.Reserve.OutOfStock", "order-svc.inventory-svc.open", "redis.products.misses", "redis.sessions.holds"))
    assert stock["assume"] == "inventory-svc.Reserve fails OutOfStock" and stock["real"] == "never" and "happy-path" in stock["scenarios"], stock
    assert open_["assume"] == "breaker order-svc -> inventory-svc open" and open_["real"] == "run" and open_["node"] == "inventory-svc", open_
    assert miss["assume"] == "redis.products misses" and miss["real"] == "run" and miss["scenarios"] == ["cache-hit"], miss
    assert session["real"] == "never", "who fills a cache of identities is somebody else"
    assert "redis.products.holds" not in switches, "where it would be noticed it is assumed"
    assert not {"mobile.down", "api-gateway.down"} & set(switches), "without them there is no scenario"
    assert studio.good("/api/examples/parcel")["switches"], "of any topology"


def test_too_much_memory(studio):
    """Hundreds of scenarios of hundreds of requests are more than a request may hold; the next one finds all as it was."""
    text = SMALL + "".join(scenario(f"s{n}", 1000) for n in range(1500))
    reply = studio.post(ELSE, {"text": text})
    assert reply.status == 503 and reply.problem == "unavailable", reply
    path = studio.folder / "examples" / "rooms" / "topology.ecom"
    path.write_text(text)
    assert studio.get("/api/examples/rooms").status == 503
    path.write_text(SMALL)
    assert studio.good("/api/examples/small")["diagnostics"] == []


def test_fifty_at_once(studio):
    text = studio.topology.read_text()
    texts = [text if n % 3 else text[:n * 500] for n in range(50)]
    alone = [studio.post(CHECK, {"text": t}).body for t in texts]
    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        together = list(pool.map(lambda t: studio.post(CHECK, {"text": t}), texts))
    assert [r.status for r in together] == [200] * 50 and [r.body for r in together] == alone


def test_who_goes_away(studio):
    """Clients that send half a request, or do not wait for the answer, take nothing from others."""
    import socket
    body = json.dumps({"text": studio.topology.read_text()}).encode()
    head = f"POST {CHECK} HTTP/1.1\r\nhost: localhost:{studio.port}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode()
    for cut in (10, len(head), len(head) + 1000, len(head) + len(body)):
        for _ in range(10):
            with socket.create_connection(("127.0.0.1", studio.port)) as conn:
                conn.sendall((head + body)[:cut])
    assert studio.post(CHECK, body).status == 200
