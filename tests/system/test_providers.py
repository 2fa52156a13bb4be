"""The stand-ins, proved with the providers' own SDKs; our services, proved with Stripe's own mock; whom a process talks to."""
import hashlib
import json
import os
import re
import uuid
from datetime import datetime

import providers
from lib import wait
from service_token import service_token
from shop import Customer, stock


def restart(system, **env):
    """The same system and data, with this in its environment and nothing of an earlier restart; none when that is so already."""
    system.first_env = getattr(system, "first_env", system.env)
    wanted = dict(system.first_env, **env)
    if system.env == wanted:
        return
    system.ecomc("down")
    system.env = wanted
    up = system.ecomc("up", "--detach", *system.args)
    assert up.returncode == 0, up.stderr[-2000:]


def environment(system, process):
    return dict(v.split("=", 1) for v in open(f"/proc/{system.pid(process)}/environ").read().split("\0") if "=" in v)


def binaries(system):
    """What runs, by what is in it."""
    return [hashlib.sha256(open(f"/proc/{system.pid(name)}/exe", "rb").read()).hexdigest() for name in ("payment-svc", "notify-svc")]


def of_order(system, order, since=0):
    """What the stand-in of the cards was asked about an order, and about its payment."""
    entries = system.ledger("stripe-sandbox")[since:]
    names = {order, *(e["reply"]["id"] for e in entries if order in json.dumps(e["request"]) and "id" in (e["reply"] or {}))}
    return [e for e in entries if any(name in json.dumps(e["request"]) for name in names)]


def payment(system, order):
    (status, provider_id), = system.sql("payment-svc", f"SELECT status, provider_id FROM payments WHERE order_id = '{order}'")
    return status, provider_id


def refund_of(system, order):
    (refund,), = system.sql("payment-svc", f"SELECT refund_id FROM payments WHERE order_id = '{order}'")
    return refund


def passes(done):
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert len(re.findall(r"^ok ", done.stdout, re.M)) >= 5, done.stdout


# ------------------------------------------------------------------ the stand-ins

def test_stripe_sdk(system):
    passes(providers.run_sdk(system, "stripe", "STRIPE_SECRET_KEY"))


def test_sendgrid_sdk(system):
    passes(providers.run_sdk(system, "sendgrid", "SENDGRID_API_KEY"))


def test_twilio_sdk(system):
    passes(providers.run_sdk(system, "twilio", "TWILIO_AUTH_TOKEN", ACCOUNT="AC00000000000000000000000000000000"))


def test_sdks_verify_our_certificate(system):
    """Without our authority they refuse the stand-in: it was the certificate that let them in."""
    for provider, secret in (("stripe", "STRIPE_SECRET_KEY"), ("sendgrid", "SENDGRID_API_KEY"), ("twilio", "TWILIO_AUTH_TOKEN")):
        done = providers.run_sdk(system, provider, secret, ca=False, ACCOUNT="AC00000000000000000000000000000000")
        assert done.returncode != 0 and re.search("unable to verify|self.signed certificate|UNABLE_TO_", done.stdout + done.stderr), done


# ------------------------------------------------------------------ what we do with their answers

def order_of(system, customer):
    (order, status), = system.sql("order-svc", f"SELECT id, status FROM orders WHERE user_id = '{customer.id}'")
    return order, status


def test_a_payment_that_needs_its_owner_is_declined(system):
    """200, but not `succeeded`: nothing is shipped, and the payment is cancelled so that it is not taken later."""
    customer, before = Customer(system), stock(system, "grinder")
    reply = customer.order("grinder", 1, "pm_card_authenticationRequired")
    assert reply.status == 402 and reply.json["type"].endswith("card-declined"), reply
    order, status = order_of(system, customer)
    assert status == "cancelled" and stock(system, "grinder") == before
    assert payment(system, order) == ("declined", "")
    asked = [(e["call"], e["reply"]["status"]) for e in of_order(system, order)]
    assert asked == [("CreatePayment", "requires_action"), ("CancelPayment", "canceled")], asked


def test_a_payment_that_can_not_be_cancelled_at_once(system):
    """The cancel fails three times, which is all of an edge's attempts: the undo looks what became of the payment, and cancels it."""
    customer, before = Customer(system), stock(system, "grinder")
    since = len(system.ledger("stripe-sandbox"))
    system.fault("stripe-sandbox", call="CancelPayment", kind="status", status=500, times=3)
    reply = customer.order("grinder", 1, "pm_card_authenticationRequired")
    assert reply.status == 503 and reply.json["type"].endswith("payment-unavailable"), reply
    order, _ = order_of(system, customer)
    wait(lambda: payment(system, order)[0] == "declined", 30, "the payment is declined")
    wait(lambda: order_of(system, customer)[1] == "cancelled" and stock(system, "grinder") == before, 30, "everything is undone")
    asked = of_order(system, order, since)
    assert [(e["call"], e["status"]) for e in asked] == [("CreatePayment", 200), *[("CancelPayment", 500)] * 3, ("CreatePayment", 200),
                                                         ("GetPayment", 200), ("CancelPayment", 200)], asked
    assert asked[4]["replayed"] and asked[5]["reply"]["status"] == "requires_action" and asked[6]["reply"]["status"] == "canceled", asked


def test_retry_after_is_kept(system):
    customer = Customer(system)
    since = len(system.ledger("stripe-sandbox"))
    system.fault("stripe-sandbox", call="CreatePayment", kind="status", status=429, headers={"Retry-After": "1"})
    reply = customer.order("mug")
    assert reply.status == 201, reply
    first, second = of_order(system, reply.json["id"], since)
    assert (first["status"], second["status"], first["key"]) == (429, 200, second["key"]), (first, second)
    waited = datetime.fromisoformat(second["at"].rstrip("Z")) - datetime.fromisoformat(first["at"].rstrip("Z"))
    assert waited.total_seconds() >= 1, waited


# ------------------------------------------------------------------ the providers themselves

KEYS = {"STRIPE_SECRET_KEY": "sk_test_123", "SENDGRID_API_KEY": "SG.key.of.ours", "TWILIO_AUTH_TOKEN": "token-of-ours",
        "TWILIO_ACCOUNT_SID": "AC" + "7" * 32}


def test_with_a_key_nobody_stands_in(system):
    """By the key alone: the base is the topology's, the development authority is not trusted, no stand-in runs. Nothing is sent."""
    key = os.path.join(system.folder, "key")
    before = binaries(system)
    with open(key, "w") as file:
        file.write(KEYS["SENDGRID_API_KEY"] + "\n")
    restart(system, STRIPE_SECRET_KEY=KEYS["STRIPE_SECRET_KEY"], SENDGRID_API_KEY_FILE=key, TWILIO_AUTH_TOKEN=KEYS["TWILIO_AUTH_TOKEN"],
            TWILIO_ACCOUNT_SID=KEYS["TWILIO_ACCOUNT_SID"])
    assert not [name for name in system.processes() if name.endswith("-sandbox")], system.processes()
    assert binaries(system) == before, "the same binaries"
    pay, notify = environment(system, "payment-svc"), environment(system, "notify-svc")
    assert pay["STRIPE_SECRET_KEY"] == KEYS["STRIPE_SECRET_KEY"] and not {"STRIPE_BASE_URL", "EC_CA_FILE"} & set(pay), pay
    assert notify["SENDGRID_API_KEY_FILE"] == key and notify["TWILIO_AUTH_TOKEN"] == KEYS["TWILIO_AUTH_TOKEN"], notify
    assert not {"SENDGRID_BASE_URL", "TWILIO_BASE_URL", "EC_CA_FILE"} & set(notify), notify
    for service, bases in (("payment-svc", ["https://api.stripe.com"]),
                           ("notify-svc", ["https://api.sendgrid.com", "https://api.twilio.com"])):
        text = open(os.path.join(system.folder, "generated", service, "clients.c")).read()
        assert re.findall(r'\.base = "([^"]*)"', text) == bases, text
    # An empty value is none.
    restart(system, STRIPE_SECRET_KEY="", SENDGRID_API_KEY=KEYS["SENDGRID_API_KEY"])
    assert [name for name in sorted(system.processes()) if name.endswith("-sandbox")] == ["stripe-sandbox", "twilio-sandbox"]
    assert environment(system, "payment-svc")["STRIPE_BASE_URL"].startswith("https://127.0.0.1:")
    assert "SENDGRID_BASE_URL" not in environment(system, "notify-svc")


def test_keys_go_where_the_providers_look(system):
    intent = {"id": "pi_recorded", "object": "payment_intent", "status": "succeeded", "amount": 1200, "unknown": {"to": ["us"]}}
    with providers.Recorder(lambda path: (200, intent)) as stripe, providers.Recorder(lambda path: (202, {})) as sendgrid, \
            providers.Recorder(lambda path: (201, {"sid": "SM1", "status": "queued"})) as twilio:
        restart(system, **KEYS, STRIPE_BASE_URL=stripe.url, SENDGRID_BASE_URL=sendgrid.url, TWILIO_BASE_URL=twilio.url)
        reply = Customer(system).order("mug")
        assert reply.status == 201, reply
        wait(lambda: twilio.requests and sendgrid.requests, 30, "the mail and the message")
        (path, headers, body), = stripe.requests
        assert (path, headers["authorization"]) == ("/v1/payment_intents", "Bearer sk_test_123"), (path, headers)
        assert headers["content-type"] == "application/x-www-form-urlencoded" and "amount=1200&currency=usd" in body, (headers, body)
        assert re.fullmatch("[0-9a-f]{32}", headers["idempotency-key"]), headers
        path, headers, body = sendgrid.requests[0]
        assert (path, headers["authorization"]) == ("/v3/mail/send", "Bearer SG.key.of.ours"), (path, headers)
        assert headers["content-type"] == "application/json", headers
        assert json.loads(body)["content"][0]["type"] == "text/plain", body
        path, headers, body = twilio.requests[0]
        assert path == f"/2010-04-01/Accounts/{KEYS['TWILIO_ACCOUNT_SID']}/Messages.json", path
        assert headers["authorization"] == providers.basic(KEYS["TWILIO_ACCOUNT_SID"], KEYS["TWILIO_AUTH_TOKEN"]), headers
        for name in ("payment-svc", "notify-svc"):
            log = open(os.path.join(system.folder, ".ecom", "logs", name + ".log")).read()
            assert not any(KEYS[key] in log for key in ("STRIPE_SECRET_KEY", "SENDGRID_API_KEY", "TWILIO_AUTH_TOKEN"))
        assert payment(system, reply.json["id"]) == ("captured", "pi_recorded")


def test_a_certificate_that_nobody_trusts(system):
    before = stock(system, "mug")
    with providers.Recorder(lambda path: (200, {}), tls=True) as stripe:
        restart(system, STRIPE_SECRET_KEY=KEYS["STRIPE_SECRET_KEY"], STRIPE_BASE_URL=stripe.url)
        customer = Customer(system)
        reply = customer.order("mug")
        assert reply.status == 503 and reply.json["type"].endswith("payment-unavailable"), reply
        assert stripe.handshakes and "unknown ca" in " ".join(stripe.handshakes).lower().replace("_", " "), stripe.handshakes
        assert not stripe.requests, stripe.requests
    log = open(os.path.join(system.folder, ".ecom", "logs", "payment-svc.log")).read()
    assert re.search("certificate", log, re.I), log[-2000:]
    restart(system)
    wait(lambda: order_of(system, customer)[1] == "cancelled" and stock(system, "mug") == before, 60, "everything is undone")


def test_stripe_mock(system):
    """Stripe's own mock holds each request to Stripe's OpenAPI: none of ours is refused. Its payments are never `succeeded`, so they are
    declined; what is refunded was paid before, with the stand-in."""
    with providers.Mock() as mock:
        restart(system)
        customer = Customer(system)
        paid = customer.order("teapot", 2)
        assert paid.status == 201, paid
        restart(system, STRIPE_SECRET_KEY=KEYS["STRIPE_SECRET_KEY"], STRIPE_BASE_URL=f"http://127.0.0.1:{mock.port}")
        assert "stripe-sandbox" not in system.processes()
        cancelled = customer.post(f"/v1/orders/{paid.json['id']}/cancel")
        assert cancelled.status == 200 and cancelled.json["status"] == "cancelled", (cancelled, mock.text())
        status, provider_id = payment(system, paid.json["id"])
        assert status == "refunded"
        declined = customer.order("teapot", 2)
        assert declined.status == 402 and declined.json["type"].endswith("card-declined"), (declined, mock.text())
        refund, asked, create, cancel = mock.requests[:4]
        assert asked[:2] == ("GET", f"/v1/refunds/{refund_of(system, paid.json['id'])}") and asked[3] == 200, asked
        assert refund == ("POST", "/v1/refunds", f"map[payment_intent:{provider_id}]", 200), refund
        assert create[0::3] == ("POST", 200) and create[1] == "/v1/payment_intents", create
        for part in ("amount:7800", "currency:usd", "confirm:true", "payment_method:pm_card_visa", "metadata:map[order_id:",
                     "automatic_payment_methods:map[allow_redirects:never enabled:true]"):
            assert part in create[2], (part, create)
        assert re.fullmatch(r"/v1/payment_intents/pi_\w+/cancel", cancel[1]) and cancel[0::3] == ("POST", 200), cancel
        # A charge whose outcome is not known is asked for again, and looked at.
        unknown = str(uuid.uuid4())
        system.sql("payment-svc", "INSERT INTO payments (order_id, user_id, amount_cents, method)"
                                  f" VALUES ('{unknown}', '{customer.id}', 500, 'pm_card_visa')")
        undone = system.request("POST", "/ops/Refund", {"order_id": unknown}, token=service_token(system, "order-svc", "payment-svc"),
                                port=system.processes()["payment-svc"]["port"])
        again = [(method, re.sub(r"pi_\w+", "PI", path), status) for method, path, _, status in mock.requests[4:]]
        assert undone.status == 200 and payment(system, unknown) == ("declined", ""), (undone, mock.text())
        assert again == [("POST", "/v1/payment_intents", 200), ("GET", "/v1/payment_intents/PI", 200)], again
        assert "error" not in mock.text().lower() and "Expected" not in mock.text(), mock.text()
        # The mock does refuse what Stripe would.
        refused = system.request("POST", "/v1/refunds", b"payment_intent=pi_1&tip=3", port=mock.port, token=KEYS["STRIPE_SECRET_KEY"],
                                 headers={"Content-Type": "application/x-www-form-urlencoded"})
        assert refused.status == 400 and mock.requests[-1][3] == 400, refused
