"""Prints all records of a topic as JSON lines, from its beginning to its end of now.

With a registry values are decoded as Avro, without one they are printed in hexadecimal.
"""

import argparse
import json
import sys

from confluent_kafka import Consumer, KafkaError, TopicPartition

import avro

PATIENCE = 60  # seconds without any answer


def records(brokers, topic, isolation):
    consumer = Consumer(
        {
            "bootstrap.servers": brokers,
            "group.id": "stack-consume",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": isolation,
            "fetch.message.max.bytes": 8_000_000,
        }
    )
    partitions = consumer.list_topics(topic, timeout=PATIENCE).topics[topic].partitions
    consumer.assign([TopicPartition(topic, partition, 0) for partition in partitions])
    open_partitions = set(partitions)
    while open_partitions:
        batch = consumer.consume(1_000, PATIENCE)
        if not batch:
            sys.exit(f"{topic}: nothing for {PATIENCE} s, partitions {open_partitions} have no end")
        for message in batch:
            if message.error() is None:
                yield message
            elif message.error().code() == KafkaError._PARTITION_EOF:
                open_partitions.discard(message.partition())
            else:
                sys.exit(f"{topic}: {message.error()}")
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
