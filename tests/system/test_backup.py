"""Every database is dumped while an order is half-way, and restored into a system that has nothing else: no cache, no topics; only the provider
still knows what it was asked. The order goes on, and all invariants hold. With
EC_LONG=1 also one database that is older than the others, which is found."""
import json
import os
import shutil
import subprocess
import tempfile

import lib
from lib import System, wait
from shop import Customer, calm, money
from test_sagas import ends, order_of, start

TOPOLOGY = os.path.join(lib.ROOT, "topology.ecom")
BUILD = lib.BUILDS[lib.BUILD or "release"]


def services(system):
    return [name[:-3] for name, p in system.processes().items() if p["kind"] == "database"]


def dump(system, service, folder):
    """As the runbook says it."""
    target = os.path.join(folder, service + ".dump")
    host = os.path.realpath(os.path.join(system.folder, ".ecom", "pg", service))
    subprocess.run(["pg_dump", "-h", host, "-U", "postgres", "-d", "postgres", "--format=custom", "--file", target], check=True, timeout=60)
    return target


def restore(system, service, file):
    host = os.path.realpath(os.path.join(system.folder, ".ecom", "pg", service))
    done = subprocess.run(["pg_restore", "-h", host, "-U", "postgres", "-d", "postgres", "--clean", "--if-exists", "--exit-on-error", "--single-transaction", file],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def restored(system, folder, names):
    """Services are down while their databases are replaced."""
    processes = [name for name, p in system.processes().items() if p["kind"] in ("service", "gateway")]
    down = [f"{name} down" for name in names]
    for text in down:
        assert system.ecomc("fault", text).returncode == 0, text
    wait(lambda: all(system.processes()[name]["pid"] == 0 for name in processes if name in names), 60, "no service runs")
    for name in names:
        restore(system, name, os.path.join(folder, name + ".dump"))
    assert system.ecomc("fault", "--end").returncode == 0
    wait(lambda: all(p["state"] in ("ready", "ended") for p in system.processes().values()), 60, "all is ready again")


def invariants(system, within="30"):
    done = system.ecomc("invariants", "--within", within, "--format=json")
    assert done.returncode in (0, 1), done.stderr
    return [check["check"] for check in json.loads(done.stdout) if check["violations"]]


def test_backup_and_restore():
    folder = tempfile.mkdtemp(prefix="ecom-dumps-")
    try:
        with System(TOPOLOGY, build=BUILD) as old:
            customer, late, names = Customer(old), Customer(old), services(old)
            kept = customer.order("moka").json["id"]
            calm(old)
            # One order is half-way when the dumps are made, and goes on in both lives: its charge is at the provider, unanswered.
            asked = len(old.ledger("stripe-sandbox"))
            old.fault("stripe-sandbox", call="CreatePayment", kind="timeout")
            thread, out = start(lambda: late.order("teapot"))
            wait(lambda: len(old.ledger("stripe-sandbox")) > asked, 20, "the charge is at the provider")
            with old.paused("order-svc", "payment-svc"):  # or, on a slow machine, it would have ended in the dump that is made last
                for name in names:
                    dump(old, name, folder)
            thread.join(40)
            assert out[0][1].status in (201, 202), out
            calm(old)
            half_way = order_of(old, late)
            shutil.copytree(os.path.join(old.folder, ".ecom", "sandbox"), os.path.join(folder, "sandbox"))  # a provider is not lost with us
            key = open(os.path.join(old.folder, ".ecom", "secrets", "USER_JWT_KEY"), encoding="utf-8").read()
        with System(TOPOLOGY, build=BUILD, env={"USER_JWT_KEY": key}) as new:
            shutil.copytree(os.path.join(folder, "sandbox"), os.path.join(new.folder, ".ecom", "sandbox"), dirs_exist_ok=True)
            new.kill("stripe-sandbox")
            restored(new, folder, names)
            customer.system = late.system = new
            # The saga goes on where the dump has it; a service that is not back yet when it is asked is one that is down, and the order ends so.
            end = ends(new, late, f"/v1/orders/{half_way}")[-1]
            assert money(new, half_way)[0] == [3900] if end == "confirmed" else end == "cancelled", (end, money(new, half_way))
            assert customer.get(f"/v1/orders/{kept}").json["status"] == "confirmed"
            assert customer.order("teapot").status == 201 and customer.post(f"/v1/orders/{kept}/cancel").status == 200
            calm(new)
            assert invariants(new) == []
            if lib.LONG:
                older_database(new, folder, customer)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def older_database(system, folder, customer):
    """Found by name, from either side: what a saga knows and its participant has forgotten, and the other way round."""
    wrong = "the participants of a saga that is done have done its steps"
    for name, title in (("inventory-svc", wrong), ("order-svc", "no participant has done a step of a saga that nobody knows")):
        dump(system, name, folder)
        forgotten = customer.order("teapot").json["id"]
        calm(system)
        assert invariants(system) == [] or name == "order-svc"
        restored(system, folder, [name])
        calm(system)
        broken = invariants(system, "5")
        assert title in broken, broken
        if name == "inventory-svc":  # the business mends it: what nobody holds is not sold
            assert customer.post(f"/v1/orders/{forgotten}/cancel").status == 200
            calm(system)
            after = invariants(system, "5")
            assert "a confirmed order has all of its effects, a cancelled one none" not in after and wrong in after, after
