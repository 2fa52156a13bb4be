"""Every database is dumped while an order is half-way, and restored into a system that has nothing else: no cache, no topics; only the provider
still knows what it was asked. The order goes on, and all invariants hold. With
EC_LONG=1 the same of base backups and the log, all set back to one moment, and one database that is older than the others, which is found."""
import json
import os
import shutil
import subprocess
import tempfile

import lib
from lib import System, wait
from shop import Customer, at_once, calm, money
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


def half_way(system, customer):
    """Places an order whose charge is at the provider, unanswered: the thread that waits for it, and where it puts the answer."""
    asked = len(system.ledger("stripe-sandbox"))
    system.fault("stripe-sandbox", call="CreatePayment", kind="timeout")
    thread, out = start(lambda: customer.order("teapot"))
    wait(lambda: len(system.ledger("stripe-sandbox")) > asked, 20, "the charge is at the provider")
    return thread, out


def told(system, customer, thread, out):
    thread.join(40)
    assert out[0][1].status in (201, 202), out
    calm(system)
    return order_of(system, customer)


def left_behind(system, folder):
    """What is not lost with us: the provider, and the key of users' tokens."""
    shutil.copytree(os.path.join(system.folder, ".ecom", "sandbox"), os.path.join(folder, "sandbox"))
    return open(os.path.join(system.folder, ".ecom", "secrets", "USER_JWT_KEY"), encoding="utf-8").read()


def goes_on(new, folder, names, customer, late, kept, half, broken=()):
    """The dumps' second life, in a system that has nothing else: the order that was half-way ends as one, and everything holds."""
    shutil.copytree(os.path.join(folder, "sandbox"), os.path.join(new.folder, ".ecom", "sandbox"), dirs_exist_ok=True)
    new.kill("stripe-sandbox")
    restored(new, folder, names)
    customer.system = late.system = new
    # The saga goes on where the dump has it; a service that is not back yet when it is asked is one that is down, and the order ends so.
    end = ends(new, late, f"/v1/orders/{half}")[-1]
    assert money(new, half)[0] == [3900] if end == "confirmed" else end == "cancelled", (end, money(new, half))
    assert customer.get(f"/v1/orders/{kept}").json["status"] == "confirmed"
    assert customer.order("teapot").status == 201 and customer.post(f"/v1/orders/{kept}/cancel").status == 200
    calm(new)
    assert invariants(new) == list(broken)


def test_backup_and_restore():
    folder = tempfile.mkdtemp(prefix="ecom-dumps-")
    try:
        with System(TOPOLOGY, build=BUILD) as old:
            customer, late, names = Customer(old), Customer(old), services(old)
            kept = customer.order("moka").json["id"]
            calm(old)
            # One order is half-way when the dumps are made, and goes on in both lives.
            thread, out = half_way(old, late)
            with old.paused("order-svc", "payment-svc"):  # or, on a slow machine, it would have ended in the dump that is made last
                for name in names:
                    dump(old, name, folder)
            half, key = told(old, late, thread, out), left_behind(old, folder)
        with System(TOPOLOGY, build=BUILD, env={"USER_JWT_KEY": key}) as new:
            goes_on(new, folder, names, customer, late, kept, half)
            if lib.LONG:
                older_database(new, folder, customer)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def program(name):
    return os.path.join(os.environ.get("EC_PG_BIN", "/usr/lib/postgresql/15/bin"), name)


def at(system, service):
    return ["-h", os.path.realpath(os.path.join(system.folder, ".ecom", "pg", service)), "-U", "postgres"]


def set_back(folder, service, moment):
    """A server of its own on the base backup and the log, as of the moment; what it has is dumped."""
    base = os.path.join(folder, "base", service)
    with open(os.path.join(base, "postgresql.auto.conf"), "a", encoding="utf-8") as file:
        file.write(f"restore_command = 'cp {folder}/wal/{service}/%f %p'\nrecovery_target_time = '{moment}'\nrecovery_target_action = promote\n")
    open(os.path.join(base, "recovery.signal"), "w").close()
    as_postgres = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    if as_postgres:
        subprocess.run(["chown", "-R", "postgres:", base, os.path.join(folder, "wal", service)], check=True)
    with open(os.path.join(folder, f"{service}.log"), "w") as log:
        server = subprocess.Popen([*as_postgres, program("postgres"), "-D", base, "-k", base, "-h", "", "-c", "fsync=off"], stdout=log, stderr=log)
    try:
        ask = ["psql", "-h", base, "-U", "postgres", "-X", "-A", "-t", "-c", "SELECT pg_is_in_recovery()"]
        wait(lambda: server.poll() is not None or subprocess.run(ask, capture_output=True, text=True).stdout.strip() == "f", 60, f"{service} is set back")
        text = open(os.path.join(folder, f"{service}.log")).read()
        assert server.poll() is None and "recovery stopping before commit" in text, text[-2000:]
        subprocess.run(["pg_dump", "-h", base, "-U", "postgres", "-d", "postgres", "--format=custom", "--file", os.path.join(folder, service + ".dump")], check=True, timeout=60)
    finally:
        server.terminate()
        server.wait(30)


def test_all_of_one_moment():
    """Base backups, the log since, and a moment: an order that was half-way then goes on, and one that was placed behind it never was."""
    if not lib.LONG:
        raise lib.Skip("seven base backups take minutes: EC_LONG=1")
    folder = tempfile.mkdtemp(prefix="ecom-moment-")
    os.chmod(folder, 0o755)
    os.mkdir(os.path.join(folder, "base"))
    archive = []
    try:
        with System(TOPOLOGY, build=BUILD) as old:
            customer, late, names = Customer(old), Customer(old), services(old)
            for name in names:
                subprocess.run([program("pg_basebackup"), *at(old, name), "-D", os.path.join(folder, "base", name), "-X", "stream", "-c", "fast", "--no-sync"], check=True, timeout=120,
                               stderr=subprocess.DEVNULL)  # that a socket is left out
                wal = os.path.join(folder, "wal", name)
                os.makedirs(wal)
                archive.append(subprocess.Popen([program("pg_receivewal"), *at(old, name), "-D", wal, "--no-loop", "--no-sync"], stderr=subprocess.DEVNULL))
                wait(lambda: os.listdir(wal), 30, f"the log of {name} is kept")
            kept = customer.order("moka").json["id"]
            calm(old)
            thread, out = half_way(old, late)
            (moment,), = old.sql("order-svc", "SELECT clock_timestamp()")
            half = told(old, late, thread, out)
            behind = customer.order("teapot").json["id"]
            calm(old)
            for name in names:  # which ends a piece of the log, too; without a commit behind the moment a server would not know that it has come there
                old.sql(name, "CREATE TABLE public.behind ()")
                (end,), = old.sql(name, "SELECT pg_walfile_name(pg_switch_wal())")
                wait(lambda: os.path.exists(os.path.join(folder, "wal", name, end)), 30, f"all of {name}'s log is kept")
            key = left_behind(old, folder)
        at_once([lambda name=name: set_back(folder, name, moment) for name in names])
        with System(TOPOLOGY, build=BUILD, env={"USER_JWT_KEY": key}) as new:
            # The provider has been paid for what was set back, and that is told.
            goes_on(new, folder, names, customer, late, kept, half, ["the money that is kept is the total of the orders that stand, captured once each"])
            assert customer.get(f"/v1/orders/{behind}").status == 404
    finally:
        for process in archive:
            process.kill()
            process.wait()
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
