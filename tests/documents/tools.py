"""What holds the documents against the world: npm's packages of package-lock.json, and Schemathesis of requirements.txt in a venv. Both are
fetched once (tests/fetched.py)."""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.append(os.path.join(ROOT, "tests"))
import fetched  # noqa: E402


def node():
    """The folder in which the scripts run, with what they import beside them."""
    return fetched.npm(HERE, "documents", "the tools for documents")


def schemathesis():
    """Its program."""
    return os.path.join(fetched.venv("documents", os.path.join(HERE, "requirements.txt"), "Schemathesis"), "schemathesis")
