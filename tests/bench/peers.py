"""The servers that ours are compared with: where each comes from, and how it is told to do the same work on one core.

apt: nginx (with Lua), haproxy, h2o, wrk, protoc; npm, with a lock: fastify, ioredis, DBOS (peers/node); Go's proxy, with go.sum: peers/go
(engines.py starts those that run sagas). `./ecom bench` installs Debian's. A peer that can't be had raises Missing with the reason, and the
table names it."""
import os
import shutil

import world
import fetched
import providers
from method import Subject
from world import HERE, STORE, Missing

# What nobody can install here, and why.
ABSENT = {"KrakenD": "the Go module proxy serves no version of github.com/krakend/krakend-ce",
          "dtm": "the Go module proxy serves no version of github.com/dtm-labs/dtm"}
MANY = 2000000000  # requests of one connection: never the reason to close


def program(name, package):
    path = shutil.which(name) or next((p for p in (f"/usr/sbin/{name}", f"/usr/bin/{name}") if os.path.exists(p)), None)
    if not path:
        raise Missing(f"{name} is not installed (apt-get install {package})")
    return path


def nginx(w, server, extra="", top=""):
    """An nginx of one worker whose server block is `server`; its port and process."""
    port = world.free_port()
    text = f"""{top}
daemon off; worker_processes 1; worker_cpu_affinity {format(1 << w.server_core, "b")};
pid {w.folder}/nginx-{port}.pid; error_log {w.folder}/nginx-{port}.log warn;
events {{ worker_connections 4096; multi_accept on; }}
http {{
  access_log off; keepalive_requests {MANY}; keepalive_timeout 3600s; server_tokens off; default_type application/json; tcp_nodelay on;
  client_body_temp_path {w.folder}/nginx-body; proxy_temp_path {w.folder}/nginx-proxy; fastcgi_temp_path {w.folder}/nginx-f;
  uwsgi_temp_path {w.folder}/nginx-u; scgi_temp_path {w.folder}/nginx-s;
  {extra}
  server {{ listen 127.0.0.1:{port} backlog=1024; {server} }}
}}
"""
    path = w.write(f"nginx-{port}.conf", text)
    process = w.spawn([program("nginx", "nginx-light"), "-e", f"{w.folder}/nginx-{port}.log", "-c", path], w.server_core, port)
    return port, process


def haproxy(w, backend):
    port = world.free_port()
    text = f"""global
  nbthread 1
  maxconn 4096
defaults
  mode http
  timeout connect 5s
  timeout client 1h
  timeout server 1h
  option http-keep-alive
  http-reuse always
frontend f
  bind 127.0.0.1:{port}
  default_backend b
backend b
  {backend}
"""
    return port, w.spawn([program("haproxy", "haproxy"), "-db", "-f", w.write(f"haproxy-{port}.cfg", text)], w.server_core, port)


def h2o(w, paths):
    port = world.free_port()
    text = f"""num-threads: 1
max-connections: 4096
http1-request-timeout: 3600
listen: {{ host: 127.0.0.1, port: {port} }}
hosts:
  "default":
    paths:
{paths}
"""
    if os.geteuid() == 0:
        text = "user: root\n" + text
    return port, w.spawn([program("h2o", "h2o"), "-m", "worker", "-c", w.write(f"h2o-{port}.yaml", text)], w.server_core, port)


def node_packages():
    """The folder with peers/node and its packages, which are fetched once."""
    return fetched.npm(os.path.join(HERE, "peers", "node"), os.path.join("bench", "node"), "the packages of the peers on node")


def node(w, script, *args):
    """A script of peers/node."""
    folder, port = node_packages(), world.free_port()
    return port, w.spawn([shutil.which("node"), os.path.join(folder, script), str(port), *args], w.server_core, port, cwd=folder)


def go_program(name, package="."):
    """A program of peers/go/NAME, or one that its go.mod names as a tool, built once for its sources and go.sum."""
    source, path = os.path.join(HERE, "peers", "go", name), os.path.join(STORE, "go-" + name)
    newest = max(os.path.getmtime(os.path.join(source, file)) for file in os.listdir(source))
    if not os.path.exists(path) or os.path.getmtime(path) < newest:
        with fetched.store("go") as home:
            env = providers.go_environment(home)
            argv = [providers.modern_go(env), "build", "-mod=readonly", "-ldflags=-s -w", "-o", path, package]
            fetched.fetch(argv, f"what {name} is built of", env=env, cwd=source)
    return path


def database_url(system, service):
    """Of a database of ours, over its socket, for pgx and node-postgres."""
    folder = os.path.realpath(os.path.join(system.folder, ".ecom", "pg", service))
    return f"postgres://postgres@localhost/postgres?host={folder}"


def go_service(w, upstream=1, redis=1, key="-", database="postgres://127.0.0.1/none", spread=False):
    """The service by hand, on one core or, spread, on all: one for a workload, that has its own upstream and Redis."""
    port = world.free_port()
    argv = [go_program("service"), str(port), str(upstream), str(redis), key, database]
    if spread:
        return port, w.spawn(argv, None, port)
    return port, w.spawn(argv, w.server_core, port, env={"GOMAXPROCS": "1"})


def subject(w, started, requests, **more):
    """Of what started (port and process), asked the same each time."""
    port, process = started
    return Subject(port, lambda: requests, w.pids(process), **more)
