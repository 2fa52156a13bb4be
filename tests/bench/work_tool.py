"""Workloads without load: what the compiler takes beside protoc and buf, and how long a process takes to be there, and how much of the
machine."""
import functools
import os
import shutil
import signal
import statistics
import subprocess
import tempfile
import time

import gen_topology
import method
import peers
import work_data
import work_http
import world
from workload import Limit, Point, Target, Workload

ECOMC = os.path.join(world.lib.RELEASE, "tool", "ecomc")
LEAST_RUNS = 3


def command(argv, cwd=None, good=(0,), least=LEAST_RUNS, facts=None):
    """Of a command that is run again and again: what Subject.drive gives. A run counts only when it ends as it must. cwd: a folder, or what
    makes one for each run, whose time does not count."""
    def drive(seconds, _):
        times, cpu, begun = [], 0, time.monotonic()
        while time.monotonic() - begun < seconds or len(times) < least:
            where = cwd() if callable(cwd) else cwd
            at = time.monotonic()
            process = subprocess.Popen(argv, cwd=where, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            said = process.stderr.read()
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode not in good:
                raise method.Lost(f"{argv[0]} ended with {process.returncode}: {said[-300:].decode(errors='replace')}")
            times.append((time.monotonic() - at) * 1e6)
            cpu += usage.ru_utime + usage.ru_stime
        return times_told(times, cpu)
    return method.Subject(0, list, list, drive=drive, spread=True, facts=facts or {})


def times_told(times, cpu):
    times.sort()
    middle, late = times[len(times) // 2], times[len(times) * 99 // 100]
    return {"per_second": len(times) / (sum(times) / 1e6), "good": len(times), "cpu": cpu, "p50_us": middle, "p99_us": late}


# ---------------------------------------------------------------- the compiler

@functools.lru_cache(None)
def topology(services):
    return gen_topology.topology(services)


def proto(lines):
    """A schema of as many lines: services with operations and their messages."""
    out = ['syntax = "proto3";', "package bench;"]
    for i in range(lines // 16):
        out += [f"// What service {i} takes and gives.", f"message Request{i} {{", "  string id = 1;", "  string label = 2;",
                "  int64 amount = 3;", "  repeated string parts = 4;", "}",
                f"message Reply{i} {{", "  string id = 1;", "  bool done = 2;", "  optional string place = 3;", "}",
                f"service Service{i} {{", f"  rpc Get(Request{i}) returns (Reply{i});", f"  rpc Put(Request{i}) returns (Reply{i});", "}"]
    return "\n".join(out) + "\n"


def folder(w, services):
    path = os.path.join(w.folder, f"compile-{services}")
    if not os.path.exists(path):
        os.makedirs(path)
        text = topology(services)
        for name, content in (("topology.ecom", text), ("bench.proto", proto(len(text.splitlines())))):
            with open(os.path.join(path, name), "w", encoding="utf-8") as file:
                file.write(content)
    return path


def our_check(services):
    return lambda w: command([ECOMC, "check"], folder(w, services))


def our_parse(services):
    """Lexer, grammar and the canonical form, which is only compared: the generator's text is not in it, and the command says so with 2."""
    return lambda w: command([ECOMC, "fmt", "--check", "topology.ecom"], folder(w, services), (0, 2))


def protoc(services):
    return lambda w: command([peers.program("protoc", "protobuf-compiler"), "--descriptor_set_out=/dev/null", "bench.proto"],
                             folder(w, services))


def buf(services):
    def start(w):
        path = os.path.join(peers.node_packages(), "node_modules", "@bufbuild", "buf-linux-x64", "bin", "buf")
        if not os.path.exists(path):
            raise world.Missing("npm has no buf for this machine")
        return command([path, "build", "-o", "/dev/null"], folder(w, services))
    return start


def compilers(services):
    return {"protoc": protoc(services), "ours, parse": our_parse(services), "ours, check": our_check(services), "buf": buf(services)}


def lines(services):
    return str(len(topology(services).splitlines()))


# ---------------------------------------------------------------- a thousand services

THOUSAND = 1000


def thousand(w, name, text):
    path = os.path.join(w.folder, name)
    os.makedirs(path)
    with open(os.path.join(path, "topology.ecom"), "w", encoding="utf-8") as file:
        file.write(text)
    return path


def told_lines(text):
    return {"lines": (len(text.splitlines()), "")}


def thousand_without_sql(w):
    text = gen_topology.without_statements(topology(THOUSAND))
    return command([ECOMC, "check"], thousand(w, "without-sql", text), facts=told_lines(text))


def thousand_checked(w):
    return command([ECOMC, "check"], folder(w, THOUSAND), facts=told_lines(topology(THOUSAND)))


def first_build(w):
    """Each in a folder of its own, which stays until the end: a file system that has just deleted many files makes new ones slowly."""
    made = []

    def another():
        made.append(thousand(w, f"first-{len(made)}", topology(THOUSAND)))
        return made[-1]
    return command([ECOMC, "build"], another, least=1)


def next_build(w):
    path, facts = thousand(w, "again", topology(THOUSAND)), {}
    subprocess.run([ECOMC, "build"], cwd=path, check=True, stdout=subprocess.DEVNULL)
    facts["files"] = sum(len(files) for _, _, files in os.walk(os.path.join(path, "generated"))), ""
    return command([ECOMC, "build"], path, facts=facts)


# ---------------------------------------------------------------- the C compiler

SERVICE = "order-svc"  # of the shop: the largest
GCC = ["gcc", "-std=gnu11", "-O2", "-Wall", "-Wextra", "-D_GNU_SOURCE", "-fno-strict-aliasing", "-fno-omit-frame-pointer", "-c"]


def sources(path):
    return sorted(os.path.join(where, name) for where, _, names in os.walk(path) for name in names if name.endswith(".c"))


def headers(source):
    return [f"-I{each}" for each in (source, os.path.join(world.ROOT, "runtime"), os.path.join(world.lib.RELEASE, "runtime"))]


def compiled_by_gcc(w, name, files, *options):
    """One call of gcc for all, which compiles one after another."""
    path, lines = os.path.join(w.folder, name), 0
    os.makedirs(path)
    for file in files:
        with open(file, encoding="utf-8") as text:
            lines += sum(1 for _ in text)
    return command([*GCC, *options, *files], path, facts={"files": (len(files), ""), "lines": (lines, "")})


def our_service(*more):
    def start(w):
        source = os.path.join(world.ROOT, "generated", SERVICE)
        return compiled_by_gcc(w, "cc-ours" + "".join(more), sources(source), *headers(source), *more)
    return start


def as_many(name, text):
    """As many files as the service has, with this in each."""
    def start(w):
        source = os.path.join(world.ROOT, "generated", SERVICE)
        files = [w.write(f"{name}-{i}.c", text) for i in range(len(sources(source)))]
        return compiled_by_gcc(w, f"cc-{name}", files, *headers(source))
    return start


def one_file(w):
    """That includes all of the service's."""
    source = os.path.join(world.ROOT, "generated", SERVICE)
    text = "".join(f'#include "{file}"\n' for file in sources(source))
    return compiled_by_gcc(w, "cc-one", [w.write("one.c", text)], *headers(source))


def plain_libuv(w):
    return compiled_by_gcc(w, "cc-uv", [os.path.join(world.HERE, "peers", "uv_static.c")])


# ---------------------------------------------------------------- a process

def stripped(path):
    """Bytes of a binary without what is for a debugger."""
    with tempfile.NamedTemporaryFile() as file:
        done = subprocess.run(["strip", "-o", file.name, path], capture_output=True)
        return os.path.getsize(file.name) if done.returncode == 0 else os.path.getsize(path)


def starts(w, make, binary):
    """make(port) -> argv, environment: started, asked until it answers, ended; and how large it is then."""
    facts, memory = {}, []

    def once(seconds, _):
        times, cpu, begun = [], 0, time.monotonic()
        while time.monotonic() - begun < seconds or len(times) < LEAST_RUNS:
            port = world.free_port()
            argv, env = make(port)
            at = time.monotonic()
            process = subprocess.Popen(argv, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
                                       cwd=w.folder)
            while True:
                try:
                    world.get(port, "/")
                    break
                except OSError:
                    if process.poll() is not None or time.monotonic() - at > 20:
                        raise method.Lost(f"{argv[0]} does not start") from None
                    time.sleep(0.0005)
            times.append((time.monotonic() - at) * 1e6)
            pids = method.below(process.pid)
            memory.append(method.resident(pids) / 1024)
            facts["memory"] = statistics.median(memory), "MB"
            cpu += method.cpu(pids)
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        return times_told(times, cpu)
    facts["binary"] = stripped(binary) / 1e6, "MB"
    return method.Subject(0, list, list, drive=once, spread=True, facts=facts)


def our_process(name, system_of=work_http.ours):
    def start(w):
        system = system_of(w)
        pid = system.pid(name)
        binary = os.path.realpath(f"/proc/{pid}/exe")
        with open(f"/proc/{pid}/environ", "rb") as file:
            environ = dict(item.partition(b"=")[::2] for item in file.read().split(b"\0") if item)

        def make(port):
            admin = next(free for free in iter(world.free_port, None) if free != port)  # of thousands of starts one has met itself
            return [binary], {**environ, b"PORT": b"%d" % port, b"ADMIN_PORT": b"%d" % admin}
        return starts(w, make, binary)
    return start


def nginx_process(w):
    program = peers.program("nginx", "nginx-light")

    def make(port):
        text = f"daemon off; worker_processes 1; pid {w.folder}/n{port}.pid; error_log /dev/null; events {{}} http {{ access_log off; " \
               f"client_body_temp_path {w.folder}/b; proxy_temp_path {w.folder}/p; fastcgi_temp_path {w.folder}/f; " \
               f"uwsgi_temp_path {w.folder}/u; scgi_temp_path {w.folder}/s; " \
               f"server {{ listen 127.0.0.1:{port}; location / {{ return 200 'ok'; }} }} }}"
        return [program, "-e", "/dev/null", "-c", w.write("start.conf", text)], dict(os.environ)
    return starts(w, make, program)


def go_process(w):
    program = peers.go_program("service")
    return starts(w, lambda port: ([program, str(port), "1", "1", "-", "postgres://127.0.0.1/none"], dict(os.environ)), program)


def node_process(w):
    script = os.path.join(peers.node_packages(), "cached.mjs")
    program = shutil.which("node")
    return starts(w, lambda port: ([program, script, str(port), str(work_http.redis_of(w)), work_http.KEY], dict(os.environ)), program)


SIZES = (10, 100, 1000)
WORKLOADS = [
    Workload("compile", "The compiler beside protoc and buf",
             "Texts of equal numbers of lines: `ours, parse` is lexer, grammar and canonical form, `ours, check` everything "
             "that is checked, with three SQL statements a service; protoc and buf build descriptors of messages and services.",
             [Point(lines(n), compilers(n)) for n in SIZES], "protoc",
             [Target("ours, parse", "protoc", "per_second", 1), Target("ours, check", "buf", "per_second", 1)], axis="lines", of="runs"),
    Workload("thousand", "A thousand services",
             "5,000 edges and 3,000 SQL statements. `without SQL` is the same topology whose operations make of their parameters what their "
             "statements would have found; it has its tables. A `first` build writes into a folder of its own, a build `again` finds that "
             "nothing has changed. protoc is given a text of as many lines, and writes nothing.",
             [Point("", {"protoc": protoc(THOUSAND), "ours, check": thousand_checked, "ours, check without SQL": thousand_without_sql,
                         "ours, build, the first": first_build, "ours, build again": next_build})],
             "protoc", [], of="runs",
             limits=[Limit("ours, check without SQL", "p50_us", 10), Limit("ours, build, the first", "p50_us", 120),
                     Limit("ours, build again", "p50_us", 40)]),
    Workload("cc", "The C compiler on a generated service",
             f"All files of {SERVICE} of the shop by one call of gcc -O2 on one processor (ninja uses all); what of it are gcc's own starts (as "
             "many files with nothing in them) and the headers (as many that include the service's and have nothing else); and all of it "
             "included by one file. The libuv program is the raw server of these benchmarks, one file.",
             [Point("", {"only the headers": as_many("headers", f'#include "{SERVICE.replace("-", "_")}.h"\n'), "empty files": as_many("empty", "\n"),
                         "ours": our_service(), "ours, with -g": our_service("-g"), "ours, in one file": one_file, "a libuv program": plain_libuv})],
             "only the headers", [], of="runs", limits=[Limit("ours", "p50_us", 100)]),
    Workload("start", "A process",
             "From its start to its first answer; then its resident memory and the size of its binary without debugging symbols. `ours, gateway` "
             "and `ours, service with a database` are of the benchmarks' own topology, `api-gateway` and `order-svc` those of the shop "
             "(`topology.ecom`): the second with its database, its sagas, what it publishes and what it consumes.",
             [Point("", {"nginx": nginx_process, "ours, gateway": our_process("bare"),
                         "ours, service with a database": our_process("item-svc"), "ours, api-gateway": our_process("api-gateway", work_data.shop),
                         "ours, order-svc": our_process("order-svc", work_data.shop), "Go net/http": go_process, "fastify": node_process})],
             "nginx", [], of="starts",
             limits=[Limit("ours, api-gateway", "memory", 6), Limit("ours, api-gateway", "p50_us", 10),
                     Limit("ours, order-svc", "memory", 14), Limit("ours, order-svc", "p50_us", 18)]),
]
