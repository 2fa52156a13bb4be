"""Nobody is served who may not be: no operation of any service without a valid token of a caller that has an edge to it, no customer by
headers of his own making, no customer with another's order."""
import re
import time

import lib
from service_token import service_token
from shop import Customer

ARGS = ["--replicas", "2"]
NOBODY = "00000000-0000-7000-8000-000000000000"


def operations():
    """{service: [operations]} and {callee: callers}, read from the topology."""
    text = open(lib.ROOT + "/topology.ecom").read()
    ops, service = {}, None
    for line in text.splitlines():
        if match := re.match(r"service ([\w-]+)", line):
            service = match[1]
            ops[service] = []
        elif match := re.match(r"  op (\w+)\(", line):
            ops[service].append(match[1])
    edges = {}
    for caller, callee in re.findall(r"^edge ([\w-]+)\s*-> ([\w-]+)", text, re.M):
        edges.setdefault(callee, set()).add(caller)
    return ops, edges


def tokens(system, caller, callee, other, now):
    """What must not open the door, though its caller has an edge."""
    far = int(now) + 3600
    yield "none", None
    yield "no token at all", "x"
    yield "expired", service_token(system, caller, callee, iat=int(now) - 400, exp=int(now) - 340)
    yield "without an end", service_token(system, caller, callee, exp=None)
    yield "good for too long", service_token(system, caller, callee, exp=far)
    yield "not yet", service_token(system, caller, callee, iat=far - 60, exp=far)
    yield "for another service", service_token(system, caller, other)
    yield "signed by another service", service_token(system, caller, callee, key=other)
    yield "of one who says to be another", service_token(system, caller, callee, head={"kid": other}, key=other)
    yield "alg none", service_token(system, caller, callee, alg="none")
    yield "HS256 with the public key", service_token(system, caller, callee, alg="HS256")
    yield "a user's type", service_token(system, caller, callee, head={"typ": "JWT"})
    yield "with a key of its own", service_token(system, caller, callee, key=other, head={"jku": "https://example.test/keys"})
    yield "cut short", service_token(system, caller, callee)[:-4]


def test_no_operation_without_a_token(system):
    ops, edges = operations()
    assert len(ops) == 7 and sum(len(names) for names in ops.values()) >= 20, ops
    customer, now = Customer(system), time.time()
    processes = system.processes()
    before = {service: system.counted(service, "ec_op_requests_total") for service in ops}
    refused = {service: system.counted(service, "ec_ops_refused_total") for service in ops}
    sent = dict.fromkeys(ops, 0)
    for service, names in ops.items():
        callers = sorted(c for c in edges.get(service, ()) if c in ops or c == "api-gateway")
        other = next(name for name in ops if name != service and name not in callers)
        bad = list(tokens(system, callers[0] if callers else "order-svc", service, other, now))
        bad += [("a customer's", customer.token)]
        strangers = [c for c in [*ops, "api-gateway"] if c not in callers]
        unwelcome = [(c, service_token(system, c, service)) for c in strangers]
        for process in system.replicas(service):
            port = processes[process]["port"]
            for op in names or ["Anything"]:
                for what, token in bad:
                    reply = system.request("POST", f"/ops/{op}", {}, token=token, port=port)
                    assert reply.status == 401 and reply.json["type"].endswith("unauthorized"), (service, op, what, reply)
                for caller, token in unwelcome:
                    reply = system.request("POST", f"/ops/{op}", {}, token=token, port=port)
                    assert reply.status == 401, (service, op, caller, reply)  # who has no edge to it is not even known to it
                sent[service] += len(bad) + len(unwelcome)
    for service in ops:
        assert system.counted(service, "ec_op_requests_total") == before[service], service
        assert system.counted(service, "ec_ops_refused_total") == refused[service] + sent[service], service
    port = processes["catalog-svc"]["port"]  # and the right one opens it: what was refused was the token
    reply = system.request("POST", "/ops/GetProduct", {"sku": "mug"}, token=service_token(system, "api-gateway", "catalog-svc"), port=port)
    assert reply.status == 200 and reply.json["sku"] == "mug", reply
    reply = system.request("POST", "/ops/SetPrice", {"sku": "mug"}, token=service_token(system, "order-svc", "catalog-svc"), port=port)
    assert reply.status == 403, reply  # an edge is to what is called along it, not to all there is


def test_identity_comes_from_the_token(system):
    customer, other = Customer(system), Customer(system)
    order = customer.order("mug").json["id"]
    names = ("X-User-Id", "X_User_Id", "x-user-id", "User-Id", "X-Identity", "X-Auth-User", "X-Subject", "Identity", "X-Role")
    forged = dict.fromkeys(names, other.id)
    forged |= {"X-Forwarded-User": other.id, "X-Forwarded-For": "10.0.0.1", "Forwarded": "for=10.0.0.1", "X-Ecom-Caller": "order-svc",
               "ec-undoes": "x", "ec-background": "1", "ec-deadline": "1", "X-Original-URL": "/v1/orders", "Cookie": f"user_id={other.id}"}
    for _ in range(2):
        me = system.request("GET", "/v1/me", token=customer.token, headers=forged)
        assert me.status == 200 and me.json["id"] == customer.id, me
        assert system.request("GET", "/v1/me", headers=forged).status == 401
        assert system.request("GET", "/v1/me", token=service_token(system, "api-gateway", "user-svc"), headers=forged).status == 401
    listed = system.request("GET", "/v1/orders", token=other.token, headers={k: customer.id for k in forged if k.lower().startswith("x")})
    assert listed.status == 200 and listed.json["items"] == [], listed
    role = {"X-Role": "staff", "Role": "staff"}
    price = system.request("PUT", "/v1/products/mug/price", {"price_cents": 1}, token=customer.token, headers=role)
    assert price.status == 403, price
    for field in ("role", "user_id", "identity"):
        body = {"price_cents": 1, field: "staff"}
        assert system.request("PUT", "/v1/products/mug/price", body, token=customer.token).status == 422
    assert system.request("GET", f"/v1/orders?user_id={customer.id}", token=other.token).status == 422
    assert system.request("GET", f"/v1/orders/{order}?user_id={customer.id}", token=other.token).status == 422


def test_orders_of_others_are_not_there(system):
    customer, other = Customer(system), Customer(system)
    order = customer.order("mug").json["id"]

    def all_of(who, path):
        return [who.get(f"/v1/orders/{path}"), who.get(f"/v1/orders/{path}/summary"), who.post(f"/v1/orders/{path}/cancel")]
    theirs, nobodys = all_of(other, order), all_of(other, NOBODY)
    assert [r.status for r in theirs] == [404] * 3, theirs
    for one, none in zip(theirs, nobodys):  # nothing tells an order of others from none
        assert {k: v for k, v in one.json.items() if k != "trace_id"} == {k: v for k, v in none.json.items() if k != "trace_id"}
    assert customer.get(f"/v1/orders/{order}").json["status"] == "confirmed"
    assert system.request("GET", f"/v1/orders/{order}").status == 401
    assert system.request("POST", f"/v1/orders/{order}/ship", token=customer.token).status == 403
    assert not other.get("/v1/orders").json["items"]


def test_sign_out_is_for_this_session_alone(system):
    """At once, on each gateway, also where the token was just found good; the other session stays."""
    ports = [system.processes()[name]["port"] for name in system.replicas("api-gateway")]
    assert len(ports) == 2
    customer = Customer(system)
    first = customer.token
    customer.sign_in()

    def all_gateways(token):
        return [system.request("GET", "/v1/me", token=token, port=port).status for port in ports * 2]
    assert all_gateways(first) == all_gateways(customer.token) == [200] * 4
    assert system.request("DELETE", "/v1/sessions", token=first, port=ports[0]).status == 204
    assert all_gateways(first) == [401] * 4 and all_gateways(customer.token) == [200] * 4
    assert system.request("DELETE", "/v1/sessions", token=first, port=ports[1]).status == 401
    assert system.request("DELETE", "/v1/sessions").status == 401
    assert system.request("DELETE", "/v1/sessions", token=customer.token, port=ports[1]).status == 204
    assert all_gateways(customer.token) == [401] * 4
