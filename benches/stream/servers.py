"""A broker and the service as child processes that do not outlive this one, and what they cost."""

import http.client
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
START = 60  # seconds until a server must answer
CLUSTER = "c3luZmluYW5jZS1iZW5jaA"
GUARD = 'read -r _; kill -KILL "$1"; sleep 1; rm -rf "$2"'


def free_port():
    """A port below those that clients get from the kernel."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port


def eventually(what, ask):
    until = time.monotonic() + START
    while True:
        answer = ask()
        if answer:
            return answer
        if time.monotonic() > until:
            sys.exit(f"{what}: not within {START} s")
        time.sleep(0.01)


class Process:
    """A child in a directory of its own. A shell that reads from a pipe of this process kills it when
    the pipe closes, however this process ends."""

    def __init__(self, name, command, directory):
        self.name = name
        self.command = command
        self.directory = directory
        self.log = directory / f"{name}.log"
        self.began = time.time()
        with self.log.open("ab") as log:
            self.child = subprocess.Popen(
                command,
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.guard = subprocess.Popen(
            ["sh", "-c", GUARD, "guard", str(self.child.pid), str(directory)],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )

    def check(self):
        if self.child.poll() is not None:
            tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-40:])
            sys.exit(f"{self.name} ended with {self.child.returncode}\n{tail}")

    def cpu_seconds(self):
        fields = Path(f"/proc/{self.child.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def memory_mb(self, what):
        """`VmHWM`: the most so far; `VmRSS`: now."""
        for line in Path(f"/proc/{self.child.pid}/status").read_text().splitlines():
            if line.startswith(what):
                return int(line.split()[1]) / 1_024
        return 0.0

    def crash(self):
        """SIGKILL; what it has written stays."""
        self.guard.kill()
        self.guard.wait()
        self.child.kill()
        self.child.wait()

    def start_again(self):
        """With the same command, where it was."""
        Process.__init__(self, self.name, self.command, self.directory)

    def stop(self):
        """SIGTERM, and SIGKILL after a minute; the exit code."""
        self.guard.kill()
        self.guard.wait()
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
            try:
                self.child.wait(60)
            except subprocess.TimeoutExpired:
                self.child.kill()
        code = self.child.wait()
        shutil.rmtree(self.directory, ignore_errors=True)
        return code


def cache():
    named = os.environ.get("SYNFINANCE_CACHE")
    general = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(named) if named else general / "synfinance"


PROPERTIES = """process.roles=broker,controller
node.id={node}
controller.quorum.voters={voters}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={directory}/data
auto.create.topics.enable=false
log.retention.hours=-1
default.replication.factor={copies}
min.insync.replicas={in_sync}
offsets.topic.replication.factor={copies}
transaction.state.log.replication.factor={copies}
transaction.state.log.min.isr={in_sync}
group.initial.rebalance.delay.ms=0
"""


def start_broker():
    """One Kafka broker from the cache with default settings but for what one node needs."""
    return start_brokers(1, "1g")[0]


def start_brokers(count, heap):
    """Brokers that hold as many copies of everything as there are, and go on without one of three."""
    places = sorted(cache().glob("kafka-*"))
    if not places:
        sys.exit(f"there is no Kafka in {cache()}: run make bench-stream, or .ci/setup servers")
    ports = [(free_port(), free_port()) for _ in range(count)]
    voters = ",".join(f"{node}@127.0.0.1:{own}" for node, (_, own) in enumerate(ports, 1))
    java = ["java", f"-Xmx{heap}", "-cp", f"{places[-1]}/libs/*"]
    brokers = []
    for node, (port, controller) in enumerate(ports, 1):
        directory = Path(tempfile.mkdtemp(prefix="synfinance-bench-"))
        text = PROPERTIES.format(
            node=node,
            voters=voters,
            port=port,
            controller=controller,
            directory=directory,
            copies=count,
            in_sync=count // 2 + 1,
        )
        (directory / "server.properties").write_text(text)
        form = ["kafka.tools.StorageTool", "format", "-t", CLUSTER, "-c", "server.properties"]
        subprocess.run([*java, *form], cwd=directory, check=True, capture_output=True)
        process = Process("kafka", [*java, "kafka.Kafka", "server.properties"], directory)
        process.brokers = f"127.0.0.1:{port}"
        brokers.append(process)
    for process in brokers:
        wait_for_broker(process)
    return brokers


def wait_for_broker(process):
    from confluent_kafka.admin import AdminClient

    admin = AdminClient({"bootstrap.servers": process.brokers, "log_level": 0})

    def answers():
        process.check()
        try:
            return admin.list_topics(timeout=1)
        except Exception:
            return None

    eventually("kafka answers", answers)


def start_registry():
    """A schema registry from the cache, empty, in memory; `address` is where its API is."""
    runners = sorted(cache().glob("registry-*/*-runner.jar"))
    if not runners:
        sys.exit(f"there is no schema registry in {cache()}: run .ci/setup servers")
    directory = Path(tempfile.mkdtemp(prefix="synfinance-bench-"))
    port = free_port()
    java = ["java", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
    quarkus = ["-Dquarkus.http.host=127.0.0.1", f"-Dquarkus.http.port={port}"]
    process = Process("registry", [*java, *quarkus, "-jar", str(runners[-1])], directory)
    process.address = f"http://127.0.0.1:{port}/apis/ccompat/v7"

    def answers():
        process.check()
        try:
            with urllib.request.urlopen(f"{process.address}/subjects", timeout=1) as answer:
                return answer.status == 200
        except OSError:
            return None

    eventually("the schema registry answers", answers)
    return process


def start_postgres():
    """A database server of the newest PostgreSQL there is, empty; `url` is its database. It refuses
    root, so where this is root it runs as its own user."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not programs:
        sys.exit("PostgreSQL is missing: run .ci/setup servers")
    directory = Path(tempfile.mkdtemp(prefix="synfinance-bench-"))
    user = []
    if os.getuid() == 0:
        shutil.chown(directory, "postgres")
        user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
    initdb, postgres, ready = (
        str(programs[-1] / name) for name in ("initdb", "postgres", "pg_isready")
    )
    data, port = str(directory / "data"), str(free_port())
    form = [*user, initdb, "-A", "trust", "-U", "postgres", "-D", data]
    subprocess.run(form, cwd=directory, check=True, capture_output=True)
    where = ["-c", "listen_addresses=127.0.0.1", "-p", port, "-k", str(directory), "-D", data]
    process = Process("postgres", [*user, postgres, *where], directory)
    process.url = f"postgres://postgres@127.0.0.1:{port}/postgres"

    def answers():
        process.check()
        ask = [ready, "-q", "-h", "127.0.0.1", "-p", port]
        return subprocess.run(ask, check=False).returncode == 0

    eventually("PostgreSQL answers", answers)
    return process


class Service(Process):
    """`synfinance run` with a configuration, and its sidecar."""

    def __init__(self, binary, config):
        directory = Path(tempfile.mkdtemp(prefix="synfinance-bench-"))
        self.port = free_port()
        config = {**config, "http": {"address": "127.0.0.1", "port": self.port}}
        file = directory / "config.yaml"
        file.write_text(json.dumps(config))
        command = [str(binary), "--config", str(file), "run"]
        super().__init__("synfinance", command, directory)
        self.connection = None

    def get(self, path):
        """Status and text, or nothing while nobody answers. One connection for all requests."""
        self.check()
        try:
            if self.connection is None:
                self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
            self.connection.request("GET", path)
            answer = self.connection.getresponse()
            return answer.status, answer.read().decode()
        except (OSError, http.client.HTTPException):
            self.connection = None
            return None, ""

    def wait_ready(self):
        """Seconds from its start until it said that it was ready."""
        eventually("the service is ready", lambda: self.get("/readyz")[0] == 200)
        return time.time() - self.began

    def metric(self, name):
        """A metric, its series added up."""
        lines = self.get("/metrics")[1].splitlines()
        series = (line.rsplit(" ", 1) for line in lines if line.startswith(name))
        return sum(float(value) for label, value in series if label[len(name) :][:1] in ("", "{"))
