"""examples/tickets: seats are held, sold and given back, and whoever has waited longest is offered what came back; all over the bus."""
import itertools
import json
import time
import uuid

from examples import PASSWORD, Person, as_derived, asked, broken_by, counts, ended, hold, is_problem, topology
from lib import wait
from shop import at_once

TOPOLOGY = topology("tickets")
KAFKA = ["apache"]
GOOD, REFUSED = "card-good", "card-refused"
SEATS = "order-svc -> seat-svc"


class Fan(Person):
    def __init__(self, system):
        super().__init__(system)
        self.token = self.ask("POST", "/v1/fans", {"email": self.email, "password": PASSWORD, "name": "Ada"}, 201)["token"]

    def hold(self, show):
        return self.ask("POST", "/v1/holds", {"show": show}, 201)["number"]

    def buy(self, show, card=GOOD, **headers):
        return self.ask("POST", "/v1/tickets", {"show": show, "card": card}, **headers)

    def wait(self, show):
        return self.ask("POST", "/v1/waiting", {"show": show}, 201)

    def place(self, show):
        return self.ask("GET", f"/v1/waiting/{show}", status=200)

    def mails(self):
        return [e["request"]["Subject"] for e in asked(self.system, "postmark-sandbox", "SendMail", To=self.email)]

    def is_offered(self, show, number=1):
        """By the list and by mail."""
        wait(lambda: self.place(show)["status"] == "offered", 60, "a seat is offered")
        assert self.place(show)["number"] == number, self.place(show)
        wait(lambda: self.mails() == ["A seat for you"], 60, f"a mail says so: {self.mails()}")


def backstage(system, method, path, body=None, status=200):
    reply = system.request(method, path, body, port=8081 + system.base)
    assert reply.status == status, reply
    return reply.json


def announce(system, seats=1, **terms):
    show = f"show-{uuid.uuid4().hex[:12]}"
    what = {"title": "In the Cellar", "starts_at": "2030-06-01T20:00:00Z", "price_cents": 1800}
    backstage(system, "POST", "/v1/shows", {"show": show, "seats": seats, **what, **terms}, 201)
    return show


def seats(system, show):
    """How many are in which state."""
    rows = system.sql("seat-svc", f"SELECT status, count(*) FROM seats WHERE show = '{show}' GROUP BY status")
    return {status: int(n) for status, n in rows}


def sweep(system, show):
    """As the scheduler does, until the show has no hold that has run out."""
    def swept():
        backstage(system, "POST", "/v1/sweeps")
        return not system.sql("seat-svc", f"SELECT 1 FROM seats WHERE show = '{show}' AND status = 'held' AND expires_at <= now()")
    wait(swept, 10, "all that has run out is swept")


def payments(system, order):
    """What was taken for an order, and what went back."""
    paid = [e["reply"] for e in asked(system, "adyen-sandbox", "Pay", reference=order) if e["reply"]["resultCode"] == "Authorised"]
    back = asked(system, "adyen-sandbox", "Refund", reference=order)
    return [p["amount"]["value"] for p in paid], [e["request"]["amount"]["value"] for e in back]


def test_a_ticket_is_sold(system):
    show, fan = announce(system, seats=3), Fan(system)
    assert Fan(system).hold(show) == 1 and fan.hold(show) == 2 == fan.hold(show), "a fan's seat stays the fan's"
    replies = [fan.buy(show, Idempotency_Key="k") for _ in range(2)]
    assert [r.status for r in replies] == [201, 201] and replies[0].json == replies[1].json, replies
    ticket = replies[0].json
    assert ticket["number"] == 2 and ticket["status"] == "sold" and seats(system, show) == {"held": 1, "sold": 1, "free": 1}
    assert payments(system, ticket["id"]) == ([1800], [])
    assert fan.ask("GET", f"/v1/tickets/{ticket['id']}", status=200) == ticket == fan.ask("GET", "/v1/tickets", status=200)["items"][0]
    is_problem(Fan(system).ask("GET", f"/v1/tickets/{ticket['id']}"), 404, "ticket-not-found")
    wait(lambda: fan.mails() == ["Your ticket"], 60, "one mail")
    assert fan.buy(show).json["number"] == 3
    is_problem(fan.buy(show), 409, "sold-out")
    is_problem(fan.buy("no-such-show"), 404, "show-not-found")


def test_sold_out_and_the_list(system):
    """Who joined first is offered first, and nobody else can have the seat meanwhile."""
    show = announce(system)
    holder, first, second, passer_by = (Fan(system) for _ in range(4))
    holder.hold(show)
    is_problem(first.buy(show), 409, "sold-out")
    assert first.wait(show)["ahead"] == 0 and second.wait(show)["ahead"] == 1 and first.wait(show)["ahead"] == 0
    holder.ask("DELETE", f"/v1/holds/{show}", status=204)
    first.is_offered(show)
    is_problem(passer_by.buy(show), 409, "sold-out")
    assert second.place(show) == {"show": show, "status": "waiting", "ahead": 0}
    assert first.buy(show).json["number"] == 1
    second.ask("DELETE", f"/v1/waiting/{show}", status=204)
    is_problem(second.ask("GET", f"/v1/waiting/{show}"), 404, "not-waiting")
    is_problem(holder.ask("DELETE", f"/v1/holds/{show}"), 404, "no-hold")


def test_the_card_is_refused(system):
    show = announce(system)
    fan, waiting = Fan(system), Fan(system)
    fan.hold(show)
    waiting.wait(show)
    is_problem(fan.buy(show, REFUSED), 402, "card-declined")
    waiting.is_offered(show)
    (order, status, reason), = system.sql("order-svc", f"SELECT id, status, reason FROM orders WHERE show = '{show}'")
    assert (status, reason) == ("failed", "card-declined") and payments(system, order) == ([], [])
    assert waiting.buy(show).json["number"] == 1
    assert fan.mails() == []


def test_a_sale_is_cancelled(system):
    show = announce(system)
    fan, waiting = Fan(system), Fan(system)
    ticket = fan.buy(show).json
    waiting.wait(show)
    replies = at_once([lambda: fan.ask("POST", "/v1/cancellations", {"show": show})] * 2)
    assert sorted(r.status for r in replies) == [200, 404], replies
    assert payments(system, ticket["id"]) == ([1800], [1800])
    waiting.is_offered(show)
    assert fan.ask("GET", f"/v1/tickets/{ticket['id']}", status=200)["status"] == "cancelled"
    wait(lambda: sorted(fan.mails()) == ["Your ticket", "Your ticket was cancelled"], 60, "two mails")


def test_a_hold_ends(system):
    """The holder loses it, each on the list has it in turn, and then everybody may."""
    show = announce(system, hold_seconds=1, offer_seconds=1)
    lasting = announce(system)
    holder, first, second, passer_by = (Fan(system) for _ in range(4))
    holder.hold(show)
    passer_by.hold(lasting)
    first.wait(show)
    second.wait(show)
    time.sleep(1.1)
    is_problem(holder.buy(show), 409, "sold-out")
    sweep(system, show)
    first.is_offered(show)
    assert seats(system, lasting) == {"held": 1}, "a hold that has not run out stays"
    time.sleep(1.1)
    is_problem(first.buy(show), 409, "sold-out")
    sweep(system, show)
    second.is_offered(show)
    time.sleep(1.1)
    sweep(system, show)
    wait(lambda: seats(system, show) == {"free": 1}, 60, "nobody waits any more")
    assert passer_by.buy(show).status == 201


def test_many_buyers_one_seat(system):
    for held in (False, True):
        show, fans = announce(system), [Fan(system) for _ in range(6)]
        if held:
            fans[0].hold(show)
        replies = at_once([lambda f=fan: f.buy(show) for fan in fans])
        assert sorted(r.status for r in replies) == [201] + [409] * 5, replies
        assert not held or replies[0].status == 201
        assert seats(system, show) == {"sold": 1}
    show = announce(system, seats=5)
    assert sorted(at_once([lambda f=fan: f.hold(show) for fan in fans[:5]])) == [1, 2, 3, 4, 5]


def test_who_joins_while_a_seat_comes_back(system):
    """Whichever is first: nobody waits beside a free seat."""
    show, late = announce(system), Fan(system)
    late.wait(show)  # there is a free seat
    late.is_offered(show)
    for _ in range(3):
        show = announce(system, seats=2)
        holders, waiting = [Fan(system) for _ in range(2)], [Fan(system) for _ in range(2)]
        for holder in holders:
            holder.hold(show)
        leave = [lambda h=h: h.ask("DELETE", f"/v1/holds/{show}", status=204) for h in holders]
        at_once(leave + [lambda f=f: f.wait(show) for f in waiting])
        wait(lambda: {f.place(show)["status"] for f in waiting} == {"offered"}, 60, "both are offered a seat")
        assert sorted(f.place(show)["number"] for f in waiting) == [1, 2]


def test_seats_hang(system):
    fan = Fan(system)
    with system.paused("seat-svc"):
        for n in range(3):
            assert counts(system, "order-svc", SEATS)[0] == 0, n
            is_problem(fan.buy("members-evening"), 503, "seats-unavailable")
        state, kept = counts(system, "order-svc", SEATS)
        assert state == 2, "three timeouts open it"
        is_problem(fan.buy("members-evening"), 503, "seats-unavailable")
        after = counts(system, "order-svc", SEATS)
        assert after[0] == 2 and after[1] > kept, "and nothing is sent"
    wait(lambda: fan.buy("members-evening").status == 409, 60, "a probe closes it")
    ended(system, "order-svc")
    reasons = system.sql("order-svc", "SELECT reason, count(*) FROM orders WHERE reason = 'seats-unavailable' GROUP BY reason")
    assert int(reasons[0][1]) >= 4, reasons


def test_a_page_is_cached(system):
    show = announce(system)

    def page():
        reply = system.request("GET", f"/v1/shows/{show}")
        assert reply.status == 200, reply
        return reply.headers["x-cache"], reply.json["price_cents"]
    assert [page(), page()] == [("miss", 1800), ("hit", 1800)]
    before = system.metrics("web")
    assert [page() for _ in range(20)] == [("hit", 1800)] * 20
    after = system.metrics("web")

    def grew(name):
        return after.get(name, 0) - before.get(name, 0)
    hits, near = grew('ec_cache_reads_total{keyspace="shows",outcome="hit"}'), grew('ec_cache_near_hits_total{keyspace="shows"}')
    assert hits == 20 and near > 0 and after["ec_cache_near_bytes"] > 0, (hits, near, after["ec_cache_near_bytes"])
    backstage(system, "PUT", f"/v1/shows/{show}/price", {"price_cents": 2000})
    wait(lambda: page()[1] == 2000, 20, "the gateway's own value ends")
    assert [page() for _ in range(3)] == [("hit", 2000)] * 3
    assert system.request("POST", "/v1/sweeps").status == 404, "backstage is not for everybody"
    assert system.request("POST", "/v1/tickets", {"show": show, "card": GOOD}).status == 401


def test_the_scheduler_and_the_fans_at_once(system):
    """Holds run out, cards are refused, tickets are cancelled while others join, buy and leave: then every seat is somebody's, or free."""
    show = announce(system, seats=3, hold_seconds=0, offer_seconds=0)
    fans = [Fan(system) for _ in range(6)]

    def live(fan, turn):
        for step in itertools.islice(itertools.cycle((fan.wait, fan.buy, lambda s: fan.buy(s, REFUSED), fan.buy)), turn % 4, turn % 4 + 6):
            reply = step(show)
            if getattr(reply, "status", 201) == 201 and turn % 2:
                fan.ask("POST", "/v1/cancellations", {"show": show})
            backstage(system, "POST", "/v1/sweeps")
    at_once([lambda f=fan, t=turn: live(f, t) for turn, fan in enumerate(fans)])
    ended(system, "order-svc")

    def at_rest():
        sweep(system, show)
        return not system.sql("seat-svc", f"SELECT 1 FROM seats WHERE show = '{show}' AND status NOT IN ('free', 'sold')")
    wait(at_rest, 60, f"all have been offered what came back: {seats(system, show)}")


def test_scenarios(system):
    before = system.counted("web", "ec_limiter_local_total")
    as_derived(system)
    assert system.counted("web", "ec_limiter_local_total") > before, "some round trips had no limit in them, which is as derived, too"
    load = system.ecomc("load", "ticket-sold", "--rate", "1", "--count", "1", "--strict")  # its identity asks at both gateways
    assert load.returncode == 0, load.stdout + load.stderr


def test_what_must_hold(system):
    invariants = ["a seat is sold to one order, and an order that stands has one seat", "no seat that came back is forgotten",
                  "nobody waits beside a free seat", "the money that is kept is the price of the tickets that stand, taken once each"]
    hold(system, invariants)
    (order, show, number), = system.sql("order-svc", "SELECT id, show, number FROM orders WHERE status = 'sold' ORDER BY id LIMIT 1")

    def by(service, change, back):
        return broken_by(system, service, change, back)
    seat = f"UPDATE seats SET {{}} WHERE show = '{show}' AND number = {number}"
    assert by("seat-svc", seat.format("status = 'taken'"), seat.format("status = 'sold'")) == {invariants[0], invariants[1]}
    twice = "INSERT INTO orders (id, fan_id, show, price_cents, status, number)" \
            f" SELECT gen_random_uuid(), fan_id, show, 0, status, number FROM orders WHERE id = '{order}'"
    assert by("order-svc", twice, "DELETE FROM orders WHERE price_cents = 0") == {invariants[0]}
    price = f"UPDATE orders SET price_cents = {{}} WHERE id = '{order}'"
    assert by("order-svc", price.format(1), price.format(1800)) == {invariants[3]}
    show = announce(system)
    assert by("waitlist-svc", f"INSERT INTO entries (show, fan_id) VALUES ('{show}', gen_random_uuid())",
              f"DELETE FROM entries WHERE show = '{show}'") == {invariants[2]}
    assert json.dumps(seats(system, show)) == '{"free": 1}'
