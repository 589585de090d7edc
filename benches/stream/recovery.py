"""`make bench-recovery`: how long alerts stand still when a process is killed, and when partitions move.

A topic is filled and its customers are saved to PostgreSQL. Then payments come at a fixed rate, whoever
keeps up, and
killed      the process gets SIGKILL and is started again: until it is ready, and until alerts are as
            young as before for good
joins       a second process with one worker joins the group: the oldest alert until all is quiet again
leaves      that process gets SIGTERM: the same

    make bench-recovery ARGS="--customers 100000 --transactions 500000 --config '{...}'"

An alert's age is from the moment its payment was made to its coming to a subscriber. `machine` is what
the cores hash while nothing runs; broker, generator, database and services share them.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

from confluent_kafka import Consumer
from confluent_kafka.admin import AdminClient, NewTopic

import servers
import workload
from run import ROOT, VELOCITY, machine, merge, say, transaction_id

PARTITIONS = 4
HERE = Path(__file__).resolve().parent
YOUNG = 1.0  # seconds: an alert of that age has not waited for anything
LIMIT = 300  # seconds for whatever has to happen
SETTLE = 25  # seconds between two things that happen
TOPICS = "transactions", "fraud-alerts", "fraud-labels", "transactions-dlq"


class Ages:
    """A subscriber that notes when each alert came and how old it was, in seconds."""

    def __init__(self, brokers, topic):
        self.consumer = Consumer(
            {"bootstrap.servers": brokers, "group.id": "ages", "enable.auto.commit": False}
        )
        self.consumer.subscribe([topic])
        self.seen = []

    def watch(self, seconds):
        """Notes for so long; the part of the notes that came meanwhile."""
        before, until = len(self.seen), time.time() + seconds
        while time.time() < until:
            for message in self.consumer.consume(1_000, 0.05):
                if message.error() is not None:
                    continue
                now = time.time_ns()
                identity = transaction_id(message.value())
                if identity[0] in "mw":
                    self.seen.append((now / 1e9, (now - int(identity[10:29])) / 1e9))
        return self.seen[before:]


def oldest(seen):
    return round(max(age for _, age in seen), 2)


def ask(postgres, query):
    command = ["psql", "-AtX", "-d", postgres.url, "-c", query]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def config(arguments, brokers, postgres):
    static = {
        str(workload.SCHEMA_ID): str(ROOT / "schemas/transaction.avsc"),
        str(workload.ALERT_SCHEMA_ID): str(ROOT / "schemas/alert.avsc"),
    }
    base = {
        "stream": {"brokers": [brokers], "group_id": "recovery", "delivery": arguments.delivery},
        "schema_registry": {"static": static},
        "state": {"database_url": postgres.url, "save": [[10, 1]]},
        "features": {"timezone": "UTC"},
        "models": {"active": str(VELOCITY)},
        "telemetry": {"level": "info"},
    }
    if arguments.static:
        base["stream"]["kafka"] = {"group.instance.id": "one"}
    return merge(base, json.loads(arguments.config))


def lines(service, words):
    """What a service said with one of these words in it, in the order in which it said it."""
    text = service.log.read_text(errors="replace").splitlines()
    return [line for line in text if any(word in line for word in words)]


def fill(arguments, brokers, postgres, settings):
    """Customers who have paid, saved."""
    admin = AdminClient({"bootstrap.servers": brokers, "log_level": 2})
    topics = admin.create_topics([NewTopic(name, PARTITIONS, 1) for name in TOPICS])
    for result in topics.values():
        result.result()
    workload.fill(brokers, TOPICS[0], arguments.transactions, arguments.customers, 1)
    say(f"{arguments.transactions} transactions filled")
    service = servers.Service(arguments.binary, settings)
    service.wait_ready()
    saved = "select coalesce(sum(saved_offset), 0) from partition_progress"
    until = time.time() + LIMIT
    while int(ask(postgres, saved)) < arguments.transactions:
        service.check()
        if time.time() > until:
            sys.exit(f"not everything was saved within {LIMIT} s")
        time.sleep(1)
    customers = int(ask(postgres, "select count(*) from customer_state"))
    ask(postgres, "vacuum analyze customer_state")
    say(f"{customers} customers saved")
    return service, customers


def generate(arguments, brokers):
    command = [sys.executable, str(HERE / "workload.py"), "rate", "--brokers", brokers]
    command += ["--topic", TOPICS[0], "--rate", str(arguments.rate), "--warm", "0"]
    seconds = SETTLE * (2 + 5 * arguments.rounds)
    command += ["--seconds", str(seconds), "--customers", str(arguments.customers)]
    return subprocess.Popen([*command, "--busy", "0.02"], start_new_session=True)


def killed(service, ages):
    began = time.time()
    service.crash()
    servers.Process.start_again(service)
    service.connection = None
    ready = None
    seen = []
    while ready is None or time.time() < began + 2 * SETTLE:
        seen += ages.watch(0.05 if ready is None else SETTLE)
        if ready is None and service.get("/readyz")[0] == 200:
            ready = time.time() - began
        if time.time() > began + LIMIT:
            sys.exit(f"the service was not ready within {LIMIT} s")
    late = [moment for moment, age in seen if age > YOUNG and moment > began + 0.5]
    return {
        "what": "killed",
        "ready_s": round(ready, 1),
        "no_lag_s": round(max(late, default=began) - began, 1),
        "oldest_alert_s": oldest(seen),
    }


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--customers", type=int, default=1_500_000, help="who may pay; a million of them do")
    add("--transactions", type=int, default=4_000_000)
    add("--rate", type=int, default=20_000)
    add("--rounds", type=int, default=1)
    add("--delivery", default="at_least_once")
    add("--static", action="store_true", help="with group.instance.id")
    add("--told", default="", help="words of log lines to print, separated by commas")
    add("--config", default="{}", help="more configuration, as JSON")
    add("--binary", type=Path, default=ROOT / "target/release/synfinance")
    arguments = parser.parse_args()
    arguments.binary = arguments.binary.resolve()
    words = [word for word in arguments.told.split(",") if word]

    print(json.dumps({"machine": machine()}), flush=True)
    started = []
    generator = None
    try:
        broker = servers.start_broker()
        started.append(broker)
        postgres = servers.start_postgres()
        started.append(postgres)
        settings = config(arguments, broker.brokers, postgres)
        service, customers = fill(arguments, broker.brokers, postgres, settings)
        started.append(service)
        generator = generate(arguments, broker.brokers)
        ages = Ages(broker.brokers, TOPICS[1])
        quiet = [age for _, age in ages.watch(SETTLE)[-1_000:]]
        told = {"customers": customers, "age_p50_s": round(sorted(quiet)[len(quiet) // 2], 3)}
        print(json.dumps(told), flush=True)
        for _ in range(arguments.rounds):
            print(json.dumps(killed(service, ages)), flush=True)
            one = merge(settings, {"stream": {"workers": 1}})
            if arguments.static:
                one = merge(one, {"stream": {"kafka": {"group.instance.id": "two"}}})
            second = servers.Service(arguments.binary, one)
            started.append(second)
            joins = {"what": "joins", "oldest_alert_s": oldest(ages.watch(SETTLE))}
            print(json.dumps(joins), flush=True)
            said = lines(second, words) if words else []
            second.child.terminate()
            leaves = {"what": "leaves", "oldest_alert_s": oldest(ages.watch(SETTLE))}
            print(json.dumps(leaves), flush=True)
            started.remove(second)
            said += lines(second, words) if words else []
            second.stop()
            for line in said + (lines(service, words)[-40:] if words else []):
                say(line)
    finally:
        if generator is not None:
            generator.kill()
        for process in reversed(started):
            process.stop()


main()
