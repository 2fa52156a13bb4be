"""The disk of a database becomes full while customers order: what needs it is refused, nothing is lost, and it goes on by itself once there is
room. The disk is a tmpfs in place of the database's folder, filled by a file of the test's; in one case tables can't grow, in the other the log."""
import contextlib
import os
import subprocess

import lib
import namespaces
from lib import wait
from shop import Customer
from storm import BETWEEN, Storm

SPARE_MB = 12


class Disk:
    """While the system is down: moves a database to a disk of its own."""

    def __init__(self, system, service):
        self.folder = os.path.realpath(os.path.join(system.folder, ".ecom", "pg", service))
        self.log = os.path.join(system.folder, ".ecom", "logs", f"{service}-db.log")
        self.ballast = os.path.join(self.folder, "ballast")
        owner, used = os.stat(self.folder), int(subprocess.check_output(["du", "-sm", self.folder]).split()[0])
        os.rename(self.folder, self.folder + ".moved")
        os.mkdir(self.folder)
        options = f"size={used + SPARE_MB}m,mode=700,uid={owner.st_uid},gid={owner.st_gid}"
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", self.folder], check=True)
        subprocess.run(["cp", "-a", self.folder + ".moved/.", self.folder], check=True)

    @contextlib.contextmanager
    def full(self):
        self.at = os.path.getsize(self.log)
        with open(self.ballast, "wb", buffering=0) as file:
            with contextlib.suppress(OSError):
                while file.write(bytes(4096)):
                    pass
        assert os.statvfs(self.folder).f_bavail == 0
        try:
            yield
        finally:
            os.unlink(self.ballast)

    def said(self, *words):
        with open(self.log, errors="replace") as file:
            file.seek(self.at)
            return any(all(word in line for word in words) for line in file)


def with_small_disks(test, services):
    namespaces.enter(namespaces.NEWNS)
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    system = lib.System(os.path.join(lib.ROOT, "topology.ecom"), args=["--replicas", "2"], env={"EC_BACKOFF_MS": "1000"},
                        build=lib.BUILDS[lib.BUILD or "release"])
    with system:
        assert system.ecomc("down").returncode == 0
        disks = {service: Disk(system, service) for service in services}
        done = system.ecomc("up", "--detach", *system.args)
        assert done.returncode == 0, done.stderr
        try:
            test(system, disks)
        finally:
            system.ecomc("down")
            for disk in disks.values():
                subprocess.run(["umount", "-l", disk.folder], check=True)


def refused(storm, customer):
    reply = storm.ask(customer)
    if reply.status == 201:
        return False
    assert reply.status == 503 and reply.headers["content-type"] == "application/problem+json" and int(reply.headers["retry-after"]) > 0, reply
    return True


def check_disks(system, disks):
    customer = Customer(system)
    with Storm(system) as storm:
        storm.go_on()
        with disks["order-svc"].full():
            wait(lambda: disks["order-svc"].said("ERROR:", "No space left on device") or storm.wrong, 120, "a table can't grow")
            for _ in range(BETWEEN):  # the others ask again and again, for nobody can tell what became of their orders
                wait(lambda: refused(storm, customer), 60, "an order is refused")
        wait(lambda: not refused(storm, customer), 30, "orders go on")
        storm.go_on()
    with Storm(system) as storm:
        storm.go_on()
        with disks["payment-svc"].full():
            def log_ends():
                subprocess.run([*system.psql("payment-svc"), "-c", "SELECT pg_switch_wal(), pg_logical_emit_message(false, 'x', 'x')"], capture_output=True)
                return disks["payment-svc"].said("PANIC:", "No space left on device")
            wait(lambda: log_ends() or storm.wrong, 120, "the log can't grow, and the server ends")
            wait(lambda: refused(storm, customer), 60, "an order is refused")
            storm.go_on(BETWEEN)
        wait(lambda: not refused(storm, customer), 60, "orders go on")
        storm.go_on()


def test_disk_is_full():
    with_small_disks(check_disks, ["order-svc", "payment-svc"])
