"""The network loses what goes one way, and nothing else: what is asked of somebody never arrives, or is done and never answered. The system
lives in a network namespace of the test's own, where a filter drops the packets to a port, or those from it, and counts them. Databases
listen on Unix sockets: their partitions are in test_faults.py."""
import contextlib
import os
import re
import subprocess
import time

import lib
import namespaces
from lib import LONG, wait
from storm import Storm

# Long enough for each timeout, breaker and session on the way.
PEERS = {"kafka": 8, "payment-svc": 15, "inventory-svc": 5, "order-svc": 16, "redis": 4, "stripe-sandbox": 8}
BOTH = ["requests", "answers"]
DROPPED = 10  # packets, at least


def nft(text):
    done = subprocess.run(["nft", "-f", "-"], input=text, text=True, capture_output=True)
    assert done.returncode == 0, done.stderr


def dropped():
    text = subprocess.run(["nft", "list", "chain", "inet", "chaos", "lost"], capture_output=True, text=True, check=True).stdout
    return sum(int(n) for n in re.findall(r"counter packets (\d+)", text))


@contextlib.contextmanager
def one_way(ports, direction):
    end = {"requests": "dport", "answers": "sport"}[direction]
    nft("flush chain inet chaos lost\n" + "".join(f"add rule inet chaos lost tcp {end} {port} counter drop\n" for port in ports))
    try:
        yield
    finally:
        nft("flush chain inet chaos lost\n")


def ports_of(system, peer):
    if peer == "kafka":
        return [int(system.brokers().rsplit(":", 1)[1])]
    return system.ports(peer) if peer.endswith("-svc") else [system.processes()[peer]["port"]]


def check_partitions(kafka, ways):
    with lib.System(os.path.join(lib.ROOT, "topology.ecom"), kafka, ["--replicas", "2"], build=lib.BUILDS[lib.BUILD or "release"]) as system:
        for peer, direction in ways:
            with Storm(system) as storm:
                storm.go_on()
                begun = time.monotonic()
                with one_way(ports_of(system, peer), direction):
                    wait(lambda: dropped() >= DROPPED and time.monotonic() - begun > PEERS[peer] or storm.wrong, 60, f"{direction} of {peer} are lost")
                    lost = dropped()
                storm.go_on()
            print(f"  {kafka}: {direction} of {peer}: {lost} packets lost", flush=True)


def partitioned(kafka, ways):
    namespaces.enter(namespaces.NEWNET)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    try:
        nft("add table inet chaos\nadd chain inet chaos lost { type filter hook input priority 0; }\n")
    except AssertionError as why:
        raise lib.Skip(f"the kernel has no filter: {why}") from why
    check_partitions(kafka, ways)


def test_one_way_partitions():
    partitioned("embedded", [(peer, direction) for peer in PEERS for direction in (BOTH if LONG or peer == "kafka" else ["answers"])])


if LONG:
    def test_one_way_partitions_of_apache_kafka():
        if not os.path.isdir(os.path.join(lib.ROOT, ".ecom", "kafka", "libs")):
            raise lib.Skip("Apache Kafka is not here yet, and can't be fetched from within: ./ecom up --kafka apache, once")
        partitioned("apache", [("kafka", direction) for direction in BOTH])
