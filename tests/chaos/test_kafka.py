"""Apache Kafka ends in the middle of batches, and comes back with what it has acknowledged."""
import signal

from lib import wait
from storm import BETWEEN, ROUNDS, Storm

BUILDS = ["release"]
KAFKA = ["apache"]


def test_kafka_is_killed(system):
    with Storm(system) as storm:
        for _ in range(2 * ROUNDS):
            storm.go_on()
            storm.kill("kafka", signal.SIGKILL)
            storm.go_on(BETWEEN)
            wait(lambda: system.processes()["kafka"]["state"] == "ready", 120, "the broker is back")
        assert system.processes()["kafka"]["restarts"] >= 2 * ROUNDS
        storm.go_on()
