"""`ecomc secrets`: what it makes, what it asks for, what it never does."""
import json
import os
import pathlib
import stat
import subprocess

TOPOLOGY = """topology "T"
record Done { ok: bool }
error Failed 502 "It failed"
client browser "Browser"
external mailer "Mailer" {
  base "https://mail.example.test"  env MAILER_URL
  auth bearer secret MAILER_KEY
  call Send POST "/send" json { text: text } -> { id: text }
%s
}
service thing-svc "Things" {
  database postgres { table things { id uuid primary key } }
  op Make(id: uuid) -> { id: uuid } {
    sql exec \"\"\"INSERT INTO things (id) VALUES (:id)\"\"\"
    let sent = mailer.Send(text: "made")
    return { id: id }
  }
}
%s
gateway door "Door" {
  listen 8080
  route POST "/things" public -> thing-svc.Make(...body)
}
edge browser -> door { http }
edge door -> thing-svc { http }
edge thing-svc -> mailer { https external }
%s
"""
SANDBOX = '  sandbox { on Send reply 200 { id: token("m_") } }'
OTHER = """service other-svc "Others" {
  op Ask(id: uuid) -> { id: uuid } {
    let made = thing-svc.Make(id: id)
    return { id: made.id }
  }
}
"""


def tests(ecomc, temp, check):
    folder = temp / "secrets"
    folder.mkdir()
    topology = folder / "topology.ecom"
    topology.write_text(TOPOLOGY % (SANDBOX, "", ""))
    deploy = folder / ".ecom" / "deploy"

    def secrets(*args, **env):
        clean = {k: v for k, v in os.environ.items() if not k.startswith("MAILER_")}
        return subprocess.run([ecomc, "secrets", *args], cwd=folder, env={**clean, **env}, capture_output=True, text=True, timeout=60)

    def content():
        return {path.name: path.read_text() for path in deploy.iterdir()}

    run = secrets()
    check("secrets says what it was not given, and writes nothing", run.returncode == 1 and "MAILER_KEY" in run.stderr and not deploy.exists(), str(run))
    run = secrets("NOBODYS=1", "MAILER_KEY=x")
    check("secrets knows its names", run.returncode == 64 and "NOBODYS" in run.stderr and not deploy.exists(), str(run))
    run = secrets("MAILER_KEY=", MAILER_KEY="")
    check("an empty value is none", run.returncode == 1 and not deploy.exists(), str(run))
    value = "the-key-of-the-provider"
    (folder / "key").write_text(value + "\n")
    run = secrets(MAILER_KEY_FILE=str(folder / "key"))
    names = {"door.key", "mailer-key", "thing-svc-db.password", "thing-svc-db.url", "thing-svc.callers"}
    check("secrets makes what is needed and no more", run.returncode == 0 and set(content()) == names, f"{run} {list(content())}")
    first = content()
    check("what is given is kept as it is", first["mailer-key"] == value)
    modes = {stat.S_IMODE(path.lstat().st_mode) for path in deploy.iterdir()}
    check("files are for one alone", modes == {0o600} and stat.S_IMODE(deploy.stat().st_mode) == 0o700, str(modes))
    if os.geteuid() == 0:
        check("of root's they are the containers' user's", {path.stat().st_uid for path in deploy.iterdir()} == {10001})
    check("no value is shown", not any(text.strip() in run.stdout + run.stderr for text in first.values()))
    url = first["thing-svc-db.url"]
    check("a database's URL has its password", url == f"postgresql://thing_svc:{first['thing-svc-db.password']}@thing-svc-db:5432/thing_svc", "another URL")
    (key,) = json.loads(first["thing-svc.callers"])["keys"]
    own = json.loads(first["door.key"])
    check("a service knows its caller's public half", key["kid"] == "door" and "d" not in key and own["d"] and own["x"] == key["x"])

    run = secrets("MAILER_KEY=another", "--format=json")
    told = json.loads(run.stdout)
    check("nothing is written over", run.returncode == 0 and content() == first and told == {"made": [], "kept": sorted(names)}, str(run))
    (deploy / "thing-svc-db.password").unlink()
    run = secrets()
    check("a database's URL that has a password which is no more is said", run.returncode == 1 and "thing-svc-db.url has the password" in run.stderr and
          not (deploy / "thing-svc-db.password").exists(), str(run))
    (deploy / "thing-svc-db.url").unlink()
    run = secrets()
    now, pair = content(), {"thing-svc-db.password", "thing-svc-db.url"}
    check("what is missing is made again, and only that", now["thing-svc-db.password"] != first["thing-svc-db.password"] and now["thing-svc-db.password"] in now["thing-svc-db.url"] and
          {k: v for k, v in now.items() if k not in pair} == {k: v for k, v in first.items() if k not in pair}, str(run))
    (deploy / "thing-svc-db.password").unlink()
    (deploy / "thing-svc-db.url").write_text("postgresql://thing_svc:of-its-own@elsewhere.example:5432/thing_svc")
    run = secrets()
    check("a URL of another database has nothing to do with it", run.returncode == 0 and "of-its-own" in content()["thing-svc-db.url"], str(run))

    topology.write_text(TOPOLOGY % (SANDBOX, OTHER, "edge other-svc -> thing-svc { http }"))
    run = secrets()
    keys = json.loads(content()["thing-svc.callers"])["keys"]
    check("the key of a new caller is added", [k["kid"] for k in keys] == ["door", "other-svc"] and keys[0] == key, str(run))
    now = content()
    (deploy / "door.key").unlink()
    run = secrets()
    check("a caller's key that is another by the same name is said", run.returncode == 74 and "thing-svc.callers has another key by the name door" in run.stderr and
          content()["thing-svc.callers"] == now["thing-svc.callers"], str(run))
    (deploy / "door.key").write_text(now["door.key"].replace('"kid":"door"', '"kid":"door.2"').replace('"kid": "door"', '"kid": "door.2"'))
    run = secrets()
    keys = json.loads(content()["thing-svc.callers"])["keys"]
    check("one with a name of its own is added beside the old", run.returncode == 0 and [k["kid"] for k in keys] == ["door", "other-svc", "door.2"], str(run))
    (deploy / "thing-svc.callers").write_text("{}")
    run = secrets()
    check("what is no JWKS is said and left", run.returncode == 74 and "thing-svc.callers" in run.stderr and content()["thing-svc.callers"] == "{}", str(run))

    other = folder / "other"
    run = secrets("--sandbox", "-o", str(other), "topology.ecom")
    check("sandboxes need nobody's secret", run.returncode == 0 and {"sandbox.ca", "sandbox.tls.crt", "sandbox.tls.key"} <= {p.name for p in other.iterdir()}, str(run))
    verified = subprocess.run(["openssl", "verify", "-CAfile", str(other / "sandbox.ca"), "-verify_hostname", "mailer-sandbox", str(other / "sandbox.tls.crt")],
                              capture_output=True, text=True)
    check("their certificate is for them", verified.returncode == 0, verified.stderr)
    (other / "sandbox.tls.key").unlink()
    run = secrets("--sandbox", "-o", str(other))
    check("half an authority is said", run.returncode == 1 and "sandbox.tls.key" in run.stderr, str(run))
    blocked = folder / "blocked"
    pathlib.Path(blocked).write_text("")
    run = secrets("--sandbox", "-o", str(blocked))
    check("a folder that can't be is said", run.returncode == 74 and "blocked" in run.stderr, str(run))
