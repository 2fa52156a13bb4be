"""What a workload runs on: our own system and its peers, each process pinned, and all of it gone when it is left."""
import contextlib
import ctypes
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import method

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
STORE = os.path.join(ROOT, ".ecom", "bench")  # what is built and fetched once
sys.path.append(os.path.join(ROOT, "tests", "system"))
import lib  # noqa: E402
from each import Skip as Missing  # noqa: E402, F401: a peer that can't be had here; the text is the reason

PR_SET_PDEATHSIG = 1


def free_port():
    """Below those that the kernel gives to connections: who asks again and again at one of these before somebody listens, will meet himself there."""
    while True:
        with socket.socket() as sock, contextlib.suppress(OSError):
            sock.bind(("127.0.0.1", random.randrange(21000, 32000)))
            return sock.getsockname()[1]


def compiled(name, source, *flags):
    """A C program of the benchmarks, built when its source is newer."""
    path, source = os.path.join(STORE, name), os.path.join(HERE, source)
    if not os.path.exists(path) or os.path.getmtime(path) < os.path.getmtime(source):
        os.makedirs(STORE, exist_ok=True)
        done = subprocess.run(["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-o", path, source, *flags], capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"bench: {source} does not compile: {done.stderr[-2000:]}")
    return path


def get(port, path="/", method="GET", body=None, headers=(), timeout=5):
    """Status and body of one request on a connection of its own."""
    import http.client
    conn = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        conn.request(method, path, body, dict(headers))
        reply = conn.getresponse()
        return reply.status, reply.read()
    finally:
        conn.close()


def request(method, path, body=b"", headers=()):
    """The bytes of a request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: bench", *(f"{name}: {value}" for name, value in headers)]
    if body or method not in ("GET", "HEAD"):
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def supervisor(system):
    """The pid of who runs the processes of a system."""
    with open(os.path.join(system.folder, ".ecom", "state.json"), encoding="utf-8") as file:
        return json.load(file)["supervisor"]


class World:
    def __init__(self):
        self.server_core, self.load_core, self.behind_core = method.cores()
        self.folder = tempfile.mkdtemp(prefix="ecom-bench-")
        os.chmod(self.folder, 0o755)
        self.started, self.systems, self.shared, self.at_end, self.logs = [], {}, {}, [], 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            for action in self.at_end:
                with contextlib.suppress(ProcessLookupError):
                    action()
        finally:  # also of one whose books don't balance nothing is left
            self.end()

    def end(self):
        for process in reversed(self.started):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
        for process in reversed(self.started):
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        for system in self.systems.values():
            system.__exit__(None, None, None)
        shutil.rmtree(self.folder, ignore_errors=True)

    def roots(self):
        """The processes of this run: these, and all below them."""
        return [os.getpid(), *(p.pid for p in self.started), *map(supervisor, self.systems.values())]

    # -------------------------------------------------------------- peers

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w" if isinstance(text, str) else "wb") as file:
            file.write(text)
        return path

    def spawn(self, argv, core, port=None, env=None, ready="/", cwd=None, patience=30):
        """A process on a core or, with None, anywhere, waited for until it answers at its port."""
        self.logs += 1
        path = os.path.join(self.folder, f"{self.logs}-{os.path.basename(argv[0])}.log")

        def before():
            os.setpgid(0, 0)
            if core is not None:
                os.sched_setaffinity(0, {core})
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        with open(path, "wb") as log:
            process = subprocess.Popen(argv, stdout=log, stderr=log, stdin=subprocess.DEVNULL, preexec_fn=before, cwd=cwd or self.folder,
                                       env={**os.environ, **(env or {})})
        process.log = path
        self.started.append(process)
        end = time.monotonic() + patience
        while port:
            with contextlib.suppress(OSError):
                if ready is None:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                else:
                    get(port, ready)
                break
            if process.poll() is not None or time.monotonic() > end:
                raise Missing(f"{os.path.basename(argv[0])} does not start: {open(path, errors='replace').read()[-500:].strip()}")
            time.sleep(0.05)
        return process

    def pids(self, process):
        """For Subject.processes: the process and all below it, asked each time."""
        return lambda: method.below(process.pid)

    def limit_server(self, name, body, core, status="200 OK"):
        """The raw libuv server, once for each name and core."""
        if (name, core) not in self.shared:
            port = free_port()
            program = compiled("uv_static", "peers/uv_static.c", "-luv")
            process = self.spawn([program, str(port), self.write(f"{name}.json", body), status], core, port)
            self.shared[name, core] = port, process
        return self.shared[name, core]

    # -------------------------------------------------------------- ours

    def ours(self, topology="bench.ecom", env=None, spread=False, replicas=1):
        """The running system of a topology, in the build that `./ecom up` runs, nothing traced, on the broker of EC_KAFKA; all of it pinned
        behind the server, or spread."""
        key = topology, tuple(sorted((env or {}).items())), replicas
        if key not in self.systems:
            full = {"OTEL_TRACES_SAMPLER_ARG": "0", "LOG_LEVEL": "warn", **(env or {})}
            path = topology if os.path.isabs(topology) else os.path.join(HERE, topology)
            args = ["--replicas", str(replicas)] if replicas > 1 else []
            system = lib.System(path, kafka=lib.KAFKA or "embedded", args=args, build=lib.RELEASE, env=full)
            system.__enter__()
            self.systems[key] = system
            if not spread:
                method.pin(method.below(supervisor(system)), self.behind_core)
        return self.systems[key]

    def our_server(self, system, *names):
        """Pins these processes of it where the server belongs; for Subject.processes."""
        pids = [p["pid"] for name, p in system.processes().items() if name in names]
        assert len(pids) == len(names), (names, list(system.processes()))
        method.pin(pids, self.server_core)
        return lambda: method.below(*pids)
