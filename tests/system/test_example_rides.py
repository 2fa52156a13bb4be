"""examples/rides: riders and drivers, a saga that holds a driver and a card and gives both back, positions over the bus."""
import concurrent.futures
import time

from examples import PASSWORD, Person, as_derived, asked, broken_by, counts, ended, hold, is_problem, topology
from lib import wait
from shop import at_once

TOPOLOGY = topology("rides")
KAFKA = ["apache"]
ENV = {"OFFER_SECONDS": "2"}
VISA, DECLINED, UNCONFIRMED = "pm_card_visa", "pm_card_chargeDeclined", "pm_card_authenticationRequired"
PRICING = "ride-svc -> pricing-svc"


class Rider(Person):
    def __init__(self, system):
        super().__init__(system)
        self.id = self.ask("POST", "/v1/riders", {"email": self.email, "password": PASSWORD, "name": "Ada"}, 201)["id"]
        self.sign_in()

    def ride(self, zone, card=VISA, **headers):
        return self.ask("POST", "/v1/rides", {"from_zone": zone, "to_zone": "airport", "card": card}, **headers)

    def status(self, ride):
        return self.ask("GET", f"/v1/rides/{ride}", status=200)["status"]


class Driver(Person):
    """On shift inside `with`; leaves nobody free behind."""

    def __init__(self, system, zone, **terms):
        super().__init__(system)
        shift = {"email": self.email, "password": PASSWORD, "name": "Sam", "plate": "AB 1234", "zone": zone, **terms}
        self.id = self.ask("POST", "/v1/drivers", shift, 201)["driver_id"]
        self.sign_in()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.shift()["status"] == "driving":
            self.ask("POST", "/v1/shift/finish", status=200)
        self.wait("free")
        self.ask("DELETE", "/v1/shift", status=204)

    def shift(self):
        return self.ask("GET", "/v1/shift", status=200)

    def wait(self, status):
        wait(lambda: self.shift()["status"] == status, 60, f"the driver is {status}")


def intents(system, ride):
    """Of a ride's authorisations what became: their last status."""
    made, captured, cancelled = ([e["reply"] for e in asked(system, "stripe-sandbox", call) if e["status"] == 200]
                                 for call in ("CreatePayment", "CapturePayment", "CancelPayment"))
    after = {reply["id"]: reply for reply in captured + cancelled}
    made = [reply for reply in made if reply["metadata"]["ride_id"] == ride]
    return [after.get(intent["id"], intent)["status"] for intent in made]


def failed(system, rider):
    """The rider's only ride, which has failed: its id and why."""
    (row,) = system.sql("ride-svc", f"SELECT id, status, reason FROM rides WHERE rider_id = '{rider.id}'")
    assert row[1] == "failed", row
    return row[0], row[2]


def test_a_ride(system):
    rider = Rider(system)
    with Driver(system, "old-town") as driver:
        reply = rider.ride("old-town")
        assert reply.status == 201 and reply.json["status"] == "started" and reply.json["driver_id"] == driver.id, reply
        ride = reply.json["id"]
        quote = system.request("GET", "/v1/quotes?from_zone=old-town&to_zone=airport").json
        assert reply.json["fare_cents"] == 350 + 180 * 15 == quote["fare_cents"]
        assert driver.shift()["ride_id"] == ride and intents(system, ride) == ["requires_capture"]
        is_problem(rider.ask("GET", f"/v1/rides/{ride}/car"), 404, "position-unknown")
        driver.ask("PUT", "/v1/shift/position", {"lat": 48.35, "lng": 11.78}, 204)
        wait(lambda: rider.ask("GET", f"/v1/rides/{ride}/car").status == 200, 60, "the position is known")
        car = rider.ask("GET", f"/v1/rides/{ride}/car", status=200)
        assert car["driver_id"] == driver.id and (car["lat"], car["lng"]) == (48.35, 11.78), car
        is_problem(Rider(system).ask("GET", f"/v1/rides/{ride}/car"), 404, "ride-not-found")
        driver.ask("POST", "/v1/shift/finish", status=200)
        assert rider.status(ride) == "finished"
        is_problem(driver.ask("POST", "/v1/shift/finish"), 404, "no-ride")
        wait(lambda: intents(system, ride) == ["succeeded"], 60, "the fare is taken")
        (captured,) = asked(system, "stripe-sandbox", "CapturePayment", amount_to_capture=3050)
        assert captured["reply"]["amount_received"] == 3050, captured
        driver.wait("free")
    wait(lambda: system.sql("pricing-svc", f"SELECT zone FROM starts WHERE ride_id = '{ride}'") == [["old-town"]], 60, "pricing has heard")
    events = [headers["ce_type"] for key, headers, _ in system.topic("ride-events") if key == ride]
    assert events == ["RideStarted.v1", "RideFinished.v1"], events


def test_the_card_is_declined(system):
    with Driver(system, "harbour") as driver:
        for card in (DECLINED, UNCONFIRMED):
            rider = Rider(system)
            is_problem(rider.ride("harbour", card), 402, "card-declined")
            ride, reason = failed(system, rider)
            assert reason == "card-declined" and driver.shift()["status"] == "free", reason
            assert intents(system, ride) == ([] if card == DECLINED else ["canceled"])
        assert rider.ask("GET", "/v1/rides", status=200)["items"][0]["status"] == "failed"


def test_nobody_is_free(system):
    rider = Rider(system)
    is_problem(rider.ride("moor"), 409, "no-driver")
    assert intents(system, failed(system, rider)[0]) == []
    with Driver(system, "moor", floor_cents=100000):
        is_problem(rider.ride("moor"), 409, "no-driver")  # not for so little


def test_the_driver_thinks(system):
    with Driver(system, "harbour", instant=False) as driver, concurrent.futures.ThreadPoolExecutor(1) as pool:
        rider = Rider(system)
        asking = pool.submit(rider.ride, "harbour")
        driver.wait("offered")
        is_problem(Rider(system).ride("harbour"), 409, "no-driver")
        driver.ask("POST", "/v1/shift/answer", {"take": True}, 200)
        assert asking.result().status == 201 and asking.result().json["driver_id"] == driver.id, asking.result()
        driver.ask("POST", "/v1/shift/finish", status=200)
        driver.wait("free")

        rider = Rider(system)
        asking = pool.submit(rider.ride, "harbour")
        driver.wait("offered")
        driver.ask("POST", "/v1/shift/answer", {"take": False}, 200)
        is_problem(asking.result(), 409, "nobody-accepts")
        ride, reason = failed(system, rider)
        assert reason == "nobody-accepts" and intents(system, ride) == ["canceled"], "the card is let go"

        rider, begun = Rider(system), time.monotonic()
        is_problem(rider.ride("harbour"), 409, "nobody-accepts")
        assert time.monotonic() - begun >= 2, "the driver had the time"
        assert intents(system, failed(system, rider)[0]) == ["canceled"]
        is_problem(driver.ask("POST", "/v1/shift/answer", {"take": True}), 404, "no-offer")


def test_two_riders_one_driver(system):
    for _ in range(3):
        with Driver(system, "moor") as driver:
            replies = at_once([lambda r=rider: r.ride("moor") for rider in [Rider(system) for _ in range(4)]])
            assert sorted(r.status for r in replies) == [201, 409, 409, 409], replies
            assert [r.json["driver_id"] for r in replies if r.status == 201] == [driver.id]


def test_the_rider_cancels(system):
    rider = Rider(system)
    with Driver(system, "harbour") as driver:
        ride = rider.ride("harbour").json["id"]
        is_problem(Rider(system).ask("POST", f"/v1/rides/{ride}/cancel"), 404, "ride-not-found")
        assert rider.ask("POST", f"/v1/rides/{ride}/cancel", status=200)["status"] == "cancelled"
        assert rider.status(ride) == "cancelled" and intents(system, ride) == ["canceled"] and driver.shift()["status"] == "free"
        is_problem(rider.ask("POST", f"/v1/rides/{ride}/cancel"), 409, "not-cancellable")
        is_problem(driver.ask("POST", "/v1/shift/finish"), 404, "no-ride")
        for _ in range(3):  # whoever is first is right
            ride = rider.ride("harbour").json["id"]
            cancel, finish = at_once([lambda: rider.ask("POST", f"/v1/rides/{ride}/cancel"),
                                      lambda: driver.ask("POST", "/v1/shift/finish")])
            assert (cancel.status, finish.status) in ((200, 404), (409, 200)), (cancel, finish)
            wait(lambda: intents(system, ride) == ["canceled" if cancel.status == 200 else "succeeded"], 60, "the card knows")
            driver.wait("free")


def test_the_bank_does_not_answer(system):
    """Authorised, and every answer lost: what became of it is found out under the same key, and let go."""
    before = len(asked(system, "stripe-sandbox", "CreatePayment"))
    with Driver(system, "harbour") as driver:
        rider = Rider(system)
        system.fault("stripe-sandbox", call="CreatePayment", kind="truncate", times=3)
        is_problem(rider.ride("harbour"), 503, "payment-unavailable")
        ended(system, "ride-svc")
        driver.wait("free")
        assert intents(system, failed(system, rider)[0]) == ["canceled"]
    assert len(asked(system, "stripe-sandbox", "CreatePayment")) == before + 1


def test_pricing_hangs(system):
    rider = Rider(system)
    with system.paused("pricing-svc"):
        for n in range(3):
            assert counts(system, "ride-svc", PRICING)[0] == 0, n
            is_problem(rider.ride("moor"), 503, "pricing-unavailable")
        state, kept = counts(system, "ride-svc", PRICING)
        assert state == 2, "three failures open it"
        refused = rider.ride("moor")
        is_problem(refused, 503, "pricing-unavailable")
        assert counts(system, "ride-svc", PRICING) == (2, kept + 1), "and nothing is sent"
        assert 1 <= int(refused.headers["retry-after"]) <= 5, refused.headers
    wait(lambda: rider.ride("moor").status == 409, 60, "a probe closes it")
    assert counts(system, "ride-svc", PRICING)[0] == 0
    assert {reason for _, reason in system.sql("ride-svc", f"SELECT id, reason FROM rides WHERE rider_id = '{rider.id}'")} == {"no-driver"}


def test_a_tariff_is_cached(system):
    def tariff():
        reply = system.request("GET", "/v1/zones/airport")
        assert reply.status == 200, reply
        return reply.headers["x-cache"], reply.json["base_cents"]
    tariff()
    assert tariff() == ("hit", 600)
    staff = Rider(system)
    is_problem(staff.ask("PUT", "/v1/zones/airport/tariff", {"base_cents": 700, "per_km_cents": 210}), 403, "not-for-you")
    system.sql("account-svc", f"UPDATE accounts SET role = 'staff' WHERE id = '{staff.id}'")
    staff.sign_in()
    staff.ask("PUT", "/v1/zones/airport/tariff", {"base_cents": 700, "per_km_cents": 210}, 200)
    assert [tariff(), tariff()] == [("miss", 700), ("hit", 700)]
    staff.ask("PUT", "/v1/zones/airport/tariff", {"base_cents": 600, "per_km_cents": 210}, 200)


def test_who_may_what(system):
    rider = Rider(system)
    is_problem(rider.ask("PUT", "/v1/shift", {"plate": "X", "zone": "moor"}), 403, "not-for-you")
    is_problem(rider.ask("POST", "/v1/shift/finish"), 403, "not-for-you")
    with Driver(system, "airport") as driver:
        is_problem(Rider.ride(driver, "moor"), 403, "not-for-you")
    is_problem(driver.ask("GET", "/v1/shift"), 409, "not-on-shift")
    is_problem(driver.ask("PUT", "/v1/shift/position", {"lat": 1.0, "lng": 1.0}), 409, "not-on-shift")
    account = {"email": "x@example.test", "password": PASSWORD, "name": "X"}
    assert system.request("POST", "/v1/riders", {**account, "role": "staff"}).status == 422
    assert system.request("GET", "/v1/shift").status == 401


def test_scenarios(system):
    as_derived(system)
    system.sql("driver-svc", "UPDATE shifts SET status = 'off' WHERE status = 'free'")  # who came for a scenario goes home


def test_what_must_hold(system):
    invariants = ["a ride that is under way has its driver, and no driver two",
                  "a ride that has a driver was started, and one that was started has a driver",
                  "a card is held while the ride goes on, charged its fare when it has ended, and let go otherwise"]
    hold(system, invariants)
    (ride,) = system.sql("ride-svc", "SELECT id FROM rides WHERE status = 'finished' LIMIT 1")[0]

    def by(*changes):
        return broken_by(system, "ride-svc", *(f"UPDATE rides SET {change} WHERE id = '{ride}'" for change in changes))
    assert by("status = 'started'", "status = 'finished'") == {invariants[0], invariants[2]}
    assert by("fare_cents = fare_cents + 1", "fare_cents = fare_cents - 1") == {invariants[2]}
    (driver,) = system.sql("ride-svc", f"SELECT driver_id FROM rides WHERE id = '{ride}'")[0]
    assert by("driver_id = NULL", f"driver_id = '{driver}'") == {invariants[1]}
