"""What `ecomc init` writes is a backend that runs."""
import os
import subprocess
import tempfile

import lib


def test_first_steps():
    with tempfile.TemporaryDirectory() as temp:
        done = subprocess.run([os.path.join(lib.RELEASE, "tool", "ecomc"), "init", "notes"], cwd=temp, capture_output=True, text=True)
        assert done.returncode == 0 and "cd notes" in done.stdout and "curl" in done.stdout, done
        with lib.System(os.path.join(temp, "notes", "topology.ecom"), build=lib.RELEASE) as system:
            made = system.request("POST", "/v1/notes", {"text": "Buy milk"})
            assert made.status == 201 and made.json["text"] == "Buy milk", made
            read = system.request("GET", f"/v1/notes/{made.json['id']}")
            assert read.status == 200 and read.json == made.json, read
            assert system.request("POST", "/v1/notes", {"text": ""}).status == 422
            missing = system.request("GET", "/v1/notes/018f3a5e-0000-7000-8000-000000000000")
            assert missing.status == 404 and missing.json["type"].endswith("note-not-found"), missing
            load = system.ecomc("load", "write-note", "--rate", "20", "--count", "20", "--strict")
            assert load.returncode == 0, load.stdout + load.stderr
