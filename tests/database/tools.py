"""One service's migrations, applied by its own binary and by other people's tools: the same catalog comes of each, up and down. And what
must hold of `migrate` itself: several at once, a changed one, one that was killed, a table that somebody holds."""
import glob
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import pg

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [os.path.join(ROOT, "tests", "system"), os.path.join(ROOT, "tests")]
import providers  # noqa: E402
from fetched import Skip, fetch, need, npm, store, without  # noqa: E402
GOLANG_MIGRATE = "github.com/golang-migrate/migrate/v4/cmd/migrate@v4.18.1"
FLYWAY = [("org.flywaydb", "flyway-commandline", "10.20.1"), ("org.flywaydb", "flyway-database-postgresql", "10.20.1"), ("org.postgresql", "postgresql", "42.7.4"),
          ("com.fasterxml.jackson.dataformat", "jackson-dataformat-xml", "2.15.2")]
SERVICE = """topology "Tools"
enum Color {{ red green }}
service thing-svc "Things" {{
  database postgres {{ {tables} }}
  op Find(id: uuid) {{ let x = sql maybe \"\"\"SELECT {names} FROM things WHERE id = :id\"\"\"
    return }}
}}
{drops}
"""
VERSIONS = [
    ("table things { id uuid primary key  name text  note text?  size int = 0  old json? } table tags { thing uuid references things  label text }", "name, note", ""),
    ("""table things { id uuid primary key  title text was(name)  note text = "none"  size int(0..100) = 1  color Color = red  index (title)  index (color, size desc) }
        table labels { was(tags)  thing uuid references things  label text unique }  table more { id int primary key  thing uuid? references things }""",
     "title, note", 'drop thing-svc.things.old "nobody reads it"'),
    ("""table things { id uuid primary key  title text  note text = "none"  size float = 1.0  color Color = red  index (title)  index (color, size desc) }
        table labels { thing uuid references things  label text unique }  table more { id int primary key  thing uuid? references things }""", "title, note", ""),
]
ROWS = """INSERT INTO things (id, name, note, size) SELECT gen_random_uuid(), 'n' || i, CASE WHEN i % 2 = 0 THEN 'x' END, i % 50 FROM generate_series(1, 5000) i;
INSERT INTO tags SELECT id, name FROM things"""


def golang_migrate():
    with store("go") as home:
        program = os.path.join(home, "bin", "migrate")
        if not os.path.exists(program):
            env = providers.go_environment(home)
            fetch([providers.modern_go(env), "install", "-tags", "postgres", GOLANG_MIGRATE], "golang-migrate", env=env, cwd="/")
        return program


def dbmate():
    """The program, as package-lock.json names it."""
    if os.uname().machine != "x86_64":
        without("package-lock.json has dbmate for x86_64")
    return os.path.join(npm(HERE, "dbmate", "dbmate"), "node_modules", "@dbmate", "linux-x64", "bin", "dbmate")


def flyway():
    """The class path."""
    need("mvn", "java")
    with store("flyway") as folder:
        libs = os.path.join(folder, "libs")
        if not os.path.isdir(libs):
            dependencies = "".join(f"<dependency><groupId>{g}</groupId><artifactId>{a}</artifactId><version>{v}</version></dependency>" for g, a, v in FLYWAY)
            with open(os.path.join(folder, "pom.xml"), "w") as file:
                file.write('<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion><groupId>ecom</groupId><artifactId>flyway</artifactId>'
                           f"<version>1</version><packaging>pom</packaging><dependencies>{dependencies}</dependencies></project>\n")
            shutil.rmtree(libs + ".new", ignore_errors=True)
            fetch(["mvn", "-q", "-B", "-f", os.path.join(folder, "pom.xml"), "dependency:copy-dependencies", f"-DoutputDirectory={libs}.new"], "Flyway")
            os.rename(libs + ".new", libs)
        return os.path.join(libs, "*")


def run(argv, **kwargs):
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, **kwargs)
    if done.returncode:
        raise AssertionError(f"{os.path.basename(argv[0])} {argv[1:]} ended with {done.returncode}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout + done.stderr


class Service:
    """A folder with the three versions built one on the other, and the binaries of the first and the last."""

    def __init__(self, ecomc):
        self.ecomc, self.folder = ecomc, tempfile.mkdtemp(prefix="ecom-tools-")
        os.chmod(self.folder, 0o755)
        self.counts = []
        for i, (tables, names, drops) in enumerate(VERSIONS):
            with open(os.path.join(self.folder, "topology.ecom"), "w") as file:
                file.write(SERVICE.format(tables=tables, names=names, drops=drops))
            run([ecomc, "build"], cwd=self.folder)
            self.counts.append(len(glob.glob(os.path.join(self.migrations(), "*.up.sql"))))
            if i != 1:
                self.binary(i)

    def migrations(self):
        return os.path.join(self.folder, "generated", "thing-svc", "migrations")

    def binary(self, version):
        build = os.path.join(self.folder, f"build{version}")
        if not os.path.exists(build):
            env = dict(os.environ, PKG_CONFIG_PATH=os.path.join(os.path.dirname(self.ecomc), "..", "meson-uninstalled"))
            options = ["-Db_sanitize=address,undefined", "-Db_lundef=false", "-Dwerror=false"] if "/asan/" in self.ecomc else []
            source = os.path.join(self.folder, f"generated{version}")
            shutil.copytree(os.path.join(self.folder, "generated"), source)
            run(["meson", "setup", build, source, *options], env=env)
            run(["ninja", "-C", build], env=env)
        return os.path.join(build, "thing-svc", "thing-svc")

    def start(self, url, *args, version=2):
        return subprocess.Popen([self.binary(version), "migrate", *args], env=dict(os.environ, DATABASE_URL=url), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def migrate(self, url, *args, version=2):
        """Exit code and what was said."""
        process = self.start(url, *args, version=version)
        out, err = process.communicate(timeout=120)
        return process.returncode, out + err


def own(line):
    """Not a tool's own record of what it did."""
    return not any(word in line for word in ("tool_migrations", "flyway_"))


def result(db):
    return [line for line in pg.catalog(db) if own(line)]


def same(found, expected, what):
    assert found == expected, f"{what}: the catalog differs\n" + "\n".join([f"  + {x}" for x in found if x not in expected] + [f"  - {x}" for x in expected if x not in found])


# ------------------------------------------------------------------ by whom

def expected_of(service, server):
    """By its own binary; after `down` of everything nothing is left."""
    with server.database("own") as db:
        url = server.url("own")
        code, said = service.migrate(url, "up")
        assert code == 0 and said.count("applied") == service.counts[2] + said.count("applied 000000_ec"), said
        catalog = pg.catalog(db)
        for _ in range(service.counts[2] + 1):
            code, said = service.migrate(url, "down")
            assert code == 0 and "took back" in said, said
        assert result(db) == [], result(db)
        return catalog


def test_rows(service, server, expected):
    """Rows of the first version live through all of them."""
    with server.database("own") as db:
        url = server.url("own")
        assert service.migrate(url, "up", version=0)[0] == 0
        db.run(ROWS)
        code, said = service.migrate(url, "up")
        assert code == 0, said
        same(pg.catalog(db), expected, "with rows")
        assert db.run("SELECT count(*), count(*) FILTER (WHERE note = 'none'), count(DISTINCT title), sum(size)::int FROM things") == [("5000", "2500", "5000", "122500")]
        assert db.run("SELECT count(*) FROM labels JOIN things ON id = thing AND title = label") == [("5000",)]


def test_golang_migrate(service, server, expected):
    program = golang_migrate()
    with server.database("tools") as db:
        url = f"postgres://tester@127.0.0.1:{server.port}/tools?sslmode=disable&x-migrations-table=tool_migrations"
        run([program, "-path", service.migrations(), "-database", url, "goto", "1"])
        db.run(ROWS)
        run([program, "-path", service.migrations(), "-database", url, "up"])
        same(result(db), expected, "golang-migrate up")
        code, said = service.migrate(server.url("tools"), "baseline")
        assert code == 0 and said.count("recorded") == service.counts[2], said
        code, said = service.migrate(server.url("tools"), "up")
        assert code == 0 and "applied" not in said, said
        assert service.migrate(server.url("tools"), "status")[0] == 0
        db.run("DELETE FROM labels; DELETE FROM things")
        run([program, "-path", service.migrations(), "-database", url, "down", "-all"])
        assert result(db) == [], result(db)


def test_dbmate(service, server, expected):
    program, folder = dbmate(), os.path.join(service.folder, "dbmate")
    for _ in range(2):  # the second time writes nothing else
        run([service.ecomc, "migrate", "thing-svc", "--style", "dbmate", "-o", folder], cwd=service.folder)
    with server.database("tools") as db:
        argv = [program, "--url", f"postgres://tester@127.0.0.1:{server.port}/tools?sslmode=disable", "-d", folder, "--no-dump-schema", "--migrations-table", "tool_migrations"]
        run([*argv, "migrate"])
        same(result(db), expected, "dbmate migrate")
        for _ in range(service.counts[2]):
            run([*argv, "rollback"])
        assert result(db) == [], result(db)
    with open(glob.glob(os.path.join(folder, "*"))[0], "a") as file:
        file.write("-- mine\n")
    done = subprocess.run([service.ecomc, "migrate", "thing-svc", "--style", "dbmate", "-o", folder], cwd=service.folder, capture_output=True, text=True)
    assert done.returncode == 1 and "has another text" in done.stderr, done.stderr


def test_flyway(service, server, expected):
    libs, folder = flyway(), os.path.join(service.folder, "flyway")
    run([service.ecomc, "migrate", "thing-svc", "--style", "flyway", "-o", folder], cwd=service.folder)
    with server.database("tools") as db:
        argv = ["java", "-cp", libs, "org.flywaydb.commandline.Main", f"-url=jdbc:postgresql://{server.tcp('tools')}", "-user=tester", "-password=x",
                f"-locations=filesystem:{folder}", "-postgresql.transactional.lock=false"]
        run([*argv, "migrate"])
        same(result(db), expected, "flyway migrate")
        run([*argv, "validate"])


# ------------------------------------------------------------------ what may happen

def test_at_once(service, server, expected):
    with server.database("own") as db:
        assert service.migrate(server.url("own"), "up", version=0)[0] == 0
        db.run(ROWS)
        started = [service.start(server.url("own"), "up") for _ in range(4)]
        ended = [(p.communicate(timeout=120), p.returncode) for p in started]
        said = "".join(out + err for (out, err), _ in ended)
        assert [code for _, code in ended] == [0] * 4, said
        assert said.count("applied") == service.counts[2] - service.counts[0], said
        same(pg.catalog(db), expected, "four at once")


def test_changed(service, server, expected):
    with server.database("own") as db:
        assert service.migrate(server.url("own"), "up", version=0)[0] == 0
        db.run("UPDATE ec.schema_migrations SET sha256 = 'another' WHERE version = '000001_initial'")
        before = pg.catalog(db)
        for verb in ("up", "down", "status", "baseline"):
            code, said = service.migrate(server.url("own"), verb)
            assert code == 1 and "000001_initial was changed after it was applied" in said, said
        same(pg.catalog(db), before, "a changed one")


def ended(server, process):
    process.send_signal(signal.SIGKILL)
    process.communicate()
    admin = pg.Connection(server.url("postgres"))
    admin.run("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = 'own' AND query ~ '(CREATE|ALTER|DO) ' AND pid <> pg_backend_pid()")
    admin.close()


def wait(condition, what):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, f"never: {what}"
        time.sleep(0.05)


def test_killed(service, server, expected):
    """While it waits for a table; and while it makes an index, which then stands there and is not valid."""
    with server.database("own") as db:
        url = server.url("own")
        assert service.migrate(url, "up", version=0)[0] == 0
        db.run(ROWS)
        other, before = pg.Connection(url), pg.catalog(db)
        other.run("BEGIN; SELECT count(*) FROM things")
        process = service.start(url, "up")
        wait(lambda: db.run("SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'relation'") == [("1",)], "it waits for the table")
        ended(server, process)
        same(pg.catalog(db), before, "after one that was killed while it waited")
        other.run("ROLLBACK; BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM ec.inbox")  # a snapshot, for which an index waits
        process = service.start(url, "up")
        wait(lambda: db.run("SELECT count(*) FROM pg_index WHERE NOT indisvalid") == [("1",)], "an index is being made")
        ended(server, process)
        assert db.run("SELECT count(*) FROM pg_index WHERE NOT indisvalid") == [("1",)]
        other.run("ROLLBACK")
        other.close()
        code, said = service.migrate(url, "up")
        assert code == 0, said
        same(pg.catalog(db), expected, "after two that were killed")
        assert db.run("SELECT count(*) FROM things WHERE title IS NOT NULL") == [("5000",)]


def test_held(service, server, expected):
    """Who reads a table for long holds nobody up but the migration, which goes on when the table is free."""
    with server.database("own") as db:
        url = server.url("own")
        assert service.migrate(url, "up", version=0)[0] == 0
        db.run(ROWS)
        other = pg.Connection(url)
        other.run("BEGIN; SELECT count(*) FROM things")
        process, slowest = service.start(url, "up"), 0
        begun = time.monotonic()
        while time.monotonic() < begun + 6:
            at = time.monotonic()
            db.run("SELECT count(*) FROM things")
            slowest = max(slowest, time.monotonic() - at)
            time.sleep(0.02)
        assert slowest > 1, "nobody was held up: the migration did not wait for the table"
        assert slowest < 4, f"a reader waited {slowest:.1f} s"
        assert process.poll() is None, process.communicate()
        other.run("COMMIT")
        other.close()
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, out + err
        same(pg.catalog(db), expected, "after a table that was held")


def test(ecomc, server):
    """(name, what is wrong or None, reason for a skip or None) of each."""
    service = None
    try:
        service = Service(ecomc)
        expected = expected_of(service, server)
        for name, function in list(globals().items()):
            if not name.startswith("test_"):
                continue
            try:
                function(service, server, expected)
                yield f"tools {name[5:]}", None, None
            except Skip as skip:
                yield f"tools {name[5:]}", None, str(skip)
            except (AssertionError, pg.Error, subprocess.TimeoutExpired) as wrong:
                yield f"tools {name[5:]}", str(wrong), None
    except (AssertionError, pg.Error) as wrong:
        yield "tools", str(wrong), None
    finally:
        if service:
            shutil.rmtree(service.folder, ignore_errors=True)
