"""Customers who order while something is done to the system; after it, all has to add up. With EC_LONG=1 there are more of them."""
import http.client
import itertools
import random
import signal
import threading

from invariants import calm, check
from lib import LONG, wait
from shop import VISA, Customer, Wish

CUSTOMERS, ROUNDS, BETWEEN = (12, 4, 40) if LONG else (6, 1, 5)
MOST = 1000  # of a line that an order may have


class Storm:
    """`with Storm(system) as storm:` customers order inside; after it, all is calm and was checked."""

    def __init__(self, system):
        self.system, self.stop, self.answered, self.wrong = system, threading.Event(), 0, []
        self.wishes = system.__dict__.setdefault("wishes", {})  # (customer's id, quantity) -> Wish, of all cases
        self.customers = [Customer(system) for _ in range(CUSTOMERS)]

    def newcomer(self):
        """When who answers is up again."""
        while not self.stop.is_set():
            try:
                return Customer(self.system)
            except (AssertionError, OSError, http.client.HTTPException):
                self.stop.wait(0.1)
        return None

    def life(self, customer):
        try:
            for n in itertools.count():
                qty = n % MOST + 1  # tells one wish of a customer from another
                if n and qty == 1:
                    customer = self.newcomer()
                if self.stop.is_set():
                    return
                wish = self.wishes[customer.id, qty] = Wish(customer, qty)
                wish.place(self.stop)
                self.answered += 1
                if wish.reply is None or wish.reply.status >= 500:
                    self.stop.wait(0.1)  # or thousands of orders are refused while something is down
                if wish.reply and wish.reply.status == 201 and random.random() < 0.1:
                    wish.cancelled = True  # asked for: whether it was answered doesn't matter
                    try:
                        customer.post(f"/v1/orders/{wish.reply.json['id']}/cancel")
                    except OSError:
                        pass
        except Exception as error:  # a thread's failure is the test's
            self.wrong.append(repr(error))

    def __enter__(self):
        self.threads = [threading.Thread(target=self.life, args=(customer,), daemon=True) for customer in self.customers]
        for thread in self.threads:
            thread.start()
        return self

    def go_on(self, n=BETWEEN):
        """Until n more orders have been answered."""
        target = self.answered + n
        wait(lambda: self.answered >= target or self.wrong, 60, f"{n} more orders are answered")

    def ask(self, customer):
        """One order of somebody who is not in the storm, asked for once; the answer."""
        qty = 1 + sum(1 for who, _ in list(self.wishes) if who == customer.id)
        wish = self.wishes[customer.id, qty] = Wish(customer, qty, VISA, keyed=False)
        wish.place(self.stop, tries=1)
        return wish.reply

    def kill(self, name, sig=signal.SIGKILL):
        before = self.system.processes()[name]["restarts"]
        self.system.kill(name, sig)
        wait(lambda: self.system.processes()[name]["restarts"] > before, 10, f"{name} has been started again")

    def __exit__(self, kind, error, trace):
        self.stop.set()
        for thread in self.threads:
            thread.join(90)
        if kind:
            return
        assert not self.wrong, self.wrong
        assert not any(thread.is_alive() for thread in self.threads), "every customer has an answer"
        calm(self.system)
        check(self.system, self.wishes)
