"""Prints all records of a topic as JSON lines, from its beginning to its end of now.

The end is that of all records: with read_committed a transaction that somebody left open is waited
for, until the brokers abort it. With a registry values are decoded as Avro, without one they are printed in hexadecimal.
"""

import argparse
import json
import sys
import time

from confluent_kafka import Consumer, KafkaError, TopicPartition

import avro

PATIENCE = 60  # seconds without any answer


def client(brokers, isolation):
    return Consumer(
        {
            "bootstrap.servers": brokers,
            "group.id": "stack-consume",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": isolation,
            "fetch.message.max.bytes": 8_000_000,
        }
    )


def ends(brokers, topic):
    """The next offset of each partition, open transactions included."""
    asker = client(brokers, "read_uncommitted")
    partitions = asker.list_topics(topic, timeout=PATIENCE).topics[topic].partitions
    found = {}
    for partition in partitions:
        where = TopicPartition(topic, partition)
        found[partition] = asker.get_watermark_offsets(where, timeout=PATIENCE)[1]
    asker.close()
    return found


def records(brokers, topic, isolation):
    """Every record before the ends of now."""
    left = {partition: end for partition, end in ends(brokers, topic).items() if end}
    consumer = client(brokers, isolation)
    consumer.assign([TopicPartition(topic, partition, 0) for partition in left])
    heard = time.monotonic()
    while left:
        batch = consumer.consume(1_000, 0.05)
        for message in batch:
            if message.error() is None:
                heard = time.monotonic()
                yield message
            elif message.error().code() != KafkaError._PARTITION_EOF:
                sys.exit(f"{topic}: {message.error()}")
            # Markers of transactions have offsets and are no records: only an end tells of them.
            elif message.offset() >= left.get(message.partition(), 0):
                left.pop(message.partition(), None)
        if time.monotonic() - heard > PATIENCE:
            sys.exit(f"{topic}: nothing for {PATIENCE} s, and these are not at their ends: {left}")
    consumer.close()


def hexed(data):
    return None if data is None else data.hex()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--brokers", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--registry")
    parser.add_argument("--isolation", default="read_uncommitted")
    arguments = parser.parse_args()
    registry = arguments.registry and avro.Registry(arguments.registry)
    for message in records(arguments.brokers, arguments.topic, arguments.isolation):
        value = message.value()
        told = {
            "partition": message.partition(),
            "offset": message.offset(),
            "timestamp": message.timestamp()[1],
            "key": hexed(message.key()),
            "headers": [[name, hexed(data)] for name, data in message.headers() or []],
            "value": registry.decode(value) if registry else hexed(value),
        }
        print(json.dumps(told, default=str))


main()
