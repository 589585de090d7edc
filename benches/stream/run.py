"""`make bench-stream`: what the service does on a real broker, on this machine, at this moment.

throughput  a topic is filled; the service starts with an empty group and reads all of it. Counted from
            a quarter of the records (25 %) to the last offset committed, with CPU and memory from
            /proc; the alerts' ids are held to the reference's
latency     records at a fixed rate, whoever keeps up; from the moment a record is made to its alert at
            a subscriber. With --split also how much of that is over when a plain consumer of the
            transactions, in a process of its own, has the record: producer and brokers alone, which no
            service changes; what is left is the service and the alert's way back through the broker
idle        start to ready on empty topics, and CPU while nothing comes

    make bench-stream ARGS="--what throughput --delivery at_least_once --model bundled"

A virtual machine's speed drifts: `machine` is what its cores hash just before and after a run.
Compare runs that lie beside each other.
"""

import argparse
import hashlib
import json
import multiprocessing
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

from confluent_kafka import Consumer, KafkaError, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

import reference
import servers
import workload

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
VELOCITY = HERE / "velocity.onnx"
LIMIT = 300  # seconds for one run
LOOK = 0.02  # seconds between looks at the metrics
COMMITS = 0.05  # and at the committed offsets
BLOCK = bytes(range(256)) * (1 << 15)


def machine():
    """MiB that the cores hash in a second, all at once, best of three."""
    cores = os.cpu_count() or 1
    best = 0.0
    for _ in range(3):
        began = time.time()
        threads = [threading.Thread(target=lambda: hashlib.blake2b(BLOCK)) for _ in range(cores)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        best = max(best, cores * len(BLOCK) / (1 << 20) / (time.time() - began))
    return round(best)


class Bench:
    def __init__(self, arguments, broker):
        self.arguments = arguments
        self.broker = broker
        self.brokers = broker.brokers
        self.admin = AdminClient({"bootstrap.servers": self.brokers, "log_level": 2})
        self.created = 0

    def topics(self, *names, partitions=None):
        partitions = partitions or self.arguments.partitions
        new = [NewTopic(name, partitions, 1) for name in names]
        for result in self.admin.create_topics(new).values():
            result.result()

    def fresh(self, transactions):
        """Topics of a run of its own, `transactions` among them if it is none of them yet."""
        self.created += 1
        name = f"run-{self.created}"
        topics = {
            "transactions": transactions or f"{name}-transactions",
            "alerts": f"{name}-fraud-alerts",
            "labels": f"{name}-fraud-labels",
            "dead_letters": f"{name}-dlq",
        }
        self.topics(*(topic for topic in topics.values() if topic != transactions))
        return name, topics

    def config(self, name, topics, delivery):
        model = {"velocity": str(VELOCITY), "bundled": None}
        model = model.get(self.arguments.model, self.arguments.model)
        schemas = {
            str(workload.SCHEMA_ID): str(ROOT / "schemas/transaction.avsc"),
            str(workload.ALERT_SCHEMA_ID): str(ROOT / "schemas/alert.avsc"),
        }
        config = {
            "stream": {
                "brokers": [self.brokers],
                "group_id": name,
                "topics": topics,
                "delivery": delivery,
            },
            "schema_registry": {"static": schemas},
            "features": {"timezone": "UTC"},
            "models": {"active": model},
            "telemetry": {"level": "warn"},
        }
        return merge(config, json.loads(self.arguments.config))

    def consumer(self, group, isolation="read_uncommitted"):
        return Consumer(
            {
                "bootstrap.servers": self.brokers,
                "log_level": 2,
                "group.id": group,
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "isolation.level": isolation,
                "fetch.wait.max.ms": 100,
            }
        )

    def partitions(self, topic):
        return [TopicPartition(topic, p) for p in range(self.arguments.partitions)]

    # -- throughput

    def fill(self, topic):
        arguments = self.arguments
        self.topics(topic)
        began = time.time()
        workload.fill(
            self.brokers, topic, arguments.transactions, arguments.customers, arguments.seed
        )
        # Read once, so that the first run does not find a colder broker than the second.
        read = sum(1 for _ in self.records(topic, "at_least_once"))
        say(f"{read} transactions filled and read in {time.time() - began:.0f} s")

    def throughput(self, delivery):
        count = self.arguments.transactions
        name, topics = self.fresh("transactions")
        offsets = self.consumer(name)
        before = machine()
        service = servers.Service(
            self.arguments.binary, self.config(name, topics, delivery)
        )
        until = time.time() + LIMIT
        mark = lambda: (time.time(), service.cpu_seconds(), self.broker.cpu_seconds())
        first = warm = None
        done = 0
        while done < count:
            if time.time() > until:
                sys.exit(f"{done} of {count} were committed within {LIMIT} s")
            if warm is None:
                seen = service.metric("synfinance_transactions_total")
                if seen and first is None:
                    first = mark()
                if seen >= count * self.arguments.warm:
                    warm = (*mark(), seen)
            else:
                service.check()
                found = offsets.committed(self.partitions("transactions"), timeout=10)
                done = sum(max(0, partition.offset) for partition in found)
            time.sleep(LOOK if warm is None else COMMITS)
        end = mark()
        peak = service.memory_mb("VmHWM")
        offsets.close()
        code = service.stop()
        counted = count - warm[3]
        seconds = end[0] - warm[0]
        told = {
            "what": "throughput",
            "model": self.arguments.model,
            "delivery": delivery,
            "transactions_per_second": round(counted / seconds),
            "from_first_record": round(count / (end[0] - first[0])),
            "cpu_seconds_per_million": round((end[1] - warm[1]) / counted * 1e6, 2),
            "broker_cpu_seconds_per_million": round((end[2] - warm[2]) / counted * 1e6, 2),
            "peak_rss_mb": round(peak),
            "machine": [before, machine()],
            "exit": code,
        }
        return {**told, **self.judge(topics["alerts"], delivery)}

    def judge(self, topic, delivery):
        alerts = self.records(topic, delivery)
        numbers = [int(transaction_id(message.value())[:8], 16) for message in alerts]
        told = {"alerts": len(numbers)}
        if self.arguments.model != "velocity":
            return told
        expected = set(self.reference())
        found = set(numbers)
        return {
            **told,
            "doubled": len(numbers) - len(found),
            "missed": len(expected - found),
            "strange": len(found - expected),
            "equal_reference": found == expected,
        }

    def reference(self):
        if not hasattr(self, "known"):
            arguments = self.arguments
            workload_of = (arguments.transactions, arguments.customers, arguments.seed)
            self.known = reference.alerts(str(VELOCITY), *workload_of)
        return self.known

    def records(self, topic, delivery):
        """Every record that is there, as a subscriber of this delivery sees it."""
        consumer = self.consumer("bench-reads", isolation_of(delivery))
        open_partitions = {p.partition for p in self.partitions(topic)}
        consumer.assign([TopicPartition(topic, p, 0) for p in open_partitions])
        while open_partitions:
            for message in consumer.consume(5_000, 0.05):
                if message.error() is None:
                    yield message
                elif message.error().code() == KafkaError._PARTITION_EOF:
                    open_partitions.discard(message.partition())
                else:
                    sys.exit(f"{topic}: {message.error()}")
        consumer.close()

    # -- latency

    def latency(self, delivery):
        name, topics = self.fresh(None)
        service = servers.Service(
            self.arguments.binary, self.config(name, topics, delivery)
        )
        service.wait_ready()
        probe = Probe(self.consumer(f"{name}-probe", isolation_of(delivery)), topics["alerts"])
        try:
            for place, rate in enumerate(self.arguments.rates):
                yield self.latency_at(rate, place, delivery, service, topics, probe)
        finally:
            probe.stop()
            service.stop()

    def latency_at(self, rate, place, delivery, service, topics, probe):
        probe.begin()
        plain = None
        if self.arguments.split:
            plain = PlainConsumer(self.brokers, topics["transactions"])
        before = machine()
        cpu, began = service.cpu_seconds(), time.time()
        command = [sys.executable, str(HERE / "workload.py"), "rate", "--brokers", self.brokers]
        command += ["--topic", topics["transactions"], "--rate", str(rate)]
        command += ["--seconds", str(self.arguments.seconds), "--seed", str(100 + place)]
        command += ["--busy-customers", str(self.arguments.busy_customers)]
        command += ["--warm", "6" if place == 0 else "4"]
        sent = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        cores = (service.cpu_seconds() - cpu) / (time.time() - began)
        time.sleep(2)
        told = {
            "what": "latency",
            "model": self.arguments.model,
            "delivery": delivery,
            "rate": rate,
            "alerts": len(probe.measured),
            **quantiles(probe.measured.values()),
            "cores": round(cores, 2),
            "machine": [before, machine()],
            "producer": json.loads(sent),
        }
        if plain:
            arrived = plain.measured()
            both = [number for number in probe.measured if number in arrived]
            told["plain_consumer"] = quantiles(arrived[number] for number in both)
            told["rest"] = quantiles(probe.measured[n] - arrived[n] for n in both)
        return told

    # -- idle

    def idle(self):
        name, topics = self.fresh(None)
        config = self.config(name, topics, "at_least_once")
        service = servers.Service(self.arguments.binary, config)
        ready = service.wait_ready()
        time.sleep(2)
        cpu, began = service.cpu_seconds(), time.time()
        time.sleep(self.arguments.seconds)
        cores = (service.cpu_seconds() - cpu) / (time.time() - began)
        told = {
            "what": "idle",
            "start_to_ready_s": round(ready, 2),
            "percent_of_a_core": round(cores * 100, 2),
            "rss_mb": round(service.memory_mb("VmRSS")),
        }
        service.stop()
        return told


class Probe:
    """A subscriber that notes how old alerts are when they come: milliseconds by the number of the
    transaction."""

    def __init__(self, consumer, topic):
        self.consumer = consumer
        self.measured = {}
        self.is_over = threading.Event()
        partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
        consumer.assign([TopicPartition(topic, p, 0) for p in partitions])
        self.thread = threading.Thread(target=self.watch)
        self.thread.start()

    def watch(self):
        while not self.is_over.is_set():
            message = self.consumer.poll(0.2)
            if message is None or message.error() is not None:
                continue
            note(self.measured, time.time_ns(), transaction_id(message.value()))

    def begin(self):
        self.measured = {}

    def stop(self):
        self.is_over.set()
        self.thread.join()
        self.consumer.close()


class PlainConsumer:
    """Reads the transactions as they come and notes how old they are, as `Probe` does of alerts. A
    process of its own, so that the two do not wait for each other's interpreter."""

    def __init__(self, brokers, topic):
        context = multiprocessing.get_context("spawn")
        self.is_over, self.found = context.Event(), context.Queue()
        arguments = (brokers, topic, self.is_over, self.found)
        self.process = context.Process(target=read_plainly, args=arguments, daemon=True)
        self.process.start()
        self.found.get(timeout=30)

    def measured(self):
        self.is_over.set()
        measured = self.found.get(timeout=30)
        self.process.join()
        return measured


def read_plainly(brokers, topic, is_over, found):
    consumer = Consumer(
        {
            "bootstrap.servers": brokers,
            "log_level": 2,
            "group.id": "bench-plain",
            "enable.auto.commit": False,
            "fetch.wait.max.ms": 100,
        }
    )
    partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
    ends = [consumer.get_watermark_offsets(TopicPartition(topic, p))[1] for p in partitions]
    consumer.assign([TopicPartition(topic, p, end) for p, end in zip(partitions, ends)])
    found.put("reads")
    measured = {}
    while not is_over.is_set():
        message = consumer.poll(0.2)
        if message is not None and message.error() is None:
            # Header, then the id's length in one byte.
            note(measured, time.time_ns(), message.value()[6:42].decode())
    consumer.close()
    found.put(measured)


def note(measured, now, identity):
    """Ids of `workload.live` say whether the record counts, its number and when it was made."""
    if identity[0] == "m":
        measured[int(identity[1:9], 16)] = (now - int(identity[10:29])) / 1e6


def quantiles(milliseconds):
    found = sorted(milliseconds)
    if not found:
        return {}
    at = lambda q: round(found[min(len(found) - 1, int(len(found) * q))], 2)
    return {
        "p50_ms": at(0.5),
        "p99_ms": at(0.99),
        "p99.9_ms": at(0.999),
        "max_ms": round(found[-1], 2),
    }


def isolation_of(delivery):
    return "read_committed" if delivery == "exactly_once" else "read_uncommitted"


def transaction_id(value):
    """The second field of an alert, behind header and alert id; both of fewer than 64 bytes."""
    at = 6 + (value[5] >> 1)
    return value[at + 1 : at + 1 + (value[at] >> 1)].decode()


def merge(base, over):
    if not isinstance(base, dict) or not isinstance(over, dict):
        return over
    return {**base, **{key: merge(base.get(key), value) for key, value in over.items()}}


def say(line):
    print(line, file=sys.stderr, flush=True)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    listed = lambda text: text.split(",")
    add = parser.add_argument
    add("--what", type=listed, default=["throughput", "latency", "idle"])
    add("--delivery", type=listed, default=["at_least_once", "exactly_once"])
    add("--model", default="velocity", help="velocity (12 features), bundled (69), or a file")
    add("--transactions", type=int, default=2_000_000)
    add("--customers", type=int, default=100_000)
    add("--partitions", type=int, default=4)
    add("--rounds", type=int, default=1, help="of throughput")
    add("--warm", type=float, default=0.25, help="share of the records before the count begins")
    add("--rates", type=lambda t: [int(r) for r in t.split(",")], default=[5_000, 20_000])
    add("--seconds", type=int, default=20, help="of each rate, and idle")
    add("--busy-customers", type=int, default=100, help="that the alerting payments go to")
    add("--split", action="store_true", help="latency also as a plain consumer has it")
    add("--seed", type=int, default=1)
    add("--config", default="{}", help="more configuration, as JSON")
    add("--binary", type=Path, default=ROOT / "target/release/synfinance")
    arguments = parser.parse_args()
    arguments.binary = arguments.binary.resolve()

    broker = servers.start_broker()
    try:
        bench = Bench(arguments, broker)
        if "throughput" in arguments.what:
            bench.fill("transactions")
            for _ in range(arguments.rounds):
                for delivery in arguments.delivery:
                    print(json.dumps(bench.throughput(delivery)), flush=True)
        if "latency" in arguments.what:
            for delivery in arguments.delivery:
                for told in bench.latency(delivery):
                    print(json.dumps(told), flush=True)
        if "idle" in arguments.what:
            print(json.dumps(bench.idle()), flush=True)
    finally:
        broker.stop()


if __name__ == "__main__":
    main()
