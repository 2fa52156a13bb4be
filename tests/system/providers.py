"""What the providers make themselves and the tests use: their SDKs for node, and Stripe's mock. Both are fetched once, into .ecom/; without
the network, or without node or Go, whoever asks for them is skipped (tests/fetched.py)."""
import base64
import glob
import http.server
import json
import os
import re
import shutil
import ssl
import subprocess
import tempfile
import threading

import fetched
from lib import ROOT, wait

SCRIPTS = os.path.join(ROOT, "tests", "providers")
MOCK = os.path.join(ROOT, ".ecom", "go", "bin", "stripe-mock")
MOCK_MODULE = "github.com/stripe/stripe-mock@v0.197.0"
TOOLCHAIN = "golang.org/toolchain@v0.0.1-go1.22.12.linux-"  # the mock asks for Go 1.22; Debian 12 has 1.19


# ------------------------------------------------------------------ the SDKs

def sdks():
    return fetched.npm(SCRIPTS, "providers", "the providers' SDKs")


def run_sdk(system, provider, secret, ca=True, **env):
    """Runs the provider's script against its stand-in."""
    folder = sdks()
    secrets = os.path.join(system.folder, ".ecom", "secrets")
    variables = {k: v for k, v in os.environ.items() if not re.match(r"NODE_|TWILIO_|STRIPE_|SENDGRID_|npm_|.*_proxy$", k, re.I)}
    variables.update(env, STAND_IN=f"https://127.0.0.1:{system.processes()[provider + '-sandbox']['port']}",
                     SECRET=open(os.path.join(secrets, secret)).read().strip())
    if ca:
        variables["NODE_EXTRA_CA_CERTS"] = os.path.join(secrets, "ca.pem")
    return subprocess.run(["node", provider + ".mjs"], cwd=folder, env=variables, capture_output=True, text=True, timeout=120)


# ------------------------------------------------------------------ Stripe's mock

def modern_go(env):
    """A go that can build the mock. From 1.21 on it fetches the toolchain that a module asks for by itself; an older one is told to."""
    fetched.need("go")
    go = shutil.which("go")
    found = re.search(r"go(\d+)\.(\d+)", subprocess.run([go, "version"], env=env, capture_output=True, text=True).stdout)
    if found and (int(found[1]), int(found[2])) >= (1, 21):
        return go
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
    with tempfile.TemporaryDirectory() as empty:
        folder = json.loads(fetched.fetch([go, "mod", "download", "-json", TOOLCHAIN + machine], "Go's toolchain", env=env, cwd=empty))["Dir"]
    for pattern in ("bin/*", "pkg/tool/*/*"):  # a module has no executable files
        for path in glob.glob(os.path.join(folder, pattern)):
            os.chmod(path, 0o755)
    return os.path.join(folder, "bin", "go")


def go_environment(home, **more):
    return {k: v for k, v in os.environ.items() if k not in ("GOROOT", "GOBIN", "GOTOOLCHAIN")} | {"GOPATH": home, "GOFLAGS": "-modcacherw"} | more


def stripe_mock():
    with fetched.store("go") as home:
        if not os.path.exists(MOCK):
            env = go_environment(home)
            fetched.fetch([modern_go(env), "install", MOCK_MODULE], "stripe-mock", env=env, cwd="/")
    return MOCK


class Mock:
    """Stripe's mock, running; `requests` is what it has been asked and how it answered: (method, path, data, status)."""

    def __enter__(self):
        program = stripe_mock()
        self.log = tempfile.NamedTemporaryFile(prefix="stripe-mock-")
        self.process = subprocess.Popen([program, "-http-addr", "127.0.0.1:0", "-https-addr", "127.0.0.1:0"], stdout=self.log,
                                        stderr=subprocess.STDOUT)
        try:
            self.port = int(wait(lambda: re.search(r"HTTP at address: 127\.0\.0\.1:(\d+)", self.text()), 120, "stripe-mock listens")[1])
        except AssertionError:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.log.close()

    def text(self):
        return open(self.log.name, errors="replace").read()

    @property
    def requests(self):
        entry = r"^Request: (\S+) (\S+)\n(?:Request data = (.*)\n)?(?:(?!Request:|Response:).*\n)*Response: .*status=(\d+)$"
        return [(method, path, data, int(status)) for method, path, data, status in re.findall(entry, self.text(), re.M)]


# ------------------------------------------------------------------ a provider that keeps what it is sent

class Recorder:
    """Answers each request with what `answer(path)` gives and keeps it. With a certificate that nobody trusts when `tls` is set: then what
    a handshake ended with is in `handshakes`."""

    def __init__(self, answer, tls=False):
        recorder = self
        self.requests, self.handshakes = [], []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
                recorder.requests.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                status, reply = answer(self.path)
                text = json.dumps(reply).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            def get_request(self):
                sock, address = super().get_request()
                if recorder.context:
                    try:
                        sock = recorder.context.wrap_socket(sock, server_side=True)
                        sock.settimeout(5)
                        sock.recv(0)
                    except OSError as error:
                        recorder.handshakes.append(str(error))
                        sock.close()
                        raise
                return sock, address

            def handle_error(self, *_):
                pass

        self.context = self.certificate() if tls else None
        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @staticmethod
    def certificate():
        with tempfile.TemporaryDirectory() as folder:
            key, cert = os.path.join(folder, "key"), os.path.join(folder, "cert")
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                            "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert],
                           check=True, capture_output=True)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(cert, key)
            return context

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def basic(user, password):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
