"""Renaming: everywhere, and so that nothing else changes. What it makes is compiled, built, and compared with what was built before."""
import json
import pathlib
import re
import subprocess
import tempfile

from client import Client, Refused
from run import ROOT


def renamed(client, uri, at, name):
    """The text afterwards, and what the user is told of it."""
    edit = client.at("textDocument/rename", uri, at, newName=name)
    [change] = edit["documentChanges"]
    assert change["textDocument"] == {"uri": uri, "version": client.versions[uri]}
    notes = {note["description"] for note in edit.get("changeAnnotations", {}).values()}
    assert all(e.get("annotationId") in ([None] if not notes else ["rename"]) for e in change["edits"])
    return client.text(uri).edited(change["edits"]), " ".join(notes)


def spellings(name):
    words = re.findall(r"[A-Z]?[a-z0-9]+", name)
    low = [word.lower() for word in words]
    return ["_".join(low), "-".join(low), "".join(word.title() for word in low), "_".join(low).upper(), " ".join(low)]


def called_back(files, old, new):
    """With the new name turned into the old one wherever it stands, and without white space, which follows the length of lines."""
    out = {}
    for path, text in files.items():
        text = re.sub(rf"\b({re.escape(new)}) AS {re.escape(old)}\b", r"\1", text)
        for a, b in zip(spellings(new), spellings(old)):
            text, path = text.replace(a, b), path.replace(a, b)
        text = re.sub(r"(KAFKA_CLUSTER:) \S+", r"\1", text)  # an identifier that is made of the bus' name
        out[path] = re.sub(r"\s+", "", text)
    return out


# In topology.ecom: at `word` in `near`; what the user is told.
SHOP = [
    ("service order-svc", "order-svc", "released migrations"), ("saga place-order", "place-order", "under way"),
    ("policy fragile", "fragile", ""), ("topic payment-events", "payment-events", "another topic"), ("scenario cache-hit", "cache-hit", ""),
    ("identity customer", "customer", ""), ("record OrderLine", "OrderLine", ""), ("enum OrderStatus", "OrderStatus", ""),
    ("error OutOfStock", "OutOfStock", "wire"), ("event OrderPlaced", "OrderPlaced", "another event"),
    ("call CreateRefund", "CreateRefund", ""),
    ("op PlaceOrder(", "PlaceOrder", "same operation"), ("keyspace sessions", "sessions", "cached"), ("store intents", "intents", ""),
    ("setting mail_from", "mail_from", ""), ("table reservations", "reservations", "migration"), ("table orders", "orders", "migration"),
    ("let quote", "quote", ""), ("for line in lines {\n        sql", "line", ""), ("step charge", "charge", "under way"),
    ("shipment:   optional", "shipment", "wire"), ("let session = mobile", "session", ""),
    ("op Release(order_id", "order_id", "same field"),
    ("available   int", "available", "migration"), ("provider_id     text?", "provider_id", "migration"),
    ("price_cents     int", "price_cents", "migration"),
    ("user_id     uuid references", "user_id", "migration"), ("user_id: uuid  jti: text", "jti", "same field"),
    ('products/{sku}"       public', "sku", ""), ("record Quote        { total_cents", "total_cents", "same field"),
    ("record Reservation  { order_id", "order_id", "same field"), ("text(1..64)  qty: int", "qty", "stays"),
    ("POST \"/v1/refunds\" form { payment_intent", "payment_intent", "stays"), ("record ProductPage  { items", "items", "same field"),
    ("description: text  price_cents: int", "price_cents", "same field"),
    ("amount_cents: int  status: PaymentStatus", "amount_cents", "same field"),
    ("error CardDeclined", "CardDeclined", "wire"), ("gateway api-gateway", "api-gateway", ""), ("cache redis", "redis", ""),
    ("external stripe", "stripe", ""), ("bus kafka", "kafka", ""), ("client mobile", "mobile", ""),
    ("v1 { order_id: uuid  user_id: uuid  total_cents", "order_id", "same field"),
]


def test_every_kind_in_the_shop(tools):
    text = (ROOT / "topology.ecom").read_text()
    client = Client(tools.ecomc)
    uri = client.open(text)
    before, built, same = tools.check(text), tools.build(text), 0
    for near, word, told in SHOP:
        assert text.count(near) >= 1, near
        name = word + ("q" if not word[0].isupper() else "q")
        after, note = renamed(client, uri, text.index(near) + near.index(word), name)
        assert told in note, (near, note)
        assert [d[0] for d in tools.check(after)] == [d[0] for d in before], (near, tools.check(after))
        assert f"was({word})" in after or ("by a migration" not in note and "same" not in note), near
        assert f'as "{word}"' in after or "stays" not in note, near
        now = called_back(tools.build(after), word, name)
        differ = [path for path, content in called_back(built, word, name).items() if now.get(path) != content]
        # A name that JSON keeps is told to the reader; columns that are selected under their old name are read as before.
        # What goes over the wire is known by both names while `was` stands.
        kept = "stays" in note or "same field" in note or "by a migration" in note or f"was({word})" in after
        assert not differ or (kept and all(p.endswith((".c", ".h", ".sql", ".json", ".yaml")) for p in differ)), (near, differ)
        same += not differ
        if "by a migration" in note:
            assert plan(tools, text, after), near
    assert same > len(SHOP) // 2, same
    assert client.end() == (0, "")


def plan(tools, old, new):
    """What `ecomc plan` says of tables and columns: that they have a new name, and of none that it is gone."""
    with tempfile.TemporaryDirectory() as temp:
        a, b = pathlib.Path(temp) / "old.ecom", pathlib.Path(temp) / "topology.ecom"
        a.write_text(old)
        b.write_text(new)
        run = subprocess.run([tools.ecomc, "plan", "--against", "old.ecom", "--format=json"], cwd=temp, capture_output=True, text=True)
        changes = json.dumps(json.loads(run.stdout))
        return "renamed" in changes.lower() and not re.search(r"(column|table)[_-]removed", changes.lower())


def rename_in(tools, text, name, mark="X"):
    plain, marks = tools.marked(text)
    client = Client(tools.ecomc)
    uri = client.open(plain)
    assert [d for d in client.settled(uri) if d["severity"] == 1] == []
    try:
        after, note = renamed(client, uri, marks[mark], name)
    finally:
        assert client.end() == (0, "")
    assert [d[0] for d in tools.check(after)] == [d[0] for d in tools.check(plain)]
    return after, note


HEAD = """topology "T"
record Row { id: uuid  title: text  size: int }
record Short { title: text }
service a-svc "A" {
  database postgres {
    table §Table§things { id uuid primary key  §Title§title text  §Size§size int = 1 }
    table parts { thing_id uuid references things  id uuid primary key  note text }
  }
"""


def test_columns_keep_the_names_of_results(tools):
    for sql, want in (("SELECT title, size, id FROM things", "SELECT name AS title, size, id FROM things"),
                      ("SELECT things.title, t2.size, things.id FROM things JOIN things t2 ON t2.title = things.title",
                       "SELECT things.name AS title, t2.size, things.id FROM things JOIN things t2 ON t2.name = things.name"),
                      ("SELECT * FROM things WHERE title LIKE 'a%'", "SELECT id, name AS title, size FROM things WHERE name LIKE 'a%'"),
                      ("SELECT t.* FROM things t", "SELECT t.id, t.name AS title, t.size FROM things t"),
                      ("SELECT title::text, size, id FROM things ORDER BY title",
                      "SELECT name::text AS title, size, id FROM things ORDER BY title"),
                      ("SELECT CAST(title AS text), size, id FROM things", "SELECT CAST(name AS text) AS title, size, id FROM things"),
                      ("SELECT upper(title) AS title, size, id FROM things", "SELECT upper(name) AS title, size, id FROM things"),
                      ("SELECT \"title\", size, id FROM things", "SELECT \"name\" AS title, size, id FROM things"),
                      ("SELECT TITLE, size, id FROM things", "SELECT name AS title, size, id FROM things"),
                      ("SELECT p.title, p.size, p.id FROM (SELECT id, title, size FROM things) p",
                       "SELECT p.title, p.size, p.id FROM (SELECT id, name AS title, size FROM things) p"),
                      ("WITH w AS (SELECT * FROM things) SELECT title, size, id FROM w",
                       "WITH w AS (SELECT id, name AS title, size FROM things) SELECT title, size, id FROM w"),
                      ("SELECT CASE WHEN size IS DISTINCT FROM 3 THEN 'x' ELSE title END, size, id FROM things",
                       "SELECT CASE WHEN size IS DISTINCT FROM 3 THEN 'x' ELSE name END AS title, size, id FROM things"),
                      ("INSERT INTO things (id, title) VALUES (:id, 'a') ON CONFLICT (id) DO UPDATE SET title = excluded.title "
                       "RETURNING id, title, size",
                       "INSERT INTO things (id, name) VALUES (:id, 'a') ON CONFLICT (id) DO UPDATE SET name = excluded.name "
                       "RETURNING id, name AS title, size"),
                      ("UPDATE things SET title = 'title' WHERE id = :id RETURNING *",
                       "UPDATE things SET name = 'title' WHERE id = :id RETURNING id, name AS title, size"),
                      ("SELECT title, size, id FROM things -- title\n FOR UPDATE OF things",
                       "SELECT name AS title, size, id FROM things -- title\n FOR UPDATE OF things")):
        text = HEAD + f'  op Get(id: uuid) -> Row {{ let row = sql one """{sql}""" return row }}\n}}\n'
        if ":id" not in sql:
            text = text.replace("op Get(id: uuid)", "op Get()")
        after, note = rename_in(tools, text, "name", "Title")
        assert f'"""{want}"""' in after, (sql, after)
        assert "name text  was(title)" in after and "migration" in note, after


def test_tables(tools):
    for sql, want in (("SELECT things.title FROM things", "SELECT goods.title FROM goods"),
                      ("SELECT t.title FROM things AS t", "SELECT t.title FROM goods AS t"),
                      ("SELECT things.* FROM things", "SELECT goods.* FROM goods"),
                      ("SELECT title FROM ONLY things", "SELECT title FROM ONLY goods"),
                      ("UPDATE things SET title = 'things' RETURNING things.title",
                      "UPDATE goods SET title = 'things' RETURNING goods.title"),
                      ("SELECT title FROM things FOR UPDATE OF things", "SELECT title FROM goods FOR UPDATE OF goods")):
        shape = "Row" if "*" in sql else "Short"
        text = HEAD + f'  op Get() -> {shape} {{ let row = sql one """{sql}""" return row }}\n}}\n'
        after, _ = rename_in(tools, text, "goods", "Table")
        assert f'"""{want}"""' in after and "table goods { was(things)" in after and "references goods" in after, (sql, after)
    several = HEAD.replace("{ id uuid primary key  §Title§title", "{\n      id uuid primary key\n      §Title§title") + "}\n"
    assert "table goods {\n      was(things)\n      id uuid" in rename_in(tools, several, "goods", "Table")[0]


def test_was_says_what_was_released(tools):
    """A second renaming keeps what was released; one back takes it out again."""
    text = HEAD.replace("title text  §", "title text was(label)  §") + "}\n"
    assert "name text was(label)" in rename_in(tools, text, "name", "Title")[0]
    back = rename_in(tools, text, "label", "Title")[0]
    assert "label text  size" in back and "was" not in back, back


def test_fields_that_meet_change_together(tools):
    text = """topology "T"
record Full { id: uuid  §X§title: text }
record Short { title: text }
service a-svc "A" {
  database postgres { table things { id uuid primary key  title text } }
  op Short(id: uuid) -> Short { let full = sql one \"\"\"SELECT id, title FROM things WHERE id = :id\"\"\"
    let copy = Full { ...full } return Short { ...copy } }
  op Whole(id: uuid) -> Full { let row = sql one \"\"\"SELECT id, title FROM things WHERE id = :id\"\"\" return row }
  op Named(title: text) -> Full { let row = sql one \"\"\"SELECT id, title FROM things WHERE title = :title\"\"\"
    return Full { id: row.id  title: row.title } }
}
"""
    after, note = rename_in(tools, text, "name")
    assert "id: uuid  name: text was(title)" in after and "record Short { title: text }" in after and "same field" in note
    assert "let copy = Full { ...full, name: full.title } return Short { title: copy.name }" in after, after
    assert "SELECT id, title AS name FROM things WHERE id = :id\"\"\" return row" in after, after
    assert "return Full { id: row.id  name: row.title }" in after and "op Named(title: text)" in after, after


def test_keys_of_topics_change_together(tools):
    text, marks = tools.trip()
    client = Client(tools.ecomc)
    uri = client.open(text)
    after, _ = renamed(client, uri, marks["Event"] + len("TripBooked v1 { "), "journey")
    assert "topic trip-events key journey" in after and "event TripBooked v1 { journey: uuid was(trip_id)" in after
    assert "{ ...trip  journey: trip.id }" in after and ":e.journey" in after and "bank.Pay(trip_id:" in after
    assert client.end() == (0, "")


def test_what_is_not_ours_keeps_its_name_in_json(tools):
    text, marks = tools.trip()
    client = Client(tools.ecomc)
    uri = client.open(text)
    after, note = renamed(client, uri, marks["Call"] + text[marks["Call"]:].index("note"), "remark")
    assert 'remark: text? as "note"' in after and "amount: trip.price_cents, remark: note)" in after and "stays" in note
    after, note = renamed(client, uri, marks["Call"] + text[marks["Call"]:].index("trip_id: uuid"), "journey")
    assert '"/pay/{journey}" json { journey: uuid as "trip_id"' in after, after
    assert client.end() == (0, "")


def test_without_document_changes(tools):
    text, marks = tools.trip()
    client = Client(tools.ecomc, capabilities={})
    uri = client.open(text)
    edit = client.at("textDocument/rename", uri, marks["Policy"], newName="slow")
    assert list(edit) == ["changes"] and client.text(uri).edited(edit["changes"][uri]).count("slow") == 2
    assert client.at("textDocument/rename", uri, marks["Policy"], newName="patient")["changes"][uri] == []
    assert client.end() == (0, "")


def test_using(tools):
    text = HEAD + '  op Get() -> Short { let row = sql one """SELECT title FROM things JOIN parts USING (id)""" return row }\n}\n'
    try:
        rename_in(tools, text.replace("{ id uuid primary key  §Title§", "{ §X§id uuid primary key  "), "key_id")
    except Refused as refusal:
        assert "USING" in refusal.message
    else:
        raise AssertionError("one side of USING was renamed")
