"""Sends what the stack tests need; prints one JSON object about it. Independent of the Rust code.

produce.py payments ...   transactions of a seed, at a rate, until so many or until stdin ends
produce.py poison ...     one record for every reason to reject one, with a good one after each
produce.py labels ...     verdicts about merchants
produce.py register ...   no record, a schema under the subject --topic
produce.py trim ...       none either: every record of the topic goes, as its retention would do it
"""

import argparse
import json
import pathlib
import sys
import threading
import time

from confluent_kafka import OFFSET_END, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

import avro
import payments

TIMEOUT = 120  # seconds until a record that no broker takes is given up


class Sender:
    """A producer that knows of every record whether it arrived."""

    def __init__(self, brokers, transactional_id=None):
        self.lost = []
        transactional = {
            "transactional.id": transactional_id,
            "transaction.timeout.ms": TIMEOUT * 1_000,
        }
        self.producer = Producer(
            {
                **(transactional if transactional_id else {}),
                "bootstrap.servers": brokers,
                "enable.idempotence": True,
                "linger.ms": 5,
                "message.max.bytes": 8_000_000,
                "message.timeout.ms": TIMEOUT * 1_000,
                "queue.buffering.max.messages": 1_000_000,
                "reconnect.backoff.max.ms": 500,
            }
        )

    def send(self, topic, key, value, headers=None):
        while True:
            try:
                self.producer.produce(
                    topic, value, key, headers=headers, on_delivery=self.delivered
                )
                return
            except BufferError:
                self.producer.poll(0.1)

    def delivered(self, error, _):
        if error is not None:
            self.lost.append(str(error))

    def finish(self):
        left = self.producer.flush(TIMEOUT)
        if left or self.lost:
            sys.exit(f"{left} records undelivered, {len(self.lost)} lost: {self.lost[:3]}")


def stop_when_stdin_ends():
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    return ended


def send_payments(arguments, registry):
    schema = avro.VARIANTS[arguments.variant]()
    identity = registry.register(f"{arguments.topic}-value", schema)
    encode = avro.Encoder(identity, schema)
    sender = Sender(arguments.brokers, arguments.transactional_id)
    if arguments.transactional_id:
        sender.producer.init_transactions(TIMEOUT)
        sender.producer.begin_transaction()
    ended = stop_when_stdin_ends() if arguments.count is None else threading.Event()
    began = time.monotonic()
    place = sent = 0
    for payment in payments.of_arguments(arguments):
        place += 1
        if place <= arguments.skip:
            continue
        if arguments.rate:
            while sent >= (time.monotonic() - began) * arguments.rate:
                sender.producer.poll(0.001)
        if ended.is_set():
            place -= 1
            break
        key = arguments.key_prefix + payment["customer_id"]
        value = encode(avro.as_variant(payment, arguments.variant))
        sender.send(arguments.topic, key.encode(), value)
        sent += 1
        if sent % 100 == 0:
            sender.producer.poll(0)
    sender.finish()
    if arguments.transactional_id:
        sender.producer.commit_transaction(TIMEOUT)
    return {"sent": sent, "until": place, "schema": identity}


def poison(arguments, registry):
    """Every reason of the contract, some by several ways. Between them go good payments."""
    good = avro.plain()
    encode = avro.Encoder(registry.register(f"{arguments.topic}-value", good), good)
    needy = avro.needy()
    encode_needy = avro.Encoder(registry.register(f"{arguments.topic}-needy", needy), needy)
    roomy = avro.plain()
    roomy["fields"].append({"name": "room", "type": "bytes"})
    encode_roomy = avro.Encoder(registry.register(f"{arguments.topic}-roomy", roomy), roomy)
    stream = payments.transactions(arguments.seed, start=arguments.start)
    fine = next(stream)
    bad = {**fine, "transaction_id": "bad", "customer_id": "bad"}
    text = encode(bad)
    far = int(time.time() * 1_000) + 2 * payments.DAY
    invalid = [
        {"amount": float("nan")},
        {"amount": float("inf")},
        {"amount": -1.0},
        {"transaction_id": ""},
        {"customer_id": ""},
        {"latitude": 90.5, "longitude": 0.0},
        {"event_time": 900_000_000_000},
        {"event_time": far},
    ]
    records = [
        ("empty", None),
        ("empty", b""),
        ("unknown_framing", b"{\"amount\": 1}"),
        ("unknown_framing", b"\x00\x00\x00"),
        ("unknown_framing", bytes(range(256))[1:]),
        ("unknown_schema", b"\x00\x7f\xff\xff\xfe" + text[5:]),
        ("unknown_schema", b"\xc3\x01" + b"\xee" * 8 + text[5:]),
        ("malformed_avro", text[:-1]),
        ("malformed_avro", text + b"\x00"),
        ("malformed_avro", text[:5]),
        ("malformed_avro", text[:5] + b"\x06\xff\xff\xff" + text[9:]),
        ("missing_field", encode_needy(bad)),
        *(("invalid_field", encode({**bad, **change})) for change in invalid),
        ("too_large", encode_roomy({**bad, "room": b"\x00" * (1 << 20)})),
        ("too_large", b"\xff" * 3_000_000),
    ]
    sender = Sender(arguments.brokers)
    told = []
    goods = [fine]
    sender.send(arguments.topic, fine["customer_id"].encode(), encode(fine))
    for place, (reason, value) in enumerate(records):
        key = None if place % 5 == 4 else f"key-{place}".encode()
        headers = [("trace", str(place).encode()), ("trace", b"\xff\x00"), ("none", None)]
        sender.send(arguments.topic, key, value, headers)
        told.append({"reason": reason, "key": hexed(key), "value": hexed(value)})
        payment = next(stream)
        goods.append(payment)
        large = {**payment, "room": b"\x2a" * 1_040_000}
        is_large = place % 8 == 7
        value = encode_roomy(large) if is_large else encode(payment)
        sender.send(arguments.topic, payment["customer_id"].encode(), value)
    sender.finish()
    return {"poison": told, "good": len(goods)}


def hexed(data):
    return None if data is None else data.hex()


def labels(arguments, registry):
    schema = avro.plain("label")
    encode = avro.Encoder(registry.register(f"{arguments.topic}-value", schema), schema)
    sender = Sender(arguments.brokers)
    merchants = arguments.merchants.split(",")
    for place in range(arguments.count):
        merchant = merchants[place] if place < len(merchants) else f"other-{place}"
        verdict = {
            "transaction_id": f"labelled-{arguments.seed}-{place}",
            "customer_id": f"labelled-{place}",
            "merchant_id": merchant,
            "event_time": arguments.start - payments.HOUR,
            "is_fraud": True,
            "labeled_at": arguments.start - 1,
            "fraud_type": None,
        }
        sender.send(arguments.topic, verdict["transaction_id"].encode(), encode(verdict))
    sender.finish()
    return {"sent": arguments.count}


def register(arguments, registry):
    schema = json.loads(pathlib.Path(arguments.schema_file).read_text())
    return {"schema": registry.register(arguments.topic, schema)}


def trim(arguments, _):
    admin = AdminClient({"bootstrap.servers": arguments.brokers})
    topic = admin.list_topics(arguments.topic, timeout=TIMEOUT).topics[arguments.topic]
    ends = [TopicPartition(arguments.topic, number, OFFSET_END) for number in topic.partitions]
    deleted = admin.delete_records(ends, request_timeout=TIMEOUT)
    return {str(of.partition): done.result().low_watermark for of, done in deleted.items()}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=sorted(ACTS))
    parser.add_argument("--brokers", required=True)
    parser.add_argument("--registry", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--seed", type=int, default=1)
    payments.add_arguments(parser)
    parser.add_argument("--count", type=int, help="none: until stdin ends")
    parser.add_argument("--skip", type=int, default=0)
    parser.add_argument("--rate", type=float, default=0)
    parser.add_argument("--variant", default="plain", choices=sorted(avro.VARIANTS))
    parser.add_argument("--schema-file")
    parser.add_argument("--key-prefix", default="")
    parser.add_argument("--merchants", default="")
    parser.add_argument("--transactional-id", help="payments are sent in one transaction")
    arguments = parser.parse_args()
    print(json.dumps(ACTS[arguments.what](arguments, avro.Registry(arguments.registry))))


ACTS = {
    "payments": send_payments,
    "poison": poison,
    "labels": labels,
    "register": register,
    "trim": trim,
}


main()
