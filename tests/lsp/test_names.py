"""What a name is, where it is declared and used, what it could be called, what could stand at a place."""
import re

from client import CAPABILITIES, Client, Refused
from run import ROOT


def opened(tools, text=None, capabilities=None):
    client = Client(tools.ecomc, capabilities=capabilities)
    plain, marks = tools.marked(text) if text else tools.trip()
    return client, client.open(plain), plain, marks


# mark: what its hover says
HOVERS = {
    "Trip": ["record Trip {", "price_cents: int", "status: Status", "What a traveller has booked.\nIt is shown on the ticket."],
    "Price": ["price_cents: int", "A field"],
    "Value": ["planned", "enum `Status`"],
    "Error": ['error NoSeat 409 "No seat is left 🪑"'],
    "Event": ["event TripBooked v1 {", "trip_id: uuid", "topic trip-events"],
    "Topic": ["topic trip-events key trip_id partitions 3", "`TripBooked`"],
    "Keyspace": ["keyspace trips [id: uuid] -> Trip ttl 60s near 1500ms"],
    "External": ['external bank "Bank"', "calls: Pay", "from: trip-svc", "with a sandbox"],
    "Call": ['call Pay POST "/pay/{trip_id}" json', "note: text?", "Idempotency-Key", "`NoSeat` when it answers 402"],
    "Store": ["store payments"],
    "Node": ['service trip-svc "Trips"', "operations: Book, Find, Total", "tables: trips, seats", "from: front", "to: redis, bank, kafka"],
    "Setting": ["setting note: text env TRIP_NOTE"],
    "Table": ["table trips {", "price_cents int check (price_cents > 0)", "status Status = 'planned'", "index (price_cents, id)"],
    "Column": ["price_cents int check (price_cents > 0)", "table `trips` of trip-svc"],
    "Op": ["op Book(title: text(1..80), price_cents: int(1..), seat: int) -> Trip errors { NoSeat BankDown }", "under its key",
           "`NoSeat` 409",
           "Called by front"],
    "Param": ["price_cents: int(1..)", "A parameter"],
    "Var": ["trip: ", "title: text", "status: Status", "A variable"],
    "Sql": ["SQL, writes, gives one row", ":price_cents: int(1..)", ":id: uuid", "status: Status"],
    "Use": ["table trips {"],
    "Path": ["trip: uuid"],
    "Policy": ["policy patient {", "timeout 2s", "retry 2 backoff 100ms..1s", "on failure fail BankDown", "trip-svc -> bank"],
    "Edge": ["edge trip-svc -> bank", "https, to an external", "calls `Pay`", "timeout 2s", "up to 2 retries, 100ms to 1s apart",
             "no breaker",
             "`BankDown`"],
    "Scenario": ['scenario booked "Booked"'],
}


def test_hover(tools):
    client, uri, text, marks = opened(tools)
    for name, words in HOVERS.items():
        hover = client.at("textDocument/hover", uri, marks[name])
        assert hover and hover["contents"]["kind"] == "markdown", name
        missing = [word for word in words if word not in hover["contents"]["value"]]
        assert not missing, (name, missing, hover["contents"]["value"])
        assert text[marks[name]:].startswith(client.text(uri).of(hover["range"])) or name in ("Edge", "Sql"), name
    assert client.at("textDocument/hover", uri, marks["Shop"]) is None  # a comment
    assert client.at("textDocument/hover", uri, text.index("expect 201")) is None
    client.end()
    client, uri, _, marks = opened(tools, capabilities={"textDocument": {"hover": {"contentFormat": ["plaintext"]}}})
    assert client.at("textDocument/hover", uri, marks["Op"])["contents"]["kind"] == "plaintext"
    assert client.end() == (0, "")


def test_hover_knows_what_is_there(tools):
    """Inside `when x { }` an optional value is present."""
    client, uri, text, _ = opened(tools, """topology "T"
record Name { name: text? }
service a-svc "A" { op Greet(name: text?) -> Name { when §In§name { return Name { name: name } } return Name { name: §Out§name } } }
""")
    inside = text.index("name: name }") + 6
    assert "name: text\n" in client.at("textDocument/hover", uri, inside)["contents"]["value"]
    assert "name: text?\n" in client.at("textDocument/hover", uri, text.rindex("name"))["contents"]["value"]
    assert client.end() == (0, "")


def test_hover_while_writing(tools):
    """A mistake of syntax hides nothing that was there before it."""
    client, uri, text, marks = opened(tools)
    client.settled(uri)
    at = marks["Column"]
    client.edit(uri, marks["Trip"] - 7, marks["Trip"] - 7, "service x-svc { op (\n")  # swallows what follows
    moved = at + len("service x-svc { op (\n")
    assert [d for d in client.settled(uri) if d["severity"] == 1]
    hover = client.at("textDocument/hover", uri, moved)
    assert "table `trips` of trip-svc" in hover["contents"]["value"] and client.text(uri).of(hover["range"]) == "price_cents"
    places = client.at("textDocument/references", uri, moved, context={"includeDeclaration": True})
    assert len(places) >= 7 and {client.text(uri).of(p["range"]) for p in places} == {"price_cents"}
    assert client.end() == (0, "")


def test_every_name_is_one(tools):
    """Of every name of two topologies: its declaration is one of its references, all are spelled alike, and each finds the same set."""
    total = 0
    for path in (ROOT / "topology.ecom", ROOT / "tests" / "topologies" / "parcel.ecom"):
        client, uri, text, _ = opened(tools, path.read_text())
        seen = {}
        for match in list(re.finditer(r"[A-Za-z][\w-]*", text))[::7]:
            places = client.at("textDocument/references", uri, match.start(), context={"includeDeclaration": True})
            key = tuple((p["range"]["start"]["line"], p["range"]["start"]["character"]) for p in places)
            if not places:
                continue
            total += 1
            names = {client.text(uri).of(p["range"]).replace("-", "_") for p in places}
            assert len(names) == 1 or all(" -> " in re.sub(r"\s+", " ", n) for n in names), (match[0], names)
            definition = client.at("textDocument/definition", uri, match.start())
            without = client.at("textDocument/references", uri, match.start(), context={"includeDeclaration": False})
            highlights = client.at("textDocument/documentHighlight", uri, match.start())
            assert [h["range"] for h in highlights] == [p["range"] for p in places]
            assert len(without) == len(places) - sum(h["kind"] == 3 for h in highlights)
            if definition and any(h["kind"] == 3 for h in highlights):
                assert definition["range"] in [h["range"] for h in highlights if h["kind"] == 3], (match[0], definition)
            for place in places[:2]:
                again = client.at("textDocument/references", uri, client.text(uri).offset(place["range"]["start"]),
                    context={"includeDeclaration": True})
                # the key of a topic is a field of each of its events
                assert again == places or len(names) > 1 or "topic" in text.splitlines()[place["range"]["start"]["line"]], (match[0], place)
            seen.setdefault(key, match[0])
        assert client.end() == (0, "")
    assert total > 250, total


def test_definitions(tools):
    """From a use, by its words, to the line that declares it."""
    client, uri, text, marks = opened(tools)
    for use, word, line in (("FROM trips t WHERE", "trips", "table trips {"),
                            ("t.price_cents FROM", "price_cents", "price_cents int check"),
                            (":e.price_cents)", "price_cents", "event TripBooked"), ("path.trip", "trip", 'route GET "/trips/{trip}"'),
                            ('title: "Away"', "title", "op Book("), ("bank.Pay(", "Pay", "call Pay"),
                            ("{ ...trip ", "trip", "let trip = sql one"),
                            ("trip_svc.trips p", "trip_svc", 'service trip-svc "Trips"'), ("trip_svc.trips p", "trips", "table trips {"),
                            ("'planned')", "planned", "enum Status"), ("assume bank", "bank", 'external bank "Bank"'),
                            ("use patient", "patient", "policy patient"), ("note: note)", "note)", "setting note"),
                            ("key trip_id partitions", "trip_id", "event TripBooked"), ("references trips", "trips", "table trips {"),
                            ("found -> return cached", "cached", "let cached"), ("keep payments", "payments", "store payments"),
                            ("paid.amount != ", "amount", "call Pay"), ("index (price_cents", "price_cents", "price_cents int check"),
                            ("say trip-svc -> bank", "->", "edge trip-svc -> bank"),
                            ('price_cents: 900 }\n  }', "price_cents", "price_cents int check")):
        at = text.index(use) + use.index(word)
        found = client.at("textDocument/definition", uri, at)
        assert found, use
        declared = text.splitlines()[found["range"]["start"]["line"]]
        assert line in declared, (use, declared)
    assert client.at("textDocument/definition", uri, marks["Shop"]) is None
    assert client.end() == (0, "")


def test_outline(tools):
    client, uri, text, _ = opened(tools)
    symbols = client.ask("textDocument/documentSymbol", textDocument={"uri": uri})
    by_name = {s["name"]: s for s in symbols}
    assert [c["name"] for c in by_name["trip-svc"]["children"]] == ["note", "trips", "seats", "Book", "Find", "Total"]
    assert [c["name"] for c in by_name["trip-svc"]["children"][1]["children"]] == ["id", "title", "price_cents", "status"]
    assert [c["name"] for c in by_name["front"]["children"]] == ["POST /trips", "GET /trips/{trip}", "GET /bill"]
    assert "trip-svc -> bank" in by_name and by_name["Trip"]["detail"] == "record"

    def walk(items, around):
        for item in items:
            start, end = (client.text(uri).offset(item["range"][side]) for side in ("start", "end"))
            at, to = (client.text(uri).offset(item["selectionRange"][side]) for side in ("start", "end"))
            assert around[0] <= start <= at <= to <= end <= around[1], item
            walk(item["children"], (start, end))

    walk(symbols, (0, len(text)))
    found = client.ask("workspace/symbol", query="pric")
    assert {f["name"] for f in found} == {"price_cents"} and {f["containerName"] for f in found} >= {"Trip", "trip-svc", "TripBooked"}
    assert len(client.ask("workspace/symbol", query="")) > 40
    client.end()
    client, uri, _, _ = opened(tools, capabilities={})
    assert all("location" in s for s in client.ask("textDocument/documentSymbol", textDocument={"uri": uri}))
    assert client.end() == (0, "")


def test_semantic_tokens(tools):
    client, uri, text, marks = opened(tools)
    legend = client.server["capabilities"]["semanticTokensProvider"]["legend"]["tokenTypes"]
    data = client.ask("textDocument/semanticTokens/full", textDocument={"uri": uri})["data"]
    line = character = 0
    kinds = {}
    for i in range(0, len(data), 5):
        by_line, by_character, length, kind, _ = data[i:i + 5]
        line, character = line + by_line, by_character + (0 if by_line else character)
        at = client.text(uri).offset({"line": line, "character": character})
        assert re.fullmatch(r"[\w-]+", client.text(uri).of({"start": {"line": line, "character": character},
                                                            "end": {"line": line, "character": character + length}}))
        kinds[at] = legend[kind]
    assert [kinds[marks[m]] for m in ("Trip", "Price", "Node", "Op", "Table", "Use", "Param", "Var", "Value")] == [
        "type", "property", "namespace", "method", "class", "class", "parameter", "variable", "enumMember"]
    assert client.end() == (0, "")


# ------------------------------------------------------------------ completion

# What is written at § in place of `old` (of the first that has it): what must be offered, and what must not.
COMPLETIONS = [
    ("    put redis", "    §\n    put redis", "let sql tx when fail publish bank trip-svc", "op service on NoSeat Trip"),
    ("    put redis", "    l§\n    put redis", "let", "service"),
    ("bank.Pay(", "bank.§(", "Pay", "Book let NoSeat"),
    ("let paid = bank.Pay(", "let paid = §", "bank redis sql start trip id new_id password.hash Trip", "scenario http planned"),
    ("let paid = bank.Pay(trip_id: trip.id", "let paid = bank.Pay(§", "trip_id amount note", "title let"),
    ("trip_id: trip.id, amount", "trip_id: trip.§, amount", "id title price_cents status", "trip_id let bank"),
    ("trip_id: trip.id, amount", "trip_id: §, amount", "trip id title seat note", "paid cached"),
    ("amount: trip.price_cents, note", "amount: trip.pri§, note", "price_cents", ""),
    ("fail NoSeat }\n    put", "fail § }\n    put", "NoSeat BankDown", "Trip let"),
    ("errors { NoSeat BankDown } {", "errors { § } {", "NoSeat BankDown", "Trip text"),
    ("publish TripBooked {", "publish § {", "TripBooked", "NoSeat"),
    ("{ ...trip  trip_id", "{ ...trip  §  trip_id", "price_cents trip_id", "title"),
    ("redis.trips[id] = trip", "redis.§", "trips", "Book"),
    ("note: text env", "note: § env", "text int uuid Trip Status", "NoSeat let trip-svc"),
    ("title text\n", "title §\n", "text int uuid Status", "NoSeat"),
    ("references trips", "references §", "trips seats", "told Trip"),
    ("from trip-events", "from §", "trip-events", "TripBooked"),
    ("on TripBooked(e)", "on §(e)", "TripBooked", "NoSeat"),
    ("use patient", "use §", "patient", "http"),
    ("edge trip-svc -> bank", "edge trip-svc -> §", "bank redis kafka front trip-svc", "NoSeat"),
    ("edge trip-svc -> bank", "edge §", "trip-svc phone", "NoSeat"),
    ("https external use", "https § external use", "timeout retry breaker use on", "let service"),
    ("publish trip-events }", "publish § }", "trip-events", "TripBooked"),
    ("keyspace trips }", "keyspace § }", "trips", "trip-events"),
    ("public -> trip-svc.Find", "public -> §.Find", "trip-svc tell-svc", "bank redis"),
    ("path.trip)", "path.§)", "trip", "title"),
    ("expect 503 BankDown", "expect 503 §", "BankDown", "Trip"),
    ("assume bank down", "assume §", "bank trip-svc", "BankDown"),
    ('  expect 201\n', '  §\n  expect 201\n', "given assume say expect", "let op"),
    ('  expect 201\n', '  given §\n  expect 201\n', "trip-svc let", "op http"),
    ('{ title: "Away" price_cents: 900 seat: 1 }\n  expect', '{ §title: "Away" price_cents: 900 seat: 1 }\n  expect',
    "title price_cents seat", ""),
    ("listen 8080\n", "listen 8080\n  §\n", "route auth limit", "op let"),
    ("listen 8080\n", "listen 8080\n  route §\n", "GET POST DELETE", "auth trip-svc"),
    ('  expect 201\n', '  given phone §\n  expect 201\n', "GET PUT", "trip-svc"),
    ("listen 8080\n", "listen 8080\n  limit 9/s burst 9 §\n", "lease per", "burst let"),
    ("  op Total", "  §\n  op Total", "op on database setting", "let route"),
    ("enum Status", "§\nenum Status", "service record edge gateway saga", "let op"),
    ("status <> 'done'", "§ <> 'done'", "status trips seats title", "note let"),
    ("WHERE id = :id AND", "WHERE id = :§ AND", "id note cached", "title trips"),
    (":e.price_cents)", ":e.§)", "trip_id price_cents", "e"),
    ("SELECT t.id AS", "SELECT t.§ AS", "id title price_cents", "seat trips"),
    ("s.trip_id = t.id", "s.§ = t.id", "trip_id seat", "title"),
    ("// What a", "// §What a", "", "let service text"),
    ('"Trips 🧳"', '"Trips § 🧳"', "", "let service text"),
]


def test_completion(tools):
    """Each in a text that was right before, as it is while somebody writes, and in one that is opened so."""
    text = tools.trip()[0]
    client = Client(tools.ecomc)
    for n, (old, new, wanted, unwanted) in enumerate(COMPLETIONS):
        assert old in text, old
        at = text.index(old) + new.index("§")
        for known in (True, False):
            broken = text.replace(old, new.replace("§", ""), 1)
            uri = client.open(text if known else broken, f"file:///{n}-{known}.ecom")
            client.settled(uri)
            client.replace(uri, broken)
            offered = client.at("textDocument/completion", uri, at)["items"]
            labels = [item["label"] for item in offered]
            assert len(labels) == len(set(labels))
            missing = [word for word in wanted.split() if word not in labels]
            wrong = [word for word in unwanted.split() if word in labels]
            assert not missing and not wrong, (old, new, "known" if known else "new", missing, wrong, labels)
            for item in offered:
                range_ = item["textEdit"]["range"]
                assert client.text(uri).offset(range_["end"]) == at and item["textEdit"]["newText"] == item["label"]
                assert re.fullmatch(r"[\w-]*", client.text(uri).of(range_)), item
            client.close(uri)
    assert client.end() == (0, "")


def test_signatures(tools):
    client, uri, text, _ = opened(tools)
    at = text.index("amount: trip.price_cents, note") + 8
    found = client.at("textDocument/signatureHelp", uri, at)
    assert found["signatures"][0]["label"] == "Pay(trip_id: uuid, amount: int, note: text?)" and found["activeParameter"] == 1
    assert client.at("textDocument/signatureHelp", uri, text.index("enum Status")) is None
    assert client.end() == (0, "")


def test_rename_is_refused(tools):
    client, uri, text, marks = opened(tools)
    client.settled(uri)
    refusals = [
        (marks["Node"], "TripSvc", "kebab-case"), (marks["Node"], "bank", "declared twice"), (marks["Op"], "book", "PascalCase"),
        (marks["Op"], "Find", "declared twice"), (marks["Column"], "title", "declared twice"), (marks["Column"], "order", "syntax error"),
        (marks["Column"], "a__b", "snake_case"), (marks["Price"], "", "snake_case"), (marks["Var"], "id", "in use"),
        (marks["Var"], "note", "in use"), (marks["Value"], "done", "rows and messages hold"), (marks["Shop"], "x", "no name here"),
        (marks["Edge"], "x", "no name here"), (text.index("path.trip"), "x", "language's own"), (marks["Table"], "seats", "declared twice"),
        (marks["Keyspace"], "trips-2", "snake_case"),
    ]
    for at, name, why in refusals:
        try:
            client.at("textDocument/rename", uri, at, newName=name)
        except Refused as refusal:
            assert refusal.code == -32803 and why in refusal.message, (name, refusal)
        else:
            raise AssertionError(f"{name} was taken")
    prepared = client.at("textDocument/prepareRename", uri, text.index("trip_svc.trips"))
    assert prepared["placeholder"] == "trip-svc" and client.text(uri).of(prepared["range"]) == "trip_svc"
    for at in (marks["Value"], marks["Shop"], text.index("path.trip")):
        try:
            client.at("textDocument/prepareRename", uri, at)
        except Refused as refusal:
            assert refusal.code == -32803
        else:
            raise AssertionError(at)
    client.edit(uri, 0, 0, "record {\n")
    try:
        client.at("textDocument/rename", uri, marks["Var"] + 9, newName="other")
    except Refused as refusal:
        assert "syntax" in refusal.message
    else:
        raise AssertionError("a torso was renamed")
    assert client.end() == (0, "")


def test_shadowing_is_refused(tools):
    """A new name that would catch what another means."""
    client, uri, _, marks = opened(tools, """topology "T"
enum Mood { good bad }
record Out { ok: bool }
service a-svc "A" { op Ask(§In§mood: Mood, other: Mood) -> Out { return Out { ok: mood == good } } }
""")
    try:
        client.at("textDocument/rename", uri, marks["In"], newName="good")
    except Refused as refusal:
        assert refusal.code == -32803, refusal
    else:
        raise AssertionError("a value became a variable")
    assert CAPABILITIES and client.end() == (0, "")
