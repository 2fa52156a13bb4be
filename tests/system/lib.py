"""What the system tests share: a system of their own in a temporary folder, HTTP, SQL and the topics."""
import contextlib
import fcntl
import glob
import http.client
import json
import os
import random
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import uuid

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.append(os.path.join(ROOT, "tests"))
from each import Skip  # noqa: E402, F401: who tests takes it from here
SANITIZED = os.path.join(ROOT, ".ecom", "test", "asan")
RELEASE = os.path.join(ROOT, ".ecom", "build")  # what `./ecom up` runs
BUILDS = {"asan": SANITIZED, "release": RELEASE}
ECOMC = os.path.join(SANITIZED, "tool", "ecomc")
LONG = os.environ.get("EC_LONG") == "1"


def choice(variable, words):
    """What the environment chooses, or None."""
    value = os.environ.get(variable) or None
    if value and value not in words:
        sys.exit(f"{variable} is {' or '.join(words)}, not '{value}'")
    return value


BUILD, KAFKA = choice("EC_BUILD", BUILDS), choice("EC_KAFKA", ("embedded", "apache"))


def free_base():
    """A port base whose usual ports are free, and the file whose lock keeps it ours among tests that run side by side. The ranges of two bases
    never meet (studio's, far below the rest, falls between two replicas' of others), and all are below 32768, from where on the kernel takes
    ports for connections."""
    usual = [3000, 9600, 9610, 9611, *range(8080, 8084), *range(9080, 9084), *range(9100, 9110), *range(9200, 9210), *range(9500, 9505)]
    bases = list(range(1000, 23000, 1610))
    random.shuffle(bases)
    for base in bases:
        lock = open(os.path.join(tempfile.gettempdir(), f"ecom-ports-{os.getuid()}-{base}.lock"), "w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for port in usual:
                with socket.socket() as sock:
                    sock.bind(("127.0.0.1", port + base))
            return base, lock
        except (OSError, OverflowError):
            lock.close()
    raise RuntimeError("no free range of ports")


def wait(condition, seconds, what):
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"after {seconds} s still not: {what}")
        time.sleep(0.05)


class Reply:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"{self.status} {self.body[:300]!r}"


class System:
    """`with System(topology) as s:` is up inside and down, with its folder gone, after; kept and named when a test fails. Without a build it
    is that of EC_BUILD, else the one under the sanitizers."""

    def __init__(self, topology, kafka="embedded", args=(), env=None, build=None):
        self.folder = tempfile.mkdtemp(prefix="ecom-test-")
        os.chmod(self.folder, 0o755)
        shutil.copy(topology, os.path.join(self.folder, "topology.ecom"))
        self.base, self.lock = free_base()
        self.kafka = kafka
        self.args = ["--port-base", str(self.base), "--kafka", kafka, *args]
        # A real provider's key in the tester's environment must not be used.
        theirs = re.findall(r"\b(?:env|secret)\s+([A-Z][A-Z0-9_]*)", open(topology, encoding="utf-8").read())
        ours = {k: v for k, v in os.environ.items() if k.removesuffix("_FILE") not in theirs}
        # Where ccache is, what one test has compiled is not compiled by the next: the same files in another folder.
        self.env = dict(ours, LC_ALL="C.UTF-8", CCACHE_NOHASHDIR="1", **(env or {}))
        self.build = build or BUILDS[BUILD or "asan"]
        if self.build == SANITIZED:
            self.env["EC_MESON_OPTIONS"] = "-Db_sanitize=address,undefined -Db_lundef=false -Dwerror=false -Dbuildtype=debug -Doptimization=1"
        self.gateway = 8080 + self.base
        self.probes, self.counts = {}, {}  # ports and names, which stay

    def ecomc(self, *args, timeout=600):
        return subprocess.run([os.path.join(self.build, "tool", "ecomc"), *args], cwd=self.folder, env=self.env, capture_output=True, text=True, timeout=timeout)

    def __enter__(self):
        if self.kafka == "apache":  # the jars are fetched once
            store = os.path.join(ROOT, ".ecom", "kafka", "libs")
            if os.path.isdir(store):
                os.makedirs(os.path.join(self.folder, ".ecom", "kafka"))
                os.symlink(store, os.path.join(self.folder, ".ecom", "kafka", "libs"))
        begun = time.monotonic()
        done = self.ecomc("up", "--detach", *self.args)
        if done.returncode:
            self.failed = True
            self.__exit__(AssertionError, None, None)
            raise AssertionError(f"up failed ({done.returncode}): {done.stderr[-2000:]}")
        self.seconds = time.monotonic() - begun
        if self.kafka == "apache" and not os.path.exists(os.path.join(ROOT, ".ecom", "kafka", "libs")):
            os.makedirs(os.path.join(ROOT, ".ecom", "kafka"), exist_ok=True)
            shutil.copytree(os.path.join(self.folder, ".ecom", "kafka", "libs"), os.path.join(ROOT, ".ecom", "kafka", "libs"))
        return self

    def __exit__(self, kind, error, trace):
        down = self.ecomc("down")
        self.lock.close()
        if kind is None:
            for log in glob.glob(os.path.join(self.folder, ".ecom", "logs", "*.log")):
                text = open(log, errors="replace").read()
                assert "ERROR: AddressSanitizer" not in text and "runtime error:" not in text, f"sanitizer: {log}: {text[-3000:]}"
                crash = re.search(r".* ended \(signal (?:4|6|7|8|11|31)\).*", text)  # SIGILL, ABRT, BUS, FPE, SEGV, SYS: up.log
                assert not crash, f"a process crashed: {crash[0]}"
            for link in glob.glob(os.path.join(self.folder, ".ecom", "pg")):
                if os.path.islink(link):
                    shutil.rmtree(os.path.dirname(os.path.realpath(link)), ignore_errors=True)
            shutil.rmtree(self.folder, ignore_errors=True)
        else:
            print(f"kept {self.folder} (down: {down.stdout.strip()})")

    def replace(self, text):
        """Another version of the topology: everything is stopped, built and started again. Databases stay, and Apache Kafka's topics."""
        down = self.ecomc("down")
        assert down.returncode == 0, down
        with open(os.path.join(self.folder, "topology.ecom"), "w", encoding="utf-8") as file:
            file.write(text)
        up = self.ecomc("up", "--detach", *self.args)
        assert up.returncode == 0, up.stderr[-3000:]
        self.probes, self.counts = {}, {}

    # -------------------------------------------------------------- what is running

    def processes(self):
        done = self.ecomc("status", "--format=json")
        return {p["name"]: p for p in json.loads(done.stdout).get("processes", [])}

    def pid(self, name):
        return self.processes()[name]["pid"]

    def replicas(self, service):
        """The names of its processes."""
        return sorted(n for n in self.processes() if n == service or re.fullmatch(re.escape(service) + r"-\d+", n))

    def ports(self, service):
        processes = self.processes()
        return [processes[name]["port"] for name in self.replicas(service)]

    @contextlib.contextmanager
    def paused(self, *services):
        """Inside, all processes of these services are stopped: connections to them are made, and nobody answers."""
        processes = self.processes()
        pids = [processes[name]["pid"] for service in services for name in self.replicas(service)]
        try:
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
            def stopped(pid):
                return open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[0] == "T"
            wait(lambda: all(map(stopped, pids)), 5, f"{services} are stopped")
            yield
        finally:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    def kill(self, name, sig=signal.SIGKILL):
        """Ends a process that is ready, and waits until the supervisor knows."""
        process = wait(lambda: next((p for p in [self.processes()[name]] if p["state"] == "ready" and os.path.exists(f"/proc/{p['pid']}")), None), 30,
                       f"{name} is ready")
        os.kill(process["pid"], sig)
        wait(lambda: self.processes()[name]["pid"] != process["pid"], 10, f"the supervisor knows that {name} has ended")

    # -------------------------------------------------------------- HTTP

    def request(self, method, path, body=None, token=None, headers=None, port=None, timeout=30, tls=False, source=None):
        if tls:
            context = ssl.create_default_context(cafile=os.path.join(self.folder, ".ecom", "secrets", "ca.pem"))
            conn = http.client.HTTPSConnection("127.0.0.1", port, timeout=timeout, context=context)
        else:
            conn = http.client.HTTPConnection("127.0.0.1", port or self.gateway, timeout=timeout, source_address=source and (source, 0))
        send = dict(headers or {})
        if token:
            send["Authorization"] = "Bearer " + token
        data = None
        if body is not None:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            send.setdefault("Content-Type", "application/json")
        try:
            conn.request(method, path, data, send)
            reply = conn.getresponse()
            return Reply(reply.status, {k.lower(): v for k, v in reply.getheaders()}, reply.read())
        finally:
            conn.close()

    def metrics(self, name):
        """What one process has counted."""
        if name not in self.probes:
            self.probes = {n: p["probe_port"] for n, p in self.processes().items()}
        port = self.probes[name]
        out = {}
        for line in self.request("GET", "/metrics", port=port).body.decode().splitlines():
            if line and not line.startswith("#"):
                key, value = line.rsplit(" ", 1)
                out[key] = float(value)
        return out

    def counted(self, service, family, *labels):
        """The sum of a family's series, over all processes of the service, that have all of these labels (`op="Book"`)."""
        if service not in self.counts:
            self.counts[service] = self.replicas(service)
        return sum(value for name in self.counts[service] for key, value in self.metrics(name).items()
                   if key.partition("{")[0] == family and all(label in key for label in labels))

    # -------------------------------------------------------------- data

    def psql(self, service):
        folder = os.path.realpath(os.path.join(self.folder, ".ecom", "pg", service))
        return ["psql", "-h", folder, "-U", "postgres", "-d", "postgres", "-X", "-q", "-A", "-t", "-F", "\t", "-v", "ON_ERROR_STOP=1"]

    @contextlib.contextmanager
    def transaction(self, service, text):
        """Inside, a transaction that has run `text` is open; it is committed after."""
        psql = subprocess.Popen(self.psql(service), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            psql.stdin.write(f"BEGIN;\n{text};\n\\echo open\n")
            psql.stdin.flush()
            lines = iter(psql.stdout.readline, "")
            assert "open\n" in lines, "the transaction is open"
            yield
        finally:
            psql.communicate("COMMIT;\n", timeout=30)
        assert psql.returncode == 0

    def sql(self, service, text):
        """Rows as lists of text."""
        done = subprocess.run([*self.psql(service), "-c", text], capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, done.stderr
        return [line.split("\t") for line in done.stdout.splitlines() if line]

    def redis_socket(self):
        return socket.create_connection(("127.0.0.1", 9600 + self.base), timeout=10)

    def redis(self, *words):
        """One command's answer, as it comes over the wire."""
        with self.redis_socket() as sock:
            sock.sendall(b"".join([b"*%d\r\n" % len(words)] + [b"$%d\r\n%s\r\n" % (len(w.encode()), w.encode()) for w in words]))
            return sock.recv(1 << 20).decode()

    def brokers(self):
        if self.kafka == "apache":
            return f"127.0.0.1:{9610 + self.base}"
        return open(glob.glob(os.path.join(self.folder, ".ecom", "run", "*.address"))[0]).read().strip()

    def topic(self, name):
        """Every message: key, headers, value."""
        done = subprocess.run(["kcat", "-b", self.brokers(), "-C", "-t", name, "-o", "beginning", "-e", "-q", "-J"], capture_output=True, text=True, timeout=30)
        out = []
        for line in done.stdout.splitlines():
            message = json.loads(line)
            headers = dict(zip(message.get("headers", [])[::2], message.get("headers", [])[1::2]))
            out.append((message["key"], headers, json.loads(message["payload"])))
        return out

    def ledger(self, sandbox):
        port = self.processes()[sandbox]["port"]
        return self.request("GET", "/_sandbox/ledger", port=port, tls=True).json

    def fault(self, sandbox, **fault):
        port = self.processes()[sandbox]["port"]
        reply = self.request("POST", "/_sandbox/faults", fault, port=port, tls=True)
        assert reply.status in (200, 201, 204), reply


def unique_email():
    return f"{uuid.uuid4().hex[:12]}@example.test"
