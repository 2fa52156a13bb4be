"""Where the time of ours goes in a workload: `./ecom bench --profile NAME`.

Of its first point each of ours is driven three times: for the processor time of each process and reply, which the kernel counts; under
perf, which samples what runs (software clock: a virtual machine has no counters); and, where one process serves, under strace -c, which
slows it down and counts its system calls. Nothing of this is a figure to compare: what is compared is measured without a tool beside it."""
import collections
import os
import re
import shutil
import subprocess
import tempfile
import threading

import method
from world import Missing

HERTZ = 997
KERNEL = {"send": ("ksys_write", "do_writev", "__sys_sendto", "__sys_sendmsg"), "receive": ("ksys_read", "__sys_recvfrom", "__sys_recvmsg"),
          "wait": ("do_epoll_wait",)}


def tool(name, package):
    path = shutil.which(name)
    if not path:
        raise Missing(f"{name} is not installed (apt-get install {package})")
    return path


def parent(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        return int(file.read().rpartition(")")[2].split()[1])


def title(pid):
    """A program of ours has a hash behind its name; a server of a database is told by its folder."""
    with open(f"/proc/{pid}/cmdline", encoding="utf-8", errors="replace") as file:
        words = file.read().split("\0")
    name = os.path.basename(words[0].split(" ")[0]).rstrip(":")
    if name.startswith("postgres") and "-D" in words:
        return "postgres of " + os.path.basename(words[words.index("-D") + 1])
    return name.split(".")[0]


def owners(pids):
    """{pid: the name of the one at its top, below the supervisor}."""
    out, pids = {}, set(pids)
    for pid in pids:
        top = pid
        try:
            while parent(top) in pids and title(parent(top)) != "ecomc":
                top = parent(top)
            out[pid] = title(top)
        except (OSError, ValueError):
            continue
    return out


def beside(work, argv):
    """The command while the work is under way, which begins before it; what the work gives."""
    got = []
    thread = threading.Thread(target=lambda: got.append(work()))
    thread.start()
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    thread.join()
    if done.returncode not in (0, 130) or not got:
        raise method.Lost(f"{argv[0]}: {done.stderr.strip()[-300:]}")
    return got[0]


def samples(path, *sort):
    """[(share in percent, *what it is sorted by)]"""
    done = subprocess.run([tool("perf", "linux-perf"), "report", "-i", path, "--no-children", "-g", "none", "--stdio", "-t", "\t", *sort],
                          capture_output=True, text=True)
    lines = [line.strip().split("\t") for line in done.stdout.splitlines() if line.strip() and not line.startswith("#")]
    return [(float(words[0].strip().rstrip("%")), *(word.strip() for word in words[1:])) for words in lines if words[0].strip().endswith("%")]


def below(path, pids, names):
    """The share of what was called by one of these functions, in percent of all samples."""
    done = subprocess.run([tool("perf", "linux-perf"), "report", "-i", path, "--children", "-g", "none", "--stdio", "-t", "\t",
                           "--pid", ",".join(map(str, pids)), "--sort", "sym"], capture_output=True, text=True)
    found = re.findall(r"^\s*([\d.]+)%\s+[\d.]+%\s+\[k\] (\S+)\s*$", done.stdout, re.M)
    return sum(float(share) for share, name in found if name in names)


def calls(run, name, subject, point):
    """{system call: how many a reply}."""
    with tempfile.NamedTemporaryFile() as file:
        pids = [word for pid in subject.processes() for word in ("-p", str(pid))]
        tracer = subprocess.Popen([tool("strace", "strace"), "-f", "-c", "-o", file.name, *pids], stderr=subprocess.DEVNULL)
        try:
            told = run.told(name, subject, 2, point.connections, point.rate)
        finally:
            tracer.send_signal(2)
            tracer.wait(20)
        rows = re.findall(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$", file.read().decode(), re.M)
    return {call: int(n) / told["good"] for n, call in rows if call != "total" and int(n) / told["good"] >= 0.005}


def profile(run, name, subject, point, seconds):
    """Lines of text."""
    run.told(name, subject, 1, point.connections, point.rate)
    pids = subject.processes()
    of = owners(pids)
    before = {pid: method.cpu([pid]) for pid in of}
    told = run.told(name, subject, seconds, point.connections, point.rate)
    spent, kernel, user = collections.Counter(), collections.Counter(), collections.Counter()
    for pid, then in before.items():
        spent[of[pid]] += max(0, method.cpu([pid]) - then) / told["good"] * 1e6
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "perf.data")
        record = [tool("perf", "linux-perf"), "record", "-q", "-a", "-g", "-F", str(HERTZ), "-o", path, "--", "sleep", str(seconds)]
        beside(lambda: run.told(name, subject, seconds + 1.5, point.connections, point.rate), record)
        for share, who, where in samples(path, "--sort", "pid,dso"):
            whose = of.get(int(who.split(":")[0]))
            if whose:
                (kernel if "kernel" in where else user)[whose] += share
        all_kernel = {what: below(path, pids, names) for what, names in KERNEL.items()}
        functions = samples(path, "--pid", ",".join(map(str, pids)), "--sort", "dso,sym")
    total = sum(kernel.values()) + sum(user.values())
    out = [f"{name}: {told['per_second']:,.0f}/s, {sum(spent.values()):,.1f} us of processor time each"]
    for whose, us in spent.most_common():
        both = kernel[whose] + user[whose]
        if us >= 0.005 * sum(spent.values()):
            out.append(f"  {whose:28} {us:8.1f} us, of it in the kernel {kernel[whose] / both * 100 if both else 0:3.0f}%")
    parts = ", ".join(f"{what} {share / total * 100:.0f}%" for what, share in all_kernel.items())
    out.append(f"  of all of it: kernel {sum(kernel.values()) / total * 100:.0f}% (below {parts}), programs {sum(user.values()) / total * 100:.0f}%")
    own = [(share / total * 100, where, what) for share, where, what in functions if "kernel" not in where][:12]
    out.append("  of all of it, in the programs' own functions: " + ", ".join(f"{what[4:]} {share:.1f}%" for share, where, what in own if share >= 0.3))
    if not subject.spread:
        out.append("  system calls a reply: " + ", ".join(f"{call} {n:.2f}" for call, n in calls(run, name, subject, point).items()))
    return out


def workload(run, w, asked, seconds):
    """Prints it for each of ours at the workload's first point."""
    point = asked.points[0]
    run.say(asked.title + (f", {point.label}" if point.label else ""))
    for name, start in point.subjects.items():
        if not name.startswith("ours"):
            continue
        subject = start(w)
        method.pin(method.server(subject), w.server_core)
        for line in profile(run, name, subject, point, seconds):
            run.say("  " + line)
