"""`up` starts studio: it is told of, it knows what runs, it comes back when it ends, and it goes with the rest."""
import os
import signal

from lib import ROOT, System, wait

PARCEL = os.path.join(ROOT, "tests", "topologies", "parcel.ecom")


def test_studio():
    with System(PARCEL) as s:
        port = 3000 + s.base
        assert s.processes()["studio"]["port"] == port and f":{port}" in s.ecomc("status").stdout

        def ask(path):
            return s.request("GET", path, port=port)
        page = ask("/")
        assert page.status == 200 and page.headers["content-type"].startswith("text/html"), page
        (example,) = ask("/api/examples").json["examples"]
        assert example["live"] and example["file"] == "topology.ecom" and example["title"] == "Parcel Desk", example
        live = ask("/api/live").json
        assert live["up"] and live["example"] == example["id"], live
        states = {p["name"]: p["state"] for p in live["processes"]}
        assert states == {name: p["state"] for name, p in s.processes().items()}, states
        assert s.request("GET", "/api/live", port=port, headers={"Host": "elsewhere.example"}).status == 421

        s.kill("studio", signal.SIGKILL)
        wait(lambda: s.processes()["studio"]["state"] == "ready", 20, "studio is back")
        assert s.processes()["studio"]["restarts"] == 1 and ask("/api/live").json["up"]

        pid = s.pid("studio")
        assert s.ecomc("down").returncode == 0
        assert not os.path.exists(f"/proc/{pid}")
