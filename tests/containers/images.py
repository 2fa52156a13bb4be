"""The images that no registry gives here. The base is debootstrap's, kept as .ecom/containers/base.tar. PostgreSQL, Redis, Kafka and Prometheus are the
machine's own programs with the libraries that they are linked with, behind what compose.yaml uses of the official images: environment,
entrypoint, paths, owners."""
import os
import re
import shutil
import subprocess
import tempfile

from engine import HOME, ROOT, CannotRun, run

BASE, POSTGRES, REDIS, KAFKA = "debian:bookworm-slim", "postgres:15-bookworm", "redis:7.2-bookworm", "apache/kafka:3.9.1"
PROMETHEUS = "prom/prometheus:v2.53.4"
PG = "/usr/lib/postgresql/15"
JAVA = "/usr/lib/jvm/java-17-openjdk-amd64"

POSTGRES_ENTRYPOINT = r"""#!/bin/sh
set -eu
[ -s "$PGDATA/PG_VERSION" ] || {
  initdb -D "$PGDATA.new" -U "$POSTGRES_USER" --pwfile="$POSTGRES_PASSWORD_FILE" --auth-local=trust --auth-host=scram-sha-256 --locale=C.UTF-8 -E UTF8 -N
  echo 'host all all all scram-sha-256' >> "$PGDATA.new/pg_hba.conf"
  echo "CREATE DATABASE $POSTGRES_DB" | postgres --single -D "$PGDATA.new" postgres
  mv "$PGDATA.new" "$PGDATA"
}
exec postgres -D "$PGDATA" -c listen_addresses='*'
"""
KAFKA_SCRIPT = """#!/bin/bash
exec java $KAFKA_HEAP_OPTS $KAFKA_LOG4J_OPTS -cp '/opt/kafka/libs/*' %s "$@"
"""


def base(engine):
    """Debian without anything; once."""
    tar = os.path.join(HOME, "base.tar")
    if not os.path.exists(tar):
        with tempfile.TemporaryDirectory(dir=HOME) as folder:
            done = run("debootstrap", "--variant=minbase", "bookworm", os.path.join(folder, "root"), "http://deb.debian.org/debian", check=False)
            if done.returncode:
                raise CannotRun(f"debootstrap: {done.stdout.strip().splitlines()[-1]}")
            run("tar", "-C", os.path.join(folder, "root"), "--exclude=./var/cache/apt/archives/*.deb", "-cf", tar + ".new", ".")
            os.rename(tar + ".new", tar)
    if not engine.docker("images", "-q", BASE).strip():
        engine.docker("import", tar, BASE)


def libraries(*programs):
    """What the loader takes for them beside the base's own C library: path in the image -> path here."""
    out = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=True).stdout
    paths = {path for path in re.findall(r"=> (/\S+)", out) if not re.search(r"/lib(c|m|dl|rt|pthread|resolv)\.so", path)}
    return {re.sub("^/lib/", "/usr/lib/", path): path for path in paths}


def image(engine, tag, files, dockerfile):
    """files: path in the image -> a path of the machine, or a script's text."""
    if engine.docker("images", "-q", tag).strip():
        return
    with tempfile.TemporaryDirectory(dir=HOME) as folder:
        for to, source in files.items():
            path = os.path.join(folder, "root", to.lstrip("/"))
            os.makedirs(os.path.dirname(path), exist_ok=True)
            if source.startswith("#!"):
                with open(path, "w") as file:
                    file.write(source)
                os.chmod(path, 0o755)
            elif os.path.isdir(source):
                shutil.copytree(source, path, symlinks=source != "/etc/java-17-openjdk", dirs_exist_ok=True, ignore_dangling_symlinks=True)
            else:
                shutil.copy(source, path)
        with open(os.path.join(folder, "Dockerfile"), "w") as file:
            file.write(f"FROM {BASE}\nCOPY root /\n{dockerfile}")
        engine.docker("build", "-q", "-t", tag, folder)


def kafka_jars():
    """As `up --kafka apache` fetches and keeps them."""
    jars = os.path.join(ROOT, ".ecom", "kafka", "libs")
    if not os.path.isdir(jars):
        text = open(os.path.join(ROOT, "tool", "up", "kafka.c")).read()
        versions = dict(re.findall(r'#define (\w+)_VERSION "(\S+)"', text))
        os.makedirs(os.path.dirname(jars), exist_ok=True)
        pom = os.path.join(os.path.dirname(jars), "pom.xml")
        with open(pom, "w") as file:
            file.write("<project><modelVersion>4.0.0</modelVersion><groupId>local</groupId><artifactId>kafka</artifactId><version>1</version><dependencies>" +
                       "".join(f"<dependency><groupId>{group}</groupId><artifactId>{name}</artifactId><version>{version}</version></dependency>"
                               for group, name, version in (("org.apache.kafka", "kafka_2.13", versions["KAFKA"]), ("org.slf4j", "slf4j-simple", versions["SLF4J"]))) +
                       "</dependencies></project>")
        done = run("mvn", "-q", "-B", "-f", pom, "dependency:copy-dependencies", f"-DoutputDirectory={jars}.new", check=False)
        if done.returncode:
            raise CannotRun(f"Maven can't fetch Apache Kafka: {done.stdout.strip()[:200]}")
        os.rename(jars + ".new", jars)
    return jars


def same(paths):
    return {path: path for path in paths}


def stand_ins(engine):
    programs = [f"{PG}/bin/{name}" for name in ("postgres", "initdb", "pg_isready", "psql")]
    image(engine, POSTGRES, libraries(*programs) | same([*programs, f"{PG}/lib", "/usr/share/postgresql/15"]) |
          {"/usr/local/bin/entrypoint.sh": POSTGRES_ENTRYPOINT},
          f"ENV PATH={PG}/bin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin PGDATA=/var/lib/postgresql/data\n"
          "RUN ldconfig && useradd -u 10001 -U app && mkdir -p /var/lib/postgresql/data && chmod 1777 /var/lib/postgresql/data\n"
          "VOLUME /var/lib/postgresql/data\nENTRYPOINT [\"entrypoint.sh\"]\n")
    programs = ["/usr/bin/redis-server", "/usr/bin/redis-cli"]
    image(engine, REDIS, libraries(*programs) | same(programs), "RUN ldconfig && mkdir /data\nWORKDIR /data\n")
    image(engine, PROMETHEUS, libraries("/usr/bin/prometheus") | same(["/usr/bin/prometheus"]),
          'RUN ldconfig\nENTRYPOINT ["/bin/prometheus"]\n')
    jars = kafka_jars()
    image(engine, KAFKA, {JAVA: JAVA, "/etc/java-17-openjdk": "/etc/java-17-openjdk", "/opt/kafka/libs": os.path.realpath(jars),
                          "/opt/kafka/bin/kafka-storage.sh": KAFKA_SCRIPT % "kafka.tools.StorageTool",
                          "/opt/kafka/bin/kafka-server-start.sh": KAFKA_SCRIPT % "kafka.Kafka", **libraries(f"{JAVA}/lib/server/libjvm.so")},
          f"ENV PATH={JAVA}/bin:/usr/sbin:/usr/bin:/sbin:/bin\nRUN ldconfig && mkdir -p /var/lib/kafka/data && chown -R 1000:1000 /var/lib/kafka && java -version\n")
