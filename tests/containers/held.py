"""What every service of the generated container files is held to, in each of the four files. What is excepted stands here, with its reason."""
import re

GENERATED = ("compose.yaml", "compose.dev.yaml", "stack.yaml", "stack.dev.yaml")
# what a second file may add to a service of the first: nothing of this weakens it, and the rest the first has said
ADDED = {"environment", "networks", "secrets", "command"}
FORBIDDEN = ("cap_add", "privileged", "devices", "network_mode", "pid", "ipc", "userns_mode")
PROGRAM = {"compose": {"security_opt": ["no-new-privileges:true"]},
           "stack": {}}  # a swarm drops security_opt without a word, so that it would only look as if
LIMITS = {"compose": ("cpus", "mem_limit", "pids_limit"), "stack": ("cpus", "memory")}  # version 3.8 has no pids
IN_ALONE = {"com.docker.network.bridge.enable_ip_masquerade": "false"}
UNCHECKED = {"prometheus": "nobody waits for it", "grafana": "nobody waits for it"}  # and jobs, which end


def default(text):
    """A value as it is when no variable is set."""
    return re.sub(r"\$\{\w+:?[-?]([^}]*)\}", r"\1", str(text))


def published(port):
    """The address and the text of a port; no address: everybody's."""
    if isinstance(port, dict):
        return port.get("host_ip", ""), str(port)
    found = re.match(r"([\d.]+):", default(port))
    return found[1] if found else "", str(port)


def mistakes(file, first, document, gateways):
    """Lines. first: the services of the file that this one is merged into, or none."""
    kind = "stack" if file.startswith("stack") else "compose"
    networks = document.get("networks", {})
    for name, network in networks.items():
        if not re.search(r"_(outside|public)$", name) and name != "watch" and not network.get("internal"):
            yield f"{file}: network {name} leads outside"
        if kind == "compose" and name in {"watch", *(f"{gateway}_public" for gateway in gateways)} and network.get("driver_opts") != IN_ALONE:
            yield f"{file}: network {name} leads out, not only in"
    for name, s in document["services"].items():
        where = f"{file}: {name}"
        if name in first:
            if set(s) - ADDED:
                yield f"{where} adds {sorted(set(s) - ADDED)} to a service of another file"
            continue
        job = name.endswith("-migrate")
        if not re.fullmatch(r"[1-9]\d*:\d+", default(s.get("user", ""))):
            yield f"{where} is root, or as its image says"
        for key, value in {"read_only": True, "cap_drop": ["ALL"], **PROGRAM[kind]}.items():
            if s.get(key) != value:
                yield f"{where} has no {key} {value}"
        for key in FORBIDDEN:
            if key in s:
                yield f"{where} has {key}"
        if not re.fullmatch(r"[1-9]\d*s", s.get("stop_grace_period", "")):
            yield f"{where} does not say how long it may take to stop"
        limits = s if kind == "compose" else s.get("deploy", {}).get("resources", {}).get("limits", {})
        for key in LIMITS[kind]:
            if not limits.get(key):
                yield f"{where} has no limit {key}"
        for address, text in map(published, s.get("ports", [])):
            if name not in gateways and address != "127.0.0.1":
                yield f"{where} is published to everybody: {text}"
        if not job and name not in UNCHECKED and not s.get("healthcheck", {}).get("test"):
            yield f"{where} has no health check"
        if not s.get("networks") or set(s["networks"]) - set(networks) - networks_of(first):
            yield f"{where} has no network of its own: {s.get('networks')}"
        if not re.match(r"\$\{\w+:-", s.get("image", "")):
            yield f"{where}: its image can't be overridden: {s.get('image')}"
        if any("docker.sock" in str(v) for v in s.get("volumes", [])):
            yield f"{where} has the engine's socket"


WATCHERS = ("studio", "prometheus")


def watched_wrongly(docs):
    """Lines, of compose.yaml with compose.dev.yaml: a watcher shares a network with each process, and none with a store; nobody meets anybody by a
    network that is there for watching; Prometheus listens where nobody is whom it asks."""
    services, leads_out = {}, set()
    for document in docs:
        leads_out |= {name for name, network in document.get("networks", {}).items() if not network.get("internal")}
        for name, s in document["services"].items():
            mine = services.setdefault(name, {**s, "networks": set()})
            mine["networks"] |= set(s.get("networks", ()))
    processes = {name for name, s in services.items() if s.get("healthcheck", {}).get("test") == ["CMD", name, "health"] and not name.endswith("-sandbox")}
    for name in filter(services.get, WATCHERS):
        s = services[name]
        met = {other for other, of in services.items() if of["networks"] & s["networks"] and other != name}
        for stranger in sorted(met - processes - set(WATCHERS) - {"grafana"}):
            yield f"{name} shares a network with {stranger}"
        for process in sorted(processes - met):
            yield f"{name} has no way to {process}"
    for name, s in services.items():
        for network in s["networks"]:
            here = {other for other, of in services.items() if network in of["networks"]}
            if network.endswith("_watched") and here - set(WATCHERS) != {network.removesuffix("_watched")}:
                yield f"{network} has {sorted(here)}"
    if prometheus := services.get("prometheus"):
        networks = [s["networks"] for s in docs[-1]["services"].values() if "--web.listen-address=" in str(s.get("command"))][0]
        (listens,) = [word.partition("=")[2].partition(":")[0] for word in prometheus["command"] if word.startswith("--web.listen-address=")]
        at = {network for network, of in networks.items() if listens in (of or {}).get("aliases", ())}
        here = {other for other, of in services.items() if of["networks"] & at}
        if not at or here != {"prometheus", "grafana"} or listens in services:
            yield f"Prometheus listens at {listens}, where {sorted(here)} are"


def unwatched():
    """What watched_wrongly has to tell: (what, a function that spoils both files' services)."""
    yield "studio with a store", lambda first, second: first["studio"]["networks"].append("order-svc_order-svc-db")
    yield "a process that is not watched", lambda first, second: first["studio"]["networks"].remove("inventory-svc_watched")
    yield "a network for watching as a bridge", lambda first, second: first["order-svc"]["networks"].append("inventory-svc_watched")
    yield "Prometheus with Redis", lambda first, second: second["prometheus"]["networks"].update({"api-gateway_redis_user-svc": {}})
    yield "Prometheus that listens everywhere", lambda first, second: second["prometheus"]["networks"].update({"notify-svc_user-svc": {"aliases": ["prometheus-page"]}})


def networks_of(first):
    """Networks of the services of the file before."""
    return {network for service in first.values() for network in service.get("networks", [])}


def spoilers():
    """What has to be told: (what, a function that spoils a service of compose.dev.yaml)."""
    for key in ("user", "read_only", "cap_drop", "security_opt", "stop_grace_period", "cpus", "mem_limit", "pids_limit", "image", "networks"):
        yield f"without {key}", lambda s, key=key: s.pop(key)
    yield "root", lambda s: s.update(user="${EC_USER:-0:0}")
    yield "published", lambda s: s.update(ports=["9090:9090"])
    yield "privileged", lambda s: s.update(privileged=True)
    yield "with the engine's socket", lambda s: s.update(volumes=["/var/run/docker.sock:/s"])
