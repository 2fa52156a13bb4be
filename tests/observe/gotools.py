"""Programs of Go modules that stand here, each with its go.sum: the OpenTelemetry Collector, and Grafana's types. They are built into
.ecom/go/bin; that takes minutes, so it is done by who runs with EC_LONG=1 (`./ecom test --long`), and what is built already is used by
everybody. Who asks for one that is not there, or can't be fetched, is told why."""
import fcntl
import hashlib
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))


def program(name, build=False, home=HERE):
    """The path of the program, and why there is none, one of them None."""
    folder = os.path.join(home, name)
    digest = hashlib.sha256(b"".join(open(os.path.join(folder, f), "rb").read() for f in ("go.mod", "go.sum", "main.go"))).hexdigest()[:16]
    bin_folder = os.path.join(ROOT, ".ecom", "go", "bin")
    path = os.path.join(bin_folder, f"{name}-{digest}")
    if os.path.exists(path):
        return path, None
    if not build and os.environ.get("EC_LONG") != "1":
        return None, f"{name} is not built, and to build it takes minutes: EC_LONG=1"
    os.makedirs(bin_folder, exist_ok=True)
    with open(os.path.join(bin_folder, name + ".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        env = dict(os.environ, GOFLAGS="-mod=readonly -modcacherw", CGO_ENABLED="0")
        try:
            done = subprocess.run(["go", "build", "-trimpath", "-ldflags=-s -w", "-o", path + ".new", "."], cwd=folder, env=env,
                                  capture_output=True, text=True, timeout=1500)
        except (OSError, subprocess.TimeoutExpired) as error:
            return None, f"{name} can't be built: {error}"
        if done.returncode:
            return None, f"{name} can't be built: {(done.stderr.strip().splitlines() or ['?'])[-1]}"
        os.replace(path + ".new", path)
    return path, None


if __name__ == "__main__":
    for name in sys.argv[1:]:
        print(*program(name, build=True))
