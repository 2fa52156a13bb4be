"""Two of everything, and load on it. Each process in turn is ended and started anew, and every key is changed meanwhile: not one request fails,
all invariants hold after, and a key that is taken away is refused. With EC_LONG=1 also on Apache Kafka, at a higher rate."""
import json
import os
import secrets
import subprocess

import lib
import rolling
from lib import wait
from service_token import b64, service_token, sign_es256
from shop import Customer

BUILDS = ["release"]
KAFKA = ["embedded", "apache"] if lib.LONG else ["embedded"]
ARGS = ["--replicas", "2"]
CALLER = "order-svc"


def path(system, name):
    return os.path.join(system.folder, ".ecom", "secrets", name)


def read(system, name):
    return open(path(system, name), encoding="utf-8").read().strip()


def write(system, name, text):
    """As a mounted secret is changed: whole."""
    with open(path(system, name + ".new"), "w", encoding="utf-8") as file:
        file.write(text)
    os.rename(path(system, name + ".new"), path(system, name))


def new_jwk(kid):
    der = subprocess.run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-outform", "DER"], capture_output=True, check=True).stdout
    point = der[-64:]
    return {"kty": "EC", "crv": "P-256", "kid": kid, "d": b64(der[7:39]), "x": b64(point[:32]), "y": b64(point[32:])}


def public(jwk):
    return {name: value for name, value in jwk.items() if name != "d"}


def callees(system):
    """Who accepts the caller's key: file by service."""
    found = {}
    for name in os.listdir(path(system, "")):
        service, dot, rest = name.partition(".callers.")
        if dot and any(key["kid"] == CALLER for key in json.loads(read(system, name))["keys"]):
            found[service] = name
    return found


def each(system, services):
    """All replicas of the first, then of the next."""
    return [name for service in services for name in system.replicas(service)]


def asks(system, service, jwk):
    """What a callee says to a token that is signed with this key: 404 when it is good, for there is no such operation."""
    head = {"alg": "ES256", "typ": "ecom-service+jwt", "kid": jwk["kid"]}
    token = service_token(system, CALLER, service)
    data = f"{b64(json.dumps(head).encode())}.{token.split('.')[1]}"
    token = f"{data}.{b64(sign_es256(jwk, data.encode()))}"
    return {system.request("POST", "/ops/Nothing", {}, token, port=port).status for port in system.ports(service)}


def test_every_process_and_every_key(system):
    names = [name for name, p in system.processes().items() if p["kind"] in ("service", "gateway")]
    assert len(names) > 10 and len(names) % 2 == 0, names
    files = callees(system)
    assert len(files) > 2, files
    old, new = json.loads(read(system, f"{CALLER}.jwk")), new_jwk(f"{CALLER}.2")
    others = {service: [key for key in json.loads(read(system, file))["keys"] if key["kid"] != CALLER] for service, file in files.items()}
    user_old, user_new = read(system, "USER_JWT_KEY"), secrets.token_hex(32)
    paid_old, paid_new = read(system, "STRIPE_SECRET_KEY"), secrets.token_hex(32)
    # The provider gives out a second key, and accepts both.
    write(system, "STRIPE_SECRET_KEY", f"{paid_old}\n{paid_new}")
    rolling.restart(system, ["stripe-sandbox"])
    early = Customer(system)
    assert {s for service in files for s in asks(system, service, new)} == {401} and {s for service in files for s in asks(system, service, old)} == {404}

    rate = "100" if lib.LONG else "30"
    with rolling.load(system, "payment-failure", "--rate", rate, "--mix", "cache-hit=50") as report:
        # First: who checks knows the new key, too. This is a rolling restart of everything.
        for service, file in files.items():
            write(system, file, json.dumps({"keys": [*others[service], public(old), public(new)]}))
        write(system, "USER_JWT_KEY", f"{user_old}\n{user_new}")
        rolling.restart(system, names)
        assert {s for service in files for s in asks(system, service, new)} == {404} == {s for service in files for s in asks(system, service, old)}
        # Then: who signs does so with the new one.
        write(system, f"{CALLER}.jwk", json.dumps(new))
        write(system, "USER_JWT_KEY", f"{user_new}\n{user_old}")
        write(system, "STRIPE_SECRET_KEY", f"{paid_new}\n{paid_old}")
        rolling.restart(system, each(system, [CALLER, "user-svc", "payment-svc"]))
        late = Customer(system)
        assert early.get("/v1/me").status == 200 == late.get("/v1/me").status
        # Last: the old one goes.
        for service, file in files.items():
            write(system, file, json.dumps({"keys": [*others[service], public(new)]}))
        rolling.restart(system, each(system, files))
        assert {s for service in files for s in asks(system, service, old)} == {401}
        assert {s for service in files for s in asks(system, service, new)} == {404}
    print(f"  {len(names)} processes restarted, and three keys changed, in {report['took']:.0f} s, {report['sent']} requests, none failed")
    # Users who signed in before have to do so again, so this one waits until their tokens have run out; here it does not.
    write(system, "USER_JWT_KEY", user_new)
    rolling.restart(system, each(system, ["user-svc"]))
    wait(lambda: early.get("/v1/me").status == 401, 30, "the old token is refused")
    assert late.get("/v1/me").status == 200
    write(system, "STRIPE_SECRET_KEY", paid_new)
    rolling.restart(system, ["stripe-sandbox", *each(system, ["payment-svc"])])
    port = system.processes()["stripe-sandbox"]["port"]
    refused = system.request("GET", "/v1/refunds/re_1", token=paid_old, port=port, tls=True).status
    known = system.request("GET", "/v1/refunds/re_1", token=paid_new, port=port, tls=True).status
    assert refused == 401 and known != 401, (refused, known)
    assert late.order("teapot").status == 201
