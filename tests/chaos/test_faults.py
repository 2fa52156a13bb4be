"""The parts around the services fail while customers order, each in a way of its own; each case proves that its fault has happened."""
import os
import random
import signal
import time

from lib import wait
from pgproxy import Proxy
from storm import BETWEEN, LONG, ROUNDS, Storm

BUILDS = ["release"]
ARGS = ["--replicas", "2"]


class Stopped:
    """`with Stopped(system, names):` the processes stand still inside, as if they hung or the network were cut."""

    def __init__(self, system, names):
        self.pids = [system.pid(name) for name in names]

    def __enter__(self):
        for pid in self.pids:
            os.kill(pid, signal.SIGSTOP)

    def __exit__(self, kind, error, trace):
        for pid in self.pids:
            os.kill(pid, signal.SIGCONT)


def count(system, service, text):
    return int(system.sql(service, text)[0][0])


def test_answers_of_commits_are_lost(system):
    """The commit has happened, and whoever asked for it never hears of it."""
    for service, kinds in (("order-svc", ("commit", "group")), ("payment-svc", ("group",)), ("inventory-svc", ("group",)), ("shipping-svc", ("group",))):
        with Proxy(system, service) as proxy:
            wait(lambda: proxy.connections >= 4, 30, f"{service} goes through the proxy")
            with Storm(system) as storm:
                for kind in kinds * 3 * ROUNDS:
                    before = proxy.lost[kind]
                    proxy.lose(kind)
                    wait(lambda: proxy.lost[kind] > before or storm.wrong, 60, f"an answer of {service} ({kind}) is lost")
                    storm.go_on(2)
            assert all(proxy.lost[kind] >= 3 * ROUNDS for kind in kinds), proxy.lost


def test_one_way_partition_from_a_database(system):
    """What a service asks does not arrive, or happens and is never answered. Its callers are told in time; connections that the database
    still has open, with what they hold, stand in nobody's way for long after."""
    ways = [("order-svc", "answers"), ("inventory-svc", "answers"), ("payment-svc", "requests")]
    if LONG:
        ways = [(service, direction) for service in ("order-svc", "payment-svc", "inventory-svc", "shipping-svc") for direction in ("answers", "requests")]
    for service, direction in ways:
        with Proxy(system, service) as proxy:
            wait(lambda: proxy.connections >= 4, 30, f"{service} goes through the proxy")
            with Storm(system) as storm:
                storm.go_on()
                with proxy.hold(direction):
                    wait(lambda: proxy.held[direction] >= 5 or storm.wrong, 60, f"{direction} of {service} are held up")
                    end = time.monotonic() + 8 * ROUNDS
                    while time.monotonic() < end:
                        customer, begun = random.choice(storm.customers), time.monotonic()
                        reply = customer.get("/v1/orders") if service == "order-svc" else customer.get("/v1/products/mug")
                        took = time.monotonic() - begun
                        assert took < 18 and reply.status in (200, 502, 503, 504), (service, direction, reply, took)
                        time.sleep(0.2)
                storm.go_on()


def test_bus_is_away(system):
    """Orders go on while the broker says nothing; what has happened meanwhile is told when it is back."""
    with Storm(system) as storm:
        storm.go_on()
        with Stopped(system, ["kafka"]):
            storm.go_on(2 * BETWEEN)
            wait(lambda: count(system, "order-svc", "SELECT count(*) FROM ec.outbox"), 10, "events wait")
        storm.go_on()


def test_undo_that_fails_for_a_while(system):
    """Nobody answers for the stock while a declined order has to give its part back: the undo is repeated until it holds."""
    repeated = "SELECT count(*) FROM ec.saga WHERE state = 'compensating' AND attempts >= 3"
    for _ in range(ROUNDS):
        with Storm(system) as storm:
            storm.go_on()
            system.sql("inventory-svc", """CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE 'not now'; END$$;
                                           CREATE TRIGGER refuse BEFORE UPDATE ON reservations FOR EACH ROW EXECUTE FUNCTION refuse()""")
            try:
                wait(lambda: count(system, "order-svc", repeated), 60, "an undo has failed three times")
            finally:
                system.sql("inventory-svc", "DROP FUNCTION refuse CASCADE")
            storm.go_on()


def test_undo_before_its_do(system):
    """A request stands in a stopped process while its undo is served by another: when the process goes on, the late request is refused."""
    absent = "SELECT count(*) FROM ec.inbox WHERE state = 'revoked' AND detail = 'absent'"

    def refused():
        return system.metrics("shipping-svc").get('ec_op_requests_total{op="Schedule",outcome="rejected"}', 0)
    for _ in range(ROUNDS):
        before = refused()
        with Storm(system) as storm:
            storm.go_on()
            with Stopped(system, ["shipping-svc"]):
                had = count(system, "shipping-svc", absent)
                wait(lambda: count(system, "shipping-svc", absent) > had, 60, "an undo has come before its do")
            wait(lambda: refused() > before, 30, "the late do is refused")
            storm.go_on()
