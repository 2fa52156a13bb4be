"""A real Prometheus (Debian's) with the rules of a generated folder, on free ports: its scrape jobs are those that are generated, with the
targets of what runs in the place of DNS names, and everything is done each second."""
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


class Prometheus:
    """`with Prometheus(folder, targets)`: folder is generated/observability, targets the ports of each job."""

    def __init__(self, folder, targets):
        self.folder, self.targets = folder, targets

    def config(self):
        with open(os.path.join(self.folder, "prometheus.yml"), encoding="utf-8") as file:
            text = file.read()
        jobs = re.findall(r"job_name: (\S+)", text)
        assert sorted(jobs) == sorted(self.targets), f"jobs {jobs}, and what runs is {sorted(self.targets)}"

        def one(match):
            ports = self.targets[match[1]]
            return f"job_name: {match[1]}\n    static_configs:\n      - targets: [{', '.join(f'127.0.0.1:{port}' for port in ports)}]\n"
        text, n = re.subn(r"job_name: (\S+)\n    dns_sd_configs:\n(?:      .*\n)+", one, text)
        assert n == len(jobs)
        text = re.sub(r'(scrape|evaluation)_interval: "15s"', r'\1_interval: "1s"', text)
        return text.replace("- alerts.yml", "- " + os.path.join(self.folder, "alerts.yml"))

    def __enter__(self):
        self.data = tempfile.mkdtemp(prefix="prometheus-")
        path = os.path.join(self.data, "prometheus.yml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(self.config())
        self.port = free_port()
        self.log = open(os.path.join(self.data, "log"), "w+")
        argv = ["prometheus", f"--config.file={path}", f"--storage.tsdb.path={self.data}/data",
                f"--web.listen-address=127.0.0.1:{self.port}"]
        self.process = subprocess.Popen(argv, stdout=self.log, stderr=subprocess.STDOUT)
        try:
            self.until(lambda: self.get("/-/ready", raw=True), 60, "Prometheus is ready")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(30)
        self.log.close()
        shutil.rmtree(self.data, ignore_errors=True)

    def until(self, condition, seconds, what):
        end = time.monotonic() + seconds
        while True:
            assert self.process.poll() is None, open(self.log.name).read()[-2000:]
            value = None
            try:
                value = condition()
            except (urllib.error.URLError, OSError):
                pass
            if value:
                return value
            assert time.monotonic() < end, f"after {seconds} s still not: {what}"
            time.sleep(0.2)

    def get(self, path, raw=False, **query):
        url = f"http://127.0.0.1:{self.port}{path}?{urllib.parse.urlencode(query)}"
        try:
            with urllib.request.urlopen(url, timeout=30) as reply:
                text = reply.read()
        except urllib.error.HTTPError as error:
            if raw:
                raise
            text = error.read()
        if raw:
            return text
        told = json.loads(text)
        assert told["status"] == "success", told
        return told["data"]

    def value(self, expression):
        """The vector that it is now."""
        return self.get("/api/v1/query", query=expression.replace("$__rate_interval", "20s"))["result"]

    def alerts(self):
        return self.get("/api/v1/alerts")["alerts"]

    def rules(self):
        return [rule for group in self.get("/api/v1/rules")["groups"] for rule in group["rules"]]

    def up(self):
        return all(target["health"] == "up" for target in self.get("/api/v1/targets")["activeTargets"])
