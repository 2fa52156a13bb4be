"""From sign-up to a paid order, and back, through the gateway, with what the databases, the topics and the stand-ins say of it."""
import json
import subprocess

from shop import Customer, stock

KAFKA = ["embedded", "apache"]


def test_curl_session(system):
    """What the README shows, by curl itself."""
    base = f"http://127.0.0.1:{system.gateway}"

    def curl(*args):
        done = subprocess.run(["curl", "-sS", "-m", "30", "-w", "\n%{http_code}", *args], capture_output=True, text=True, timeout=40)
        assert done.returncode == 0, done.stderr
        body, _, status = done.stdout.rpartition("\n")
        return int(status), json.loads(body) if body else None

    content = ("-H", "Content-Type: application/json")
    status, user = curl(f"{base}/v1/users", *content, "-d", '{"email":"ada@example.test","password":"correct horse","name":"Ada","phone":"+15005550011"}')
    assert status == 201 and user["email"] == "ada@example.test" and user["name"] == "Ada", (status, user)
    status, session = curl(f"{base}/v1/sessions", *content, "-d", '{"email":"ada@example.test","password":"correct horse"}')
    assert status == 201 and set(session) == {"token", "expires_at"}, (status, session)
    status, product = curl(f"{base}/v1/products/kettle")
    assert status == 200 and product["sku"] == "kettle" and product["price_cents"] == 4900, (status, product)
    bearer = ("-H", f"Authorization: Bearer {session['token']}")
    status, order = curl(f"{base}/v1/orders", *content, *bearer, "-d", '{"lines":[{"sku":"kettle","qty":2}],"payment_method":"pm_card_visa"}')
    assert status == 201 and order["status"] == "confirmed" and order["total_cents"] == 9800, (status, order)
    assert order["lines"] == [{"sku": "kettle", "qty": 2}], order
    status, again = curl(f"{base}/v1/orders/{order['id']}", *bearer)
    assert status == 200 and again["status"] == "confirmed" and again["id"] == order["id"], (status, again)


def test_stock_of_one(system):
    customer = Customer(system)
    first, second = customer.order("last-one"), customer.order("last-one")
    assert first.status == 201, first
    assert second.status == 409 and second.json["type"].endswith("out-of-stock"), second
    assert stock(system, "last-one") == (0, 1, 0)


def test_refusals(system):
    customer, other = Customer(system), Customer(system)
    assert system.request("POST", "/v1/orders", {"lines": [], "payment_method": "x"}).status == 401
    assert system.request("POST", "/v1/orders", {"lines": [], "payment_method": "x"}, token="nonsense").status == 401
    reply = customer.order(qty=0)
    assert reply.status == 422 and "qty" in reply.body.decode(), reply
    assert customer.order("no-such-thing").status == 422
    assert customer.post("/v1/orders", b"{").status == 400
    assert customer.post("/v1/orders", {"lines": [{"sku": "mug", "qty": 1}], "payment_method": "pm_card_visa", "user_id": other.id}).status == 422
    order = customer.order("mug").json["id"]
    assert customer.get(f"/v1/orders/{order}").status == 200
    assert other.get(f"/v1/orders/{order}").status == 404
    assert system.request("POST", "/v1/users", {"email": customer.email, "password": "correct horse", "name": "B"}).status == 409
    assert system.request("POST", "/v1/sessions", {"email": customer.email, "password": "wrong horse"}).status == 401
    assert system.request("GET", "/v1/products/none").status == 404
    assert system.request("GET", "/nowhere").status == 404
    assert system.request("PATCH", "/v1/me").status == 405


def test_sign_out_ends_the_token(system):
    customer = Customer(system)
    me = customer.get("/v1/me")
    assert me.status == 200 and me.json == {"id": customer.id, "email": customer.email, "name": "Ada", "phone": "+15005550010"}, me
    assert system.request("DELETE", "/v1/sessions", token=customer.token).status == 204
    assert customer.get("/v1/me").status == 401


def test_lists_page(system):
    customer = Customer(system)
    placed = [customer.order("filter").json["id"] for _ in range(3)]
    page = customer.get("/v1/orders?limit=2").json
    assert [o["id"] for o in page["items"]] == [placed[2], placed[1]], page
    rest = customer.get(f"/v1/orders?limit=2&after={page['next']}").json
    assert [o["id"] for o in rest["items"]] == [placed[0]] and not rest.get("next"), rest
    products = system.request("GET", "/v1/products?limit=5").json
    assert len(products["items"]) == 5 and products["next"], products


def test_summary_and_cancel(system):
    customer = Customer(system)
    before = stock(system, "press")
    order = customer.order("press").json["id"]
    summary = customer.get(f"/v1/orders/{order}/summary")
    assert summary.status == 200 and summary.json["payment"]["status"] == "captured" and summary.json["shipment"]["status"] == "scheduled", summary
    cancelled = customer.post(f"/v1/orders/{order}/cancel")
    assert cancelled.status == 200 and cancelled.json["status"] == "cancelled", cancelled
    assert stock(system, "press") == before
    assert system.sql("payment-svc", f"SELECT status FROM payments WHERE order_id = '{order}'") == [["refunded"]]
    assert system.sql("shipping-svc", f"SELECT status FROM shipments WHERE order_id = '{order}'") == [["cancelled"]]
    assert customer.post(f"/v1/orders/{order}/cancel").status == 409


def test_repeat_with_a_key(system):
    customer = Customer(system)
    first = customer.order("teapot", Idempotency_Key="one")
    again = customer.order("teapot", Idempotency_Key="one")
    assert first.status == 201 and again.status == 201 and again.json["id"] == first.json["id"], (first, again)
    assert customer.order("teapot", 2, Idempotency_Key="one").status == 422
    assert len(customer.get("/v1/orders").json["items"]) == 1
