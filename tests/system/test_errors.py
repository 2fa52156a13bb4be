"""Bad input and a bad machine: one clear line each, the right exit code, and nothing is left running."""
import os
import shutil
import socket
import subprocess
import tempfile

import lib


def ecomc(*args, cwd, env=None):
    return subprocess.run([lib.ECOMC, *args], cwd=cwd, capture_output=True, text=True, timeout=300, env={**os.environ, **(env or {})})


def test_broken_topology_names_every_error():
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "topology.ecom"), "w") as file:
            file.write('topology "T"\nclient web "Web"\nservice a "A" {\n  op Get(id: uuid) -> Nothing { }\n  op Put(id: uuid) {\n    let copy = missing\n  }\n}\nedge web -> b { http }\n')
        done = ecomc("check", cwd=folder)
        assert done.returncode == 1, done
        for place in ("topology.ecom:4:", "topology.ecom:6:", "topology.ecom:9:"):
            assert place in done.stderr, done.stderr
        up = ecomc("up", "--detach", cwd=folder)
        assert up.returncode == 1 and not os.path.exists(os.path.join(folder, ".ecom", "state.json")), up


def test_missing_file():
    with tempfile.TemporaryDirectory() as folder:
        done = ecomc("check", cwd=folder)
        assert done.returncode == 74 and len(done.stderr.splitlines()) == 1 and "topology.ecom" in done.stderr, done


def test_port_in_use():
    system = lib.System(os.path.join(lib.ROOT, "topology.ecom"))
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", system.gateway))
        taken.listen(1)
        done = system.ecomc("up", "--detach", *system.args)
    assert done.returncode == 1 and f"port {system.gateway}" in done.stderr and "in use" in done.stderr, done.stderr
    assert system.ecomc("status").returncode == 1
    shutil.rmtree(system.folder)


def test_missing_program():
    """No redis-server on the PATH: one line, and what was started is stopped again."""
    system = lib.System(os.path.join(lib.ROOT, "topology.ecom"))
    tools = os.path.join(system.folder, "bin")
    os.mkdir(tools)
    for folder in ("/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin"):
        for name in os.listdir(folder):
            if not name.startswith("redis-server") and not os.path.lexists(os.path.join(tools, name)):
                os.symlink(os.path.join(folder, name), os.path.join(tools, name))
    system.env["PATH"] = tools
    done = system.ecomc("up", "--detach", *system.args)
    lines = [line for line in done.stderr.splitlines() if line.startswith("ecomc:")]
    assert done.returncode == 1 and len(lines) == 1 and "redis" in lines[0], done.stderr
    assert not os.path.exists(os.path.join(system.folder, ".ecom", "state.json"))
    left = subprocess.run(["pgrep", "-f", system.folder], capture_output=True, text=True).stdout.split()
    assert not left, left
    shutil.rmtree(system.folder, ignore_errors=True)


def test_dead_database():
    """A database that can't start: its name, its log, exit 1, nothing left running."""
    system = lib.System(os.path.join(lib.ROOT, "topology.ecom"))
    prepared = system.ecomc("up", "--detach", *system.args)
    assert prepared.returncode == 0, prepared.stderr
    assert system.ecomc("down").returncode == 0
    control = os.path.join(os.path.realpath(os.path.join(system.folder, ".ecom", "pg", "order-svc")), "global", "pg_control")
    os.remove(control)
    done = system.ecomc("up", "--detach", *system.args)
    lines = [line for line in done.stderr.splitlines() if line.startswith("ecomc:")]
    assert done.returncode == 1 and len(lines) == 1 and "order-svc-db" in lines[0], done.stderr
    left = subprocess.run(["pgrep", "-f", system.folder], capture_output=True, text=True).stdout.split()
    assert not left, left
    shutil.rmtree(os.path.dirname(os.path.dirname(os.path.dirname(control))), ignore_errors=True)
    shutil.rmtree(system.folder, ignore_errors=True)
