"""A throwaway PostgreSQL of the tests' own, and a connection on libpq (by ctypes): what the tests need of it is the description of a
prepared statement, which psql has not."""
import contextlib
import ctypes
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time

BIN = os.environ.get("EC_PG_BIN") or "/usr/lib/postgresql/15/bin"
PQ = ctypes.CDLL("libpq.so.5")
for function in ("PQconnectdb", "PQexec", "PQprepare", "PQdescribePrepared", "PQexecParams"):
    getattr(PQ, function).restype = ctypes.c_void_p
for function in ("PQerrorMessage", "PQresultErrorMessage", "PQresultErrorField", "PQgetvalue", "PQfname"):
    getattr(PQ, function).restype = ctypes.c_char_p
for function in ("PQparamtype", "PQftype"):
    getattr(PQ, function).restype = ctypes.c_uint
OK = (0, 1, 2)  # empty, command, tuples


class Error(Exception):
    """What the server said; `state` is its SQLSTATE."""

    def __init__(self, message, state):
        super().__init__(message.strip())
        self.state = state


class Connection:
    """Strings go in, rows of strings and None come out."""

    def __init__(self, url):
        self.pg = ctypes.c_void_p(PQ.PQconnectdb(url.encode()))
        if PQ.PQstatus(self.pg):
            raise Error(PQ.PQerrorMessage(self.pg).decode(), "")
        PQ.PQsetNoticeProcessor(self.pg, SILENT, None)

    def close(self):
        PQ.PQfinish(self.pg)

    @contextlib.contextmanager
    def _result(self, pointer):
        result = ctypes.c_void_p(pointer)
        try:
            if PQ.PQresultStatus(result) not in OK:
                state = PQ.PQresultErrorField(result, ord("C"))
                raise Error(PQ.PQresultErrorMessage(result).decode(), state.decode() if state else "")
            yield result
        finally:
            PQ.PQclear(result)

    def run(self, sql, *values):
        """Rows of the last statement. Without values there may be several statements."""
        if values:
            texts = (ctypes.c_char_p * len(values))(*[None if v is None else str(v).encode() for v in values])
            pointer = PQ.PQexecParams(self.pg, sql.encode(), len(values), None, texts, None, None, 0)
        else:
            pointer = PQ.PQexec(self.pg, sql.encode())
        with self._result(pointer) as r:
            width = range(PQ.PQnfields(r))
            return [tuple(None if PQ.PQgetisnull(r, i, j) else PQ.PQgetvalue(r, i, j).decode() for j in width) for i in range(PQ.PQntuples(r))]

    def describe(self, sql):
        """The types that PostgreSQL finds: those of the parameters, and (name, type) of the result columns."""
        with self._result(PQ.PQprepare(self.pg, b"", sql.encode(), 0, None)):
            pass
        with self._result(PQ.PQdescribePrepared(self.pg, b"")) as r:
            params = [PQ.PQparamtype(r, i) for i in range(PQ.PQnparams(r))]
            columns = [(PQ.PQfname(r, i).decode(), PQ.PQftype(r, i)) for i in range(PQ.PQnfields(r))]
        names = self.types()
        return [names[p] for p in params], [(name, names[oid]) for name, oid in columns]

    def types(self):
        if not hasattr(self, "_types"):
            self._types = {int(oid): name for oid, name in self.run("SELECT oid, format_type(oid, NULL) FROM pg_type")}
        return self._types


SILENT = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_char_p)(lambda data, message: None)


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def end_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGINT)  # PR_SET_PDEATHSIG: a test that is killed takes its server along


class Server:
    """Inside `with`, a server; its data are gone after. It refuses to run as root: then it runs as the user postgres."""

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="ecom-pg-", dir="/tmp")
        self.user = pwd.getpwnam("postgres") if os.getuid() == 0 else None
        if self.user:
            os.chown(self.folder, self.user.pw_uid, self.user.pw_gid)
        os.chmod(self.folder, 0o755)
        data = os.path.join(self.folder, "data")
        subprocess.run([os.path.join(BIN, "initdb"), "-D", data, "-A", "trust", "-U", "tester", "-N", "--locale=C.UTF-8", "-E", "UTF8"],
                       check=True, stdout=subprocess.DEVNULL, cwd="/", **self._as())
        self.port = free_port()
        settings = {"listen_addresses": "127.0.0.1", "port": self.port, "unix_socket_directories": self.folder, "fsync": "off", "jit": "off",
                    "max_connections": 60, "shared_buffers": "32MB", "autovacuum": "off", "deadlock_timeout": "200ms"}
        argv = [os.path.join(BIN, "postgres"), "-D", data, *[w for k, v in settings.items() for w in ("-c", f"{k}={v}")]]
        self.log = open(os.path.join(self.folder, "log"), "wb")
        self.process = subprocess.Popen(argv, stdout=self.log, stderr=self.log, cwd="/", preexec_fn=end_with_parent, **self._as())
        end = time.monotonic() + 30
        while True:
            try:
                Connection(self.url("postgres")).close()
                return self
            except Error:
                if time.monotonic() > end or self.process.poll() is not None:
                    raise
                time.sleep(0.05)

    def _as(self):
        return {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": []} if self.user else {}

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(30)
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, database):
        """For libpq and what is made on it or after it."""
        return f"postgresql://tester@/{database}?host={self.folder}&port={self.port}&sslmode=disable"

    def tcp(self, database):
        return f"127.0.0.1:{self.port}/{database}"

    @contextlib.contextmanager
    def database(self, name):
        """An empty database and a connection to it."""
        admin = Connection(self.url("postgres"))
        try:
            admin.run(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            admin.run(f"CREATE DATABASE {name} TEMPLATE template0")
            db = Connection(self.url(name))
            try:
                yield db
            finally:
                db.close()
                admin.run(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        finally:
            admin.close()


def catalog(db):
    """Everything of the schema that a statement or a person could see, one line each, in an order of its own: not the order of columns."""
    return [row[0] for row in db.run("""
        SELECT 'column ' || c.relname || '.' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod) || ' not null ' || a.attnotnull
               || ' default ' || coalesce(pg_get_expr(d.adbin, d.adrelid), '-') || ' ' || a.attidentity::text || a.attgenerated::text
               || ' collation ' || coalesce(a.attcollation::regcollation::text, '') || coalesce(' -- ' || col_description(c.oid, a.attnum), '') AS x
          FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'v', 'm', 'p')
          LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
         WHERE c.relnamespace = 'public'::regnamespace AND a.attnum > 0 AND NOT a.attisdropped
        UNION ALL SELECT 'relation ' || relkind::text || ' ' || relname || coalesce(' -- ' || obj_description(oid), '') FROM pg_class WHERE relnamespace = 'public'::regnamespace
        UNION ALL SELECT 'constraint ' || conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) || ' validated ' || convalidated
          FROM pg_constraint WHERE connamespace = 'public'::regnamespace
        UNION ALL SELECT 'index ' || pg_get_indexdef(indexrelid) || ' valid ' || (indisvalid AND indisready AND indislive)
               || ' primary ' || indisprimary || ' unique ' || indisunique
          FROM pg_index JOIN pg_class c ON c.oid = indexrelid WHERE c.relnamespace = 'public'::regnamespace
        UNION ALL SELECT 'trigger ' || pg_get_triggerdef(t.oid) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
         WHERE NOT t.tgisinternal AND c.relnamespace = 'public'::regnamespace
        UNION ALL SELECT 'function ' || pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
        UNION ALL SELECT 'view ' || viewname || definition FROM pg_views WHERE schemaname = 'public'
        ORDER BY 1""")]
