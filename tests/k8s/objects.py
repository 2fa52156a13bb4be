"""What no schema says: names that have to be there, labels that have to fit, and what every pod must be."""
import re

from network import selects
from schemas import label, subdomain

WORKLOADS = ("Deployment", "Job")
OPERATORS_IMAGES = r"redis:"


def pod_of(o):
    return o["spec"]["template"]["spec"]


def by_kind(objects, kind):
    return {o["metadata"]["name"]: o for o in objects if o["kind"] == kind}


def names(objects):
    seen = set()
    for o in objects:
        key = o["kind"], o["metadata"]["name"]
        if key in seen:
            yield f"two {key[0]} {key[1]}"
        seen.add(key)
        if not (label if key[0] in ("Service", "Deployment", "Cluster", "Kafka") else subdomain)(key[1]):
            yield f"{key[0]} can't be called {key[1]}"
        if key[0] == "Secret":
            yield f"the Secret {key[1]} is in the tree"


def restricted(o):
    """The restricted Pod Security Standard, and a read-only root, no token, resources."""
    name, pod = f"{o['kind']} {o['metadata']['name']}", pod_of(o)
    context = pod.get("securityContext", {})
    if context.get("runAsNonRoot") is not True or not context.get("runAsUser") or context.get("seccompProfile") != {"type": "RuntimeDefault"}:
        yield f"{name}: may be root, or has no seccomp profile"
    if pod.get("automountServiceAccountToken") is not False or pod.get("enableServiceLinks") is not False:
        yield f"{name}: has a token or service links"
    if any(pod.get(key) for key in ("hostNetwork", "hostPID", "hostIPC")) or any("hostPath" in v for v in pod.get("volumes", [])):
        yield f"{name}: has something of the host"
    for container in pod["containers"] + pod.get("initContainers", []):
        own = container.get("securityContext", {})
        if own.get("allowPrivilegeEscalation") is not False or own.get("readOnlyRootFilesystem") is not True or own.get("capabilities") != {"drop": ["ALL"]}:
            yield f"{name}: {container['name']} may gain rights or write to its root"
        resources = container.get("resources", {})
        if set(resources.get("requests", ())) != {"cpu", "memory"} or "memory" not in resources.get("limits", ()):
            yield f"{name}: {container['name']} has no resources"


def settings(o, maps):
    pod = pod_of(o)
    container = pod["containers"][0]
    found = {e["name"]: e.get("value") for e in container.get("env", [])}
    for source in container.get("envFrom", []):
        name = source["configMapRef"]["name"]
        if name not in maps:
            raise KeyError(f"the ConfigMap {name} is not there")
        found.update(maps[name]["data"])
    return found


def files(o, clusters):
    """The paths at which a container finds files, and mistakes of what they are made of."""
    pod, paths, wrong = pod_of(o), set(), []
    volumes = {v["name"]: v for v in pod.get("volumes", [])}
    for mount in pod["containers"][0].get("volumeMounts", []):
        volume = volumes.pop(mount["name"], None)
        if volume is None:
            wrong.append(f"the volume {mount['name']} is not there")
            continue
        secret = volume.get("secret")
        sources = volume["projected"]["sources"] if "projected" in volume else [{"secret": {"name": secret["secretName"], "items": secret["items"]}}]
        for source in sources:
            name = source["secret"]["name"]
            if name != "secrets" and (not name.endswith("-app") or name[:-4] not in clusters):
                wrong.append(f"nobody makes the Secret {name}")
            paths |= {f"{mount['mountPath']}/{item['path']}" for item in source["secret"]["items"]}
    wrong += [f"the volume {name} is mounted nowhere" for name in volumes]
    return paths, wrong


def references(objects, units):
    maps, services, clusters = (by_kind(objects, kind) for kind in ("ConfigMap", "Service", "Cluster"))
    kafkas, workloads = by_kind(objects, "Kafka"), [o for o in objects if o["kind"] in WORKLOADS]
    used = set()
    for o in workloads:
        name, container = f"{o['kind']} {o['metadata']['name']}", pod_of(o)["containers"][0]
        if container["image"] not in units and not re.match(OPERATORS_IMAGES, container["image"]):
            yield f"{name}: nobody builds the image {container['image']}"
        try:
            values = settings(o, maps)
        except KeyError as e:
            yield f"{name}: {e.args[0]}"
            continue
        used |= {s["configMapRef"]["name"] for s in container.get("envFrom", [])}
        paths, wrong = files(o, clusters)
        yield from (f"{name}: {w}" for w in wrong)
        told = {value for value in values.values() if value and value.startswith("/run/")}
        yield from (f"{name}: there is no file {path}" for path in sorted(told - paths))
        yield from (f"{name}: nobody reads {path}" for path in sorted(paths - told))
        for key, value in values.items():
            for host, port in re.findall(r"(?:^|//|,)([a-z][a-z0-9-]*):(\d+)", value or ""):
                if host.endswith("-kafka-bootstrap"):
                    kafka = kafkas.get(host[:-len("-kafka-bootstrap")])
                    if not kafka or int(port) not in [x["port"] for x in kafka["spec"]["kafka"]["listeners"]]:
                        yield f"{name}: {key}: no Kafka listens at {host}:{port}"
                elif host not in services or int(port) not in [p["port"] for p in services[host]["spec"]["ports"]]:
                    yield f"{name}: {key}: no Service is {host}:{port}"
        named = {p["name"]: p["containerPort"] for p in container.get("ports", [])}
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            what = container.get(probe, {})
            port = (what.get("httpGet") or what.get("tcpSocket") or {}).get("port")
            if port and port not in named:
                yield f"{name}: {probe} asks a port {port}"
        for key in ("PORT", "ADMIN_PORT"):
            if key in values and int(values[key]) not in named.values():
                yield f"{name}: {key} is no port of the container"
    for o in services.values():
        pods = [w for w in workloads if selects({"matchLabels": o["spec"]["selector"]}, w["spec"]["template"]["metadata"]["labels"])]
        if len(pods) != 1 or pods[0]["metadata"]["name"] != o["metadata"]["name"]:
            yield f"Service {o['metadata']['name']}: its pods are those of {[p['metadata']['name'] for p in pods]}"
            continue
        ports = [p["name"] for p in pod_of(pods[0])["containers"][0]["ports"]]
        yield from (f"Service {o['metadata']['name']}: no port {p['targetPort']}" for p in o["spec"]["ports"] if p["targetPort"] not in ports)
    for name in set(maps) - used:
        yield f"nobody reads the ConfigMap {name}"
    topics = [o for o in objects if o["kind"] in ("KafkaTopic", "KafkaNodePool")]
    for o in topics:
        if o["metadata"]["labels"].get("strimzi.io/cluster") not in kafkas:
            yield f"{o['kind']} {o['metadata']['name']}: of no Kafka"


def deployments(objects, maps):
    for o in by_kind(objects, "Deployment").values():
        name, spec, pod, container = o["metadata"]["name"], o["spec"], pod_of(o), pod_of(o)["containers"][0]
        labels = spec["template"]["metadata"]["labels"]
        if not selects(spec["selector"], labels):
            yield f"Deployment {name}: its selector does not fit its pods"
        if not container.get("livenessProbe") or not container.get("readinessProbe"):
            yield f"Deployment {name}: lacks a probe"
        if labels["app"] == name and "monitored" not in labels:
            continue  # a sandbox, the cache
        try:
            values = settings(o, maps)
        except KeyError:
            continue  # told by references
        if [container[p]["httpGet"]["path"] for p in ("startupProbe", "livenessProbe", "readinessProbe")] != ["/livez", "/livez", "/readyz"]:
            yield f"Deployment {name}: probes ask something else"
        leave, ready = int(values["EC_DRAIN_DELAY_MS"]), container["readinessProbe"]
        if pod["terminationGracePeriodSeconds"] * 1000 <= leave + int(values["EC_DRAIN_MS"]):
            yield f"Deployment {name}: is killed before it has drained"
        if leave <= ready["periodSeconds"] * ready["failureThreshold"] * 1000:
            yield f"Deployment {name}: closes before a balancer has seen that it is not ready"
        if spec["strategy"].get("rollingUpdate", {}).get("maxUnavailable") != 0:
            yield f"Deployment {name}: a rollout takes pods away"
        spread = pod.get("topologySpreadConstraints", [])
        if {s["topologyKey"] for s in spread} != {"kubernetes.io/hostname", "topology.kubernetes.io/zone"} or not all(selects(s["labelSelector"], labels) for s in spread):
            yield f"Deployment {name}: is not spread"
        port = spec["template"]["metadata"]["annotations"]["prometheus.io/port"]
        if port != values.get("ADMIN_PORT", values["PORT"]):
            yield f"Deployment {name}: metrics are not at {port}"


def scaling(objects, overlay):
    scalers, budgets, deployed = (by_kind(objects, k) for k in ("HorizontalPodAutoscaler", "PodDisruptionBudget", "Deployment"))
    processes = {n for n, o in deployed.items() if "monitored" in o["spec"]["template"]["metadata"]["labels"]}
    if set(scalers) != set(budgets) or set(scalers) != (set() if overlay == "dev" else processes):
        yield f"autoscalers of {sorted(scalers)}, budgets of {sorted(budgets)}"
    for name, o in scalers.items():
        target, spec = o["spec"]["scaleTargetRef"], o["spec"]
        if target != {"apiVersion": "apps/v1", "kind": "Deployment", "name": name} or spec["metrics"][0]["resource"]["name"] != "cpu":
            yield f"HorizontalPodAutoscaler {name}: scales {target}"
        if name in budgets and not 0 < budgets[name]["spec"]["minAvailable"] < spec["minReplicas"] <= spec["maxReplicas"]:
            yield f"PodDisruptionBudget {name}: no pod may ever go, or all may"
        if name in deployed and ("replicas" in deployed[name]["spec"] or not selects(budgets[name]["spec"]["selector"], deployed[name]["spec"]["template"]["metadata"]["labels"])):
            yield f"Deployment {name}: says how many, or the budget is of other pods"
    for name, cluster in by_kind(objects, "Cluster").items():
        spec, most = cluster["spec"], scalers.get(name.removesuffix("-db"), {"spec": {"maxReplicas": 1}})["spec"]["maxReplicas"]
        if spec["instances"] != (1 if overlay == "dev" else 3) or bool(spec["postgresql"].get("synchronous")) != (overlay != "dev"):
            yield f"Cluster {name}: {spec['instances']} instances"
        if int(spec["postgresql"]["parameters"]["max_connections"]) < most * 10 + 20:
            yield f"Cluster {name}: too few connections for {most} pods"
    for o in by_kind(objects, "KafkaNodePool").values():
        kafka = by_kind(objects, "Kafka")[o["metadata"]["labels"]["strimzi.io/cluster"]]["spec"]["kafka"]["config"]
        copies, least = kafka["default.replication.factor"], kafka["min.insync.replicas"]
        if not o["spec"]["replicas"] == copies == (1 if overlay == "dev" else 3) or least != (copies + 1) // 2:
            yield f"KafkaNodePool {o['metadata']['name']}: {o['spec']['replicas']} nodes for {copies} copies, {least} in sync"


def migrations(objects, overlay, seeded):
    jobs, clusters = by_kind(objects, "Job"), by_kind(objects, "Cluster")
    if set(jobs) != {name.removesuffix("-db") + "-migrate" for name in clusters}:
        yield f"migrations {sorted(jobs)} of the databases {sorted(clusters)}"
    for name, o in jobs.items():
        service = name.removesuffix("-migrate")
        wanted = ["migrate", "up"] + (["--seed"] if overlay == "dev" and service in seeded else [])
        if pod_of(o)["containers"][0]["args"] != wanted or pod_of(o)["containers"][0]["image"] != service:
            yield f"Job {name}: runs {pod_of(o)['containers'][0]['args']}, not {wanted}"


def outside(objects, gateways, overlay):
    open_ = {name for name, o in by_kind(objects, "Service").items() if o["spec"].get("type", "ClusterIP") != "ClusterIP"}
    if open_ != (gateways if overlay == "prod" else set()):
        yield f"reachable from outside: {sorted(open_)}"


def mistakes(objects, overlay, units, gateways, seeded):
    maps = by_kind(objects, "ConfigMap")
    yield from names(objects)
    for o in objects:
        if o["kind"] in WORKLOADS:
            yield from restricted(o)
    yield from references(objects, units)
    yield from deployments(objects, maps)
    yield from scaling(objects, overlay)
    yield from migrations(objects, overlay, seeded)
    yield from outside(objects, gateways, overlay)
