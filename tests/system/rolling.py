"""Processes that are stopped and started anew one at a time, and load meanwhile."""
import contextlib
import json
import os
import signal
import subprocess
import time

from lib import wait


def ready(system, name):
    process = system.processes()[name]
    return process if process["state"] == "ready" else None


def restart(system, names):
    """Each ends by SIGTERM, as any orchestrator asks it, and the supervisor starts it again; the next one only when it is ready. Its exit code
    has to be 0."""
    for name in names:
        before = wait(lambda: ready(system, name), 60, f"{name} is ready")
        os.kill(before["pid"], signal.SIGTERM)
        wait(lambda: system.processes()[name]["pid"] != before["pid"] and ready(system, name), 60, f"{name} is back")
    log = open(os.path.join(system.folder, ".ecom", "logs", "up.log"), errors="replace").read()
    for name in names:
        ends = [line for line in log.splitlines() if line.startswith(f"{name} ended (")]
        assert ends and "(exit code 0)" in ends[-1], (name, ends)


@contextlib.contextmanager
def load(system, *args):
    """Inside, `ecomc load` sends; after, the dict that was given has its report: not one request may have failed. What was answered by another
    200 than the scenario tells (a cache that has just forgotten) has not."""
    report = {}
    running = subprocess.Popen([os.path.join(system.build, "tool", "ecomc"), "load", *args, "--for", "1h", "--format=json"], cwd=system.folder,
                               env=system.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        begun = time.monotonic()
        assert "errors" in wait(lambda: running.poll() is not None or running.stderr.readline(), 60, "the load has begun"), running.stderr.read()
        yield report
        time.sleep(1)
    finally:
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=120)
    report.update(json.loads(out) if out else {"said": err})
    report["took"] = time.monotonic() - begun
    assert running.returncode == 0, (running.returncode, report, err[-500:])
    failed = {kind["what"]: kind["n"] for part in report["scenarios"] for kind in part["kinds"] if not kind["what"].startswith("200, ")}
    assert not failed and report["dropped"] == 0 and report["violations"] == 0 and report["sent"] > 20, report
