"""An engine of the test's own: Debian's dockerd, with its data below .ecom/containers, where images stay from run to run.

It builds with the network of the machine, and touches nothing of it (no bridge, no firewall). It runs containers in namespaces of the test's own,
in which the outside is a namespace beside them, with a web server. So nothing of what an engine does to a machine's network is seen beyond, and
engines of several checkouts run side by side."""
import ctypes
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
HOME = os.path.join(ROOT, ".ecom", "containers")
HERE_IS, OUTSIDE = "198.51.100.1", "198.51.100.2"  # RFC 5737: nobody's
NEWNS, NEWNET = 0x00020000, 0x40000000


class CannotRun(Exception):
    """There can't be an engine here; the text is the reason."""


def run(*argv, check=True, timeout=900, **kw):
    """Output as text; what fails is told with its end."""
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", timeout=timeout, **kw)
    if check and done.returncode:
        raise AssertionError(f"{' '.join(argv)[:200]} ({done.returncode}): {done.stdout[-2500:]}")
    return done.stdout if check else done


class Engine:
    def __init__(self):
        if os.geteuid():
            raise CannotRun("an engine takes root")
        for program in ("dockerd", "docker-compose", "debootstrap"):
            if not shutil.which(program):
                raise CannotRun(f"there is no {program}")
        os.makedirs(HOME, exist_ok=True)
        self.lock = open(os.path.join(HOME, "lock"), "w")
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        self.folder = tempfile.mkdtemp(prefix="ecom-engine-")
        self.socket = os.path.join(self.folder, "docker.sock")
        self.log = os.path.join(HOME, "dockerd.log")
        self.process = self.neighbour = None
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(("DOCKER_", "COMPOSE_", "EC_"))}
        self.env |= {"DOCKER_HOST": "unix://" + self.socket, "DOCKER_CONFIG": self.folder, "DOCKER_BUILDKIT": "0", "COMPOSE_DOCKER_CLI_BUILD": "0",
                     "COMPOSE_HTTP_TIMEOUT": "300", "LC_ALL": "C.UTF-8"}

    def docker(self, *args, **kw):
        return run("/usr/bin/docker", *args, env=self.env, **kw)

    def start(self, *options):
        log = open(self.log, "a")
        self.process = subprocess.Popen(["dockerd", "--data-root", os.path.join(HOME, "data"), "--exec-root", os.path.join(self.folder, "run"),
                                         "--pidfile", os.path.join(self.folder, "docker.pid"), "-H", "unix://" + self.socket, *options],
                                        stdout=log, stderr=log, start_new_session=True)
        end = time.monotonic() + 60
        while self.docker("version", check=False).returncode:
            if self.process.poll() is not None or time.monotonic() > end:
                last = [line for line in open(self.log, errors="replace") if line.strip()][-1:]
                self.stop()
                raise CannotRun(f"dockerd does not start: {''.join(last).strip()[:300]}")
            time.sleep(0.2)

    def start_to_build(self):
        self.start("--bridge", "none", "--iptables=false", "--ip-forward=false", "--ip-masq=false")

    def start_to_run(self):
        """The test itself goes into the namespaces, so that it reaches what is published, and each container by its address."""
        libc = ctypes.CDLL(None, use_errno=True)
        cgroup = os.path.join(self.folder, "cgroup")
        os.mkdir(cgroup)
        if libc.unshare(NEWNS | NEWNET):
            raise CannotRun(f"no namespaces of its own: {os.strerror(ctypes.get_errno())}")
        with open(os.path.join(self.folder, "resolv.conf"), "w") as file:
            file.write("nameserver 127.0.0.1\n")  # where nobody answers, and says so at once
        shutil.copy("/etc/hosts", os.path.join(self.folder, "hosts"))
        for command in ("mount --make-rprivate /", f"mount --rbind /sys/fs/cgroup {cgroup}", "mount -t sysfs sysfs /sys",
                        f"mount --rbind {cgroup} /sys/fs/cgroup", f"mount --bind {self.folder}/resolv.conf /etc/resolv.conf",
                        f"mount --bind {self.folder}/hosts /etc/hosts", "ip link set lo up", f"ip link add outside type veth peer name inside netns {self.outside()}",
                        f"ip addr add {HERE_IS}/24 dev outside", "ip link set outside up", f"ip route add default via {OUTSIDE}"):
            done = run(*command.split(), check=False)
            if done.returncode:
                raise CannotRun(f"{command}: {done.stdout.strip()}")
        self.start()

    def outside(self):
        """Who stands for the internet: a process with a network of its own, which serves as soon as it is connected. Its pid."""
        script = (f"until ip addr add {OUTSIDE}/24 dev inside; do sleep 0.1; done 2>/dev/null; ip link set inside up; cd {self.folder}/empty; "
                  f"exec python3 -m http.server 80 --bind {OUTSIDE}")
        os.mkdir(os.path.join(self.folder, "empty"))
        self.neighbour = subprocess.Popen(["unshare", "-n", "sh", "-c", script], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while os.readlink(f"/proc/{self.neighbour.pid}/ns/net") == os.readlink("/proc/self/ns/net"):
            time.sleep(0.05)
        return self.neighbour.pid

    def hosts(self, names):
        """What names mean for the test, beside what the machine says."""
        with open(os.path.join(self.folder, "hosts"), "a") as file:
            file.writelines(f"{address} {name}\n" for name, address in names.items())

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)
        self.process = None

    def close(self):
        self.stop()
        if self.neighbour:
            self.neighbour.kill()
            self.neighbour.wait()
        for line in reversed(open("/proc/self/mounts").readlines()):
            if line.split()[1].startswith(self.folder):
                run("umount", "-l", line.split()[1], check=False)
        subprocess.run(["rm", "-rf", "--one-file-system", self.folder])
        self.lock.close()


if __name__ == "__main__":
    sys.exit(__doc__)
