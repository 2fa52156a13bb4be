"""How servers are compared on a machine that is not theirs alone.

The one that is measured has a core of its own, the load and what stands behind the server another (or two, where there are more). A
slice is one of them under load for some seconds: replies, each checked by the load, and the processor time of the server's processes,
which the kernel counts exactly. A round is one slice of each, in random order; what is told is the median over the rounds of the ratio
within a round, so a machine that gets faster or slower in the meantime changes nothing. A slice in which others had more than DISTURBED
of a core's time (programs that are not of the run, or the machine below: steal) is thrown away and taken again, and counted. A reply
that is lost or wrong ends the run."""
import dataclasses
import json
import os
import random
import statistics
import subprocess
import tempfile
import time

DISTURBED = 0.04
TRIES = 4  # of a slice; then the round is given up
TICK = os.sysconf("SC_CLK_TCK")


class Lost(Exception):
    """A reply that did not come, or was another: no figure of such a run counts."""


@dataclasses.dataclass
class Subject:
    """Something that answers requests. `requests` is asked before each slice: what it gives may hold a token that runs out."""
    port: int
    requests: object  # () -> [bytes]
    processes: object  # () -> pids whose time is the server's
    status: int = 200
    length: int = -1  # of each body; -1: any
    drive: object = None  # (seconds, connections) -> what load() tells: not HTTP. "cpu" in it is the time that counts
    spread: bool = False  # it may use all processors, as may what drives it
    memory: object = None  # () -> pids whose memory is told where it may grow; without: of one with its own core, all of its own
    facts: dict = dataclasses.field(default_factory=dict)  # {what: (value, unit)}, told beside the table


def server(subject):
    """The pids of one that has its own core."""
    return [] if subject.spread else subject.processes()


@dataclasses.dataclass
class Slice:
    per_second: float
    per_cpu: float  # replies for each second of the server's processes
    cpu_us: float  # of one reply
    p50_us: float
    p99_us: float
    others: float  # share of one core


def cores():
    """Of the server, of the load, and of what stands behind the server."""
    mine = sorted(os.sched_getaffinity(0))
    if len(mine) < 2:
        raise SystemExit("bench: two processors are needed, one of them for the load")
    return mine[0], mine[1], mine[2] if len(mine) > 2 else mine[1]


def children():
    """Pids by parent."""
    out = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
                out.setdefault(int(file.read().rpartition(")")[2].split()[1]), []).append(int(pid))
        except OSError:
            continue
    return out


def below(*roots):
    """The processes and all below them."""
    tree, out, todo = children(), [], list(roots)
    while todo:
        pid = todo.pop()
        out.append(pid)
        todo += tree.get(pid, [])
    return out


def resident(pids):
    """Kilobytes: the resident set of the largest of them, and what the others have to themselves."""
    sets = []
    for pid in pids:
        with open(f"/proc/{pid}/smaps_rollup", encoding="utf-8") as file:
            got = dict(line.split()[:2] for line in file if line.startswith(("Rss:", "Private_")))
        sets.append((int(got["Rss:"]), int(got["Private_Clean:"]) + int(got["Private_Dirty:"])))
    sets.sort(reverse=True)
    return sets[0][0] + sum(private for _, private in sets[1:])


def pin(pids, core):
    """Each thread of them; what they start later is there, too."""
    for pid in pids:
        try:
            for thread in os.listdir(f"/proc/{pid}/task"):
                os.sched_setaffinity(int(thread), {core})
        except (FileNotFoundError, ProcessLookupError):
            continue


def cpu(pids):
    """Seconds of processor time of these, to the nanosecond (the clock of clock_getcpuclockid(3)), and of their children that ended."""
    out = 0
    for pid in pids:
        try:
            out += time.clock_gettime_ns((~pid << 3) | 2) / 1e9
            with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
                out += sum(map(int, file.read().rpartition(")")[2].split()[13:15])) / TICK
        except OSError:
            continue
    return out


def programs():
    """Ticks of each process and its children that ended, by pid. Not the kernel's own threads: what they do (disks, packets) is done for
    somebody, and on a machine with nothing else it is for the run."""
    out = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
                words = file.read().rpartition(")")[2].split()
        except OSError:
            continue
        if words[1] != "2" and pid != "2":
            out[int(pid)] = sum(map(int, words[11:13 if pid == "1" else 15]))  # whose parent has ended is reaped by 1, and may be of the run
    return out


def stolen(which):
    """Seconds of these cores that another machine had (steal)."""
    with open("/proc/stat", encoding="utf-8") as file:
        return sum(int(line.split()[8]) for line in file if line.split()[0] in [f"cpu{core}" for core in which]) / TICK


def write_requests(path, requests):
    with open(path, "wb") as file:
        for request in requests:
            file.write(b"%d\n%s" % (len(request), request))


def load(program, subject, seconds, connections, core, rate=0, warm=0, drain=10):
    """What the load generator tells, on a core or, with None, anywhere; raises Lost."""
    with tempfile.NamedTemporaryFile(prefix="ecom-bench-") as file:
        write_requests(file.name, subject.requests())
        argv = [program, "-c", str(connections), "-t", str(seconds), "-w", str(warm), "-d", str(drain), "-s", str(subject.status)]
        argv += ["-q", file.name]
        argv += ["-r", str(rate)] if rate else []
        argv += ["-n", str(subject.length)] if subject.length >= 0 else []
        done = subprocess.run([*argv, "127.0.0.1", str(subject.port)], capture_output=True, text=True, timeout=seconds + warm + drain + 60,
                              preexec_fn=None if core is None else lambda: os.sched_setaffinity(0, {core}))
    if done.returncode:
        raise Lost(done.stderr.strip())
    told = json.loads(done.stdout)
    if told["good"] != told["sent"] or not told["good"] or told["wrong_status"] or told["wrong_body"] or told["broken"]:
        raise Lost(f"of {told['sent']} requests {told['good']} were answered as they must be: {done.stdout.strip()}")
    return told


class Run:
    """What one run shares: its cores, its load generator, and which processes are its own."""

    def __init__(self, program, roots, seconds, noisy, say=print):
        self.program, self.roots, self.seconds, self.noisy, self.say = program, roots, seconds, noisy, say
        self.server_core, self.load_core, self.behind_core = cores()
        self.slices = self.thrown = self.kept_noisy = 0

    def told(self, name, subject, seconds, connections, rate=0):
        try:
            return self.driven(subject, seconds, connections, rate)
        except Lost as why:
            raise Lost(f"{name}: {why}") from None

    def driven(self, subject, seconds, connections, rate):
        if subject.drive:
            return subject.drive(seconds, connections)
        return load(self.program, subject, seconds, connections, None if subject.spread else self.load_core, rate)

    def slice(self, name, subject, connections, rate=0):
        """One, as it came; the caller decides whether it counts."""
        watched = {self.server_core, self.load_core, self.behind_core}
        own = set(below(*self.roots()))
        of_server = set(subject.processes())
        used, were, was_stolen = cpu(of_server), programs(), stolen(watched)
        begun = time.monotonic()
        told = self.told(name, subject, self.seconds, connections, rate)
        took = max(self.seconds, time.monotonic() - begun)  # what can't be cut short takes longer than it was given
        if not told["per_second"]:
            raise Lost(f"{name}: no reply came within a slice; --seconds takes a longer one")
        spent = told.get("cpu", cpu(of_server) - used)
        own |= set(below(*self.roots())) | of_server  # with what has been started meanwhile
        foreign = sum(max(0, ticks - were.get(pid, 0)) for pid, ticks in programs().items() if pid not in own) / TICK
        others = (foreign + stolen(watched) - was_stolen) / took
        # Of what was due and had no connection nothing is known: its times flatter.
        others = max(others, told.get("unsent", 0) / told["good"])
        return Slice(told["per_second"], told["good"] / spent, spent / told["good"] * 1e6, told["p50_us"], told["p99_us"], others)

    def quiet(self, name, subject, connections, rate=0):
        """A slice that nobody disturbed, or None."""
        for _ in range(TRIES):
            self.slices += 1
            got = self.slice(name, subject, connections, rate)
            if got.others <= DISTURBED:
                return got
            if self.noisy:
                self.kept_noisy += 1
                return got
            self.thrown += 1
        return None

    def rounds(self, subjects, connections, n, rate=0):
        """n rounds, {name: [Slice]}: fewer, when the machine is not quiet for long enough."""
        out = {name: [] for name in subjects}
        for name, subject in subjects.items():  # warm: files, caches, compilers that compile while they run
            self.told(name, subject, min(1, self.seconds), connections)
        for _ in range(6 * n):
            got = {}
            for name in random.sample(list(subjects), len(subjects)):
                got[name] = self.quiet(name, subjects[name], connections, rate)
                if not got[name]:
                    break
            if len(got) == len(subjects) and all(got.values()):
                for name, each in got.items():
                    out[name].append(each)
            if len(next(iter(out.values()))) == n:
                break
        return out


def spread(values):
    """Median, lower and upper quartile."""
    if len(values) < 2:
        return (values[0],) * 3 if values else (float("nan"),) * 3
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return middle, low, high


def ratios(rounds, name, base, figure):
    """Of one to another in each round."""
    return [getattr(a, figure) / getattr(b, figure) for a, b in zip(rounds[name], rounds[base])]
