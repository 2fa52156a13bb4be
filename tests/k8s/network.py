"""Who may talk to whom: NetworkPolicies evaluated as their API describes them, over every pair of pods and every port that anybody listens
on, and held against the edges of the topology. An edge is true when it is open, and when it is shut without its own policy."""
import ipaddress

POD_ADDRESS = "10.1.2.3"
WORLD = {"outside": "203.0.113.7", "outside by IPv6": "2001:db8::7"}
OTHERS = {  # who stands in other namespaces
    "dns": ({"k8s-app": "kube-dns"}, "kube-system"), "prometheus": ({"app": "prometheus"}, "monitoring"),
    "stranger": ({"app": "stranger"}, "stranger"), "namesake": None,  # of the same label as a service, from another namespace
    "postgres operator": ({"app.kubernetes.io/name": "cloudnative-pg"}, "cnpg-system"),
}
PORTS = [("UDP", 53), *(("TCP", port) for port in (22, 53, 80, 443, 4318, 5432, 6379, 6443, 8000, 8080, 8443, 9080, 9090, 9091, 9092, 9187))]


def selects(selector, labels):
    if selector is None:
        return False
    for key, value in selector.get("matchLabels", {}).items():
        if labels.get(key) != value:
            return False
    for rule in selector.get("matchExpressions", []):
        has, operator = labels.get(rule["key"]), rule["operator"]
        if not {"In": has in rule.get("values", ()), "NotIn": has not in rule.get("values", ()), "Exists": rule["key"] in labels,
                "DoesNotExist": rule["key"] not in labels}[operator]:
            return False
    return True


class Pod:
    def __init__(self, name, labels=None, namespace=None, address=POD_ADDRESS):
        self.name, self.labels, self.namespace, self.address = name, labels, namespace, ipaddress.ip_address(address)


def pods_of(objects):
    """What the objects make pods of, by the label `app`."""
    found = {}
    for o in objects:
        labels = None
        if o["kind"] in ("Deployment", "Job"):
            labels = o["spec"]["template"]["metadata"]["labels"]
        elif o["kind"] == "Cluster":
            labels = {**o["spec"]["inheritedMetadata"]["labels"], "cnpg.io/cluster": o["metadata"]["name"]}
        elif o["kind"] == "KafkaNodePool":
            labels = {**o["spec"]["template"]["pod"]["metadata"]["labels"], "strimzi.io/cluster": o["metadata"]["labels"]["strimzi.io/cluster"]}
        if labels:
            found[labels["app"]] = Pod(labels["app"], labels)
    return found


def policies_of(objects):
    """Those that are there, and the one that Strimzi makes of a listener."""
    found = [o for o in objects if o["kind"] == "NetworkPolicy"]
    for o in objects:
        if o["kind"] == "Kafka":
            rules = [{"ports": [{"port": x["port"]}], **({"from": x["networkPolicyPeers"]} if "networkPolicyPeers" in x else {})} for x in o["spec"]["kafka"]["listeners"]]
            own = {"podSelector": {"matchLabels": {"strimzi.io/cluster": o["metadata"]["name"]}}}
            rules.append({"ports": [{"port": 9090}, {"port": 9091}], "from": [own]})
            found.append({"metadata": {"name": "of Strimzi"}, "spec": {**own, "policyTypes": ["Ingress"], "ingress": rules}})
    return found


def peer_is(peer, pod):
    if "ipBlock" in peer:
        block = peer["ipBlock"]
        nets = [ipaddress.ip_network(net) for net in (block["cidr"], *block.get("except", []))]
        return pod.address in nets[0] and not any(pod.address in net for net in nets[1:])
    if pod.labels is None:
        return False
    if "namespaceSelector" in peer:
        if not selects(peer["namespaceSelector"], {"kubernetes.io/metadata.name": pod.namespace or "here"}):
            return False
    elif pod.namespace:
        return False
    return "podSelector" not in peer or selects(peer["podSelector"], pod.labels)


class Network:
    def __init__(self, policies):
        self.policies, self.mine = policies, {}

    def rules(self, pod, direction):
        """None: nobody restricts it."""
        key = id(pod), direction
        if key not in self.mine:
            specs = [p["spec"] for p in self.policies if direction.capitalize() in p["spec"]["policyTypes"] and selects(p["spec"]["podSelector"], pod.labels)]
            self.mine[key] = [rule for spec in specs for rule in spec.get(direction, [])] if specs else None
        return self.mine[key]

    def lets(self, pod, other, port, direction):
        """direction: egress of pod to other, or ingress of pod from other."""
        if pod.labels is None or pod.namespace or self.rules(pod, direction) is None:
            return True
        for rule in self.rules(pod, direction):
            peers, ports = rule.get("to" if direction == "egress" else "from"), rule.get("ports")
            if (not ports or any((p.get("protocol", "TCP"), p["port"]) == port for p in ports)) and (not peers or any(peer_is(peer, other) for peer in peers)):
                return True
        return False

    def allows(self, source, target, port):
        return self.lets(source, target, port, "egress") and self.lets(target, source, port, "ingress")


def expected(topology, objects, sandboxed):
    """(from, to, port) of the topology: along its edges, and what runs it all."""
    kinds = {n["id"]: n["kind"] for n in topology["nodes"]}
    deployed = {o["metadata"]["name"]: o for o in objects if o["kind"] == "Deployment"}
    port = lambda name: deployed[name]["spec"]["template"]["spec"]["containers"][0]["ports"][0]["containerPort"]
    ways = {}
    for edge in topology["edges"]:
        source, target = edge["from"], edge["to"]
        if kinds[source] == "bus":
            source, target = target, source
        way = ways.setdefault((source, target), set())
        if kinds[source] == "client":
            way |= {(world, target, ("TCP", port(target))) for world in [*WORLD, *OTHERS]}
        elif kinds[target] == "database":
            way |= {(source, target, ("TCP", 5432)), (source + ".migrate", target, ("TCP", 5432))}
        elif kinds[target] == "external" and sandboxed and target + "-sandbox" in deployed:
            del ways[source, target]
            ways[source, target + "-sandbox"] = {(source, target + "-sandbox", ("TCP", 8443))}
        elif kinds[target] == "external":
            way |= {(source, world, ("TCP", 443)) for world in WORLD}
        else:
            way.add((source, target, ("TCP", {"cache": 6379, "bus": 9092}.get(kinds[target]) or port(target))))
    return ways


def beside(ways, objects, pods):
    """What is open beside the edges: names, monitoring, what the operators' manuals ask for; and who is called and calls at the same port
    may come to its own, since the policy of each edge selects both ends."""
    every = set().union(*ways.values())
    found = {(to, to, port) for who, to, port in every for source, _, other in every if who in pods and source == to and other == port and to in pods}
    for pod in pods.values():
        found |= {(pod.name, "dns", ("UDP", 53)), (pod.name, "dns", ("TCP", 53))}
        cluster = "cnpg.io/cluster" in pod.labels
        if cluster:
            found |= {(who, pod.name, ("TCP", port)) for who in (pod.name, "postgres operator") for port in (5432, 8000)}
            found.add(("prometheus", pod.name, ("TCP", 9187)))
        if "strimzi.io/cluster" in pod.labels:
            found |= {(pod.name, pod.name, ("TCP", port)) for port in (9090, 9091)}
        if cluster or "strimzi.io/cluster" in pod.labels:  # the API server, wherever it is
            found |= {(pod.name, other, ("TCP", port)) for other in [*WORLD, *OTHERS] for port in (443, 6443)}
    for o in objects:
        marks = o["spec"]["template"]["metadata"].get("annotations", {}) if o["kind"] == "Deployment" else {}
        if "prometheus.io/port" in marks:
            name = o["spec"]["template"]["metadata"]["labels"]["app"]
            found |= {("prometheus", name, ("TCP", int(marks["prometheus.io/port"]))), (name, "prometheus", ("TCP", 4318))}
    return found


def mistakes(topology, objects, sandboxed):
    policies, pods = policies_of(objects), pods_of(objects)
    network = Network(policies)
    namesake = next(p for p in pods.values())
    everyone = {**pods, **{name: Pod(name, None, None, address) for name, address in WORLD.items()}}
    for name, what in OTHERS.items():
        labels, namespace = what or (namesake.labels, "stranger")
        everyone[name] = Pod(name, labels, namespace)
    ways = expected(topology, objects, sandboxed)
    wanted = set().union(*ways.values(), beside(ways, objects, pods))
    for source in everyone.values():
        for target in everyone.values():
            if source.name not in pods and target.name not in pods:
                continue
            for port in PORTS:
                is_open = network.allows(source, target, port)
                # what Prometheus is in the namespace of, it may also see of a gateway's public port, which is open to all
                if is_open != ((source.name, target.name, port) in wanted) and not (source.name == "prometheus" and port[1] in (8080, 9080)):
                    yield f"{source.name} -> {target.name} {port[0]} {port[1]} is {'open' if is_open else 'shut'}"
    if not any(p["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]} for p in policies):
        yield "nothing denies what no policy says"
    names = [p["metadata"]["name"] for p in policies]
    for (source, target), way in ways.items():
        name = f"{source}.{target}"
        if names.count(name) != 1:
            yield f"{names.count(name)} policies {name}"
            continue
        rest = Network([p for p in policies if p["metadata"]["name"] != name])
        for one, other, port in way:
            twice = sum((one, other, port) in w for w in ways.values()) > 1 or one == "prometheus"  # two clients of a gateway, two providers
            if one in everyone and not twice and rest.allows(everyone[one], everyone[other], port):
                yield f"{one} -> {other} is open without the policy {name}"
    known = {f"{source}.{target}" for source, target in ways} | {f"{name}.{name}" for name in pods} | {"default-deny", "dns", "monitoring", "of Strimzi"}
    for name in set(names) - known:
        yield f"the policy {name} is of no edge"
