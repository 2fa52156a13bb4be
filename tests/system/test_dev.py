"""`ecomc dev`: a change of the topology is taken up by the processes that it is about, and by no other. All on real processes; the edits
come as editors make them, by rename or in place."""
import contextlib
import glob
import json
import os
import pty
import re
import signal
import subprocess
import tempfile
import threading
import time

import lib
from lib import wait
from test_up import gone, left

PARCEL = os.path.join(lib.ROOT, "tests", "topologies", "parcel.ecom")
SHOP = os.path.join(lib.ROOT, "topology.ecom")
LAMP = "018f3a5e-0000-7000-8000-000000000001"
OVER = re.compile(r" s \(check .*|^\S+ is not taken up.*|^\S+ can't be brought up.*", re.M)  # what ends a round

TARIFFS = '''
record Tariff { depot: text  cents: int }
error TariffNotFound 404 "There is no such tariff"
service tariff-svc "Tariffs" {
  database postgres {
    table tariffs { depot text primary key  cents int }
    seed tariffs { depot: "north"  cents: 450 }
  }
  op Quote(depot: text(1..40)) -> Tariff errors { TariffNotFound } {
    let tariff = sql maybe """SELECT depot, cents FROM tariffs WHERE depot = :depot"""  none -> fail TariffNotFound
    return tariff
  }
}
edge front-desk -> tariff-svc { http  timeout 2s }
'''
TARIFF_ROUTE = '  route GET    "/tariffs/{depot}"     public -> tariff-svc.Quote(depot: path.depot)\n'

WITH_TARIFFS = (('service depot-svc "Depots"', TARIFFS + '\nservice depot-svc "Depots"'),
                ("  limit 50/s burst 100", TARIFF_ROUTE + "  limit 50/s burst 100"))

WEIGHT = '''
record Weight { grams: int }
'''
WEIGH = '  op Weigh(kilograms: int(0..100)) -> Weight custom\n'
WEIGH_ROUTE = '  route GET    "/weights/{kilograms}" public -> tracking-svc.Weigh(kilograms: path.kilograms)\n'
WEIGH_C = '''#include "custom.h"

void weigh_custom(struct ec_task *task, void **own, int64_t kilograms, struct weight *out)
{
    (void)own;
    out->grams = kilograms * 1000;
    ec_reply(task, out);
}
'''


class Dev:
    """`with Dev() as dev` has the topology brought up by `ecomc dev`, and after it everything gone. dev.system asks it."""

    def __init__(self, topology=PARCEL, text=None, args=(), build=lib.SANITIZED, env=None):
        self.system = lib.System(topology, args=args, build=build, env=env)
        self.system.env.pop("KAFKA_BROKERS", None)
        self.folder, self.path = self.system.folder, os.path.join(self.system.folder, "topology.ecom")
        if text is not None:
            self.write(text)
        self.log = tempfile.NamedTemporaryFile(prefix="ecom-dev-")
        self.command = [os.path.join(build, "tool", "ecomc"), "dev", *self.system.args]

    def start(self):
        self.process = subprocess.Popen(self.command, cwd=self.folder, env=self.system.env, stdout=self.log, stderr=self.log)
        return self

    def __enter__(self):
        self.start()
        try:
            wait(lambda: re.search(r"^ready$", self.said(), re.M) or self.process.poll() is not None, 300, "ready")
            assert self.process.poll() is None, self.said()
        except AssertionError:
            self.__exit__(AssertionError, None, None)
            raise
        return self

    def __exit__(self, kind, error, trace):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(60)
        said = self.said()
        if kind is None:
            assert self.process.returncode == 0, (self.process.returncode, said)
            assert "AddressSanitizer" not in said and "runtime error" not in said, said
            gone(self.system)
        else:
            print(said[-3000:])
        self.system.__exit__(kind, error, trace)

    # -------------------------------------------------------------- edits

    def said(self):
        with open(self.log.name, errors="replace") as file:
            return file.read()

    def text(self):
        with open(self.path) as file:
            return file.read()

    def write(self, text, path=None):
        """As most editors do: a file beside it, which takes its place."""
        path = path or self.path
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path + "~new", "w") as file:
            file.write(text)
        os.rename(path + "~new", path)

    def in_place(self, text):
        with open(self.path, "w") as file:
            file.write(text)

    def changed(self, *pairs):
        text = self.text()
        for old, new in pairs:
            assert text.count(old) == 1, (old, text.count(old))
            text = text.replace(old, new)
        return text

    def does(self, action):
        """What is said until the round that the action brings about is over."""
        before = len(self.said())
        action()
        wait(lambda: OVER.search(self.said()[before:]) or self.process.poll() is not None, 120, f"a round, after: {self.said()[before:]}")
        assert self.process.poll() is None, self.said()
        return self.said()[before:]

    def edit(self, *pairs):
        return self.does(lambda: self.write(self.changed(*pairs)))

    # -------------------------------------------------------------- processes

    def pids(self):
        return {name: p["pid"] for name, p in self.system.processes().items() if p["kind"] != "migration"}

    def recorded(self):
        """The same of the supervisor's file as it is now: no program starts before it is read."""
        with open(os.path.join(self.folder, ".ecom", "state.json")) as file:
            return {p["name"] for p in json.load(file)["processes"] if p["kind"] != "migration"}

    def get(self, path):
        return self.system.request("GET", path)


def restarted(before, after):
    """Who has another pid; and nobody came or went."""
    assert before.keys() == after.keys(), (before, after)
    return {name for name in before if before[name] != after[name]}


def test_only_what_changes():
    """A timeout, a comment, a column, a mistake, a service that comes and goes, a topic: in one session."""
    with Dev() as dev:
        system, pids = dev.system, dev.pids()
        assert len(pids) == 7, pids

        said = dev.edit(("tracking-svc { http  timeout 2s }", "tracking-svc { http  timeout 1900ms }"))
        after = dev.pids()
        assert restarted(pids, after) == {"front-desk"}, said
        assert "front-desk rebuilt and restarted in " in said and "; 6 others untouched" in said, said
        pids = after
        said = dev.edit(('topology "Parcel Desk"', '// Nothing that a process could see.\ntopology "Parcel Desk"'))
        assert "nothing is different" in said and dev.pids() == pids, said

        # A column of a table with rows: one migration, one process.
        said = dev.edit(("      note            text?\n", "      note            text?\n      fragile         bool = false\n"))
        after = dev.pids()
        assert restarted(pids, after) == {"depot-svc"} and "depot-svc migrated" in said and "depot-svc rebuilt and restarted" in said, said
        assert system.sql("depot-svc", f"SELECT fragile FROM parcels WHERE id = '{LAMP}'") == [["f"]]
        assert len(system.sql("depot-svc", "SELECT version FROM ec.schema_migrations WHERE version NOT LIKE '000000%'")) == 2
        pids = after
        # What would lose data is refused, and is a diagnostic like any other.
        said = dev.edit(("      note            text?\n", ""), (", depot, note)", ", depot)"), (":depot, :note)", ":depot)"),
                        (",\n    note: text(..200)?", ""))
        assert "error[E0650]" in said and "`note` of `parcels` is gone" in said and "everything runs on as it is" in said, said
        assert dev.pids() == pids, said
        said = dev.edit(("      fragile         bool = false\n", "      note            text?\n      fragile         bool = false\n"))
        assert restarted(pids, dev.pids()) == {"depot-svc", "front-desk"} and "migrated" not in said, said
        pids = dev.pids()

        # A word that is wrong changes nothing, is shown with its place, and is mended.
        good = dev.text()
        said = dev.edit(("  limit 50/s burst 100", "  limti 50/s burst 100"))
        assert re.search(r"topology.ecom:\d+:\d+: error\[E\d+\]: .*limti", said) and "everything runs on as it is" in said, said
        assert dev.pids() == pids, said
        assert dev.get(f"/parcels/{LAMP}").status == 200
        said = dev.does(lambda: dev.write(good))
        assert "nothing is different" in said and dev.pids() == pids, said

        # A service with a database, an edge and a route, in front of those that are there: their ports stay.
        said = dev.edit(*WITH_TARIFFS)
        assert "tariff-svc migrated" in said and "tariff-svc-db, tariff-svc started" in said, said
        after = dev.pids()
        assert set(after) - set(pids) == {"tariff-svc", "tariff-svc-db"}, said
        assert restarted(pids, {n: after[n] for n in pids}) == {"front-desk"}, said
        reply = dev.get("/tariffs/north")
        assert reply.status == 200 and reply.json["cents"] == 450, reply
        assert dev.get(f"/places/{LAMP}").status == 200, "an edge that was there before"
        new = [after[n] for n in ("tariff-svc", "tariff-svc-db")]
        said = dev.does(lambda: dev.write(good))
        recorded = dev.recorded()
        assert re.search(r"tariff-svc.* stopped", said), said
        assert recorded == set(pids) == set(dev.pids()), (recorded, dev.pids())
        assert dev.get("/tariffs/north").status == 404, dev.get("/tariffs/north")
        assert not [pid for pid in new if os.path.exists(f"/proc/{pid}")]
        # And once more: it gets its data again.
        dev.edit(*WITH_TARIFFS)
        assert dev.get("/tariffs/north").status == 200
        dev.does(lambda: dev.write(good))

        # A topic that is new: the broker is told, and keeps its events.
        pids = dev.pids()
        assert system.request("POST", f"/parcels/{LAMP}/moves", {"depot": "pier"}).status == 200
        wait(lambda: system.topic("parcel-moves"), 15, "an event")
        losses = '  on ParcelLost(e) from parcel-losses group tracking-losses { drop memo.places[e.parcel_id] }\n\n'
        topic = "  topic parcel-losses  key parcel_id  partitions 2  { ParcelLost }\n"
        said = dev.edit(("  topic parcel-moves", topic + "  topic parcel-moves"),
                        ("client browser", "event ParcelLost v1 { parcel_id: uuid }\n\nclient browser"),
                        ("    return parcel\n  }\n\n  op Move",
                         "    when weight_grams > 29000 { tx { publish ParcelLost { parcel_id: parcel.id } } }\n"
                         "    return parcel\n  }\n\n  op Move"),
                        ("{ publish parcel-moves }", "{ publish parcel-moves parcel-losses }"),
                        ("  op Forget", losses + "  op Forget"),
                        ("{ consume parcel-moves }", "{ consume parcel-moves parcel-losses }"))
        assert "stream told of its new topics" in said and restarted(pids, dev.pids()) == {"depot-svc", "tracking-svc"}, said
        made = system.request("POST", "/parcels", {"label": "Anvil", "weight_grams": 29500})
        assert made.status == 201, made
        wait(lambda: [key for key, _, _ in system.topic("parcel-losses")] == [made.json["id"]], 20, "an event of the new topic")
        assert [body["depot"] for key, _, body in system.topic("parcel-moves") if key == LAMP] == ["pier"]
        labels = 'group="tracking-svc.tracking-losses"', 'outcome="done"'
        wait(lambda: system.counted("tracking-svc", "ec_consumer_events_total", *labels) == 1, 20, "it is consumed")
        # Other partitions: a broker in memory can't, so it is another one, and its users meet it anew.
        pids = dev.pids()
        said = dev.edit(("partitions 3", "partitions 4"))
        assert "stream restarted" in said or "stream" in restarted(pids, dev.pids()), said
        users = {"depot-svc", "tracking-svc"}
        wait(lambda: system.ecomc("status").returncode == 0 and users <= restarted(pids, dev.pids()), 40, "its users are ready")
        assert system.request("POST", f"/parcels/{LAMP}/moves", {"depot": "mole"}).status == 200
        wait(lambda: [body["depot"] for key, _, body in system.topic("parcel-moves") if key == LAMP] == ["mole"], 20, "events flow again")


def test_edits_of_all_kinds():
    """By rename, in place, twice in quick succession, while a round is on its way, and twenty in a row: the last text wins."""
    with Dev() as dev:
        def with_limit(n):
            return re.sub(r"burst \d+", f"burst {n}", dev.text())

        def burst():
            with contextlib.suppress(OSError, KeyError):  # the gateway is just being replaced, or has no Redis yet
                reply = dev.get(f"/parcels/{LAMP}")
                return int(reply.headers["ratelimit-policy"].split("q=")[1].split(";")[0])
        assert burst() == 100
        dev.does(lambda: dev.in_place(with_limit(101)))
        assert burst() == 101
        half, whole = with_limit(102)[:900], with_limit(103)

        def twice():
            dev.in_place(half)
            dev.in_place(whole)
        said = dev.does(twice)
        assert "error" not in said and burst() == 103, said

        def by_backup():  # as vim does: the old one goes away first
            os.rename(dev.path, dev.path + "~")
            dev.in_place(re.sub(r"burst \d+", "burst 104", whole))
            os.unlink(dev.path + "~")
        dev.does(by_backup)
        assert burst() == 104
        # Begun in the middle of a build, which is seen by its child.
        dev.write(with_limit(105))
        wait(lambda: any("ninja" in command for _, command in left(dev.folder)), 20, "a build")
        dev.write(with_limit(106))
        wait(lambda: burst() == 106, 60, "what came last")
        wait(lambda: not any("ninja" in command for _, command in left(dev.folder)), 20, "no build")
        for n in range(110, 130):
            (dev.write if n % 2 else dev.in_place)(with_limit(n))
            time.sleep(0.03 * (n % 7))
        wait(lambda: dev.system.ecomc("status").returncode == 0 and burst() == 129, 120, "the last of twenty")
        time.sleep(1)
        assert burst() == 129 and {p["state"] for p in dev.system.processes().values()} == {"ready", "ended"}
        programs = os.listdir(os.path.join(dev.folder, ".ecom", "bin"))
        wait(lambda: len(os.listdir(os.path.join(dev.folder, ".ecom", "bin"))) == 3, 10, f"what nobody runs from is gone: {programs}")


def test_custom_operation():
    """A C file that does not compile changes nothing, whatever ends meanwhile; one that is not there is told; and what is mended runs."""
    with Dev() as dev:
        code = os.path.join(dev.folder, "custom", "tracking-svc", "weigh.c")
        pids = dev.pids()
        said = dev.edit(('service tracking-svc "Tracking" {\n', 'service tracking-svc "Tracking" {\n' + WEIGH),
                        ('client browser', WEIGHT + 'client browser'), ("  limit 50/s burst 100", WEIGH_ROUTE + "  limit 50/s burst 100"))
        assert "custom/tracking-svc/weigh.c is missing" in said and dev.pids() == pids, said
        said = dev.does(lambda: dev.write(WEIGH_C, code))
        assert restarted(pids, dev.pids()) == {"tracking-svc", "front-desk"} and dev.get("/weights/3").json == {"grams": 3000}, said
        pids = dev.pids()
        said = dev.does(lambda: dev.write(WEIGH_C.replace("* 1000", "* KILO"), code))
        assert re.search(r"^custom/tracking-svc/weigh.c:\d+:\d+: error: .KILO. undeclared", said, re.M), said
        assert "everything runs on as it is" in said, said
        assert " -I" not in said and dev.pids() == pids and dev.get("/weights/3").json == {"grams": 3000}, said
        # Who ends meanwhile comes back as it was.
        dev.system.kill("tracking-svc")
        wait(lambda: dev.system.ecomc("status").returncode == 0, 30, "it is back")
        assert dev.get("/weights/3").json == {"grams": 3000}
        pids = dev.pids()
        said = dev.does(lambda: dev.write(WEIGH_C.replace("* 1000", "* 1001"), code))
        assert restarted(pids, dev.pids()) == {"tracking-svc"} and dev.get("/weights/3").json == {"grams": 3003}, said
        # One that comes with an older time of change is built all the same.
        os.rename(code, code + ".new")
        dev.write(WEIGH_C, code + ".old")
        os.utime(code + ".old", (time.time() - 3600, time.time() - 3600))
        said = dev.does(lambda: os.rename(code + ".old", code))
        wait(lambda: dev.get("/weights/3").json == {"grams": 3000}, 60, f"the older file: {said}")


def test_one_that_does_not_get_ready():
    """Told in a line with its log. What ran before runs again; what is new is given up, until the next change."""
    broken = 'service tracking-svc "Tracking" {\n  setting lamp: text env TRACKING_LAMP\n'
    locate = "let place = depot-svc.Locate(parcel_id: parcel_id)"
    use = (locate, 'fail DeskBusy when lamp == "off"\n    ' + locate)
    with Dev(env={"EC_READY_MS": "20000"}) as dev:
        good, pids = dev.text(), dev.pids()
        said = dev.edit(('service tracking-svc "Tracking" {\n', broken), use,
                        ("tracking-svc { http  timeout 2s }", "tracking-svc { http  timeout 1900ms }"))
        assert re.search(r"ecomc: tracking-svc could not start: .*TRACKING_LAMP.*log: .*tracking-svc.log.*as it was before", said), said
        assert "tracking-svc as before" in said and "not all of topology.ecom is in force" in said, said
        wait(lambda: dev.system.ecomc("status").returncode == 0, 30, "all is ready")
        assert restarted(pids, dev.pids()) == {"tracking-svc"}, "the gateway's change was not begun"
        assert dev.get(f"/places/{LAMP}").status == 200
        pids = dev.pids()
        said = dev.does(lambda: dev.write(good.replace("tracking-svc { http  timeout 2s }", "tracking-svc { http  timeout 1900ms }")))
        assert restarted(pids, dev.pids()) == {"front-desk"}, said
        # A new one.
        pids = dev.pids()
        asks = TARIFFS.replace("  op Quote", "  setting lamp: text env TARIFF_LAMP\n  op Quote").replace(
            "    return tariff", "    fail TariffNotFound when lamp == \"off\"\n    return tariff")
        said = dev.does(lambda: dev.write(dev.changed(('service depot-svc "Depots"', asks + '\nservice depot-svc "Depots"'),
                                                      ("  limit 50/s burst 100", TARIFF_ROUTE + "  limit 50/s burst 100"))))
        assert re.search(r"ecomc: tariff-svc could not start: .*TARIFF_LAMP", said), said
        assert dev.system.processes()["tariff-svc"]["state"] == "failed" and dev.system.ecomc("status").returncode == 1
        after = dev.pids()
        assert {n: after[n] for n in pids} == pids, "nobody else was touched"
        said = dev.edit(('env TARIFF_LAMP', 'env TARIFF_LAMP = "on"'))
        assert "tariff-svc started" in said and dev.get("/tariffs/north").json["cents"] == 450, said
        # A migration that the data does not allow: the service stays.
        pids = dev.pids()
        said = dev.edit(("primary key  cents int }", "primary key  cents int check (cents > 1000) }"))
        assert re.search(r"ecomc: tariff-svc-migrate could not start: .*log: .*tariff-svc-migrate.log", said), said
        assert restarted(pids, dev.pids()) == set() and dev.get("/tariffs/north").json["cents"] == 450, said
        status = dev.system.ecomc("status")
        assert status.returncode == 1 and re.search(r"tariff-svc-migrate +migration +failed", status.stdout), status


def test_broken_at_the_start():
    with open(PARCEL) as file:
        good = file.read()
    dev = Dev(text=good.replace("edge browser ", "egde browser "))
    dev.start()
    try:
        wait(lambda: "waiting until it is mended" in dev.said() or dev.process.poll() is not None, 60, "it waits")
        assert "error[E" in dev.said() and dev.process.poll() is None and not dev.system.processes(), dev.said()
        dev.write(good)
        wait(lambda: re.search(r"^ready$", dev.said(), re.M), 300, "ready")
        refused = dev.system.ecomc("up", *dev.system.args)
        assert refused.returncode == 1 and "already up" in refused.stderr, refused
        assert dev.get(f"/parcels/{LAMP}").status == 200
        # `down` ends it, too.
        down = dev.system.ecomc("down")
        assert down.returncode == 0 and "all is stopped" in down.stdout, down
        dev.process.wait(10)
    except BaseException as error:
        dev.__exit__(type(error), error, None)
        raise
    dev.__exit__(None, None, None)


def test_two_replicas_answer_all_the_time():
    """One of the two is always there: no request fails while both are replaced, one after the other."""
    with open(PARCEL) as file:
        text = file.read().replace("limit 50/s burst 100", "limit 5000/s burst 5000")
    with Dev(args=("--replicas", "2"), build=lib.RELEASE, text=text) as dev:
        stop, counts, wrong = threading.Event(), [0], []

        def ask():
            while not stop.is_set():
                try:
                    reply = dev.get(f"/parcels/{LAMP}")
                except OSError as error:
                    reply = lib.Reply(0, {}, str(error).encode())
                counts[0] += 1
                if reply.status != 200:
                    wrong.append(reply)
                time.sleep(0.005)
        threads = [threading.Thread(target=ask, daemon=True) for _ in range(4)]
        for thread in threads:
            thread.start()
        try:
            for n in range(3):
                pids, before = dev.pids(), counts[0]
                text = re.sub(r"WHERE id = :parcel_id.*", f'WHERE id = :parcel_id AND {n} = {n}"""', dev.text())
                said = dev.does(lambda: dev.write(text))
                assert restarted(pids, dev.pids()) == {"depot-svc", "depot-svc-2"} and counts[0] - before > 20, said
        finally:
            stop.set()
            for thread in threads:
                thread.join(30)
        print(f"  {counts[0]} requests, {len(wrong)} failed, while both replicas were replaced three times")
        assert not wrong, wrong[:3]


def test_one_line_of_the_shop():
    """On a terminal, as a person has it; and how long it takes from the save to ready."""
    s = lib.System(SHOP, build=lib.RELEASE)
    s.env.pop("KAFKA_BROKERS", None)
    command = os.path.join(lib.RELEASE, "tool", "ecomc")
    supervisor, terminal = pty.fork()
    if not supervisor:
        os.chdir(s.folder)
        os.execve(command, [command, "dev", *s.args], dict(s.env, TERM="xterm"))
    seen = bytearray()

    def watch():
        with contextlib.suppress(OSError):
            while part := os.read(terminal, 4096):
                seen.extend(part)
    thread = threading.Thread(target=watch, daemon=True)
    thread.start()

    def text():
        return re.sub(r"\033\[[?0-9;]*[A-Za-z]", "", seen.decode(errors="replace"))
    path = os.path.join(s.folder, "topology.ecom")
    with open(path) as file:
        topology = file.read()
    try:
        wait(lambda: "\nready" in text() and "topology.ecom is watched" in text(), 300, "ready on the terminal")
        line = re.search(r"^edge order-svc +-> catalog-svc .*timeout 1s.*$", topology, re.M).group()
        pids, times = {n: p["pid"] for n, p in s.processes().items()}, []
        for n in range(5):
            before, begun = len(text()), time.monotonic()
            with open(path + "~", "w") as file:
                file.write(topology.replace(line, line.replace("1s", f"{900 + n}ms")))
            os.rename(path + "~", path)
            wait(lambda: re.search(r"rebuilt and restarted in", text()[before:]), 60, "it is taken up")
            times.append(time.monotonic() - begun)
            after = {n: p["pid"] for n, p in s.processes().items()}
            assert {name for name in pids if pids[name] != after[name]} == {"order-svc"}, text()[before:]
            pids = after
        print("  from the save to ready: " + ", ".join(f"{seconds:.2f} s" for seconds in sorted(times)))
        print("  " + re.findall(r"order-svc rebuilt.*", text())[-1].strip())
        os.write(terminal, b"\x03")
        _, status = os.waitpid(supervisor, 0)
        supervisor = 0
        assert os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0, (status, text()[-2000:])
        gone(s, pids.values())
        assert not glob.glob(os.path.join(s.folder, ".ecom", "run", "*.address")), "no file of a process that is gone"
    except BaseException as error:
        print(text()[-3000:])
        if supervisor:
            os.kill(supervisor, signal.SIGTERM)
            os.waitpid(supervisor, 0)
        s.__exit__(type(error), error, None)
        raise
    finally:
        os.close(terminal)
    thread.join(5)
    s.__exit__(None, None, None)
