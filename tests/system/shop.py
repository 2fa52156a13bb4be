"""What a customer of the example does."""
from lib import unique_email


class Customer:
    def __init__(self, system, phone="+15005550010"):
        self.system, self.email, self.password = system, unique_email(), "correct horse battery"
        body = {"email": self.email, "password": self.password, "name": "Ada"}
        if phone:
            body["phone"] = phone
        reply = system.request("POST", "/v1/users", body)
        assert reply.status == 201, reply
        self.id = reply.json["id"]
        reply = system.request("POST", "/v1/sessions", {"email": self.email, "password": self.password})
        assert reply.status == 201, reply
        self.token = reply.json["token"]

    def get(self, path):
        return self.system.request("GET", path, token=self.token)

    def post(self, path, body=None, **headers):
        return self.system.request("POST", path, body, token=self.token, headers={k.replace("_", "-"): v for k, v in headers.items()})

    def order(self, sku="kettle", qty=1, method="pm_card_visa", **headers):
        return self.post("/v1/orders", {"lines": [{"sku": sku, "qty": qty}], "payment_method": method}, **headers)


def stock(system, sku):
    (row,) = system.sql("inventory-svc", f"SELECT initial, available, reserved, shipped FROM stock WHERE sku = '{sku}'")
    initial, available, reserved, shipped = (int(v) for v in row)
    assert available >= 0 and available + reserved + shipped == initial, row
    return available, reserved, shipped
