"""Every crash point fires, and nothing is lost, doubled or left undone.

The system is a release build with crash points, two of each service. First each story is lived alone, which shows the points that it
passes. Then, while customers live the stories that pass what is armed, points are armed until each has fired, a few at a time for each
service, and all is checked: first what is passed going forward, then what is passed going back, of which, without EC_LONG=1, only the commits
of sagas are fired once more, then what is left. EC_POINTS=REGEX takes the points that match one at a time instead (`.` all of them: hours),
each way that it is passed, with calm and all checks after each, on a fresh system now and then, because a check goes over all orders there
are, and after each failure. A point that does not fire fails the run, and so does a point that is passed and not on the compiler's list, or on
the list and never passed.
"""
import os
import random
import re
import threading
import time

import lib
import stories
from crash import BUILD, Points
from invariants import calm, check
from lib import LONG

CUSTOMERS = 8
AT_ONCE = 3      # armed a service, of those that fire soon
PATIENCE_S = 5   # one that waits longer makes room for the next, and stays armed
SLOW_S = 60      # after which all stories are lived: what a story passed when it was alone may have been another's echo
LIMIT_S = 150    # until which it has fired; anew with each that fires before it in its service, for its process has to come back first
PER_SYSTEM = 60  # rounds
ALONE = os.environ.get("EC_POINTS")
SAGAS = ("order-svc", "payment-svc", "inventory-svc", "shipping-svc")  # who goes forward and back
EVERYTHING = stories.FORWARD + stories.BACK


class Lives:
    """`with Lives(...) as lives:` customers live stories that pass what is armed."""

    def __init__(self, run, chosen):
        self.run, self.chosen, self.wrong, self.lived = run, chosen, [], 0
        run.world.stop.clear()

    def life(self, customer):
        try:
            while not self.run.world.stop.is_set():
                armed = self.run.armed()
                chosen = EVERYTHING if self.run.slow else self.chosen
                wanted = [s for s in chosen if self.run.passes[s] & armed]
                story = random.choice(wanted if wanted and random.random() < 0.8 else chosen)
                story(self.run.world, customer)
                self.lived += 1
                if random.random() < 0.02:
                    customer = self.run.world.customer()
        except Exception as error:  # a thread's failure is the test's
            self.wrong.append(f"{type(error).__name__}: {error}")

    def __enter__(self):
        customers = [self.run.world.customer() for _ in range(CUSTOMERS)]
        for story in self.chosen:
            if story in stories.ODDS:
                self.run.world.knob(*stories.ODDS[story])
        self.threads = [threading.Thread(target=self.life, args=(customer,), daemon=True) for customer in customers]
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, kind, error, trace):
        self.run.world.stop.set()
        for knob in stories.KNOBS:
            self.run.world.knob(knob, 0)
        for thread in self.threads:
            thread.join(120)
        if kind is None:
            assert not self.wrong, self.wrong
            assert not any(thread.is_alive() for thread in self.threads), "every customer has an answer"


class Run:
    """The points on one system; what the stories pass, and all that was passed, is known to all runs."""

    def __init__(self, system, points, passes, seen):
        self.system, self.points, self.world = system, points, stories.World(system)
        self.passes, self.seen, self.now, self.slow = passes, seen, set(), False
        for point in points.list:
            points.disarm(point)  # left by a run that failed
        self.earlier = points.fired()

    def armed(self):
        return self.now

    def learn(self):
        """What each story passes when nothing fails but what it is about."""
        customer = self.world.customer()
        for story in EVERYTHING:
            self.points.forget_passed()
            if story in stories.ODDS:
                self.world.knob(stories.ODDS[story][0], 0.9 if story is not stories.release_fails else 0.5)
            story(self.world, customer)
            if story in stories.ODDS:
                self.world.knob(stories.ODDS[story][0], 0)
            calm(self.system)
            self.passes[story] = self.until_still()
            self.seen |= self.passes[story]

    def until_still(self):
        last, since = set(), time.monotonic()
        while time.monotonic() - since < 0.6:
            passed = self.points.passed()
            if passed != last:
                last, since = passed, time.monotonic()
            time.sleep(0.1)
        return last

    def fire(self, wanted, chosen):
        """Arms and waits until each has fired. In the order of services in turn, so that not one process is hit all the time."""
        service = {p: self.points.list[p]["service"] for p in wanted}
        pending = {name: sorted(p for p in wanted if service[p] == name) for name in sorted(set(service.values()))}
        begun, latest, before = {}, dict.fromkeys(pending, 0), self.points.fired()
        with Lives(self, chosen) as lives:
            while any(pending.values()) or begun:
                time.sleep(0.1)
                assert not lives.wrong, lives.wrong
                now = time.monotonic()
                for point in [p for p in begun if not self.points.is_armed(p)]:
                    del begun[point]
                    latest[service[point]] = now
                late = [p for p in begun if now - max(begun[p], latest[service[p]]) > LIMIT_S]
                assert not late, f"armed, and not fired: {late}"
                for name, points in pending.items():
                    eager = sum(1 for p in begun if service[p] == name and now - begun[p] < PATIENCE_S)
                    while points and eager < AT_ONCE:
                        point = points.pop(0)
                        self.points.arm(point)
                        begun[point] = now
                        eager += 1
                self.now = set(begun)
                self.slow = any(now - since > SLOW_S for since in begun.values())
        self.now, self.slow = set(), False
        after = self.points.fired()
        missing = [p for p in wanted if after.get(p, 0) <= before.get(p, 0)]
        assert not missing, f"armed, and no trace of having fired: {missing}"
        self.seen |= self.points.passed()
        calm(self.system)
        mailers = sum(n - self.earlier.get(p, 0) for p, n in after.items() if p.startswith("notify-svc:"))
        check(self.system, self.world.wishes, twice=12 * mailers)
        print(f"  {len(wanted)} points fired while {lives.lived} stories were lived", flush=True)


def plan(points, run):
    """What is fired in each round, and while which stories are lived."""
    listed = set(points.list)
    assert not run.seen - listed, f"passed, and not on the list: {sorted(run.seen - listed)}"
    back = set().union(*(run.passes[s] for s in stories.BACK))
    forward = set().union(*(run.passes[s] for s in stories.FORWARD))
    print(f"  {len(listed)} points; the stories alone pass {len(forward)} going forward, {len(back)} going back", flush=True)
    if not LONG and not ALONE:
        back = {p for p in forward & back if points.list[p]["kind"] == "commit" and points.list[p]["service"] in SAGAS}
    groups = [(forward, stories.FORWARD), (back, stories.BACK), (listed - forward - back, EVERYTHING)]
    if not ALONE:
        return groups
    rounds = [({p}, chosen) for wanted, chosen in groups for p in sorted(wanted) if re.search(ALONE, p)]
    random.Random(1).shuffle(rounds)  # a run of hours that is stopped has seen something of everything
    return rounds


def test_every_point_fires():
    points, passes, seen, rounds, wrong, begun = Points(), {}, set(), None, [], time.monotonic()
    while rounds is None or rounds:
        wanted = None
        try:
            with lib.System(os.path.join(lib.ROOT, "topology.ecom"), args=["--replicas", "2"], env=points.env, build=BUILD) as system:
                run = Run(system, points, passes, seen)
                if rounds is None:
                    run.learn()
                    rounds = plan(points, run)
                    total = len(rounds)
                for _ in range(min(PER_SYSTEM, len(rounds))):
                    wanted, chosen = rounds.pop(0)
                    run.fire(wanted, chosen)
        except Exception as error:
            if not ALONE or wanted is None:
                raise
            wrong.append(f"{wanted} going {'back' if chosen is stories.BACK else 'forward'}: {error}")
            print(f"  WRONG {wrong[-1]}", flush=True)
        firings, seconds = sum(points.fired().values()), time.monotonic() - begun
        print(f"  {total - len(rounds)} of {total} rounds, {len(wrong)} of them failed: {firings} firings in {seconds:.0f} s", flush=True)
    assert not wrong, "\n".join(wrong)
    listed = set(points.list)
    assert seen <= listed, f"passed, and not on the list: {sorted(seen - listed)}"
    assert seen == listed or ALONE, f"on the list, and never passed: {sorted(listed - seen)}"
    points.remove()
