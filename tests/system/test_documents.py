"""openapi.yaml and asyncapi.yaml are true: Schemathesis asks the running gateway what the document says that it takes, and what it says
that it refuses, and holds each answer against it; a client that openapi-typescript makes of it compiles and does what a customer does;
messages in the topics are what is said of them.

What is asked is bounded by number and by time: EC_LONG asks ten times as much. EC_SEED repeats a run."""
import json
import os
import re
import shutil
import subprocess
import sys

from lib import LONG, ROOT, wait
from shop import Customer

sys.path.insert(0, os.path.join(ROOT, "tests", "documents"))
import tools  # noqa: E402


def document(system):
    with open(os.path.join(system.folder, "generated", "openapi.yaml"), encoding="utf-8") as file:
        return file.read()


def strict(system):
    """The document without the replies that it has no number for: what is not listed is not documented."""
    text = document(system)
    other = re.findall(r"^ +default: .*Refused.*\n", text, re.M)
    operations = len(re.findall(r"^      operationId: ", text, re.M))
    assert len(other) == operations > 10, (len(other), operations)
    path = os.path.join(system.folder, "openapi-strict.yaml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(re.sub(r"^ +default: .*Refused.*\n", "", text, flags=re.M))
    return path, operations


def test_typed_client(system):
    """openapi-typescript's types and openapi-fetch, held to them by tsc --strict: tests/documents/client.ts."""
    folder = tools.node()
    work = os.path.join(system.folder, "client")
    os.makedirs(work)
    os.symlink(os.path.join(folder, "node_modules"), os.path.join(work, "node_modules"))
    for name in ("client.ts", "package.json"):
        shutil.copy(os.path.join(tools.HERE, name), work)
    generate = [os.path.join(folder, "node_modules", "openapi-typescript", "bin", "cli.js"),
                os.path.join(system.folder, "generated", "openapi.yaml"), "-o", "api.d.ts"]
    compile_ = [os.path.join(folder, "node_modules", "typescript", "bin", "tsc"), "--strict", "--noUncheckedIndexedAccess",
                "--target", "es2022", "--module", "nodenext", "--moduleResolution", "nodenext", "--types", "node", "client.ts"]
    env = dict(os.environ, BASE=f"http://127.0.0.1:{system.gateway}")
    for argv in (generate, compile_, ["client.js"]):
        done = subprocess.run(["node", *argv], cwd=work, env=env, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, (argv[0], done.stdout[-3000:], done.stderr[-3000:])
    assert "ordered and read" in done.stdout, done.stdout


def test_events_are_what_asyncapi_says(system):
    """Messages as they stand in the topics, against the document: headers, key and payload."""
    folder = tools.node()
    customer = Customer(system)
    assert customer.order("mug").status == 201
    placed = "OrderPlaced.v1"
    wait(lambda: any(headers["ce_type"] == placed for _, headers, _ in system.topic("order-events")), 30, "the event is in its topic")
    messages = [{"topic": topic, "key": key, "headers": headers, "payload": payload}
                for topic in ("order-events", "payment-events") for key, headers, payload in system.topic(topic)]
    path = os.path.join(system.folder, "messages.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(messages, file)
    argv = ["node", "messages.mjs", os.path.join(system.folder, "generated", "asyncapi.yaml"), path]
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0 and f"{len(messages)} messages fit" in done.stdout, done.stdout[-3000:] + done.stderr[-3000:]


def ask(system, path, *args):
    """Schemathesis with its hooks; what it said, and how often each operation gave each status."""
    staff = Customer(system, staff=True)
    seen = os.path.join(system.folder, "seen")
    with open(seen, "w", encoding="utf-8"):
        pass
    base = f"http://127.0.0.1:{system.gateway}"
    env = dict(os.environ, SCHEMATHESIS_HOOKS=os.path.join(tools.HERE, "hooks.py"), BASE=base, MAIL=staff.email, PASSWORD=staff.password,
               SEEN=seen, PYTHONDONTWRITEBYTECODE="1")
    argv = [tools.schemathesis(), "--config-file", os.path.join(tools.HERE, "schemathesis.toml"), "run", path, "--url", base,
            "--generation-database", "none", "--no-color", *args]
    done = subprocess.run(argv, cwd=system.folder, env=env, capture_output=True, text=True, timeout=3600 if LONG else 900)
    counts = {}
    with open(seen, encoding="utf-8") as file:
        for line in file:
            operation, _, status = line.strip().rpartition(" ")
            by_status = counts.setdefault(operation, {})
            by_status[status] = by_status.get(status, 0) + 1
    return done, counts


def test_schemathesis(system):
    path, operations = strict(system)
    seed = ["--seed", os.environ["EC_SEED"]] if os.environ.get("EC_SEED") else []
    n, seconds = ("200", "900") if LONG else ("20", "90")
    done, counts = ask(system, path, "--checks", "all,fits_its_type", "-n", n, "--max-time", seconds, *seed)
    said = done.stdout[-8000:] + done.stderr[-2000:]
    assert done.returncode == 0 and f"Selected: {operations}/{operations}" in done.stdout, said
    print(f"Schemathesis, {re.search('Seed: .*', done.stdout)[0]}:")
    for operation, by_status in sorted(counts.items()):
        print(f"  {operation}: {', '.join(f'{n} x {status}' for status, n in sorted(by_status.items()))}")
    # It came inside where a request can be made up, and was refused where it made up what is not allowed.
    for operation in ("POST /v1/users", "POST /v1/orders", "GET /v1/products/{sku}"):
        assert any(status.startswith("2") for status in counts[operation]), (operation, counts[operation], said)
    audit = system.ecomc("invariants", timeout=180)
    assert audit.returncode == 0, audit.stdout + audit.stderr


def test_a_lie_is_found(system):
    """The same with documents that don't tell the truth: an unlisted status, a member that no reply has, a bound that nobody keeps."""
    path, _ = strict(system)
    with open(path, encoding="utf-8") as file:
        text = file.read()
    page = "    ProductPage:\n      type: object\n      required:\n"
    lies = (("Undocumented status code", "^/v1/product$", "  /v1/products:\n", "  /v1/product:\n"),
            ("Response violates schema", "^/v1/products$", page, page + "        - total\n"),
            ("refused what its document allows", "^/v1/users$", "minLength: 8", "minLength: 1"))
    for found, only, old, new in lies:
        assert text.count(old) == 1, old
        with open(path, "w", encoding="utf-8") as file:
            file.write(text.replace(old, new))
        done, _ = ask(system, path, "--include-path-regex", only, "--mode", "positive", "-n", "10", "--phases", "coverage,fuzzing",
                      "--checks", "status_code_conformance,response_schema_conformance,fits_its_type")
        assert done.returncode == 1 and found in done.stdout, (found, done.stdout[-3000:] + done.stderr[-1000:])
