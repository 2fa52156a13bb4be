"""The clock of one process is wrong, or jumps, while customers order. Service tokens bear a difference of five seconds; who is further off is not
believed, and nothing that was begun stays half done. Leases are by the database's clock, breakers and timeouts by one that does not jump.

libfaketime stands between a process and its wall clock alone; that it does is seen in the Date of the process's answers."""
import contextlib
import email.utils
import glob
import os
import time

import lib
from lib import wait
from shop import Customer
from storm import Storm

BUILDS = ["release"]  # a preloaded library and a sanitizer's do not go together
ARGS = ["--replicas", "2"]
ENV = {"EC_BACKOFF_MS": "300"}


class Clock:
    """Of one process, which is started again for it; afterwards set by a file."""

    def __init__(self, system, name):
        self.system, self.name = system, name
        self.binary = os.readlink(f"/proc/{system.processes()[name]['pid']}/exe")
        self.file = os.path.join(system.folder, f"{name}.clock")
        library, = glob.glob("/usr/lib/*/faketime/libfaketime.so.1") or [None]
        if not library:
            raise lib.Skip("libfaketime is not here: apt-get install libfaketime")
        self.set(0)
        os.rename(self.binary, self.binary + ".real")
        with open(self.binary, "w") as script:
            script.write(f"#!/bin/sh\nLD_PRELOAD={library} FAKETIME_TIMESTAMP_FILE={self.file} FAKETIME_NO_CACHE=1 FAKETIME_DONT_FAKE_MONOTONIC=1 "
                         f"exec {self.binary}.real \"$@\"\n")
        os.chmod(self.binary, 0o755)
        self.start_again()

    def start_again(self):
        self.system.kill(self.name)
        wait(lambda: self.system.processes()[self.name]["state"] == "ready", 30, f"{self.name} is ready")

    def set(self, seconds):
        with open(self.file + ".new", "w") as file:
            file.write(f"{seconds:+d}s\n")
        os.rename(self.file + ".new", self.file)

    def is_off(self):
        """By how many seconds, as the process itself says."""
        reply = self.system.request("GET", "/livez", port=self.system.processes()[self.name]["port"])
        return email.utils.parsedate_to_datetime(reply.headers["date"]).timestamp() - time.time()

    @contextlib.contextmanager
    def jump(self, seconds):
        self.set(seconds)
        wait(lambda: abs(self.is_off() - seconds) < 3, 10, f"the clock of {self.name} is off by {seconds} s")
        yield
        self.set(0)
        wait(lambda: abs(self.is_off()) < 3, 10, f"the clock of {self.name} is right")

    def take_away(self):
        os.rename(self.binary + ".real", self.binary)
        self.start_again()


@contextlib.contextmanager
def clock_of(system, name):
    clock = Clock(system, name)
    try:
        yield clock
    finally:
        clock.take_away()


def refused(system, name):
    """Calls that this process did not let in."""
    return sum(value for key, value in system.metrics(name).items() if key.startswith("ec_ops_refused_total"))


def goes_on(system, storm, customer):
    wait(lambda: storm.ask(customer).status == 201, 15, "orders go on")
    for _ in range(10):
        reply = storm.ask(customer)
        assert reply.status == 201, reply


def test_within_the_leeway(system):
    """Nobody notices."""
    customer = Customer(system)
    for name in ("order-svc", "inventory-svc"):
        with clock_of(system, name) as clock, Storm(system) as storm:
            for seconds in (3, -3):
                with clock.jump(seconds):
                    goes_on(system, storm, customer)


def test_an_hour_off(system):
    """Who calls, who is called, and who orchestrates, ahead and behind; the other process of the service is right, and goes on."""
    customer = Customer(system)
    for name in ("payment-svc", "order-svc"):
        with clock_of(system, name) as clock:
            for seconds in (3600, -3600):
                with Storm(system) as storm:
                    storm.go_on()
                    taken = int(system.sql("order-svc", "SELECT coalesce(sum(fence), 0) - count(*) FROM ec.saga")[0][0])
                    before = refused(system, name)
                    with clock.jump(seconds):
                        replies = [storm.ask(customer) for _ in range(20)]
                        assert {r.status for r in replies} <= {201, 202, 502, 503}, replies
                        assert any(r.status == 201 for r in replies), ("the process whose clock is right serves", replies)
                        if seconds > 0:  # one that is behind believes the tokens that it has seen, until their callers have new ones
                            assert refused(system, name) > before, "whose clock is wrong believes nobody"
                        now = int(system.sql("order-svc", "SELECT coalesce(sum(fence), 0) - count(*) FROM ec.saga")[0][0])
                        assert now == taken, "nobody takes a saga whose owner is alive"
                    goes_on(system, storm, customer)
