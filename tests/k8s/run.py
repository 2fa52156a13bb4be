#!/usr/bin/env python3
"""generated/k8s of every topology that is here: rendered by kustomize, validated against the schemas of Kubernetes and of the operators'
resources (schemas.py), held against the topology in what no schema says (objects.py) and in who may talk to whom (network.py). Then that each
of these sees what it is for: manifests are spoiled, and every one has to be refused.

usage: run.py ECOMC
"""
import copy
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

import tools

results = []


def check(name, wrong):
    """wrong: lines, none when it is good."""
    wrong = list(wrong)
    results.append(not wrong)
    print(f"{'FAIL' if wrong else 'ok  '} {name}{': ' if wrong else ''}{'; '.join(wrong[:6])}", flush=True)


def sources():
    for pattern in ("topology.ecom", "examples/*/topology.ecom", "tests/topologies/*.ecom", "tests/k8s/*.ecom"):
        yield from sorted(glob.glob(os.path.join(tools.ROOT, pattern)))


class Built:
    """A topology, built; its overlays, rendered."""

    def __init__(self, ecomc, source, folder):
        os.makedirs(folder)
        custom = os.path.join(os.path.dirname(source), "custom")
        if os.path.isdir(custom):
            shutil.copytree(custom, os.path.join(folder, "custom"))
        shutil.copy(source, os.path.join(folder, "topology.ecom"))
        done = subprocess.run([ecomc, "build"], cwd=folder, capture_output=True, text=True)
        if done.returncode:
            raise AssertionError(done.stdout + done.stderr)
        self.generated = os.path.join(folder, "generated")
        with open(os.path.join(self.generated, "studio", "topology.json")) as file:
            self.topology = json.load(file)
        self.units = {name for name in os.listdir(self.generated) if os.path.exists(os.path.join(self.generated, name, "main.c"))}
        self.gateways = {n["id"] for n in self.topology["nodes"] if n["kind"] == "gateway"}
        self.seeded = {name for name in self.units if os.path.exists(os.path.join(self.generated, name, "seed.sql"))}
        with open(os.path.join(self.generated, "compose.yaml")) as file:
            self.compose = schemas.documents(file.read())[0]["services"]
        self.overlays = {}
        for overlay in ("dev", "prod"):
            self.overlays[overlay] = schemas.documents(tools.render(os.path.join(self.generated, "k8s", "overlays", overlay)))
        whole, base = (tools.render(os.path.join(self.generated, *path)) for path in (("k8s",), ("k8s", "base")))
        assert whole == base and "kind: Deployment" in whole, "generated/k8s is the base"

    def watches(self, objects):
        """What Prometheus and Grafana are given is what stands in the files."""
        wanted = {"prometheus-alerts": "alerts.yml", "dashboard-overview": "dashboards/overview.json", "dashboard-services": "dashboards/services.json"}
        found = {o["metadata"]["name"]: o for o in objects}
        if set(found) != set(wanted):
            yield f"{sorted(found)}, not {sorted(wanted)}"
            return
        for name, path in wanted.items():
            with open(os.path.join(self.generated, "observability", path)) as file:
                if found[name]["data"] != {os.path.basename(path): file.read()}:
                    yield f"{name} has something else than {path}"
            if name.startswith("dashboard") and found[name]["metadata"].get("labels") != {"grafana_dashboard": "1"}:
                yield f"{name}: Grafana does not find it"

    def secrets(self, ecomc):
        """`kubectl create secret generic secrets --from-file=.ecom/deploy`, as README and runbook have it, with what `ecomc secrets` makes: each file
        is a key that a Secret may have, all fit into one, and pods of either overlay ask for no other."""
        folder = os.path.dirname(self.generated)
        done = subprocess.run([ecomc, "secrets", "--sandbox"], cwd=folder, capture_output=True, text=True)
        if done.returncode:
            return [done.stderr.strip()]
        files = {name: os.path.getsize(os.path.join(folder, ".ecom", "deploy", name)) for name in os.listdir(os.path.join(folder, ".ecom", "deploy"))}
        return self.fits(files)

    def fits(self, files):
        wrong = [f"{name} can't be a key" for name in files if not re.fullmatch(r"[-._a-zA-Z0-9]{1,253}", name)]
        if sum(files.values()) >= 1 << 20:
            wrong.append("they are larger than a Secret may be")
        for overlay, rendered in self.overlays.items():
            for o in rendered:
                for volume in o.get("spec", {}).get("template", {}).get("spec", {}).get("volumes", []):
                    for source in volume.get("projected", {}).get("sources", [volume]):
                        secret = source.get("secret", {})
                        if secret.get("name", secret.get("secretName")) == "secrets":
                            wrong += [f"{overlay}: {o['metadata']['name']} asks for {item['key']}" for item in secret["items"] if item["key"] not in files]
        return wrong

    def runbook(self):
        """The commands of the runbook name what is there."""
        with open(os.path.join(tools.ROOT, "docs", "operating.md"), encoding="utf-8") as file:
            text = file.read()
        deployments = {o["metadata"]["name"] for o in self.overlays["prod"] if o["kind"] == "Deployment"}
        named = re.findall(r"kubectl rollout restart deployment ([\w-]+)", text)
        made = re.findall(r"kubectl create secret generic (\S+) --from-file=(\S+)", text)
        if not named or set(named) - deployments:
            yield f"deployments {named}"
        if set(made) != {("secrets", ".ecom/deploy")}:
            yield f"secrets {made}"

    def cache(self, objects):
        """The cache runs as it does in containers: an entrypoint of the image has no say."""
        for name, service in self.compose.items():
            for o in objects:
                if service["image"].startswith("${REDIS_IMAGE") and o["kind"] == "Deployment" and o["metadata"]["name"] == name:
                    own = manifests.pod_of(o)["containers"][0]
                    if own["command"] != service["command"] or f":-{own['image']}}}" not in service["image"]:
                        yield f"{name} is another Redis in containers"

    def semantic(self, overlay, objects):
        return [*manifests.mistakes(objects, overlay, self.units, self.gateways, self.seeded), *network.mistakes(self.topology, objects, overlay == "dev"), *self.cache(objects)]


# ------------------------------------------------------------------ manifests that have to be refused

def at(o, path):
    for part in path.split("."):
        o = o[int(part)] if isinstance(o, list) else o[part]
    return o


def put(path, value):
    def spoil(o):
        folder, _, name = path.rpartition(".")
        (at(o, folder) if folder else o)[name] = value
    return spoil


def without(path):
    def spoil(o):
        folder, name = path.rsplit(".", 1)
        del at(o, folder)[name]
    return spoil


# of each kind: a member that is not known, deep down; a type that is another; what may not be missing
SPOILED = {
    "Deployment": [put("spec.template.spec.nodeSelektor", {}), put("spec.template.spec.containers.0.ports.0.containerPort", "http"), without("spec.selector"),
                   put("spec.template.spec.containers.0.resources.limits.memory", "much")],
    "Job": [put("spec.template.spec.containers.0.arg", ["up"]), put("spec.backoffLimit", "20"), without("spec.template")],
    "Service": [put("spec.ports.0.targetport", "http"), put("spec.selector", ["app"]), without("spec.ports.0.port")],
    "ConfigMap": [put("daten", {}), put("data.PORT", 8080), put("metadata.labels", ["a"])],
    "NetworkPolicy": [put("spec.engress", []), put("spec.policyTypes", "Ingress"), put("spec.egress", [{"to": [{"ipBlock": {"except": []}}]}])],
    "HorizontalPodAutoscaler": [put("spec.minReplica", 1), put("spec.metrics.0.resource.target.averageUtilization", "70%"), without("spec.scaleTargetRef"),
                                without("spec.maxReplicas")],
    "PodDisruptionBudget": [put("spec.minAvailabel", 1), put("spec.minAvailable", {}), put("spec.selector", "app")],
    "Cluster": [put("spec.instanzes", 3), put("spec.instances", "3"), without("spec.instances"), put("spec.postgresql.synchronous.method", "some"),
                put("spec.storage.sizes", "1Gi")],
    "Kafka": [put("spec.kafka.listener", []), put("spec.kafka.listeners.0.port", "9092"), without("spec.kafka.listeners.0.type"), put("spec.zookeeper", {"replicas": 3})],
    "KafkaNodePool": [put("spec.role", ["broker"]), put("spec.replicas", "3"), without("spec.roles"), put("spec.storage.type", "disk")],
    "KafkaTopic": [put("spec.partition", 6), put("spec.partitions", "six"), put("spec.config", ["a"])],
}


def first(objects, kind, name=None):
    return next(o for o in objects if o["kind"] == kind and name in (None, o["metadata"]["name"]))


def of(kind, name, spoil):
    return lambda objects: spoil(first(objects, kind, name))


def drop(kind, name):
    return lambda objects: objects.remove(first(objects, kind, name))


def container(path, value):
    return of("Deployment", "order-svc", put("spec.template.spec.containers.0." + path, value))


def rename(objects):
    name = first(objects, "Deployment", "order-svc")["spec"]["template"]["spec"]["containers"][0]["envFrom"][0]["configMapRef"]["name"]
    first(objects, "ConfigMap", name)["metadata"]["name"] = "other"


def unsafe(objects):
    objects.append({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "all"},
                    "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"], "ingress": [{}], "egress": [{}]}})


def secret(objects):
    objects.append({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "secrets"}, "stringData": {"a": "b"}})


def config(key, value):
    def spoil(objects):
        next(o for o in objects if o["kind"] == "ConfigMap" and o["metadata"]["name"].startswith("order-svc-"))["data"][key] = value
    return spoil


ORDER_PAYMENT = ("NetworkPolicy", "order-svc.payment-svc")
MEANT = {  # of prod: what is done to it, and what has to be said
    "a policy is missing": (drop(*ORDER_PAYMENT), "0 policies order-svc.payment-svc"),
    "a policy lets nobody in": (of(*ORDER_PAYMENT, without("spec.ingress")), "order-svc -> payment-svc TCP 8080 is shut"),
    "a policy lets nobody out": (of(*ORDER_PAYMENT, without("spec.egress")), "order-svc -> payment-svc TCP 8080 is shut"),
    "a policy is for another port": (of(*ORDER_PAYMENT, put("spec.egress.0.ports.0.port", 80)), "is shut"),
    "a policy lets somebody else in": (of(*ORDER_PAYMENT, put("spec.ingress.0.from", [{"podSelector": {}}])), "payment-svc -> payment-svc TCP 8080 is open"),
    "nothing is denied": (drop("NetworkPolicy", "default-deny"), "nothing denies"),
    "all may talk to all": (unsafe, "is open"),
    "a provider may be inside": (of("NetworkPolicy", "payment-svc.stripe", put("spec.egress.0.to", [{"ipBlock": {"cidr": "0.0.0.0/0"}}])), "TCP 443 is open"),
    "the bus lets everybody in": (lambda objects: first(objects, "Kafka")["spec"]["kafka"]["listeners"][0].pop("networkPolicyPeers"), "kafka TCP 9092 is open"),
    "names are not looked up": (drop("NetworkPolicy", "dns"), "dns UDP 53 is shut"),
    "a ConfigMap has another name": (rename, "is not there"),
    "a Service has another name": (of("Service", "payment-svc", put("metadata.name", "pay")), "no Service is payment-svc:8080"),
    "a Service has another port": (of("Service", "payment-svc", put("spec.ports.0.port", 80)), "no Service is payment-svc:8080"),
    "a Service selects nothing": (of("Service", "payment-svc", put("spec.selector.app", "pay")), "its pods are those of []"),
    "a port by another name": (of("Service", "payment-svc", put("spec.ports.0.targetPort", "web")), "no port web"),
    "a probe of no port": (container("readinessProbe.httpGet.port", "web"), "asks a port web"),
    "a probe of another path": (container("readinessProbe.httpGet.path", "/"), "something else"),
    "an image of nobody": (container("image", "oder-svc"), "nobody builds the image oder-svc"),
    "a selector that does not fit": (of("Deployment", "order-svc", put("spec.selector.matchLabels.app", "a")), "does not fit its pods"),
    "a secret that nobody makes": (of("Deployment", "order-svc", put("spec.template.spec.volumes.0.projected.sources.0.secret.name", "s")), "nobody makes the Secret s"),
    "a path without a file": (config("EC_SERVICE_KEY_FILE", "/run/secrets/other"), "there is no file /run/secrets/other"),
    "a secret in the tree": (secret, "is in the tree"),
    "root": (of("Deployment", "order-svc", put("spec.template.spec.securityContext.runAsNonRoot", False)), "may be root"),
    "a root that can be written to": (container("securityContext.readOnlyRootFilesystem", False), "write to its root"),
    "a right": (container("securityContext.capabilities", {"drop": ["ALL"], "add": ["NET_ADMIN"]}), "may gain rights"),
    "a token": (of("Deployment", "order-svc", without("spec.template.spec.automountServiceAccountToken")), "has a token"),
    "no limit": (container("resources", {"requests": {"cpu": "1", "memory": "1Gi"}}), "has no resources"),
    "killed while it drains": (config("EC_DRAIN_MS", "60000"), "killed before it has drained"),
    "closed before anybody knows": (config("EC_DRAIN_DELAY_MS", "1000"), "closes before a balancer"),
    "pods that go before others come": (of("Deployment", "order-svc", put("spec.strategy.rollingUpdate.maxUnavailable", 1)), "takes pods away"),
    "not spread": (of("Deployment", "order-svc", without("spec.template.spec.topologySpreadConstraints")), "is not spread"),
    "a budget that holds every node": (of("PodDisruptionBudget", "order-svc", put("spec.minAvailable", 3)), "no pod may ever go"),
    "an autoscaler of nothing": (of("HorizontalPodAutoscaler", "order-svc", put("spec.scaleTargetRef.name", "x")), "scales"),
    "a migration that is another's": (of("Job", "order-svc-migrate", put("spec.template.spec.containers.0.image", "user-svc")), "Job order-svc-migrate: runs"),
    "a Service for the world": (of("Service", "order-svc", put("spec.type", "NodePort")), "reachable from outside"),
    "another Redis": (of("Deployment", "redis", put("spec.template.spec.containers.0.command", ["redis-server"])), "is another Redis"),
    "fewer copies than are told": (of("KafkaNodePool", "kafka", put("spec.replicas", 1)), "1 nodes for 3 copies"),
}


def spoil_schemas(known, shop):
    objects = shop.overlays["prod"]
    missed = sorted({o["kind"] for objects in shop.overlays.values() for o in objects} - set(SPOILED))
    check("there is a spoiled one of each kind", [f"{kind} has none" for kind in missed])
    for kind, spoils in SPOILED.items():
        for number, spoil in enumerate(spoils, 1):
            spoiled = copy.deepcopy(first(objects, kind))
            spoil(spoiled)
            check(f"a {kind} that is spoiled is refused ({number})", [] if known.mistakes(spoiled) else ["it is not"])
    for what, text in {"a key twice": "a: 1\na: 2\n"}.items():
        try:
            schemas.documents(text)
            check(f"{what} is refused", ["it is not"])
        except schemas.yaml.YAMLError:
            check(f"{what} is refused", [])
    check("a version that is not served is refused", [] if known.mistakes({"apiVersion": "policy/v1beta1", "kind": "PodDisruptionBudget"}) else ["it is not"])


def spoil_meaning(shop):
    for name, (spoil, wanted) in MEANT.items():
        objects = copy.deepcopy(shop.overlays["prod"])
        spoil(objects)
        said = shop.semantic("prod", objects)
        check(f"{name}: seen", [] if any(wanted in line for line in said) else [f"only {said[:3]}"])


def main():
    ecomc = os.path.abspath(sys.argv[1])
    known = schemas.Schemas()
    readme = open(os.path.join(tools.ROOT, "README.md"), encoding="utf-8").read()
    for what in (f"Kubernetes {tools.version()}", f"CloudNativePG {tools.CLOUDNATIVE_PG[1].lstrip('v')}", f"Strimzi {tools.STRIMZI}"):
        check(f"the README names {what}", [] if what in readme else ["it does not"])
    with tempfile.TemporaryDirectory() as temp:
        for number, source in enumerate(sources()):
            name = os.path.relpath(source, tools.ROOT)
            built = Built(ecomc, source, os.path.join(temp, str(number)))
            for overlay, objects in built.overlays.items():
                check(f"{name}, {overlay}: schemas", (f"{o.get('kind')} {o['metadata']['name']}: {line}" for o in objects for line in known.mistakes(o)))
                check(f"{name}, {overlay}: meaning", built.semantic(overlay, objects))
            watched = schemas.documents(tools.render(os.path.join(built.generated, "observability")))
            check(f"{name}: alerts and dashboards as ConfigMaps", [*(f"{o['metadata']['name']}: {line}" for o in watched for line in known.mistakes(o)), *built.watches(watched)])
            if number == 0:
                check(f"{name}: what `ecomc secrets` makes is the Secret that pods ask for", built.secrets(ecomc))
                few = built.fits({"order-svc.key": 1 << 20, "a b": 1})
                check("files that are missing, are no keys or too many are told", [] if {"a b can't be a key", "they are larger than a Secret may be"} < set(few) and
                      "prod: inventory-svc asks for inventory-svc.callers" in few else few)
                check("the runbook's commands name what is there", built.runbook())
                spoil_schemas(known, built)
                spoil_meaning(built)
    print(f"{results.count(True)} passed, {results.count(False)} failed, 0 skipped")
    return results.count(False) > 0


if __name__ == "__main__":
    try:
        tools.get()
    except tools.providers.fetched.Skip as skip:
        print(f"skip: {skip}\n0 passed, 0 failed, 1 skipped")
        sys.exit(0)
    if sys.prefix != tools.VENV:  # the packages that it needs are there
        python = os.path.join(tools.VENV, "bin", "python")
        os.execv(python, [python, *sys.argv])
    import network
    import objects as manifests
    import schemas
    sys.exit(main())
