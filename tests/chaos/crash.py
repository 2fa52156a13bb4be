"""Crash points from outside: the compiler's list, arming, and the proof that one has fired (runtime/crash.c has the other side).

A point is armed by a file; the process that passes it first takes the file away and kills itself, which leaves fired/<point>.<pid>.
"""
import json
import os
import shutil
import subprocess
import tempfile

import lib

BUILD = os.path.join(lib.ROOT, ".ecom", "test", "crash")


class Points:
    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="ecom-crash-")
        os.chmod(self.folder, 0o777)
        for name in ("armed", "fired", "passed"):
            os.mkdir(os.path.join(self.folder, name))
        path = os.path.join(self.folder, "crash-points.json")
        ecomc, topology = os.path.join(BUILD, "tool", "ecomc"), os.path.join(lib.ROOT, "topology.ecom")
        subprocess.run([ecomc, "build", "--crash-points", path, topology], check=True, capture_output=True)
        self.list = {entry["point"]: entry for entry in json.load(open(path))}
        # What is killed all the time has to be back soon. (The embedded broker waits 3 s for a new group to gather: less than that and
        # nobody gets in.)
        self.env = {"EC_CRASH_DIR": self.folder, "EC_BACKOFF_MS": "200", "EC_KAFKA_SESSION_MS": "3500", "EC_EVENT_MS": "4000"}

    def path(self, kind, point):
        return os.path.join(self.folder, kind, point.replace("/", "|"))

    def arm(self, point):
        open(self.path("armed", point), "w").close()

    def disarm(self, point):
        """True when it had not fired."""
        try:
            os.unlink(self.path("armed", point))
            return True
        except FileNotFoundError:
            return False

    def is_armed(self, point):
        return os.path.exists(self.path("armed", point))

    def fired(self):
        """How often each point has fired."""
        out = {}
        for name in os.listdir(os.path.join(self.folder, "fired")):
            point = name.rsplit(".", 1)[0].replace("|", "/")
            out[point] = out.get(point, 0) + 1
        return out

    def passed(self):
        return {name.replace("|", "/") for name in os.listdir(os.path.join(self.folder, "passed"))}

    def forget_passed(self):
        for name in os.listdir(os.path.join(self.folder, "passed")):
            os.unlink(os.path.join(self.folder, "passed", name))

    def remove(self):
        shutil.rmtree(self.folder)
