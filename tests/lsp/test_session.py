"""The conversation: its order, its frames, what is malformed, how it ends; texts and the diagnostics of them."""
import json
import pathlib
import random
import re
import subprocess
import tempfile

from client import CAPABILITIES, Client, Refused, Text
from run import ROOT

POSITION = {"line": 0, "character": 0}
UTF8 = dict(CAPABILITIES, general={"positionEncodings": ["utf-8", "utf-16"]})


def refused(code, run, *args, **more):
    try:
        run(*args, **more)
    except Refused as refusal:
        assert refusal.code == code, refusal
        return refusal.message
    raise AssertionError(f"{args} was not refused")


def test_exit_codes(tools):
    assert Client(tools.ecomc).end() == (0, "")
    client = Client(tools.ecomc)
    client.tell("exit")  # without shutdown
    assert client.process.wait(20) == 1 and client.process.stderr.read() == b""
    for cut in (b"", b"Content-Le", b"Content-Length: 100\r\n\r\n{\"jsonrpc\""):  # the client dies, also within a message
        client = Client(tools.ecomc)
        client.raw(cut)
        client.process.stdin.close()
        assert client.process.wait(20) == 1 and client.process.stderr.read() == b"", cut
    client = Client(tools.ecomc)
    client.process.stdout.close()  # nobody reads any more
    client.process.stderr.close()
    for _ in range(3):
        try:
            client.open("topology \"a\"")
        except BrokenPipeError:
            break
    try:
        client.process.stdin.close()  # what is still in its buffer goes with it
    except BrokenPipeError:
        pass
    assert client.process.wait(20) == 1


def test_order(tools):
    client = Client(tools.ecomc, start=False)
    assert "initialize" in refused(-32002, client.ask, "textDocument/hover")
    client.tell("textDocument/didOpen")  # nothing is said of a notification
    client.ask("initialize", capabilities={})
    refused(-32600, client.ask, "initialize", capabilities={})
    client.tell("initialized")
    assert "textDocument/nothing" in refused(-32601, client.ask, "textDocument/nothing")
    refused(-32600, client.ask, "textDocument/didOpen")  # a notification with an id
    for name in ("$/cancelRequest", "$/somethingNew", "workspace/somethingNew", "textDocument/hover"):
        client.tell(name, id=1)
    refused(-32602, client.ask, "textDocument/hover")
    refused(-32602, client.ask, "textDocument/hover", textDocument={"uri": "file:///not-open"}, position=POSITION)
    uri = client.open('topology "a"\n')
    for wrong in ({}, {"line": -1, "character": 0}, {"line": "a", "character": 0}, [], 7):
        refused(-32602, client.ask, "textDocument/hover", textDocument={"uri": uri}, position=wrong)
    for far in ({"line": 10**9, "character": 0}, {"line": 0, "character": 10**9}):
        assert client.ask("textDocument/hover", textDocument={"uri": uri}, position=far) is None
    client.ask("shutdown")
    refused(-32600, client.ask, "textDocument/hover")
    client.tell("exit")
    assert client.process.wait(20) == 0 and client.process.stderr.read() == b""


def test_frames(tools):
    client = Client(tools.ecomc)

    def error():
        message = client.read()
        assert message["id"] is None, message
        return message["error"]["code"], message["error"]["message"]

    body = b'{"jsonrpc":"2.0","id":"a","method":"shutdown"}'.replace(b"shutdown", b"nothing/atall")
    frame = b"Content-Type: application/vscode-jsonrpc; charset=utf-8\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)
    for i in range(len(frame)):
        client.raw(frame[i:i + 1])
    assert client.read()["id"] == "a"
    client.raw(frame * 3)
    assert [client.read()["id"] for _ in range(3)] == ["a"] * 3
    for bad, why in ((b"X: 1\r\n\r\n", "no Content-Length"), (b"Content-Length: many\r\n\r\n", "not `Name: value`"),
                     (b"Content-Length: -1\r\n\r\n", "not `Name: value`"), (b"nonsense\r\n\r\n", "not `Name: value`"),
                     (b"Content-Length: 99999999999999999999\r\n\r\n", "64 MiB"), (b"x" * 5000, "4096")):
        client.raw(bad)
        code, message = error()
        assert code == -32700 and why in message, (bad, message)
        client.raw(frame)
        assert client.read()["id"] == "a", bad
    for text, want in ((b"{", -32700), (b"\xff\xfe", -32700), (b'{"a":1,"a":2}', -32700), (b"[]", -32600), (b"7", -32600), (b'""', -32600),
                       (b"{}", -32600), (b'{"id":1,"method":7}', -32600), (b'{"id":{},"method":"x"}', -32600), (b"[" * 100000, -32700)):
        client.raw(b"Content-Length: %d\r\n\r\n%s" % (len(text), text))
        message = client.read()
        assert message["error"]["code"] == want, (text[:40], message)
    client.raw(frame)
    assert client.read()["id"] == "a"
    assert client.end() == (0, "")


def test_encodings(tools):
    text, marks = tools.trip()
    at = marks["Use"]
    assert "🎒" in text[text.rindex("\n", 0, at):at]
    for capabilities, want in ((CAPABILITIES, "utf-16"), (UTF8, "utf-8"), ({}, "utf-16")):
        client = Client(tools.ecomc, capabilities=capabilities)
        assert client.encoding == want
        uri = client.open(text)
        assert client.settled(uri) == []
        hover = client.at("textDocument/hover", uri, at)
        assert client.text(uri).of(hover["range"]) == "trips" and "table trips" in hover["contents"]["value"]
        client.edit(uri, at, at + 5, "tripz")
        assert tools.told(client, uri) == tools.check(client.texts[uri]) and client.settled(uri)
        client.edit(uri, at + 4, at + 5, "s")
        client.edit(uri, text.index("🎒"), text.index("🎒") + 1, "é🎒🎒ß")
        assert client.settled(uri) == []
        client.edit(uri, at, at, "t")
        assert tools.told(client, uri) == tools.check(client.texts[uri]) and client.settled(uri)
        assert client.end() == (0, "")


def test_line_ends(tools):
    client = Client(tools.ecomc)
    uri = client.open('topology "a"\r\nrecord A { b: nothing }\r\n')
    assert client.settled(uri)[0]["range"]["start"] == {"line": 1, "character": 14}
    client.tell("textDocument/didChange", textDocument={"uri": uri, "version": 2}, contentChanges=[  # behind the end of the line is its end
        {"range": {"start": {"line": 1, "character": 14}, "end": {"line": 1, "character": 21}}, "text": "text"},
        {"range": {"start": {"line": 1, "character": 1000}, "end": {"line": 1, "character": 2000}}, "text": " // x"},
        {"range": {"start": {"line": 0, "character": 12}, "end": {"line": 1, "character": 0}}, "text": "\r"}])
    client.texts[uri], client.versions[uri] = 'topology "a"\rrecord A { b: text } // x\r\n', 2
    assert client.settled(uri) == tools.told(client, uri) == []
    hover = client.ask("textDocument/hover", textDocument={"uri": uri}, position={"line": 1, "character": 7})
    assert hover["range"]["start"] == {"line": 1, "character": 7}
    assert client.end() == (0, "")


def test_documents(tools):
    text, _ = tools.trip()
    client = Client(tools.ecomc)
    a, b = client.open(text, "file:///a%20b/topology.ecom"), client.open('topology "b"\nrecord R { x: Y }\n', "file:///b.ecom")
    assert client.settled(a) == [] and [d["code"] for d in client.settled(b)] == ["E0101"]
    client.replace(b, 'topology "b"\nrecord R { x: text }\n')
    assert client.settled(b) == []
    client.close(b)
    client.ask("workspace/symbol", query="")  # all that was told before is here now
    assert client.diagnostics[b] == (None, [])
    refused(-32602, client.ask, "textDocument/hover", textDocument={"uri": b}, position=POSITION)
    client.edit(a, 0, 0, "\n" * 3)
    client.tell("textDocument/didSave", textDocument={"uri": a})
    assert client.settled(a) == []
    half = {"range": {"start": POSITION}, "text": "x"}
    client.tell("textDocument/didChange", textDocument={"uri": a, "version": 9}, contentChanges=[half])
    client.ask("workspace/symbol", query="")
    assert len(client.log) == 1 and "can't be made" in client.log[0]
    nul = client.open('topology "b"\0', "file:///nul.ecom")
    assert [d["code"] for d in client.settled(nul)] == ["E0009"]
    client.replace(nul, "")
    assert [d["code"] for d in client.settled(nul)] == ["E0117"]
    large = client.open("// " + "x" * (17 << 20), "file:///large.ecom")
    assert [d["code"] for d in client.settled(large)] == ["E0009"]
    assert client.end() == (0, "")


def test_diagnostics_are_those_of_check(tools):
    """Of texts with every kind of mistake; second places and what is unused, too."""
    client, seen, second = Client(tools.ecomc), set(), 0
    paths = [ROOT / "topology.ecom", ROOT / "tests" / "topologies" / "parcel.ecom", *sorted((ROOT / "tests" / "ui").glob("*.ecom"))[::3]]
    for path in paths:
        try:
            text = path.read_bytes().decode()
        except UnicodeDecodeError:
            continue  # no editor can send it
        uri = client.open(text, path.as_uri())
        told = tools.told(client, uri)
        assert told == tools.check(text), path
        seen |= {d[0] for d in told}
        second += sum("relatedInformation" in d for d in client.settled(uri))
        assert all(d.get("tags", []) == ([1] if d["code"] in ("W0701", "W0703", "W0704", "W0705") else []) for d in client.settled(uri))
        client.close(uri)
    assert len(seen) > 45 and second > 15, (len(seen), second)
    assert client.end() == (0, "")


def test_releases_beside_the_file(tools):
    """ecom.lock is held against the text, also when only the lock has changed; a rename breaks none of them."""
    page = (ROOT / "docs" / "explain" / "E0652.md").read_text()
    before, wrong = re.findall(r"^```ecom alone\n(.*?)^```$", page, re.M | re.S)[:2]
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "a topology.ecom"
        path.write_text(before)
        subprocess.run([tools.ecomc, "build", path.name, "-o", "out"], cwd=folder, check=True, capture_output=True)
        client = Client(tools.ecomc)
        uri = client.open(wrong, path.as_uri())
        run = subprocess.run([tools.ecomc, "check", "--format=json", path.name], cwd=folder, capture_output=True)
        assert run.returncode == 0
        path.write_text(wrong)
        run = subprocess.run([tools.ecomc, "check", "--format=json", path.name], cwd=folder, capture_output=True)
        assert [d["code"] for d in client.settled(uri)] == [d["code"] for d in json.loads(run.stdout)] == ["E0652"]
        lock = (path.parent / "ecom.lock").read_text()
        (path.parent / "ecom.lock").unlink()
        client.changed_beside(uri, path.parent / "ecom.lock")
        assert "E0652" not in [d["code"] for d in client.settled(uri)], client.settled(uri)
        (path.parent / "ecom.lock").write_text(lock.replace('"version": 2', '"version": 99', 1))
        client.changed_beside(uri, path.parent / "ecom.lock")
        assert [d["code"] for d in client.settled(uri)] == ["E0651"]
        (path.parent / "ecom.lock").write_text(lock)
        client.replace(uri, before)
        assert [d["code"] for d in client.settled(uri)] == ["W0703"]
        edit = client.ask("textDocument/rename", textDocument={"uri": uri}, position=client.text(uri).position(before.index("Take")), newName="Hold")
        client.replace(uri, client.text(uri).edited(edit["documentChanges"][0]["edits"]))
        assert "op Hold(id: uuid) was(Take)" in client.texts[uri] and [d["code"] for d in client.settled(uri)] == ["W0703"]
        edit = client.ask("textDocument/rename", textDocument={"uri": uri},
                          position=client.text(uri).position(client.texts[uri].rindex("(id: uuid)") + 1), newName="book")
        client.replace(uri, client.text(uri).edited(edit["documentChanges"][0]["edits"]))
        assert "E0652" not in [d["code"] for d in client.settled(uri)], client.texts[uri]
        assert client.end() == (0, "")


def actions(client, uri, start, end, **context):
    range_ = client.text(uri).range(start, end)
    return client.ask("textDocument/codeAction", textDocument={"uri": uri}, range=range_, context={"diagnostics": [], **context})


def applied(client, uri, action):
    [change] = action["edit"]["documentChanges"]
    assert change["textDocument"] == {"uri": uri, "version": client.versions[uri]}
    return client.text(uri).edited(change["edits"])


def test_fixes(tools):
    text, _ = tools.trip()
    for old, new, code, title in (("use patient", "use patent", "E0111", "Replace `patent` by `patient`"),
                                  ("edge trip-svc -> bank { https external use patient }\n", "", "E0400", "Add `edge trip-svc -> bank"),
                                  ("ttl 60s", "ttl 60s;", "E0001", "Remove `;`"), ("paid.amount", "paid.amont", "E0106", "amount"),
                                  ("SELECT * FROM trips WHERE id", "SELECT * FROM tripes WHERE id", "E0250", "Replace `tripes` by `trips`"),
                                  ("status <> 'done'", "statu <> 'done'", "E0250", "Replace `statu` by `status`"),
                                  ("edge phone -> front", "edge phone -> trip-svc", "E0403", "phone -> front")):
        client = Client(tools.ecomc)
        broken = text.replace(old, new)
        assert broken != text
        uri = client.open(broken)
        found = [d for d in client.settled(uri) if d["code"] == code]
        assert found, client.settled(uri)
        at = client.text(uri).offset(found[0]["range"]["start"])
        [action] = actions(client, uri, at, at)
        assert title in action["title"] and action["kind"] == "quickfix" and action["diagnostics"][0]["code"] == code, action
        assert actions(client, uri, 0, 0) == [] and actions(client, uri, at, at, only=["refactor"]) == []
        assert [d for d in tools.check(applied(client, uri, action)) if d[0] == code] == []
        assert client.end() == (0, "")


def test_formatting(tools):
    client = Client(tools.ecomc)
    options = {"tabSize": 8, "insertSpaces": False}
    texts = [tools.trip()[0], *((path.read_text()) for path in sorted((ROOT / "tests" / "fmt").glob("*.ecom"))),
        (ROOT / "topology.ecom").read_text()]
    chance = random.Random(7)
    shop = texts[-1].splitlines(True)
    for _ in range(4):  # lines that have lost their spaces, or are gone
        shaken = [re.sub("  +", " ", line) if chance.random() < 0.05 and '"""' not in line else line for line in shop]
        texts.append("".join(shaken))
    for text in texts:
        uri = client.open(text)
        edits = client.ask("textDocument/formatting", textDocument={"uri": uri}, options=options)
        assert client.text(uri).edited(edits) == tools.formatted(text)
        replaced = sum(e["range"]["end"]["line"] - e["range"]["start"]["line"] for e in edits)
        same = set(text.splitlines()) & set(tools.formatted(text).splitlines())
        assert replaced <= len(text.splitlines()) - len(same) // 2, "edits are of what differs"
    uri = client.open(texts[-5])
    assert client.ask("textDocument/formatting", textDocument={"uri": uri}, options=options) == []
    client.edit(uri, 0, 0, "record {")
    assert client.ask("textDocument/formatting", textDocument={"uri": uri}, options=options) is None
    assert client.end() == (0, "")


def test_random_edits(tools):
    """The server's text stays the client's, whatever is done to it, and nothing that is asked on the way brings the server down."""
    chance, client = random.Random(20240611), Client(tools.ecomc)
    text = tools.trip()[0]
    words = sorted(set(re.findall(r'"""|[\w-]+|[^\w\s]', text))) + ["🎒", "é", "\r\n", "\n\n", '"""', "{", "}", "\u2028", ""]
    methods = ["hover", "definition", "completion", "documentHighlight", "prepareRename", "signatureHelp"]
    uri, compared = client.open(text), 0
    for i in range(400):
        if i % 40 == 0:
            client.replace(uri, text)
        now = client.texts[uri]
        start = chance.randrange(len(now) + 1)
        end = min(len(now), start + chance.choice([0, 0, 0, 1, 1, 3, 10]))
        client.edit(uri, start, end, chance.choice(words))
        at = min(len(client.texts[uri]), max(0, start + chance.randrange(-3, 4)))
        client.at("textDocument/references", uri, at, context={"includeDeclaration": True})
        try:
            client.at("textDocument/" + methods[i % len(methods)], uri, at)
            client.at("textDocument/rename", uri, at, newName=chance.choice(["other", "Other", "other-name", "other_name", "trip", "id"]))
        except Refused as refusal:
            assert refusal.code == -32803, refusal
        if i % 10 == 9:
            client.ask("textDocument/documentSymbol", textDocument={"uri": uri})
            client.ask("textDocument/semanticTokens/full", textDocument={"uri": uri})
            assert tools.told(client, uri) == tools.check(client.texts[uri])
            compared += 1
    assert compared == 40
    assert client.end() == (0, "")


def test_kill(tools):
    """A client that is killed at any moment leaves no server behind."""
    text = tools.trip()[0]
    message = json.dumps({"jsonrpc": "2.0", "method": "textDocument/didOpen",
                          "params": {"textDocument": {"uri": "file:///a", "languageId": "ecom", "version": 1, "text": text}}}).encode()
    start = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"capabilities": {}}}).encode()
    stream = b"".join(b"Content-Length: %d\r\n\r\n%s" % (len(part), part) for part in (start, message))
    for length in range(0, len(stream) + 1, len(stream) // 12):
        run = subprocess.run([tools.ecomc, "lsp"], input=stream[:length], capture_output=True, timeout=60)
        assert run.returncode == 1 and not run.stderr, (length, run)


def test_texts_are_counted_as_the_standard_says(tools):
    """Of the client itself: its own counting is what the server is held against."""
    del tools
    text = Text("a🧳b\ncé", "utf-16")
    assert text.position(2) == {"line": 0, "character": 3} and text.position(5) == {"line": 1, "character": 1}
    assert Text("a🧳b", "utf-8").position(2)["character"] == 5 and text.offset({"line": 0, "character": 3}) == 2
