"""What a person does with `up`, `down`, `status` and `migrate`, and what can go wrong around them: nothing is ever left running."""
import glob
import json
import os
import pty
import pwd
import re
import shutil
import signal
import subprocess
import threading

import lib
from lib import wait
from shop import Customer

PARCEL = os.path.join(lib.ROOT, "tests", "topologies", "parcel.ecom")
SHOP = os.path.join(lib.ROOT, "topology.ecom")
COMMAND = os.path.join(lib.RELEASE, "tool", "ecomc")


def system(topology=PARCEL, **kwargs):
    made = lib.System(topology, build=lib.RELEASE, **kwargs)
    made.env.pop("KAFKA_BROKERS", None)
    return made


def left(folder):
    """Processes that have the folder's name in their command or working directory."""
    found = []
    for path in glob.glob("/proc/[0-9]*"):
        try:
            command = open(path + "/cmdline", "rb").read().replace(b"\0", b" ").decode(errors="replace")
            if folder in command or os.readlink(path + "/cwd").startswith(folder):
                found.append((os.path.basename(path), command))
        except OSError:
            continue
    return found


def gone(s, also=()):
    wait(lambda: not left(s.folder), 5, f"nothing runs any more: {left(s.folder)}")
    assert not os.path.exists(os.path.join(s.folder, ".ecom", "state.json"))
    assert not [p for p in also if p and os.path.exists(f"/proc/{p}") and "Z" not in open(f"/proc/{p}/stat").read().rsplit(")", 1)[1].split()[0]]


def remove(s):
    s.__exit__(None, None, None)


def one_line(done, code, *words):
    lines = [line for line in done.stderr.splitlines() if line.startswith("ecomc:")]
    assert done.returncode == code and len(lines) == 1 and all(word in lines[0] for word in words), done


def move(s, depot):
    """A parcel that moves, until its event has reached the consumer."""
    made = s.request("POST", "/parcels", {"label": "Lamp", "weight_grams": 1200})
    assert made.status == 201, made
    assert s.request("POST", f"/parcels/{made.json['id']}/moves", {"depot": depot}).status == 200
    return made.json["id"]


def test_life():
    """One folder: on a terminal and Ctrl-C; up twice; a killed service, a killed broker, a killed supervisor; migrations; stopped while it starts."""
    s = system()
    supervisor, terminal = pty.fork()
    if not supervisor:
        os.chdir(s.folder)
        os.execve(COMMAND, [COMMAND, "up", *s.args], dict(s.env, TERM="xterm"))
    seen = bytearray()

    def watch():
        try:
            while True:
                part = os.read(terminal, 4096)
                if not part:
                    return
                seen.extend(part)
        except OSError:
            return
    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    wait(lambda: b"\nready" in seen or b"ecomc:" in seen, 120, "ready on the terminal")
    wait(lambda: b"running, Ctrl-C stops all of it" in seen, 5, "the table")
    text = re.sub(r"\033\[[?0-9;]*[A-Za-z]", "", seen.decode())
    assert re.search(r"depot-svc +service +ready +:\d+", text) and "at http://127.0.0.1" in text, text
    pids = [p["pid"] for p in s.processes().values()]
    one_line(s.ecomc("up", "--detach", *s.args), 1, "already up")
    os.write(terminal, b"\x03")
    _, status = os.waitpid(supervisor, 0)
    thread.join(5)
    os.close(terminal)
    assert os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0, status
    gone(s, pids)

    with s:
        migrated = s.ecomc("migrate", "depot-svc", "status")
        assert migrated.returncode == 0 and "000001" in migrated.stdout + migrated.stderr, migrated
        printed = s.ecomc("migrate", "depot-svc", "--print")
        assert printed.returncode == 0 and "CREATE TABLE" in printed.stdout, printed
        for what in ("down", "up"):
            done = s.ecomc("migrate", "depot-svc", what)
            assert done.returncode == 0, done
        assert s.sql("depot-svc", "SELECT count(*) FROM parcels") == [["0"]]
        one_line(s.ecomc("migrate", "nobody", "up"), 1, "not a service")
        one_line(s.ecomc("migrate", "depot-svc", "sideways"), 64, "sideways")

        s.kill("depot-svc")
        wait(lambda: s.processes()["depot-svc"]["state"] == "ready", 20, "the service is back")
        assert s.processes()["depot-svc"]["restarts"] == 1
        wait(lambda: s.ecomc("status").returncode == 0, 10, "all is ready")
        assert re.search(r"depot-svc .*1 restart\b", s.ecomc("status").stdout)

        address, users = s.brokers(), {n: s.pid(n) for n in ("depot-svc", "tracking-svc")}
        s.kill("stream")
        wait(lambda: all(s.processes()[n]["state"] == "ready" and s.pid(n) != pid for n, pid in users.items()), 30, "the broker's users are started again")
        assert s.brokers() != address
        wait(lambda: s.ecomc("status").returncode == 0, 10, "all is ready")
        parcel = move(s, "harbour")
        wait(lambda: [e for e in s.topic("parcel-moves") if e[0] == parcel and e[2]["depot"] == "harbour"], 15, "events flow again")
        wait(lambda: s.request("GET", f"/places/{parcel}").json["depot"] == "harbour", 10, "to the consumer, too")

        state = json.loads(s.ecomc("status", "--format=json").stdout)
        assert state["up"] and state["ready"], state
        os.kill(state["supervisor"], signal.SIGKILL)
        wait(lambda: s.ecomc("status").returncode == 1, 5, "the supervisor is dead")
        assert left(s.folder)
        assert json.loads(s.ecomc("status", "--format=json").stdout) == {"up": False}
        down = s.ecomc("down")
        assert down.returncode == 0 and "all is stopped" in down.stdout, down
        gone(s, [p["pid"] for p in state["processes"]])
        assert "nothing is up" in s.ecomc("down").stdout

        begun = subprocess.Popen([COMMAND, "up", *s.args], cwd=s.folder, env=s.env, stderr=subprocess.PIPE, text=True)
        wait(lambda: os.path.exists(os.path.join(s.folder, ".ecom", "state.json")), 30, "it starts")
        begun.send_signal(signal.SIGTERM)
        begun.communicate(timeout=40)
        gone(s)

        tools = os.path.join(s.folder, "bin")
        os.mkdir(tools)
        with open(os.path.join(tools, "redis-server"), "w") as file:
            file.write("#!/bin/sh\necho reading a very large file\nexec sleep 600\n")
        os.chmod(os.path.join(tools, "redis-server"), 0o755)
        done = subprocess.run([COMMAND, "up", "--detach", *s.args], cwd=s.folder, capture_output=True, text=True, timeout=60,
                              env=dict(s.env, EC_READY_MS="1500", PATH=tools + ":" + s.env["PATH"]))
        one_line(done, 1, "memo is not ready after 1.5 s: reading a very large file", "memo.log")
        gone(s)


def test_stopped_while_it_builds():
    s = system()
    begun = subprocess.Popen([COMMAND, "up", *s.args], cwd=s.folder, env=s.env, stderr=subprocess.DEVNULL)
    wait(lambda: any("ninja" in c or "meson" in c or "initdb" in c for _, c in left(s.folder)), 60, "something is being built")
    down = s.ecomc("down")
    assert down.returncode == 0 and "all is stopped" in down.stdout, down
    begun.wait(20)
    gone(s)
    remove(s)


def test_broker_from_outside():
    """KAFKA_BROKERS: no broker of ours runs. Two of each service, too."""
    s = system(args=("--replicas", "2"))
    address = os.path.join(s.folder, "outside.address")
    topics = [word for t in ("parcel-moves", "parcel-moves.dead-letter") for word in ("--topic", t + ":3")]
    broker = subprocess.Popen([os.path.join(lib.RELEASE, "tool", "ecom-broker"), "--address-file", address, *topics])
    try:
        wait(lambda: os.path.exists(address), 10, "a broker outside")
        s.env["KAFKA_BROKERS"] = open(address).read().strip()
        s.args = [a for a in s.args if a not in ("--kafka", "embedded")]
        with s:
            names = s.processes()
            assert not [p for p in names.values() if p["kind"] == "bus"], names
            for name in ("depot-svc", "depot-svc-2", "tracking-svc-2", "front-desk-2"):
                assert names[name]["state"] == "ready", names[name]
            parcel = move(s, "pier")
            wait(lambda: s.request("GET", f"/places/{parcel}", port=names["front-desk-2"]["port"]).json["depot"] == "pier", 15, "the event came through")
    finally:
        broker.terminate()
        broker.wait(10)


def test_shop_with_replicas_keeps_its_secrets():
    s = system(SHOP, args=("--replicas", "2"))
    with s:
        customer = Customer(s)
        replies = [customer.order().status for _ in range(6)]
        assert replies == [201] * 6, replies
        assert customer.order(method="pm_card_chargeDeclined").status == 402
        assert s.request("POST", "/v1/sessions", {"email": customer.email, "password": "wrong " + customer.password}).status == 401
        secrets = {"password": customer.password, "token": customer.token}
        for path in glob.glob(os.path.join(s.folder, ".ecom", "secrets", "*")):
            text = open(path).read().strip()
            if path.endswith(".jwk"):
                secrets[path] = json.loads(text)["d"]
            elif path.endswith(".key"):
                secrets[path] = text.splitlines()[1]
            elif not path.endswith((".pem", ".jwks")):
                secrets[path] = text
        assert len(secrets) > 8, list(secrets)
        commands = "\n".join(c for _, c in left(s.folder))
        state = open(os.path.join(s.folder, ".ecom", "state.json")).read()
        assert s.ecomc("down").returncode == 0  # what is said while stopping counts, too
        logs = {path: open(path, errors="replace").read() for path in glob.glob(os.path.join(s.folder, ".ecom", "logs", "*.log"))}
        assert any(text for text in logs.values())
        for what, secret in secrets.items():
            assert secret not in commands and secret not in state, what
            for path, text in logs.items():
                assert secret not in text, (what, path)


def test_bad_places_and_numbers():
    s = system()
    one_line(s.ecomc("up", "--port-base", "60000"), 64, "--port-base", "50000")
    one_line(s.ecomc("up", "--port-base", "-1"), 64, "--port-base")
    one_line(s.ecomc("up", "--replicas", "9"), 64, "--replicas")
    s.env["EC_READY_MS"] = "soon"
    one_line(s.ecomc("up"), 64, "EC_READY_MS")
    del s.env["EC_READY_MS"]
    os.mkdir(os.path.join(s.folder, ".ecom"))
    with open(os.path.join(s.folder, ".ecom", "logs"), "w") as file:
        file.write("not a folder\n")
    one_line(s.ecomc("up", *s.args), 74, "logs")
    gone(s)
    shutil.rmtree(s.folder)


def test_ordinary_user_in_a_deep_folder():
    """Not root, a private HOME, a folder whose name is too long for a Unix socket and has a space in it."""
    s = system()
    who = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    outer = s.folder
    tools = os.path.join(outer, "tools")
    build = os.path.join(tools, ".ecom", "build")
    os.makedirs(build)
    for part in ("tool", "runtime", "meson-uninstalled"):
        shutil.copytree(os.path.join(lib.RELEASE, part), os.path.join(build, part), symlinks=True)
    shutil.copytree(os.path.join(lib.ROOT, "runtime"), os.path.join(tools, "runtime"))
    for path in glob.glob(os.path.join(build, "meson-uninstalled", "*.pc")):
        text = open(path).read().replace(lib.ROOT, tools)
        with open(path, "w") as file:
            file.write(text)
    s.folder = os.path.join(outer, "a folder " + "x" * 60)
    os.mkdir(s.folder)
    shutil.copy(PARCEL, os.path.join(s.folder, "topology.ecom"))
    if os.geteuid() == 0:
        for path in (outer, s.folder):
            os.chown(path, who.pw_uid, who.pw_gid)
        os.chown(os.path.join(s.folder, "topology.ecom"), who.pw_uid, who.pw_gid)
    s.build = build
    s.env.update(HOME=outer, USER=who.pw_name)
    identity = {"user": who.pw_uid, "group": who.pw_gid, "extra_groups": []} if os.geteuid() == 0 else {}
    s.ecomc = lambda *args: subprocess.run([os.path.join(build, "tool", "ecomc"), *args], cwd=s.folder, env=s.env, capture_output=True, text=True,
                                           timeout=600, **identity)
    with s:
        for process in s.processes().values():
            if process["pid"]:
                assert os.stat(f"/proc/{process['pid']}").st_uid == who.pw_uid, process
        parcel = move(s, "attic")
        wait(lambda: s.request("GET", f"/places/{parcel}").json["depot"] == "attic", 15, "the event came through")
        assert os.path.islink(os.path.join(s.folder, ".ecom", "pg"))
        done = s.ecomc("migrate", "depot-svc", "status")
        assert done.returncode == 0, done
        assert s.ecomc("down").returncode == 0
        gone(s)
        if os.geteuid() == 0:  # a log of somebody else's
            log = os.path.join(s.folder, ".ecom", "logs", "build.log")
            os.chown(log, 0, 0)
            os.chmod(log, 0o644)
            one_line(s.ecomc("up", *s.args), 74, "build.log", "Permission denied")
    shutil.rmtree(outer, ignore_errors=True)
