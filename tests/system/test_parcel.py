"""A second, quite different topology: nothing in the compiler or the runtime is wired to the first one."""
import os
import uuid

import lib
from examples import as_derived
from lib import wait

TOPOLOGY = os.path.join(lib.ROOT, "tests", "topologies", "parcel.ecom")


def test_accept_move_locate(system):
    made = system.request("POST", "/parcels", {"label": "Lamp", "weight_grams": 1200})
    assert made.status == 201 and made.json["depot"] == "north" and made.json["stage"] == "accepted", made
    parcel = made.json["id"]
    moved = system.request("POST", f"/parcels/{parcel}/moves", {"depot": "harbour"})
    assert moved.status == 200 and moved.json["stage"] == "moving" and moved.json["depot"] == "harbour", moved
    assert system.request("GET", f"/parcels/{parcel}").json["depot"] == "harbour"
    wait(lambda: system.request("GET", f"/places/{parcel}").json["depot"] == "harbour", 10, "the consumer has put the place into the cache")
    done = system.request("POST", f"/parcels/{parcel}/moves", {"depot": "south", "deliver": True})
    assert done.json["stage"] == "delivered", done
    late = system.request("POST", f"/parcels/{parcel}/moves", {"depot": "east"})
    assert late.status == 409 and late.json["type"].endswith("already-delivered"), late


def test_one_event_a_move_in_order(system):
    parcel = system.request("POST", "/parcels", {"label": "Chair", "weight_grams": 9000, "depot": "a"}).json["id"]
    for depot in "bcd":
        assert system.request("POST", f"/parcels/{parcel}/moves", {"depot": depot}).status == 200

    def depots():
        return [body["depot"] for key, _, body in system.topic("parcel-moves") if key == parcel]
    wait(lambda: depots() == ["a", "b", "c", "d"], 15, "four events in order")


def test_cache_and_errors(system):
    unknown = uuid.uuid4()
    reply = system.request("GET", f"/places/{unknown}")
    assert reply.status == 404 and reply.json["type"].endswith("parcel-not-found"), reply
    assert system.request("POST", "/parcels", {"label": "", "weight_grams": 1}).status == 422
    assert system.request("POST", "/parcels", {"label": "x", "weight_grams": 1, "colour": "red"}).status == 422
    assert system.request("DELETE", f"/places/{unknown}").status == 204
    loads = system.request("GET", "/loads?at_least=1")
    assert loads.status == 200 and all(item["parcels"] >= 1 for item in loads.json["items"]), loads
    assert system.request("GET", "/loads?at_least=-1").status == 422


def test_tokens_of_the_limit_come_by_the_lease(system):
    def counts():
        told = system.metrics("front-desk")
        return [sum(value for key, value in told.items() if key.partition("{")[0] == family)
                for family in ("ec_limiter_requests_total", "ec_limiter_local_total")]
    before = counts()
    replies = [system.request("GET", "/loads") for _ in range(40)]
    assert {r.status for r in replies} == {200} and all(r.headers["ratelimit-policy"] == '"default";q=100;w=2' for r in replies), replies
    left = [int(r.headers["ratelimit"].split("r=")[1].split(";")[0]) for r in replies]
    assert all(0 < n < 100 for n in left), left
    counted, local = (now - then for now, then in zip(counts(), before))
    assert counted == 40 and local >= 32, f"of {counted} requests {local} needed no message"


def test_key_is_remembered(system):
    body = {"label": "Table", "weight_grams": 20000}
    replies = [system.request("POST", "/parcels", body, headers={"Idempotency-Key": "k-1"}) for _ in range(3)]
    assert [r.status for r in replies] == [201] * 3 and len({r.json["id"] for r in replies}) == 1, replies


def test_a_place_is_known_near(system):
    """A service answers from its own memory what it has read, and sees at once what it puts and drops itself."""
    parcel = system.request("POST", "/parcels", {"label": "Globe", "weight_grams": 700}).json["id"]

    def place():
        return system.request("GET", f"/places/{parcel}").json["depot"]

    def near():
        return system.metrics("tracking-svc").get('ec_cache_near_hits_total{keyspace="places"}', 0)
    wait(lambda: system.topic("parcel-moves") and place() == "north" and near() > 0, 20, "the process has it itself")
    assert system.request("POST", f"/parcels/{parcel}/moves", {"depot": "quay"}).status == 200
    wait(lambda: place() == "quay", 20, "its consumer has put the new place")
    before = near()
    assert [place() for _ in range(10)] == ["quay"] * 10 and near() > before
    system.sql("depot-svc", f"UPDATE parcels SET depot = 'attic' WHERE id = '{parcel}'")
    assert place() == "quay" and system.request("DELETE", f"/places/{parcel}").status == 204
    assert place() == "attic", "what it drops itself it does not answer any more"


def test_scenarios(system):
    as_derived(system)
