"""Studio's page with the system up: real traffic on its edges, scenarios run for real beside the derived ones, failures made real."""
import os
import re
import subprocess
import sys

from lib import ROOT, Skip

BUILDS = ["release"]


def test_page(system):
    base = f"http://127.0.0.1:{3000 + system.base}"
    done = subprocess.run([sys.executable, os.path.join(ROOT, "tests", "studio_page", "run.py"), "--live", base], capture_output=True, text=True, timeout=600)
    skipped = re.search(r"^skip: (.*)$", done.stdout, re.M)
    if skipped:
        raise Skip(skipped[1])
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
