#!/usr/bin/env python3
"""The generated containers on a real engine: built, brought up by docker-compose, the four stories of the example through the published port, who
can reach whom, new secrets, down; and two of each on a swarm, of which one each is killed meanwhile. All that with EC_LONG=1, or a part by its word;
otherwise only what the files say, and what docker-compose and Compose v2's parser say of them.

usage: run.py ECOMC [compose|swarm]
Where no engine can run it says so and is skipped; EC_REQUIRE_ENGINE=1 makes that a failure."""
import copy
import glob
import http.client
import json
import os
import re
import shutil
import sys
import tempfile
import time
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "system"))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "observe"))
sys.path.insert(0, HERE)
import lib  # noqa: E402
import gotools  # noqa: E402
import held  # noqa: E402
import images  # noqa: E402
import rotation  # noqa: E402
import stories  # noqa: E402
from engine import HERE_IS, HOME, OUTSIDE, ROOT, CannotRun, Engine, run  # noqa: E402
from each import Results  # noqa: E402
from shop import at_once, money  # noqa: E402
from system import PROJECT, Containers  # noqa: E402

ECOMC = os.path.abspath(sys.argv[1]) if len(sys.argv) > 1 else os.path.join(ROOT, ".ecom", "build", "tool", "ecomc")
ONLY = sys.argv[2:]
GENERATED = os.path.join(ROOT, "generated")
COMPOSE = ["-p", PROJECT, "-f", os.path.join(GENERATED, "compose.yaml"), "-f", os.path.join(GENERATED, "compose.dev.yaml")]
COMPOSE_V2 = "v2.17.3"  # for Go 1.19 and on
ABSENT = {"grafana"}  # nobody has its image here
PUBLISHED = {"api-gateway", "studio"}
STUDIO_PORT, PROMETHEUS_PORT = 13000, 19090
STORIES = (stories.happy, stories.declined, stories.cached, stories.breaker)
# An image's packages are what a bill of materials is made of: what is linked with and is of none, and which programs are beside them.
NOBODYS = """for p in /usr/local/bin/*; do ldd $p | sed -n 's/.*=> \\([^ ]*\\) .*/\\1/p' | while read f; do
dpkg-query -S $f /usr$f 2>/dev/null | grep -q . || echo $f; done; done; echo all; find /usr/local /opt -type f"""
results = Results(lets=CannotRun)
attempt = results.attempt


def compose(engine, *args, program=("docker-compose",), files=(), **kw):
    return run(*program, *COMPOSE, *files, *args, env=engine.env, cwd=ROOT, **kw)


# ---------------------------------------------------------------- what needs no container


def compose_v2():
    """Its program: built by Go once, which takes minutes, with EC_LONG=1."""
    program = os.path.join(HOME, "docker-compose-v2")
    if os.path.exists(program) or not lib.LONG:
        return program if os.path.exists(program) else None
    with tempfile.TemporaryDirectory(dir=HOME) as folder:
        run("go", "mod", "init", "local", cwd=folder)
        done = run("go", "mod", "download", "-json", f"github.com/docker/compose/v2@{COMPOSE_V2}", cwd=folder, check=False)
        if done.returncode:
            return None
        source = os.path.join(folder, "source")  # its go.mod replaces modules, so it has to be the main one
        shutil.copytree(json.loads(done.stdout)["Dir"], source)
        run("chmod", "-R", "u+w", source)
        run("go", "build", "-o", program, "./cmd", cwd=source, timeout=3600)
    return program


def documents():
    return {name: yaml_load(open(os.path.join(GENERATED, name)).read()) for name in held.GENERATED}


def each_is_held(docs=None):
    """Every service of every file: no root, nothing to write, no capability, limits, a time to stop, nothing published but what should be."""
    docs = docs or documents()
    wrong = []
    for name, document in docs.items():
        first = docs[name.replace(".dev", "")]["services"] if ".dev" in name else {}
        assert len(document["services"]) > 4, name
        wrong += held.mistakes(name, first, document, PUBLISHED - {"studio"})
    assert not wrong, wrong


def each_of_others():
    """The same for the topologies that the compiler is tested with; who is a gateway is told by its network."""
    for folder in sorted(glob.glob(os.path.join(ROOT, "tests", "golden", "*", "expected", "generated"))):
        docs = {name: yaml_load(open(path).read()) for name in held.GENERATED if os.path.exists(path := os.path.join(folder, name))}
        for name, document in docs.items():
            first = docs[name.replace(".dev", "")]["services"] if ".dev" in name else {}
            gateways = {network[:-7] for network in document.get("networks", {}) if network.endswith("_public")} - {"studio"}
            wrong = list(held.mistakes(name, first, document, gateways))
            assert not wrong, (folder, wrong)


def spoiled_is_told():
    good = documents()
    for name in ("prometheus", "grafana", "stripe-sandbox"):
        for what, spoil in held.spoilers():
            docs = copy.deepcopy(good)
            spoil(docs["compose.dev.yaml"]["services"][name])
            try:
                each_is_held(docs)
            except AssertionError as error:
                assert name in str(error), error
            else:
                raise AssertionError(f"{name} {what} is not told")
    docs = copy.deepcopy(good)
    docs["compose.yaml"]["networks"]["api-gateway_public"].pop("driver_opts")
    wrong = list(held.mistakes("compose.yaml", {}, docs["compose.yaml"], {"api-gateway"}))
    assert wrong == ["compose.yaml: network api-gateway_public leads out, not only in"], wrong


def watched(docs=None):
    """studio and Prometheus see the processes and nobody else, in every topology."""
    if docs:
        return list(held.watched_wrongly(docs))
    folders = [GENERATED, *sorted(glob.glob(os.path.join(ROOT, "tests", "golden", "*", "expected", "generated")))]
    for folder in folders:
        docs = [yaml_load(open(path).read()) for name in held.GENERATED[:2] if os.path.exists(path := os.path.join(folder, name))]
        wrong = list(held.watched_wrongly(docs)) if docs else []
        assert not wrong, (folder, wrong)


def unwatched_is_told():
    for what, spoil in held.unwatched():
        docs = documents()
        first, second = docs["compose.yaml"], docs["compose.dev.yaml"]
        assert not watched([first, second])
        spoil(first["services"], second["services"])
        assert watched([first, second]), f"{what} is not told"


def parsed(program, *files, check=True):
    env = {k: v for k, v in os.environ.items() if not k.startswith(("COMPOSE_", "EC_"))}
    return run(program, *files, cwd=GENERATED, env=env, check=check)


def parsed_by_compose(program):
    """Each file alone, where it is one by itself, and those that belong together, strictly by the schema of Compose v2."""
    docs = documents()
    for files in (["compose.yaml"], ["compose.yaml", "compose.dev.yaml"], ["stack.yaml"], ["stack.yaml", "stack.dev.yaml"]):
        told = json.loads(parsed(program, *files))
        assert set(told["services"]) == {name for file in files for name in docs[file]["services"]}, files
        for name, service in told["services"].items():
            assert service["read_only"] and service["cap_drop"] == ["ALL"] and service["stop_grace_period"], (files, name)
            assert "default" not in service["networks"], (files, name)
    with tempfile.TemporaryDirectory() as folder:
        for old, new in (("read_only:", "readonly:"), ("condition: service_healthy", "condition: healthy"), ("mem_limit:", "mem_limits:")):
            path = os.path.join(folder, "compose.yaml")
            text = open(os.path.join(GENERATED, "compose.yaml")).read()
            assert old in text or old.replace(": ", ': "') in text, old
            with open(path, "w") as file:
                file.write(text.replace(old, new).replace(old.replace(": ", ': "'), new.replace(": ", ': "')))
            assert parsed(program, path, check=False).returncode, f"{new} is not told"


def files_alone():
    """What takes no engine."""
    try:
        import yaml  # noqa: F401
    except ImportError:
        results.skip("container files", "Python has no yaml")
        return
    attempt("every service of the four files is held", each_is_held)
    attempt("and of the compiler's other topologies", each_of_others)
    attempt("what is spoiled in them is told", spoiled_is_told)
    attempt("who watches has a way to each process, and to nothing else", watched)
    attempt("and what is otherwise is told", unwatched_is_told)
    program, why = gotools.program("composego", build=True, home=HERE)
    if program:
        attempt("Compose v2's own parser takes them", parsed_by_compose, program)
    else:
        results.skip("Compose v2's own parser", why)


def configured(engine, program):
    """Both files together are understood, and say what they should."""
    text = compose(engine, "config", program=program)
    services = yaml_load(text)["services"]
    assert {"api-gateway", "order-svc", "order-svc-db", "order-svc-migrate", "kafka", "redis", "stripe-sandbox"} <= set(services), sorted(services)
    for name, service in services.items():
        assert service["read_only"] and service["cap_drop"] == ["ALL"] and service["security_opt"] == ["no-new-privileges:true"], name
        assert not str(service["user"]).startswith(("0:", "root")), service["user"]
        assert service["mem_limit"] and service["cpus"] and service["pids_limit"], name
        assert name in PUBLISHED | set(held.UNCHECKED) or "ports" not in service, f"{name} is published"
        assert name.endswith("-migrate") or name in held.UNCHECKED or service["healthcheck"]["test"], name
    published = services["studio"]["ports"][0]  # docker-compose tells it as text, Compose v2 as an object
    assert (published if isinstance(published, str) else published["host_ip"]).startswith("127.0.0.1"), published
    assert services["order-svc"]["depends_on"]["order-svc-migrate"]["condition"] == "service_completed_successfully", services["order-svc"]["depends_on"]


def yaml_load(text):
    import yaml  # docker-compose brings it
    return yaml.safe_load(text)


def build(engine):
    """The images, by docker-compose, with the machine's network, from which apt takes packages."""
    took = {}

    def timed(name, function, *args, **kw):
        begun = time.monotonic()
        function(*args, **kw)
        took[name] = time.monotonic() - begun
    timed("Debian", images.base, engine)
    timed("PostgreSQL, Redis, Kafka, Prometheus", images.stand_ins, engine)
    timed("what services are built in", engine.docker, "build", "--network", "host", "-t", "ecom-runtime", "-f",
          os.path.join(ROOT, "runtime", "Dockerfile"), ROOT)
    services = yaml_load(compose(engine, "config"))["services"]
    over = {"version": "3.8", "services": {name: {"build": {"context": GENERATED, "network": "host"}} for name, s in services.items() if "build" in s}}
    with tempfile.NamedTemporaryFile("w", suffix=".json", dir=HOME) as file:
        json.dump(over, file)
        file.flush()
        # The last stage first and alone: this builder makes all stages before it, and images that are built at once each make them for themselves.
        timed("what they have in common", compose, engine, "build", "studio", files=["-f", file.name])
        timed("the images", compose, engine, "build", "--parallel", files=["-f", file.name])
    print("measured: " + ", ".join(f"{name} {seconds:.0f} s" for name, seconds in took.items()), flush=True)
    for name in over["services"]:
        (found,) = json.loads(engine.docker("inspect", f"{name}:latest"))
        assert found["Config"]["User"] == "10001:10001", found["Config"]
        has = engine.docker("run", "--rm", "--network", "none", "--entrypoint", "/bin/sh", name, "-c", "ls /usr/bin/gcc /usr/include/ec.h /usr/bin/meson 2>&1; true")
        assert has.count("No such file") == 3, f"{name} has what builds it: {has}"
        strange = engine.docker("run", "--rm", "--network", "none", "--entrypoint", "/bin/sh", name, "-c", NOBODYS)
        assert strange.split() == ["all", f"/usr/local/bin/{'ecom-studio' if name == 'studio' else name}"], f"{name} has what is of no package: {strange}"
    sizes = {line.split()[0]: line.split()[1] for line in engine.docker("images", "--format", "{{.Repository}} {{.Size}}").splitlines()}
    print(f"measured: images {sizes['order-svc']} (order-svc), {sizes['api-gateway']} (api-gateway), on a base of {sizes['debian']}", flush=True)


# ---------------------------------------------------------------- compose


def no_secret_is_told(engine, secrets):
    """Neither the files that are generated nor what an engine says of a container has a value."""
    values = [open(os.path.join(secrets, name)).read().strip() for name in os.listdir(secrets)]
    values = [value for value in values if len(value) >= 32]
    assert len(values) > 15
    told = engine.docker("inspect", *engine.docker("ps", "-aq").split()) + "".join(
        open(os.path.join(GENERATED, name)).read() for name in os.listdir(GENERATED) if name.endswith((".yaml", "file")))
    assert not [value[:4] for value in values if value in told]


def isolated(system):
    """From order-svc: those whom the topology lets it talk to, and nobody else."""
    friends = [("order-svc-db", 5432), ("kafka", 9092), ("inventory-svc", 8080), ("payment-svc", 8080), ("shipping-svc", 8080), ("catalog-svc", 8080),
               ("studio", 3000)]
    strangers = [("notify-svc", 8080), ("user-svc", 8080), ("payment-svc-db", 5432), ("user-svc-db", 5432), ("redis", 6379), ("stripe-sandbox", 8443)]
    addresses = {name: p["address"] for name, p in system.processes().items()}
    lib.wait(lambda: system.reaches("payment-svc", OUTSIDE, 80), 20, "payment-svc reaches the outside, where its provider is")
    asked = [("order-svc", host, port, True) for host, port in friends] + [("payment-svc", "stripe-sandbox", 8443, True)]
    asked += [("order-svc", host, port, False) for name, port in strangers for host in (name, addresses[name])]  # by name, and by address
    asked += [("order-svc", OUTSIDE, 80, False), ("payment-svc", "notify-svc", 8080, False), ("api-gateway", OUTSIDE, 80, False)]
    answers = at_once([lambda q=q: system.reaches(*q[:3]) for q in asked])
    wrong = [q for q, answer in zip(asked, answers) if answer != q[3]]
    assert not wrong, f"otherwise than declared (from, to, port, is declared): {wrong}"


def prometheus_watches(system):
    """It is told by each process, once, and has a way to nothing else; where it asks, it does not listen."""
    def up():
        with urllib.request.urlopen(f"http://127.0.0.1:{PROMETHEUS_PORT}/api/v1/query?query=up", timeout=10) as reply:
            told = json.load(reply)["data"]["result"]
        return sorted(r["metric"]["job"] for r in told if r["value"][1] == "1") == sorted(PROGRAMS) and len(told) == len(PROGRAMS)
    lib.wait(up, 60, "Prometheus is told by each process")
    processes = system.processes()
    stores = {name: port for name, port in {"redis": 6379, "kafka": 9092, "stripe-sandbox": 8443, **{f"{s}-db": 5432 for s in PROGRAMS[:-1]}}.items()
              if name in processes}
    assert len(stores) > 8, stores
    asked = [("prometheus", name, 9080 if name == "api-gateway" else 8080, True) for name in PROGRAMS]
    for watcher in ("prometheus", "studio"):
        asked += [(watcher, host, port, False) for name, port in stores.items() for host in (name, processes[name]["address"])]
    asked += [(name, host, port, False) for name in (*PROGRAMS, "studio") for host in ("prometheus", *processes["prometheus"]["addresses"]) for port in (9090,)]
    asked += [("prometheus", OUTSIDE, 80, False)]
    answers = []
    for n in range(0, len(asked), 16):  # each is a process or two, some of which wait
        answers += at_once([lambda q=q: system.reaches(*q[:3]) for q in asked[n:n + 16]])
    wrong = [q for q, answer in zip(asked, answers) if answer != q[3]]
    assert not wrong, f"otherwise than said (from, to, port, should reach): {wrong}"


def confined(system):
    """What the kernel says of a process in a container."""
    for name in ("order-svc", "api-gateway", "order-svc-db", "redis", "kafka", "stripe-sandbox", "studio", "prometheus"):
        status = open(f"/proc/{system.processes()[name]['pid']}/status").read()
        fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
        assert "0" not in fields["Uid"].split(), f"{name} is root"
        assert int(fields["CapEff"], 16) == int(fields["CapBnd"], 16) == 0, f"{name} has capabilities"
        assert fields["NoNewPrivs"].strip() == "1", name
        mounts = open(f"/proc/{system.processes()[name]['pid']}/mounts").read()
        assert re.search(r"^\S+ / \S+ ro,", mounts, re.M), f"{name} may write its root"


def studio_watches(system):
    """Its page, by the port that is published to the machine alone; what the system tells it; and that it holds nothing of it."""
    def ask(method, path, body=None, address="127.0.0.1", host=f"127.0.0.1:{STUDIO_PORT}", **headers):
        connection = http.client.HTTPConnection(address, STUDIO_PORT, timeout=20)
        connection.request(method, path, body=json.dumps(body) if body else None, headers={"host": host, "content-type": "application/json"} | headers)
        reply = connection.getresponse()
        reply.content = reply.read()
        return reply

    page = ask("GET", "/", host=f"localhost:{STUDIO_PORT}")
    assert page.status == 200 and page.content == open(os.path.join(ROOT, "studio", "dist", "index.html"), "rb").read(), page.status
    assert ask("GET", "/", host=f"elsewhere.example:{STUDIO_PORT}").status == 421
    assert ask("GET", "/api/live", origin="http://elsewhere.example").status == 403
    live = json.loads(ask("GET", "/api/live").content)
    assert live["up"] and "order-svc" in {p["name"] for p in live["processes"]}, live
    try:
        reply = ask("GET", "/", address=HERE_IS, host=f"{HERE_IS}:{STUDIO_PORT}")
        raise AssertionError(f"studio is published to others: {reply.status}")
    except OSError:
        pass
    (shop,) = [e for e in json.loads(ask("GET", "/api/examples").content)["examples"]]
    source = json.loads(ask("GET", f"/api/examples/{shop['id']}/source").content)
    assert source["text"] == open(os.path.join(ROOT, "topology.ecom")).read()
    written = ask("PUT", f"/api/examples/{shop['id']}/source", {"text": source["text"]}, **{"if-match": source["etag"]})
    assert written.status == 409, (written.status, written.content)
    assert ask("POST", "/api/live/run", {"scenario": "happy-path"}).status == 409
    trace = f"{time.time_ns():032x}"
    placed = system.request("GET", "/v1/products/mug", headers={"traceparent": f"00-{trace}-00000000000000a1-01"})
    assert placed.status == 200, placed

    def spans():
        told = ask("GET", f"/api/traces/{trace}")
        return told.status == 200 and told.content.count(b'"spanId"')
    assert lib.wait(spans, 20, "the request's spans are in studio") >= 1


def strict_stories(system):
    import test_stories
    for name in ("test_happy_path", "test_payment_failure", "test_cache_hit"):
        attempt(f"stories.{name[5:]} through the published port", getattr(test_stories, name), system)
    attempt("stories.breaker through the published port", stories.breaker, system)


def on_compose(engine, secrets, folder):
    engine.env |= {"EC_SECRETS": secrets, "API_GATEWAY_PORT": "18080", "STUDIO_PORT": str(STUDIO_PORT),
                   "PROMETHEUS_PORT": str(PROMETHEUS_PORT)}
    services = [name for name in compose(engine, "config", "--services").split() if name not in ABSENT]
    system = Containers(engine, "compose", secrets, folder, 18080)
    try:
        if not attempt("docker-compose brings it up", compose, engine, "up", "-d", "--no-build", *services):
            print(compose(engine, "ps", check=False).stdout)
            return
        running = [s for s in services if not s.endswith("-migrate")]
        if not attempt("each is healthy", system.wait_ready, running, 120):
            print(compose(engine, "ps", check=False).stdout, compose(engine, "logs", "--tail", "5", check=False).stdout[-6000:])
            return
        engine.hosts({"kafka": system.processes()["kafka"]["address"]})
        with system.following():
            strict_stories(system)
        attempt("studio shows the page and the traffic, and holds nothing", studio_watches, system)
        attempt("only what is declared can be reached", isolated, system)
        attempt("Prometheus is told by all, and has no way to what it does not watch", prometheus_watches, system)
        attempt("no root, no capability, nothing to write", confined, system)
        attempt("no secret is told", no_secret_is_told, engine, secrets)
        attempt("up again changes nothing", up_again, engine, system, services)
        take = rotation.by_compose(system, lambda *args: compose(engine, *args))
        attempt("a signing key is changed as the runbook says", rotation.signing_key, system, take)
        attempt("and a database's password", rotation.second_role, system, take)
    finally:
        attempt("docker-compose takes it down", compose, engine, "down", "-v", "-t", "20")
    attempt("nothing is left", nothing_left, engine)


def up_again(engine, system, services):
    before = {name: p["id"] for name, p in system.processes().items()}
    compose(engine, "up", "-d", "--no-build", *services)
    assert {name: p["id"] for name, p in system.processes().items()} == before


def nothing_left(engine):
    for what in (("ps", "-aq"), ("volume", "ls", "-q"), ("network", "ls", "-q")):
        left = engine.docker(*what, "--filter", f"label=com.docker.compose.project={PROJECT}").split()
        assert not left, (what, left)


# ---------------------------------------------------------------- swarm

PROGRAMS = ["user-svc", "catalog-svc", "inventory-svc", "payment-svc", "shipping-svc", "order-svc", "notify-svc", "api-gateway"]


def one_effect_each(system, orders, declined):
    """Of every order exactly one reservation, payment and shipment, and one charge at the provider; of a declined one nothing that lasts."""
    ledger = system.ledger("stripe-sandbox")
    for order in orders:
        captured, refunded = money(system, order, ledger)
        assert len(captured) == 1 and not refunded, (order, captured, refunded)
    assert not [order for order in declined if any(money(system, order, ledger))]
    ids = ",".join(f"'{order}'" for order in orders)
    for service, table, state in (("inventory-svc", "reservations", "held"), ("payment-svc", "payments", "captured"), ("shipping-svc", "shipments", "scheduled")):
        rows = system.sql(service, f"SELECT order_id, status FROM {table} WHERE order_id IN ({ids})")
        assert sorted(rows) == sorted([order, state] for order in orders), (service, rows)
    ids = ",".join(f"'{order}'" for order in declined)
    held = [row[0] for row in system.sql("inventory-svc", f"SELECT status FROM reservations WHERE order_id IN ({ids})")]
    assert set(held) <= {"released"}, held
    broken = system.sql("inventory-svc", "SELECT sku FROM stock WHERE available < 0 OR available + reserved + shipped <> initial")
    assert not broken, broken


def on_swarm(engine, secrets, folder):
    """Two of each. Where the kernel has no IPVS there is no mesh, and each gateway is published by itself."""
    engine.env |= {"EC_SECRETS": secrets, "EC_SEED": "--seed", "EC_PUBLISH": "host", "EC_ENDPOINT": "dnsrr", "API_GATEWAY_PORT": "0"}
    engine.docker("swarm", "init", "--advertise-addr", HERE_IS, "--listen-addr", HERE_IS)
    system = Containers(engine, "swarm", secrets, folder, 0)
    try:
        files = ["-c", os.path.join(GENERATED, "stack.yaml"), "-c", os.path.join(GENERATED, "stack.dev.yaml")]
        if not attempt("docker stack deploy takes it", engine.docker, "stack", "deploy", "--resolve-image", "never", *files, PROJECT):
            return

        def two_of_each():
            for service in PROGRAMS:
                states = [c["State"].get("Health", {}).get("Status") for c in system.containers(service)]
                if states != ["healthy"] * 2:
                    return False
            return True
        if not attempt("two of each are healthy", lib.wait, two_of_each, 600, "two of each are healthy"):
            print(engine.docker("service", "ls"), engine.docker("stack", "ps", "--no-trunc", PROJECT, check=False).stdout[:8000])
            return
        for story in STORIES:
            attempt(f"swarm: {story.__name__}", story, system, "quiet")
        attempt("swarm: the stories while one of each is killed", under_fire, system)
        attempt("swarm: a signing key is changed as the runbook says, under load", key_under_load, system)
    finally:
        engine.docker("stack", "rm", PROJECT)
        lib.wait(lambda: not engine.docker("ps", "-q").split(), 90, "everything has ended")
        engine.docker("swarm", "leave", "--force")
        engine.docker("container", "prune", "-f")
        engine.docker("volume", "prune", "-f")


def under_fire(system):
    orders, declined = [], []
    with stories.Killer(system, PROGRAMS) as killer:
        n = 0
        while killer.thread.is_alive() or n < 4:
            orders.append(stories.happy(system, n))
            declined += stories.declined(system, n)
            stories.cached(system, n)
            n += 1
    assert killer.killed == PROGRAMS, killer.killed
    stories.breaker(system, "after")
    lib.wait(lambda: not system.sql("order-svc", "SELECT id FROM ec.saga WHERE state IN ('running', 'compensating')"), 60, "every saga has ended")
    one_effect_each(system, orders, declined)
    print(f"measured: {len(orders)} orders and {len(declined)} declined ones while {len(killer.killed)} containers were killed", flush=True)


def key_under_load(system):
    with rotation.orders_meanwhile(system) as orders:
        rotation.signing_key(system, rotation.by_swarm(system))
    assert len(orders) > 2, orders
    one_effect_each(system, orders, stories.declined(system, "new-key"))
    print(f"measured: {len(orders)} orders while a signing key was changed", flush=True)


# ---------------------------------------------------------------- all


def everything(engine, temp):
    secrets = os.path.join(temp, "secrets")
    os.mkdir(secrets)
    run(ECOMC, "secrets", "--sandbox", "-o", secrets, "topology.ecom", cwd=ROOT)
    other = os.path.join(temp, "swarm-secrets")
    run("cp", "-a", secrets, other)  # each part changes its own
    engine.env["EC_SECRETS"] = secrets
    attempt("docker-compose understands the files", configured, engine, ("docker-compose",))
    v2 = compose_v2()
    if v2:
        attempt("Compose v2 understands the files", configured, engine, (v2,))
    else:
        results.skip("Compose v2", "Go can't build it here" if lib.LONG else "to build it takes minutes: ./ecom test containers --long")
    if not lib.LONG and not ONLY:
        results.skip("containers on an engine", "images, compose and swarm take minutes: ./ecom test containers --long")
        return
    engine.start_to_build()
    if not attempt("the images are built", build, engine):
        return
    engine.stop()
    engine.start_to_run()
    if not ONLY or "compose" in ONLY:
        on_compose(engine, secrets, os.path.join(temp, "compose"))
    if lib.LONG or "swarm" in ONLY:
        on_swarm(engine, other, os.path.join(temp, "swarm"))


def main():
    temp = tempfile.mkdtemp(prefix="ecom-containers-")
    engine = None
    files_alone()
    try:
        engine = Engine()
        everything(engine, temp)
    except CannotRun as why:
        if os.environ.get("EC_REQUIRE_ENGINE"):
            results.fail("no engine", why)
        else:
            results.skip("containers", why)
    finally:
        if engine:
            engine.close()
        shutil.rmtree(temp, ignore_errors=True)
    sys.exit(results.end())


if __name__ == "__main__":
    main()
