"""What docs/operating.md says of new secrets, in containers: a signing key in its three steps, two keys valid in between, and a database's second
role. Each step is the file and the command that the runbook names."""
import contextlib
import itertools
import json
import os
import secrets
import threading
import time
import urllib.parse

import lib
import stories
from engine import run
from service_token import b64, sign_es256
from shop import at_once
from system import PROJECT
from test_rolling import new_jwk, public

CALLER = "order-svc"


def read(system, name):
    return open(os.path.join(system.secrets, name), encoding="utf-8").read().strip()


def write(system, name, text):
    """Whole, and readable for the same user as what was there."""
    path = os.path.join(system.secrets, name)
    before = os.stat(path)
    with open(path + ".new", "w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), before.st_mode)
        os.fchown(file.fileno(), before.st_uid, before.st_gid)
        file.write(text)
    os.rename(path + ".new", path)


def asks(system, service, jwk):
    """What each replica of a callee says to a token that is signed with this key: 404 when it is good, for there is no such operation."""
    now = int(time.time())
    head = {"alg": "ES256", "typ": "ecom-service+jwt", "kid": jwk["kid"]}
    data = ".".join(b64(json.dumps(part).encode()) for part in (head, {"iss": CALLER, "aud": service, "iat": now, "exp": now + 60}))
    token = f"{data}.{b64(sign_es256(jwk, data.encode()))}"
    return {int(system.inside(name, "curl", "-sS", "--max-time", "10", "-o", "/dev/null", "-w", "%{http_code}", "-H", f"authorization: Bearer {token}",
                              "-H", "content-type: application/json", "-d", "{}", "http://127.0.0.1:8080/ops/Nothing"))
            for name in lib.System.replicas(system, service)}


def callees(system):
    return sorted(name.removesuffix(".callers") for name in os.listdir(system.secrets)
                  if name.endswith(".callers") and any(key["kid"] == CALLER for key in json.loads(read(system, name))["keys"]))


def signing_key(system, take):
    """take: {service: name of its file}; these processes are given what the files have now."""
    services, old, new = callees(system), json.loads(read(system, f"{CALLER}.key")), new_jwk(f"{CALLER}.2")
    assert len(services) > 2, services
    others = {s: [key for key in json.loads(read(system, f"{s}.callers"))["keys"] if key["kid"] != CALLER] for s in services}

    def accept(*keys):
        for s in services:
            write(system, f"{s}.callers", json.dumps({"keys": [*others[s], *map(public, keys)]}))
        take({s: f"{s}.callers" for s in services})

    def said(jwk):
        return set().union(*(asks(system, s, jwk) for s in services))
    assert (said(old), said(new)) == ({404}, {401})
    accept(old, new)
    assert (said(old), said(new)) == ({404}, {404})
    write(system, f"{CALLER}.key", json.dumps(new))
    take({CALLER: f"{CALLER}.key"})
    stories.happy(system, "new-key")
    accept(new)
    assert (said(old), said(new)) == ({401}, {404})
    stories.happy(system, "new-key-alone")


def second_role(system, take):
    """A database's password: the statements of the runbook, and the URL."""
    url = urllib.parse.urlsplit(read(system, f"{CALLER}-db.url"))
    first, second, password = url.username, f"{url.username}_2", secrets.token_hex(24)
    old = system.psql(CALLER)
    system.sql(CALLER, f"CREATE ROLE {second} LOGIN PASSWORD '{password}' IN ROLE {first}; ALTER ROLE {second} SET role = '{first}'")
    write(system, f"{CALLER}-db.url", url._replace(netloc=f"{second}:{password}@{url.hostname}:{url.port}").geturl())
    take({CALLER: f"{CALLER}-db.url"})
    assert system.sql(CALLER, "SELECT session_user, current_user") == [[second, first]]
    system.sql(CALLER, f"ALTER ROLE {first} NOLOGIN")
    refused = run(*old, "-c", "SELECT 1", check=False)
    assert refused.returncode and "not permitted to log in" in refused.stdout, refused.stdout
    users = system.sql(CALLER, "SELECT DISTINCT usename FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()")
    assert users == [[second]], users
    stories.happy(system, "second-role")


# ---------------------------------------------------------------- who gives processes what the files have


def by_compose(system, compose):
    def take(files):
        before = {s: system.processes()[s]["id"] for s in files}
        compose("up", "-d", "--no-build", "--force-recreate", "--no-deps", *files)
        system.wait_ready(files, 120)
        assert all(system.processes()[s]["id"] != before[s] for s in files)
    return take


def by_swarm(system):
    """A swarm's secret can't be changed: one by another name takes its place."""
    now, numbers = {}, itertools.count(2)

    def update(service, name):
        old = now.get(name, f"{PROJECT}_{name}")
        now[name] = f"{PROJECT}_{name}.{next(numbers)}"
        system.engine.docker("secret", "create", now[name], os.path.join(system.secrets, name))
        system.engine.docker("service", "update", "-q", "--detach=false", "--secret-rm", old, "--secret-add",
                             f"source={now[name]},target={name},uid=10001,gid=10001,mode=0400", f"{PROJECT}_{service}")
        lib.wait(lambda: [c["State"].get("Health", {}).get("Status") for c in system.containers(service)] == ["healthy"] * 2, 120,
                 f"{service} has two again")

    def take(files):
        before = {c["Id"] for s in files for c in system.containers(s)}
        at_once([lambda s=s, name=name: update(s, name) for s, name in files.items()])
        assert not before & {c["Id"] for s in files for c in system.containers(s)}
    return take


@contextlib.contextmanager
def orders_meanwhile(system):
    """Placed one after the other as long as it lasts; their ids."""
    placed, stop, errors = [], threading.Event(), []

    def customer():
        try:
            while not stop.is_set():
                placed.append(stories.happy(system, f"meanwhile-{len(placed)}"))
        except Exception as error:
            errors.append(error)
    thread = threading.Thread(target=customer)
    thread.start()
    try:
        yield placed
    finally:
        stop.set()
        thread.join()
    if errors:
        raise errors[0]
