"""What runs in containers, with the interface of tests/system/lib.py's System as far as the stories use it. The test stands where the engine does:
a container is reached by its address, and what is for loopback alone from within its network namespace."""
import contextlib
import json
import os
import re
import socket
import subprocess
import time

import lib
from engine import run

SERVICE = {"compose": "com.docker.compose.service", "swarm": "com.docker.swarm.service.name"}
PROJECT = "shop"


class Containers(lib.System):
    def __init__(self, engine, kind, secrets, folder, gateway):
        self.engine, self.kind, self.secrets, self.folder = engine, kind, secrets, folder
        self.published = gateway  # on a swarm each has a port of its own
        self.probes, self.counts, self.logs = {}, {}, {}
        os.makedirs(os.path.join(folder, ".ecom", "logs"), exist_ok=True)

    @property
    def gateway(self):
        """Where the public comes in: on a swarm any gateway that is healthy, as a balancer in front would choose."""
        if self.kind == "compose":
            return self.published
        for container in self.containers("api-gateway"):
            ports = container["NetworkSettings"]["Ports"].get("8080/tcp")
            if ports and container["State"].get("Health", {}).get("Status") == "healthy":
                return int(ports[0]["HostPort"])
        raise ConnectionRefusedError("no gateway is healthy")

    # -------------------------------------------------------------- what is running

    def containers(self, service=None, running=True):
        """Of a service, or all: as the engine describes them."""
        label = SERVICE[self.kind]
        wanted = f"{label}={service}" if service and self.kind == "compose" else f"{label}={PROJECT}_{service}" if service else label
        ids = self.engine.docker("ps", "-q", *([] if running else ["-a"]), "--filter", f"label={wanted}").split()
        found = json.loads(self.engine.docker("inspect", *ids)) if ids else []
        return sorted(found, key=lambda c: c["Created"])

    def processes(self):
        out = {}
        for c in self.containers():
            service = c["Config"]["Labels"][SERVICE[self.kind]].removeprefix(PROJECT + "_")
            name, n = service, 1
            while name in out:
                n += 1
                name = f"{service}-{n}"
            port = {"Env": dict(e.partition("=")[::2] for e in c["Config"]["Env"])}["Env"]
            addresses = [net["IPAddress"] for net in c["NetworkSettings"]["Networks"].values() if net["IPAddress"]]
            out[name] = {"pid": c["State"]["Pid"], "id": c["Id"], "address": (addresses or [""])[0], "addresses": addresses, "port": int(port.get("PORT", 0)),
                         "probe_port": int(port.get("ADMIN_PORT") or port.get("PORT") or 0),
                         "state": c["State"].get("Health", {}).get("Status", "running")}
        return out

    def replicas(self, service):
        names = super().replicas(service)
        for name in names:  # what reads a process's log finds it where `up` has it
            if name not in self.logs:
                path = os.path.join(self.folder, ".ecom", "logs", f"{name}.log")
                self.logs[name] = subprocess.Popen(["/usr/bin/docker", "logs", "-f", self.processes()[name]["id"]], env=self.engine.env,
                                                   stdout=open(path, "w"), stderr=subprocess.STDOUT)
                lib.wait(lambda: os.path.getsize(path) > 0, 10, f"a log of {name}")
        return names

    def close(self):
        for follower in self.logs.values():
            follower.kill()
            follower.wait()

    # -------------------------------------------------------------- HTTP

    def inside(self, name, *command, **kw):
        """A program of the machine, in the network of a container."""
        return run(*self.into(name), *command, **kw)

    def into(self, name):
        return ["nsenter", f"--net=/proc/{self.processes()[name]['pid']}/ns/net"]

    def metrics(self, name):
        port = self.processes()[name]["probe_port"]
        out = {}
        for line in self.inside(name, "curl", "-sS", "--max-time", "10", f"http://127.0.0.1:{port}/metrics").splitlines():
            if line and not line.startswith("#"):
                key, value = line.rsplit(" ", 1)
                out[key] = float(value)
        return out

    def ledger(self, sandbox):
        return json.loads(self.inside(sandbox, "curl", "-sSk", "--max-time", "10", "https://127.0.0.1:8443/_sandbox/ledger"))

    # -------------------------------------------------------------- data

    def psql(self, service):
        url = open(os.path.join(self.secrets, f"{service}-db.url")).read()
        return [*self.into(f"{service}-db"), "psql", url.replace(f"@{service}-db:", "@127.0.0.1:"), "-X", "-q", "-A", "-t", "-F", "\t", "-v", "ON_ERROR_STOP=1"]

    def redis_socket(self):
        return socket.create_connection((self.processes()["redis"]["address"], 6379), timeout=10)

    def brokers(self):
        return "kafka:9092"  # as it calls itself; engine.hosts knows it

    # -------------------------------------------------------------- who reaches whom

    def reaches(self, name, host, port):
        """Does a connection from a container come about? By name, as the container resolves it, or by address."""
        address, process = host, self.processes()[name]
        if not re.fullmatch(r"[\d.]+", host):
            hosts = self.engine.docker("exec", process["id"], "getent", "ahostsv4", host, check=False)
            if hosts.returncode:
                return False
            address = hosts.stdout.split()[0]
        script = f"exec 3<>/dev/tcp/{address}/{port}"
        return run("nsenter", f"--net=/proc/{process['pid']}/ns/net", "timeout", "3", "bash", "-c", script, check=False).returncode == 0

    @contextlib.contextmanager
    def following(self):
        try:
            yield self
        finally:
            self.close()

    def wait_ready(self, services, seconds):
        def missing():
            states = self.processes()
            return [s for s in services if not any(re.fullmatch(re.escape(s) + r"(-\d+)?", n) and p["state"] in ("healthy", "running")
                                                   for n, p in states.items())]
        end = time.monotonic() + seconds
        while left := missing():
            assert time.monotonic() < end, f"not ready after {seconds} s: {left}"
            time.sleep(0.5)
