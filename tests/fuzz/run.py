#!/usr/bin/env python3
"""Runs each libFuzzer program of a build with its seeds, for some seconds or a number of times: one test each.

usage: run.py FOLDER SECONDS|TIMESx FINDINGS [NAME ...]

FOLDER is the build's folder of the programs. What was learnt stays in FOLDER/corpus and is gone on from the next time. The input that
breaks a program, and what was said of it, is kept in FINDINGS; `FOLDER/fuzz_NAME FILE` shows it again.
"""
import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
C_STRING = re.compile(r'"((?:[^"\\\n]|\\.)*)"')


LARGEST = 6500  # of a topology, in bytes


def topologies():
    """All that are here, the large one in its declarations: as many small inputs are tried in the time of one that is ten times as large."""
    texts = [path.read_bytes() for path in sorted((ROOT / "tests").glob("**/*.ecom"))]
    return [text for text in texts if len(text) <= LARGEST] + (ROOT / "topology.ecom").read_bytes().split(b"\n\n")


def declarations():
    """Each of them by itself: small enough, and most of them still parse when a word is exchanged."""
    return sorted({part for text in [*topologies(), (ROOT / "topology.ecom").read_bytes()] for part in re.split(rb"\n(?=[a-z])", text)})


def unescaped(text):
    return re.sub(r"\\(.)", lambda m: {"n": "\n", "r": "\r", "t": "\t"}.get(m[1], m[1]), text).encode()


def strings(test, pattern):
    """The C strings of a unit test that begin as they should: it has one for each thing that somebody thought of."""
    found = C_STRING.findall((ROOT / "tests" / "unit" / test).read_text())
    return sorted({unescaped(text) for text in found if re.match(pattern, text)})


def statements():
    texts = strings("test_sql_check.c", r"(?i)(select|insert|update|delete|with) ")
    return [bytes([shape]) + text for text in texts for shape in range(4)]


def documents():
    json, form = strings("test_json.c", r"[{\[]"), strings("test_form.c", r"\w+(\[\w*\])*=")
    return [bytes([0]) + text for text in json] + [bytes([2]) + text for text in form]


def messages():
    return strings("test_http_parser.c", r"[A-Z]+ /|HTTP/1|[0-9a-f]+\\r\\n")


def replies():
    """Of Redis: each kind, in arrays and in arrays of those."""
    return [b"+OK\r\n:1\r\n", b"-ERR no\r\n$-1\r\n", b"$3\r\nabc\r\n*-1\r\n", b"*2\r\n:1\r\n*1\r\n$1\r\nx\r\n*0\r\n",
            b"*5\r\n:1\r\n:2\r\n:3\r\n$-1\r\n:4\r\n" * 3]


def traces():
    """Bodies of OTLP: a request that fails, with its attempts; parents in a circle; what is no span."""
    def attribute(key, value):
        return {"key": key, "value": {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value}}

    def span(n, parent, name, at, **words):
        keys = {"hop": "ecom.hop", "edge": "ecom.edge", "outcome": "ecom.outcome", "error": "ecom.error", "breaker": "ecom.breaker",
                "status": "http.response.status_code"}
        return {"traceId": "a" * 32, "spanId": f"{n:016x}", "parentSpanId": f"{parent:016x}", "name": name, "startTimeUnixNano": str(at),
                "endTimeUnixNano": str(at + 5000), "attributes": [attribute(keys[k], v) for k, v in words.items()]}

    def body(*spans):
        resource = {"attributes": [attribute("service.name", "gate")]}
        return json.dumps({"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": spans}]}]}).encode()
    request = span(1, 9, "GET /things/{id}", 1000, hop="request", outcome="error", error="unavailable", status=503)
    calls = [span(2 + n, 1, "Get", 2000 + n, hop="call", edge="gate -> shop", outcome="refused", error="unavailable", breaker="open") for n in range(3)]
    return [body(request, *calls), body(span(1, 2, "a", 1), span(2, 1, "b", 2, hop="sql", edge="shop -> shop-db")), body(7, {}, request), b"{}"]


def conversations():
    """Frames of a client; and texts with what is done to them, for which see fuzz_lsp.c."""
    bodies = [b'{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"capabilities":{}}}', b'{"jsonrpc":"2.0","method":"exit"}',
              b'{"jsonrpc":"2.0","method":"textDocument/didOpen","params":{"textDocument":{"uri":"a","version":1,"text":"enum A { b }"}}}',
              b'{"jsonrpc":"2.0","id":2,"method":"textDocument/hover","params":{"textDocument":{"uri":"a"},"position":{"line":0,"character":6}}}']
    frames = [b"Content-Length: %d\r\n\r\n%s" % (len(body), body) for body in bodies]
    trip = re.sub(r"\u00a7\w+\u00a7", "", (ROOT / "tests" / "lsp" / "trip.marked").read_text()).encode()
    steps = [bytes([2 * (i % 2), 7 * i % 100, 11 * i % 60, i % 3, i % 8, i]) for i in range(12)]
    return [b"\0" + b"".join(frames), b"\0" + b"".join(frames[:1] + frames[2:]),
            *(bytes([1 + n % 2]) + text + b"\0" + b"".join(steps[n % 5:] + steps[:n % 5]) for n, text in enumerate([trip,
            *declarations()]))]


def words_of_language():
    words = re.findall(r'X\([A-Z_]+, "([^" ]+)"\)', (ROOT / "dsl" / "lexer.h").read_text())
    types = re.findall(r'X\([A-Z]+, "([a-z]+)"\)', (ROOT / "dsl" / "program.h").read_text())
    return [*words, *types, '"""', "250ms", "10/s", ":name"]


def words_of_sql():
    return ("SELECT INSERT INTO UPDATE DELETE FROM WHERE JOIN LEFT ON AS WITH VALUES SET RETURNING GROUP BY ORDER HAVING LIMIT OFFSET "
            "DISTINCT UNION ALL EXISTS IN BETWEEN LIKE CASE WHEN THEN ELSE END NULL IS NOT AND OR CAST COALESCE COUNT SUM MIN MAX "
            "CONFLICT DO NOTHING EXCLUDED FOR SKIP LOCKED LATERAL UNNEST jsonb_to_recordset jsonb_agg row_to_json now() ::uuid ::text "
            "::int ::jsonb -> ->> || things tags thing_id name note n color parts made ratio live doc weight :id :n :name :maybe "
            ":color :parts :line.k :at :doc :yes 'red' $1 *").split()


def words_of_http():
    return ["GET ", "POST ", " HTTP/1.1\r\n", " HTTP/1.0\r\n", "HTTP/1.1 200 OK\r\n", "Host: a\r\n", "Content-Length: ",
            "Transfer-Encoding: chunked\r\n", "Connection: close\r\n", "Expect: 100-continue\r\n", "\r\n\r\n", "0\r\n\r\n"]


# name: seeds, words, largest input
FUZZERS = {
    "compile": (topologies, words_of_language, LARGEST),
    "format": (declarations, words_of_language, 4000),
    "http": (messages, words_of_http, 600),
    "json": (documents, lambda: ["null", "true", "false", '\\u', '":', "leaf", "leaves", "words", "tree", "doc", "docs", "color"], 2000),
    "lsp": (conversations, lambda: [*words_of_language(), "Content-Length: ", "textDocument/", '"position":', '"range":'], 12000),
    "parse": (topologies, words_of_language, 3000),
    "redis": (replies, lambda: ["\r\n", "*-1", "$-1", "*1048577\r\n", "$1\r\n", ":-9223372036854775808"], 400),
    "sql": (statements, words_of_sql, 1000),
    "traces": (traces, lambda: ["resourceSpans", "scopeSpans", "traceId", "spanId", "parentSpanId", "attributes", "ecom.hop", "publish"], 6000),
}


# Their inputs reach so much of the program that libFuzzer's choice by entropy takes as long as they themselves.
BY_CHANCE = {"compile", "parse"}


def quoted(word):
    return '"' + "".join(c if c.isalnum() or c in " _-./:" else f"\\x{ord(c):02x}" for c in word) + '"'


def fuzz(name, folder, amount, findings):
    """True, or what was found; and how many inputs were tried."""
    seeds, words, largest = FUZZERS[name]
    corpus, given = folder / "corpus" / name, folder / "seeds" / name
    for path in (corpus, given, findings):
        path.mkdir(parents=True, exist_ok=True)
    for i, seed in enumerate(seeds()):
        (given / f"{i:04}").write_bytes(seed)
    dictionary = folder / f"{name}.dict"
    dictionary.write_text("".join(quoted(word) + "\n" for word in words()))
    times = int(amount[:-1]) if amount.endswith("x") else 0
    argv = [folder / f"fuzz_{name}", f"-runs={times}" if times else f"-max_total_time={amount}", f"-max_len={largest}", f"-dict={dictionary}", f"-entropic={int(name not in BY_CHANCE)}", "-timeout=60",
            "-rss_limit_mb=2000", "-print_final_stats=1", f"-artifact_prefix={findings}/{name}-", corpus, given]
    try:
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=10 * 3600 if times else int(amount) + 600)
        code, out = done.returncode, done.stdout
    except subprocess.TimeoutExpired as late:
        code, out = 124, (late.stdout or b"") + b"\nthe program did not end by itself\n"
    text = out.decode("utf-8", "replace")
    tried = re.findall(r"stat::number_of_executed_units: (\d+)|^#(\d+)\s", text, re.M)
    count = int(next((a or b for a, b in reversed(tried)), 0))
    if code == 0 and count >= max(times, 1):
        return None, count
    (findings / f"{name}.log").write_bytes(out)
    return text, count


def main():
    if len(sys.argv) < 4 or not re.fullmatch(r"[1-9][0-9]*x?", sys.argv[2]):
        sys.exit(__doc__.strip())
    folder, amount, findings = pathlib.Path(sys.argv[1]), sys.argv[2], pathlib.Path(sys.argv[3])
    names = sys.argv[4:] or sorted(FUZZERS)
    unknown = [name for name in names if name not in FUZZERS]
    if unknown:
        sys.exit(f"there is no fuzzer '{unknown[0]}'; there are: {' '.join(sorted(FUZZERS))}")
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 2) as pool:
        for name, (found, count) in zip(names, pool.map(lambda name: fuzz(name, folder, amount, findings), names)):
            asked = f" of {amount[:-1]}" if found and amount.endswith("x") else ""
            print(f"fuzz_{name}: {count}{asked} executions" + (f", broken or stopped; log and input are in {findings}" if found else ""))
            if found:
                failed += 1
                print("\n".join("    " + line for line in found.splitlines()[-40:]))
    print(f"{len(names) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
