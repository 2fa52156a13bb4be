"""The gateway, as two processes: one limit for both, replies that are remembered for both, parts asked side by side, and clients that send
too much, too slowly, or not at all."""
import os
import select
import signal
import socket
import threading
import time

from lib import wait
from shop import Customer, at_once, calm

ARGS = ["--replicas", "2"]


def replies(sock):
    """Reads (status, {header: value}, body) after another until the connection ends."""
    with sock.makefile("rb") as file:
        while line := file.readline():
            status, headers = int(line.split()[1]), {}
            while (line := file.readline().decode().strip()):
                name, _, value = line.partition(":")
                headers[name.lower()] = value.strip()
            yield status, headers, file.read(int(headers.get("content-length", 0)))


# ---------------------------------------------------------------- the limit


def drain(port, source, n, out):
    """n requests without waiting for replies in between; what came, and when it began and ended."""
    request = b"GET /v1/products/mug HTTP/1.1\r\nHost: shop\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=30, source_address=(source, 0)) as sock:
        begun = time.monotonic()
        last = request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
        sender = threading.Thread(target=sock.sendall, args=(request * (n - 1) + last,))
        sender.start()
        got = []
        for reply in replies(sock):
            got.append((time.monotonic(), *reply[:2]))
        sender.join()
        out.append((begun, got))


def questions(system):
    """How often Redis was asked for a limit."""
    lines = system.redis("INFO", "commandstats").split("\r\n")
    return sum(int(line.split("calls=")[1].split(",")[0]) for line in lines if line.startswith("cmdstat_bitfield:"))


def test_one_limit_for_both(system):
    """200 at once and 100 a second, counted together: what is let through is that, to the token."""
    both, source, n = system.ports("api-gateway"), f"127.0.{2 + os.getpid() % 200}.{1 + int(time.time()) % 250}", 500
    system.request("GET", "/v1/products/mug")
    before = questions(system)
    out = []
    threads = [threading.Thread(target=drain, args=(port, source, n, out)) for port in both]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [len(got) for _, got in out] == [n, n], [len(got) for _, got in out]
    begun, all_of = min(b for b, _ in out), sorted((reply for _, got in out for reply in got), key=lambda r: r[0])
    allowed = [r for r in all_of if r[1] == 200]
    denied = [r for r in all_of if r[1] == 429]
    assert len(allowed) + len(denied) == 2 * n and denied, "each is one or the other, and the bucket was empty in the end"
    longest = max(r[0] for r in allowed) - begun
    assert 200 <= len(allowed) <= 200 + 100 * longest + 1, (len(allowed), longest)
    assert all(sum(1 for _, status, _ in got if status == 200) < 200 + 100 * longest for _, got in out) and \
        min(sum(1 for _, status, _ in got if status == 429) for _, got in out) > 0, "both gateways count into one bucket"
    for _, _, headers in all_of:
        assert headers["ratelimit-policy"] == '"default";q=200;w=2', headers
        name, remaining, reset = headers["ratelimit"].split(";")
        assert name == '"default"' and 0 <= int(remaining[2:]) < 200 and 0 <= int(reset[2:]) <= 2, headers
    assert not any("retry-after" in headers for _, _, headers in allowed)
    assert all(h["retry-after"] == "1" and h["ratelimit"].startswith('"default";r=0;') for _, _, h in denied)
    assert 2 * n <= questions(system) - before <= 2 * n + 50, "one question a request"
    wait(lambda: system.request("GET", "/v1/products/mug", source=source).status == 200, 5, "tokens come back")
    other = system.request("GET", "/v1/products/mug", source="127.0.0.77")
    assert other.status == 200 and int(other.headers["ratelimit"].split("r=")[1].split(";")[0]) >= 198, other.headers


def commands(system, action):
    """What Redis was told meanwhile."""
    with system.redis_socket() as sock:
        sock.sendall(b"MONITOR\r\n")
        text = sock.recv(4096)
        action()
        system.redis("ECHO", "that is all")
        while b"that is all" not in text:
            text += sock.recv(65536)
    return text.decode()


def test_the_limit_is_of_the_identity(system):
    """Once it is known who asks, wherever he asks from; a token that is not known yet is counted by its address."""
    first, second = Customer(system), Customer(system)
    where = {first: "127.0.0.81", second: "127.0.0.82"}

    def ask(customer):
        assert system.request("GET", "/v1/me", token=customer.token, source=where[customer]).status == 200
    for customer in where:
        told = commands(system, lambda: ask(customer))
        assert f'"bucket:address/{where[customer]}"' in told and "bucket:identity/" not in told, told
    begun = time.monotonic()
    told = commands(system, lambda: [ask(customer) for customer in where])
    if time.monotonic() - begun < 2:  # while the verdicts are kept
        assert f'"bucket:identity/{first.id}"' in told and f'"bucket:identity/{second.id}"' in told and "bucket:address/127.0.0.8" not in told, told
        assert told.lower().count('"bitfield"') == 2, "one call each"


def test_no_limit_without_redis(system):
    """when-down allow: all come through, and none is told of a limit that nobody counts."""
    with system.paused("redis"):
        system.request("GET", "/v1/products/mug")
        got = []
        drain(system.ports("api-gateway")[0], "127.0.0.90", 400, got)
        assert {(status, "ratelimit" in headers) for _, status, headers in got[0][1]} == {(200, False)}, got[0][1][:3]
    wait(lambda: "ratelimit" in system.request("GET", "/v1/products/mug").headers, 20, "it is counted again")


# ---------------------------------------------------------------- aggregation


def test_parts_are_asked_side_by_side(system):
    customer = Customer(system)
    order = customer.order("mug").json["id"]
    whole = customer.get(f"/v1/orders/{order}/summary")
    assert whole.status == 200 and whole.json["order"]["id"] == order and whole.json["payment"]["status"] == "captured", whole
    assert whole.json["shipment"]["status"] == "scheduled"
    with system.paused("payment-svc"):
        partial = customer.get(f"/v1/orders/{order}/summary")
    assert partial.status == 200 and partial.json == {**whole.json, "payment": None}, partial
    with system.paused("payment-svc", "shipping-svc"):
        begun = time.monotonic()
        partial = customer.get(f"/v1/orders/{order}/summary")
        took = time.monotonic() - begun
    assert partial.status == 200 and partial.json == {**whole.json, "payment": None, "shipment": None}, partial
    assert 1.9 < took < 3.8, f"each waits for 2 s; one after the other they take 4, these {took}"
    wait(lambda: customer.get(f"/v1/orders/{order}/summary").json == whole.json, 15, "all is there again")


def test_a_required_part_is_required(system):
    customer = Customer(system)
    order = customer.order("mug").json["id"]
    names = system.replicas("order-svc")
    for _ in range(10):
        processes = system.processes()
        for name in names:
            os.kill(processes[name]["pid"], signal.SIGKILL)
        reply = customer.get(f"/v1/orders/{order}/summary")
        wait(lambda: all(p["state"] == "ready" and p["pid"] != processes[n]["pid"] for n, p in system.processes().items() if n in names),
             30, "order-svc is back")
        if reply.status != 200:  # back before it was asked
            break
    assert reply.status in (502, 503, 504) and reply.headers["content-type"] == "application/problem+json", reply
    assert "captured" not in reply.body.decode()
    wait(lambda: customer.get(f"/v1/orders/{order}/summary").status == 200, 15, "it is there again")
    calm(system)


# ---------------------------------------------------------------- bodies and slow clients


def resident(system):
    """Megabytes of both gateways."""
    return sum(system.metrics(name)["process_resident_memory_bytes"] for name in system.replicas("api-gateway")) / 1e6


def answer(sock):
    """Status and whether the connection was closed after."""
    try:
        reply = next(replies(sock), (0, {}, b""))
    except OSError:
        return 0, True
    try:
        while sock.recv(65536):
            pass
    except OSError:
        pass
    return reply[0], True


def send_much(port, head, piece, most):
    """Sends until it is answered; returns what was sent by then and the answer."""
    sent = 0
    with socket.create_connection(("127.0.0.1", port), timeout=20) as sock:
        sock.sendall(head)
        try:
            while sent < most and not select.select([sock], [], [], 0)[0]:
                sock.sendall(piece)
                sent += len(piece)
        except OSError:
            pass
        return sent, answer(sock)[0]


def test_too_large_a_body(system):
    port, customer = system.ports("api-gateway")[0], Customer(system)
    auth = f"Authorization: Bearer {customer.token}\r\nContent-Type: application/json\r\nHost: shop\r\n".encode()
    most = 1 << 20
    with socket.create_connection(("127.0.0.1", port), timeout=20) as sock:  # told at once, before any of it comes
        sock.sendall(b"POST /v1/orders HTTP/1.1\r\n" + auth + b"Content-Length: %d\r\n\r\n" % (most + 1))
        assert answer(sock) == (413, True)
    before = resident(system)
    chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
    for _ in range(8):  # told while it comes: 256 MB are never sent
        sent, status = send_much(port, b"POST /v1/orders HTTP/1.1\r\n" + auth + b"Transfer-Encoding: chunked\r\n\r\n", chunk, 256 << 20)
        assert sent < 32 << 20 and status == 413, (sent, status)
    sent, status = send_much(port, b"POST /v1/orders HTTP/1.1\r\n" + auth + b"X-Long: ", b"x" * 1024, 64 << 10)
    assert status == 431, (sent, status)
    assert resident(system) - before < 24, "what is refused is not kept"
    reply = customer.post("/v1/orders", b"{" + b" " * (most - 100) + b"}")  # within the limit it is read: and does not fit
    assert reply.status == 422, reply


def test_slow_clients_are_cut(system):
    """A head in 10 s, a body in 20 s, whoever sends a byte now and then; others are served meanwhile."""
    port = system.ports("api-gateway")[0]
    post = b"POST /v1/users HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\n"
    cases = {
        "head": (b"GET /v1/products/mug HTTP/1.1\r\nX-Slow: ", 9, 14),
        "body": (post + b"Content-Length: 1000\r\n\r\n{", 18, 26),
        "chunked": (post + b"Transfer-Encoding: chunked\r\n\r\n3e8\r\n{", 18, 26),
    }
    ends = {}

    def trickle(what):
        head, _, most = cases[what]
        begun = time.monotonic()
        with socket.create_connection(("127.0.0.1", port), timeout=0.5) as sock:
            sock.sendall(head)
            got = b""
            while time.monotonic() - begun < most + 20:
                try:
                    piece = sock.recv(4096)
                    got += piece
                    if not piece:
                        break
                except TimeoutError:
                    try:
                        sock.sendall(b"x")
                    except OSError:
                        break
                except OSError:
                    break
            ends[what] = time.monotonic() - begun, got.split(b"\r\n")[0]
    threads = [threading.Thread(target=trickle, args=(what,)) for what in cases for _ in range(3)]
    for thread in threads:
        thread.start()
    served = 0
    while any(thread.is_alive() for thread in threads):
        assert system.request("GET", "/v1/products/mug", port=port, timeout=5).status == 200
        served += 1
        time.sleep(0.1)
    assert served > 20
    for what, (_, least, most) in cases.items():
        took, line = ends[what]
        assert least < took < most + 5 and line in (b"HTTP/1.1 408 Request Timeout", b""), (what, took, line)


# ---------------------------------------------------------------- repeats


def test_repeats_reach_either_gateway(system):
    first, second = system.ports("api-gateway")
    customer = Customer(system)

    def order(port, key, qty=1, who=customer):
        body = {"lines": [{"sku": "mug", "qty": qty}], "payment_method": "pm_card_visa"}
        return system.request("POST", "/v1/orders", body, token=who.token, headers={"Idempotency-Key": key}, port=port)
    made, again = order(first, "a"), order(second, "a")
    assert made.status == again.status == 201 and made.json == again.json, (made, again)
    changed = order(second, "a", 2)
    assert changed.status == 422 and changed.json["type"].endswith("key-reused"), changed
    charges = len(system.ledger("stripe-sandbox"))
    system.fault("stripe-sandbox", call="CreatePayment", kind="timeout")
    slow = []
    thread = threading.Thread(target=lambda: slow.append(order(first, "b")))
    thread.start()
    wait(lambda: len(system.ledger("stripe-sandbox")) > charges, 15, "the charge is at the provider")
    meanwhile = order(second, "b")
    assert meanwhile.status == 409 and meanwhile.json["type"].endswith("conflict") and not slow, (meanwhile, slow)
    thread.join(40)
    late = order(second, "b")
    assert slow[0].status == 201 and late.status == 201 and late.json == slow[0].json, (slow, late)
    other = Customer(system)  # a key is a customer's own
    reply = order(first, "a", who=other)
    assert reply.status == 201 and reply.json["id"] != made.json["id"], reply
    both = at_once([lambda port=port: order(port, "c") for port in (first, second) * 3])
    assert {r.status for r in both} <= {201, 409} and len({r.json["id"] for r in both if r.status == 201}) == 1, both
    assert len(customer.get("/v1/orders").json["items"]) == 3
