"""Who may ask, how the page comes, and what is said to nonsense."""
import gzip
import pathlib
import re
import socket
import subprocess

from run import ECOMC, ROOT, Studio

DIST = ROOT / "studio" / "dist"


def test_page(studio):
    html = (DIST / "index.html").read_bytes()
    for path in ("/", "/index.html"):
        reply = studio.get(path)
        assert reply.status == 200 and reply.body == html and reply.headers["content-type"] == "text/html; charset=utf-8", reply
        assert reply.headers["cache-control"] == "no-cache" and "content-encoding" not in reply.headers, reply
    for file in (f for f in DIST.rglob("*") if f.is_file()):
        path = "/" + file.relative_to(DIST).as_posix()
        plain, packed = studio.get(path), studio.get(path, accept_encoding="br, gzip;q=0.8")
        assert plain.body == file.read_bytes(), path
        if packed.headers.get("content-encoding") == "gzip":
            assert gzip.decompress(packed.body) == plain.body and len(packed.body) < len(plain.body)
            assert packed.headers["etag"] != plain.headers["etag"] and plain.headers["vary"] == packed.headers["vary"] == "accept-encoding"
        else:
            assert len(gzip.compress(plain.body)) >= len(plain.body), f"{path} could have been packed"
        for answer, encoding in ((plain, None), (packed, "gzip")):
            again = studio.get(path, if_none_match=f'"x", {answer.headers["etag"]}', accept_encoding=encoding)
            assert again.status == 304 and not again.body and again.headers["etag"] == answer.headers["etag"], again
        immutable = re.fullmatch(r"/assets/.+-[A-Za-z0-9]{8,}\.[a-z0-9]+", path)
        assert ("immutable" in plain.headers["cache-control"]) == bool(immutable), plain
    assert studio.get("/", accept_encoding="gzip;q=0").headers.get("content-encoding") is None
    assert studio.get("/", accept_encoding="gzip;q=0.0, br").headers.get("content-encoding") is None
    head = studio.ask("HEAD", "/")
    assert head.status == 200 and not head.body and int(head.headers["content-length"]) == len(html), head


def test_headers_that_every_answer_has(studio):
    for reply in (studio.get("/"), studio.get("/none"), studio.get("/api/examples"), studio.get("/api/examples", host="elsewhere.example"),
                  studio.post("/api/examples/none/check", b"{"), studio.ask("DELETE", "/api/live")):
        csp = reply.headers["content-security-policy"].split("; ")
        assert "default-src 'self'" in csp and "frame-ancestors 'none'" in csp and "unsafe" not in str(csp), reply
        assert reply.headers["x-content-type-options"] == "nosniff" and reply.headers["referrer-policy"] == "no-referrer", reply
        assert reply.headers["cross-origin-opener-policy"] == reply.headers["cross-origin-resource-policy"] == "same-origin", reply
        assert "access-control-allow-origin" not in reply.headers


def test_host(studio):
    for host in ("127.0.0.1", "localhost", "[::1]"):
        assert studio.get("/api/live", host=f"{host}:{studio.port}").status == 200, host
    for host in ("127.0.0.1", "localhost", f"elsewhere.example:{studio.port}", f"127.0.0.1:{studio.port}.elsewhere.example", "", f"127.0.0.2:{studio.port}",
                 f"127.0.0.1:{studio.port + 1}", f"LOCALHOST.:{studio.port}", f"user@127.0.0.1:{studio.port}"):
        for path in ("/", "/api/examples", "/api/examples/ecommerce/source"):
            reply = studio.get(path, host=host)
            assert reply.status in (400, 421) and b"topology" not in reply.body, (host, reply)
            assert reply.status == 400 or reply.problem == "misdirected", (host, reply)
    assert studio.get(f"http://elsewhere.example:{studio.port}/api/live").status == 421
    two = f"GET /api/live HTTP/1.1\r\nhost: localhost:{studio.port}\r\nhost: elsewhere.example\r\n\r\n"
    with socket.create_connection(("127.0.0.1", studio.port)) as conn:
        conn.sendall(two.encode())
        assert re.match(rb"HTTP/1.1 4(00|21) ", conn.recv(100))


def test_origin(studio):
    text = studio.topology.read_text()
    for origin in ("null", "http://elsewhere.example", f"https://127.0.0.1:{studio.port}", f"http://127.0.0.1:{studio.port + 1}", "http://127.0.0.1", "",
                   f"http://127.0.0.1:{studio.port}.elsewhere.example", f"http://127.0.0.1:{studio.port}/"):
        for reply in (studio.get("/api/examples", origin=origin), studio.post("/api/examples/ecommerce/check", {"text": "x"}, origin=origin),
                      studio.ask("PUT", "/api/examples/ecommerce/source", {"text": "x"}, origin=origin, if_match="*")):
            assert reply.status == 403 and reply.problem == "forbidden", (origin, reply)
    assert studio.topology.read_text() == text
    for host in ("127.0.0.1", "localhost"):
        assert studio.post("/api/examples/ecommerce/check", {"text": "x"}, origin=f"http://{host}:{studio.port}").status == 200


def test_spans(studio):
    """What services tell is kept and told again, whole; a page, whatever its origin, tells nothing."""
    trace = "5b8efff798038103d269b633813fc60c"
    span = {"traceId": trace, "spanId": "eee19b7ec3c1b174", "name": "order-svc -> inventory-svc", "kind": 3, "startTimeUnixNano": "1544712660000000000",
            "endTimeUnixNano": "1544712661000000000", "attributes": [{"key": "ecom.kind", "value": {"stringValue": "call"}}]}
    body = {"resourceSpans": [{"resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "order-svc"}}]}, "scopeSpans": [{"spans": [span]}]}]}
    for origin in ("http://elsewhere.example", "null", f"http://127.0.0.1:{studio.port}"):
        assert studio.post("/v1/traces", body, origin=origin).problem == "forbidden", origin
    assert studio.get(f"/api/traces/{trace}").problem == "not-found"
    assert studio.post("/v1/traces", b"{").problem == "bad-request"
    assert studio.post("/v1/traces", body).status == 200
    (told,) = studio.good(f"/api/traces/{trace}")["resourceSpans"]
    (again,) = told["scopeSpans"][0]["spans"]
    assert [again[k] for k in ("traceId", "spanId", "name")] == [span[k] for k in ("traceId", "spanId", "name")], again


def test_bodies(studio):
    path = "/api/examples/ecommerce/check"
    for kind in (None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/jsonx", "text/plain; application/json"):
        reply = studio.post(path, b'{"text": ""}', headers={"content-type": kind})
        assert reply.status == 415 and reply.problem == "media-type", (kind, reply)
    assert studio.post(path, b'{"text": ""}', content_type="application/json; charset=utf-8").status == 200
    for body in (b"", b"{", b"[]", b"1", b'"x"', b'{"text": "a", "text": "b"}', b'{"text": "\xff"}', b'{"text": "\\u0000"}', b"[" * 100000):
        reply = studio.post(path, body)
        assert reply.status == 400 and reply.problem == "bad-request", (body[:40], reply)
    for body in ({}, {"text": 1}, {"text": None}, {"text": ["x"]}):
        assert studio.post(path, body).problem == "invalid", body
    large = "// " + "x" * (4 * 1024 * 1024)
    for send in (lambda: studio.post(path, {"text": large}), lambda: studio.post(path, b" " * (11 * 1024 * 1024)),
                 lambda: studio.ask("PUT", "/api/examples/ecommerce/source", {"text": large}, if_match="*")):
        try:
            assert send().problem == "too-large"
        except (BrokenPipeError, ConnectionResetError):
            pass  # told while it was still being sent
    assert studio.topology.read_text() == (ROOT / "topology.ecom").read_text()
    assert studio.get("/api/live").status == 200


def test_methods_and_paths(studio):
    for method, path, status, problem in (
            ("DELETE", "/api/examples", 405, "method-not-allowed"), ("POST", "/api/live", 405, "method-not-allowed"), ("PUT", "/", 405, "method-not-allowed"),
            ("GET", "/api/examples/ecommerce/check", 405, "method-not-allowed"), ("GET", "/api", 404, "not-found"), ("GET", "/api/examples/", 404, "not-found"),
            ("GET", "/api/examples/none", 404, "not-found"), ("GET", "/api/examples/none/source", 404, "not-found"),
            ("GET", "/api/examples/%ff", 400, "bad-request"), ("GET", "/api/examples/%zz", 400, "bad-request"), ("GET", "/api/examples/%00", 400, "bad-request"),
            ("GET", "/assets/none-00000000.js", 404, "not-found"), ("GET", "/assets/", 404, "not-found")):
        reply = studio.ask(method, path)
        assert reply.status == status and reply.problem == problem, (method, path, reply)


def test_no_way_out_of_what_is_served(studio):
    (studio.folder / "secret").write_text("secret")
    (studio.folder / "examples" / "secret").write_text("secret")
    for path in ("/../secret", "/assets/../../secret", "/%2e%2e/secret", "/assets/..%2f..%2fsecret", "//secret", "/./secret", "/topology.ecom",
                 "/api/examples/..%2fsecret/source", "/api/examples/../secret", "/api/examples/..%2f..%2fetc%2fpasswd/source", "/api/examples/secret/source",
                 "/api/examples/%2e%2e/source", "/api/examples/./source"):
        reply = studio.get(path)
        assert reply.status in (400, 404) and b"root:" not in reply.body and b"secret\n" != reply.body[-7:] and reply.body != b"secret", (path, reply)


def test_command_line():
    def run(*args):
        return subprocess.run([ECOMC, "studio", *args], capture_output=True, text=True, timeout=60, cwd=ROOT)
    for args, code, why in ((["none.ecom"], 74, "none.ecom: No such file"), (["--port", "x"], 64, "--port takes a number"),
                            (["--port", "65536"], 64, "--port takes a number"), (["a", "b"], 64, "does not know")):
        done = run(*args)
        assert done.returncode == code and why in done.stderr and done.stderr.count("\n") == 1 and not done.stdout, (args, done)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = run("--port", str(taken.getsockname()[1]))
        assert done.returncode == 74 and "is in use" in done.stderr and "--port" in done.stderr and done.stderr.count("\n") == 1, done


def listens_at(studio):
    bound = [line.split() for line in pathlib.Path(f"/proc/{studio.process.pid}/net/tcp").read_text().splitlines()[1:]]
    return [row[1] for row in bound if row[3] == "0A" and row[1].endswith(f":{studio.port:04X}")]


def test_only_loopback():
    with Studio() as studio:
        assert listens_at(studio) == [f"0100007F:{studio.port:04X}"]


def test_deployed():
    """Beside a system that somebody else runs: asked by its names, shown as up, and neither played nor broken."""
    with Studio(names="studio:3000,localhost:3999") as studio:
        for host in ("studio:3000", "localhost:3999", f"localhost:{studio.port}"):
            assert studio.get("/", host=host).status == 200, host
            assert studio.get("/api/examples", host=host, origin=f"http://{host}").status == 200, host
        for host in ("studio:3001", "studio", "studio:300", "localhost:3998"):
            assert studio.get("/", host=host).problem == "misdirected", host
        assert studio.get("/", origin="http://studio:3001").problem == "forbidden"
        live = studio.good("/api/live")
        assert live["up"] and live["ready"] and {"order-svc", "api-gateway"} <= {p["name"] for p in live["processes"]}, live
        assert [e["live"] for e in studio.good("/api/examples")["examples"]] == [True, False, False]
        for path, body in (("/api/live/run", {"scenario": "happy-path"}), ("/api/live/switches", {"id": "redis.down", "on": True})):
            reply = studio.post(path, body)
            assert reply.problem == "conflict" and "deployed" in reply.json["detail"], reply
        assert listens_at(studio) == [f"00000000:{studio.port:04X}"]
