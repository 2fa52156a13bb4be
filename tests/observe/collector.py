"""The OpenTelemetry Collector (tests/observe/collector/main.go), running: OTLP/HTTP comes in, what it took stands in a file."""
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
import urllib.request

from prometheus import free_port

CONFIG = """
receivers:
  otlp:
    protocols:
      http:
        endpoint: 127.0.0.1:%(port)d
exporters:
  file:
    path: %(folder)s/spans.jsonl
    flush_interval: 100ms
service:
  telemetry:
    metrics:
      readers:
        - pull:
            exporter:
              prometheus:
                host: 127.0.0.1
                port: %(own)d
  pipelines:
    traces:
      receivers: [otlp]
      exporters: [file]
"""


class Collector:
    @classmethod
    def start(cls, gotools):
        """A running one and None, or None and why not."""
        program, why = gotools.program("collector")
        return (cls(program), None) if program else (None, why)

    def __init__(self, program):
        self.folder = tempfile.mkdtemp(prefix="collector-")
        self.port, self.own = free_port(), free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        config = os.path.join(self.folder, "config.yml")
        with open(config, "w", encoding="utf-8") as file:
            file.write(CONFIG % {"port": self.port, "own": self.own, "folder": self.folder})
        self.log = open(os.path.join(self.folder, "log"), "w+")
        self.process = subprocess.Popen([program, "--config", config], stdout=self.log, stderr=subprocess.STDOUT)
        end = time.monotonic() + 60
        while "Everything is ready" not in open(self.log.name).read():
            assert self.process.poll() is None and time.monotonic() < end, open(self.log.name).read()[-2000:]
            time.sleep(0.1)

    def stop(self):
        self.process.terminate()
        self.process.wait(30)
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def spans(self):
        """All that it has taken, each with its resource's attributes."""
        path, out = os.path.join(self.folder, "spans.jsonl"), []
        if not os.path.exists(path):
            return out
        with open(path, encoding="utf-8") as file:
            lines = [line for line in file if line.endswith("\n")]
        for line in lines:
            for batch in json.loads(line)["resourceSpans"]:
                resource = {a["key"]: a["value"].get("stringValue") for a in batch["resource"]["attributes"]}
                for scope in batch["scopeSpans"]:
                    out += [dict(span, resource=resource, service=resource["service.name"]) for span in scope["spans"]]
        return out

    def counted(self):
        """Spans that it accepted and refused, as it counts them itself."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.own}/metrics", timeout=30) as reply:
            text = reply.read().decode()

        def total(name):
            return sum(float(n) for n in re.findall(rf"^otelcol_receiver_{name}_spans(?:_total)?(?:\{{.*\}})? (\S+)$", text, re.M))
        return total("accepted"), total("refused")
