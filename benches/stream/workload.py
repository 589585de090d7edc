"""The bench's transactions: 14 days of customers who pay at their own pace, and bursts among them.

    workload.py rate --brokers B --topic T --rate 5000 --seconds 20 ...   live records at a fixed rate

Everything follows from the seed. Event times increase with the record's number, so they increase in
every partition. Customers' activity is log-normal: most pay once a day, the busiest some eighty times;
one record of 25 belongs to a burst of five within 40 minutes. `columns` has the numbers
that the reference needs, `records` the same as Avro behind Confluent's header.
"""

import argparse
import json
import struct
import sys
import time

import numpy as np

START = 1_735_689_600_000  # 2025-01-01T00:00:00Z
DAYS = 14
DAY = 86_400_000
BURST = 5
MERCHANTS = 4_000
SCHEMA_ID = 1
ALERT_SCHEMA_ID = 2

CATEGORIES = ("Groceries", "Fuel", "Restaurants", "Travel", "Pharmacy", "Clothing", "Online Games")
PAYMENTS = (("UPI", "Mobile"), ("Credit Card", "POS"), ("Debit Card", "ATM"), ("Wallet", "Online"))
CITIES = (
    ("Mumbai", 19.076, 72.8777),
    ("Delhi", 28.7041, 77.1025),
    ("Bengaluru", 12.9716, 77.5946),
    ("Kolkata", 22.5726, 88.3639),
    ("Jaipur", 26.9124, 75.7873),
)


def columns(count, customers, seed):
    """Customer number, event time in milliseconds and amount in hundredths of each record."""
    draw = np.random.default_rng([seed, 1])
    bursts = count // (25 * BURST) + 1
    single = count - bursts * BURST
    pace = draw.lognormal(0.0, 1.2, customers)
    customer = draw.choice(customers, single, p=pace / pace.sum())
    hour = draw.normal(14.5, 4.5, single) % 24
    time_of = draw.integers(0, DAYS, single) * DAY + (hour * 3_600_000).astype(np.int64)
    cents = np.exp(draw.normal(8.3, 1.0, single)).astype(np.int64) + 1

    burst_start = draw.integers(0, DAYS * DAY - 2_400_000, bursts)
    within = draw.integers(0, 2_400_000, bursts * BURST)
    burst_cents = np.exp(draw.normal(9.8, 0.9, bursts * BURST)).astype(np.int64) + 1
    customer = np.concatenate([customer, np.repeat(draw.integers(0, customers, bursts), BURST)])
    time_of = np.concatenate([time_of, np.repeat(burst_start, BURST) + within])
    cents = np.concatenate([cents, burst_cents])

    order = np.argsort(time_of, kind="stable")
    number = np.arange(count)
    increasing = np.maximum.accumulate(time_of[order] - number) + number
    return customer[order], START + increasing, cents[order]


def varint(number):
    """Avro's long."""
    number = (number << 1) ^ (number >> 63)
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def text(value):
    data = value.encode()
    return varint(len(data)) + data


def maybe(encoded):
    return b"\x00" if encoded is None else b"\x02" + encoded


HEADER = struct.pack(">bI", 0, SCHEMA_ID)
DOUBLE = struct.Struct("<d").pack


class Pieces:
    """What of a record depends on its customer or merchant alone, encoded once."""

    def __init__(self, customers, seed):
        draw = np.random.default_rng([seed, 2])
        self.merchants = [self.merchant(draw, number) for number in range(MERCHANTS)]
        self.payments = [text(mode) + text(channel) + b"\x00" for mode, channel in PAYMENTS]
        home = draw.integers(0, len(CITIES), customers)
        moved = draw.normal(0.0, 0.05, (customers, 2))
        self.customers = [
            self.customer(number, CITIES[home[number]], moved[number])
            for number in range(customers)
        ]

    @staticmethod
    def merchant(draw, number):
        """Id; currency and category; name and reputation, which some lack."""
        category = CATEGORIES[draw.integers(len(CATEGORIES))]
        known = maybe(text(f"{category} {number}")) + maybe(DOUBLE(float(draw.beta(8, 2))))
        return (
            text(f"M{number:05}"),
            text("INR") + text(category),
            b"\x00\x00" if number % 8 == 0 else known,
        )

    @staticmethod
    def customer(number, city, moved):
        """Key; id; city, country, positions (which some lack), device, address."""
        name, latitude, longitude = city
        key = f"C{number:07}"
        positions = (latitude, longitude, latitude + moved[0], longitude + moved[1])
        place = maybe(text(name)) + maybe(text("IN"))
        place += b"".join(b"\x00" if number % 10 == 0 else maybe(DOUBLE(p)) for p in positions)
        place += maybe(text(f"device-{number:09x}"))
        place += maybe(text(f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"))
        return key.encode(), text(key), place


def records(count, customers, seed):
    """Key and value of each record, in order; 36 characters of id that begin with its number."""
    customer, time_of, cents = (column.tolist() for column in columns(count, customers, seed))
    pieces = Pieces(customers, seed)
    draw = np.random.default_rng([seed, 3])
    merchant = draw.integers(0, MERCHANTS, count).tolist()
    payment = draw.integers(0, len(PAYMENTS), count).tolist()
    length = varint(36)
    for number in range(count):
        key, customer_id, place = pieces.customers[customer[number]]
        merchant_id, trade, known = pieces.merchants[merchant[number]]
        identity = b"%08x-0000-4000-8000-%012x" % (number, seed)
        value = b"".join(
            (HEADER, length, identity, customer_id, merchant_id, varint(time_of[number]))
            + (DOUBLE(cents[number] / 100), trade, pieces.payments[payment[number]], known, place)
        )
        yield key, value


def producer(brokers, **more):
    from confluent_kafka import Producer

    return Producer(
        {
            "bootstrap.servers": brokers,
            "log_level": 2,
            "partitioner": "murmur2_random",
            "queue.buffering.max.messages": 1_000_000,
            "queue.buffering.max.kbytes": 1 << 20,
            **more,
        }
    )


def fill(brokers, topic, count, customers, seed):
    """Produces all records and returns when the brokers have them."""
    out = producer(
        brokers,
        **{"linger.ms": 50, "compression.type": "lz4", "batch.size": 1 << 18, "acks": "all"},
        **{"enable.idempotence": True},
    )
    for number, (key, value) in enumerate(records(count, customers, seed)):
        while True:
            try:
                out.produce(topic, value, key)
                break
            except BufferError:
                out.poll(0.05)
        if number % 10_000 == 0:
            out.poll(0)
    left = out.flush(120)
    if left:
        sys.exit(f"{left} records were not delivered to {topic}")


def live(arguments):
    """Open loop: records go out when they are due, whether or not anybody keeps up. The id has the
    moment in nanoseconds; `w` before it: not measured. Five of a hundred go to a few busy customers
    with high amounts, whose payments alert once they are many."""
    count = arguments.rate * (arguments.warm + arguments.seconds)
    warm = arguments.rate * arguments.warm
    pieces = Pieces(arguments.customers, arguments.seed)
    draw = np.random.default_rng([arguments.seed, 4])
    is_busy = draw.random(count) < arguments.busy
    busy = draw.integers(0, arguments.busy_customers, count) * (
        arguments.customers // arguments.busy_customers
    )
    customer = np.where(is_busy, busy, draw.integers(0, arguments.customers, count)).tolist()
    high, low = draw.integers(40_000, 200_000, count), draw.integers(500, 6_000, count)
    amount = [DOUBLE(cents / 100) for cents in np.where(is_busy, high, low).tolist()]
    merchant = draw.integers(0, MERCHANTS, count).tolist()
    payment = draw.integers(0, len(PAYMENTS), count).tolist()
    out = producer(arguments.brokers, **{"linger.ms": 1, "acks": 1})
    out.list_topics(arguments.topic, timeout=10)
    length = varint(36)
    behind = []
    start = time.time_ns()
    number = 0
    while number < count:
        due = min(count, (time.time_ns() - start) * arguments.rate // 1_000_000_000 + 1)
        if due <= number:
            out.poll(0)
            time.sleep(0.0005)
            continue
        if number >= warm:
            behind.append(time.time_ns() - start - number * 1_000_000_000 // arguments.rate)
        while number < due:
            key, customer_id, place = pieces.customers[customer[number]]
            merchant_id, trade, known = pieces.merchants[merchant[number]]
            now = time.time_ns()
            mark = b"m" if number >= warm else b"w"
            identity = b"%c%08x-%019d-live-0" % (mark, number, now)
            value = b"".join(
                (HEADER, length, identity, customer_id, merchant_id, varint(now // 1_000_000))
                + (amount[number], trade, pieces.payments[payment[number]], known, place)
            )
            out.produce(arguments.topic, value, key)
            number += 1
    seconds = (time.time_ns() - start) / 1e9
    left = out.flush(30)
    late = float(np.percentile(behind, 99)) / 1e6
    told = {"sent": count, "undelivered": left, "rate": round(count / seconds)}
    print(json.dumps({**told, "behind_p99_ms": round(late, 2)}))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["rate"])
    parser.add_argument("--brokers", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--rate", type=int, required=True)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--warm", type=int, default=5)
    parser.add_argument("--customers", type=int, default=100_000)
    parser.add_argument("--busy", type=float, default=0.05, help="share of records that alert")
    parser.add_argument("--busy-customers", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    live(parser.parse_args())


if __name__ == "__main__":
    main()
