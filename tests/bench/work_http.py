"""Workloads over HTTP: static JSON, a proxy hop, the cached read, an open breaker; and how the first two grow."""
import json
import os
import sys
import time

import peers
import world
from workload import Limit, Point, Target, Workload

sys.path.append(os.path.join(world.ROOT, "tests", "system"))
import service_token  # noqa: E402

ITEM = {"id": "item-1", "name": "An item", "description": "What is said of it, in a line of its own", "price_cents": 4900}
BODY = json.dumps(ITEM, separators=(",", ":"))
KEY = "a key of the benchmarks, of 32 bytes and more"
GATEWAYS = {"BENCH_JWT_KEY": KEY}


def ours(w):
    return w.ours(env=GATEWAYS)


# ---------------------------------------------------------------- static JSON

def our_server_alone(w):
    """The probe of a service: what the server takes by itself, without a program behind it."""
    system = ours(w)
    port = system.processes()["plain-svc"]["port"]
    length = len(world.get(port, "/livez")[1])
    return peers.Subject(port, lambda: [world.request("GET", "/livez")], w.our_server(system, "plain-svc"), length=length)


def our_operation(w, name="Static", body=b"{}", length=len(BODY)):
    """An operation as its caller calls it: a service token of the gateway's, that the service has verified once, program, typed JSON."""
    system = ours(w)
    port = system.processes()["plain-svc"]["port"]

    def requests():
        token = service_token.service_token(system, "bare", "plain-svc", exp=int(time.time()) + 240)
        return [world.request("POST", f"/ops/{name}", body, [("Authorization", "Bearer " + token)])]
    return peers.Subject(port, requests, w.our_server(system, "plain-svc"), length=length)


GET = [world.request("GET", "/static")]


def uv_static(w):
    return peers.subject(w, w.limit_server("static", BODY, w.server_core), GET, length=len(BODY))


def nginx_static(w):
    return peers.subject(w, peers.nginx(w, f"location / {{ return 200 '{BODY}'; }}"), GET, length=len(BODY))


def h2o_static(w):
    file = w.write("static-file.json", BODY)
    return peers.subject(w, peers.h2o(w, f"      /static:\n        file.file: {file}"), GET, length=len(BODY))


def go_static(w):
    return peers.subject(w, peers.go_service(w), GET, length=len(BODY))


# ---------------------------------------------------------------- one hop

def behind(w):
    """The upstream of the peers: the raw libuv server."""
    return w.limit_server("static", BODY, w.behind_core)[0]


def our_hop(w):
    """A gateway in front of a service: route, service token, deadline, trace context, typed JSON in between."""
    system = ours(w)
    return peers.Subject(system.processes()["bare"]["port"], lambda: GET, w.our_server(system, "bare"), length=len(BODY))


def nginx_hop(w):
    upstream = f"upstream u {{ server 127.0.0.1:{behind(w)}; keepalive 256; keepalive_requests {peers.MANY}; }}"
    server = 'location / { proxy_pass http://u; proxy_http_version 1.1; proxy_set_header Connection ""; }'
    return peers.subject(w, peers.nginx(w, server, upstream), GET, length=len(BODY))


def haproxy_hop(w):
    return peers.subject(w, peers.haproxy(w, f"server s 127.0.0.1:{behind(w)}"), GET, length=len(BODY))


def h2o_hop(w):
    paths = f"      /:\n        proxy.reverse.url: http://127.0.0.1:{behind(w)}/\n        proxy.timeout.keepalive: 3600000"
    return peers.subject(w, peers.h2o(w, paths), GET, length=len(BODY))


def go_hop(w):
    return peers.subject(w, peers.go_service(w, upstream=behind(w)), [world.request("GET", "/proxy/static")], length=len(BODY))


# ---------------------------------------------------------------- the cached read

def token(w):
    system = ours(w)
    body = json.dumps({"subject": "reader", "until": "2100-01-01T00:00:00Z"})
    reply = system.request("POST", "/tokens", body.encode())
    assert reply.status == 200, reply
    return reply.json["token"]


def read_request(w, path="/items/item-1"):
    return [world.request("GET", path, headers=[("Authorization", "Bearer " + token(w))])]


def our_read(w, gateway="front", path="/items/item-1"):
    system = ours(w)
    front = system.processes()[gateway]["port"]
    requests = read_request(w, path)
    headers = {"Authorization": requests[0].split(b"Authorization: ")[1].split(b"\r\n")[0].decode()}
    for _ in range(3):
        status, body = world.get(front, path, headers=headers)
        assert status == 200 and json.loads(body) == ITEM, (status, body)
    return peers.Subject(front, lambda: requests, w.our_server(system, gateway), length=len(body))


def our_near_read(w):
    """Tokens of the limit and the item are at hand: nobody is asked. The load would show if they were."""
    subject = our_read(w, "quick", "/near/item-1")
    system, counts = ours(w), ("ec_limiter_local_total", "ec_cache_near_hits_total")

    def held():
        told = system.metrics("quick")
        return [sum(value for key, value in told.items() if key.split("{")[0] == name) for name in counts]
    before = held()
    authorization = {"Authorization": "Bearer " + token(w)}
    for _ in range(100):
        assert world.get(subject.port, "/near/item-1", headers=authorization)[0] == 200
    assert all(now - then >= 90 for now, then in zip(held(), before)), (before, held())
    return subject


def redis_of(w):
    """The Redis of our system, with what the peers read."""
    system = ours(w)
    system.redis("SET", "peer:items:item-1", BODY)
    return 9600 + system.base


def lua_read(w):
    port = redis_of(w)
    if not os.path.exists("/usr/share/lua/5.1/nginx/redis.lua"):
        raise world.Missing("lua-nginx-redis is not installed")
    top = "load_module modules/ndk_http_module.so; load_module modules/ngx_http_lua_module.so;"
    folder = os.path.join(world.HERE, "peers")
    extra = f"lua_package_path '{folder}/?.lua;/usr/share/lua/5.1/?.lua;;'; lua_code_cache on;"
    server = f"""location ~ ^/items/(?<id>[^/]+)$ {{ content_by_lua_block {{ require("cached").answer("{KEY}", {port}) }} }}"""
    return peers.subject(w, peers.nginx(w, server, extra, top), read_request(w), length=len(BODY))


def fastify_read(w):
    return peers.subject(w, peers.node(w, "cached.mjs", str(redis_of(w)), KEY), read_request(w), length=len(BODY))


def go_read(w):
    return peers.subject(w, peers.go_service(w, redis=redis_of(w), key=KEY), read_request(w), length=len(BODY))


# ---------------------------------------------------------------- an open breaker

def our_breaker(w):
    """The service behind it is stopped, and three requests find that out."""
    system = ours(w)
    bare, silent = system.processes()["bare"]["port"], system.pid("silent-svc")
    os.kill(silent, 19)  # SIGSTOP; whoever ends the system kills it
    w.at_end.append(lambda: os.kill(silent, 18))
    for _ in range(4):
        status, body = world.get(bare, "/silent")
        assert status == 503, (status, body)
    world.lib.wait(lambda: 2 in [value for key, value in system.metrics("bare").items() if key.startswith("ec_breaker_state")], 5,
                   "the breaker is open")
    return peers.Subject(bare, lambda: [world.request("GET", "/silent")], w.our_server(system, "bare"), status=503)


def nginx_refuses(w):
    server = """location / { return 503 '{"title":"Nobody answers at the moment"}'; }"""
    return peers.subject(w, peers.nginx(w, server), GET, status=503)


def haproxy_refuses(w):
    """A server that its health check has found down."""
    dead = world.free_port()
    started = peers.haproxy(w, f"server s 127.0.0.1:{dead} check inter 100ms fall 1")
    world.lib.wait(lambda: world.get(started[0])[0] == 503, 5, "haproxy has found its server down")
    return peers.subject(w, started, GET, status=503)


# ---------------------------------------------------------------- growth

def echo(size):
    """An operation that takes a text and gives it back, of this many bytes each way."""
    body = json.dumps({"text": "a" * size}, separators=(",", ":")).encode()
    return lambda w: our_operation(w, "Echo", body, len(body))


def uv_of(size):
    """As many bytes from the raw server, for a request of the same size."""
    body = json.dumps({"text": "a" * size}, separators=(",", ":"))
    request = world.request("POST", "/", body.encode())
    return lambda w: peers.subject(w, w.limit_server(f"echo-{size}", body, w.server_core), [request], length=len(body))


STATIC = {"nginx": nginx_static, "raw libuv": uv_static, "ours, the server": our_server_alone, "ours, an operation": our_operation}
SIZES = (200, 2000, 20000, 200000, 1000000)
WORKLOADS = [
    Workload("static", "Static JSON",
             "A hundred bytes of JSON. The raw libuv server answers whatever comes with the same bytes and is the limit; "
             "`ours, the server` is a probe of a service, `ours, an operation` a generated program that is called with a service token.",
             [Point("", {**STATIC, "h2o": h2o_static, "Go net/http": go_static})], "nginx",
             [Target("ours, the server", "raw libuv", "per_cpu", 0.92), Target("ours, the server", "nginx", "per_cpu", 1.12)]),
    Workload("hop", "One proxy hop",
             "A gateway in front of a service. The peers stand in front of the raw libuv server, and hand bytes on; our gateway calls "
             "an operation: it reads the route, signs, sets a deadline, and reads and writes JSON by its type.",
             [Point("", {"nginx proxy_pass": nginx_hop, "ours": our_hop, "haproxy": haproxy_hop, "h2o": h2o_hop,
                         "Go ReverseProxy": go_hop})],
             "nginx proxy_pass", [Target("ours", "nginx proxy_pass", "per_cpu", 1.25)], absent=["KrakenD"]),
    Workload("read", "Cached read",
             "JWT checked (a verified token is known for five seconds), a limit per identity, an item. `ours` and the peers count in Redis and "
             "read from Redis, each time; `ours, near` has `lease` at its limit and `near 1s` at its keyspace, and asks once in a while.",
             [Point("64 connections", {"nginx, static": nginx_static, "ours": our_read, "ours, near": our_near_read,
                                       "nginx with Lua": lua_read, "fastify with ioredis": fastify_read, "Go net/http": go_read}),
              Point("256 connections", {"nginx, static": nginx_static, "ours": our_read, "ours, near": our_near_read,
                                        "nginx with Lua": lua_read}, connections=256)],
             "nginx, static",
             [Target("ours", "nginx, static", "per_second", 0.62),
              Target("ours", "nginx, static", "per_second", 0.78, "256 connections"),
              Target("ours", "nginx with Lua", "per_second", 3.3),
              Target("ours", "fastify with ioredis", "per_second", 3),
              Target("ours, near", "nginx, static", "per_second", 1)]),
    Workload("breaker", "An open breaker",
             "The service behind the gateway is stopped; the breaker is open, and each request is refused with 503 at once.",
             [Point("", {"nginx return 503": nginx_refuses, "ours": our_breaker, "haproxy, server down": haproxy_refuses})],
             "nginx return 503", []),
    Workload("latency", "Latency of a cached read",
             "In an open loop: each request is due at its time whatever the server does, and its time counts from then.",
             [Point(f"{rate}/s", {"nginx, static": nginx_static, "ours": our_read, "ours, near": our_near_read}, connections=256, rate=rate)
              for rate in (2000, 20000)],
             "nginx, static", [], limits=[Limit("ours", "p99_us", 2.5, "20000/s"), Limit("ours, near", "p99_us", 2.5, "20000/s")]),
    Workload("connections", "From 1 to 256 connections", "Static JSON.",
             [Point(f"{n}", STATIC, connections=n) for n in (1, 4, 16, 64, 256)], "nginx", [], axis="connections"),
    Workload("payload", "From 200 bytes to a megabyte",
             "An operation that takes a text of this size and gives it back, checked as text of a length; the raw server "
             "reads as many bytes and writes as many.",
             [Point(f"{n}", {"raw libuv": uv_of(n), "ours": echo(n)}, connections=16) for n in SIZES], "raw libuv", [],
             axis="bytes each way"),
]
