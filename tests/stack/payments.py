"""The stack tests' transactions, and what must be alerted: another reading of the contract.

Everything follows from a seed: a transaction's place in the stream decides what it is, however many
follow it. Of a hundred, about one is sent again as it was and two are late by up to half an hour. The
expected alerts are counted anew for each transaction from the customer's times, in plain Python.
"""

import bisect
import math
import random
import uuid

START = 1_704_067_200_000  # 2024-01-01T00:00:00Z
STEP = 28_800  # milliseconds between transactions: 3,000 a day
CUSTOMERS = 250
HOUR = 3_600_000
DAY = 24 * HOUR

THRESHOLD = 0.5
BASELINE = (500.0, 1.0, 8.1, 0.0)
FEATURES = (
    ("amount", "AMOUNT"),
    ("txn_frequency_1h", "VELOCITY_1H"),
    ("daily_txn_count", "DAILY_COUNT"),
    ("merchant_fraud_count_30d", "MERCHANT_FRAUDS_30D"),
)

CITIES = (("Mumbai", "IN", 19.076, 72.8777), ("Pune", "IN", 18.5204, 73.8567), (None, None, None, None))


def transactions(seed, count=None, start=START, customers=CUSTOMERS, step=STEP):
    """The first `count` transactions of a seed (all: endless) as dicts of the Avro schema, `step`
    milliseconds from one to the next."""
    draw = random.Random(seed)
    sent = []
    place = 0
    while count is None or place < count:
        kind = draw.random()
        if kind < 0.01 and sent:
            yield sent[draw.randrange(len(sent))]
        else:
            time = start + place * step
            payment = fresh(draw, f"t-{seed}-{place}", time, customers, is_late=kind > 0.98)
            yield payment
            sent.append(payment)
            del sent[:-400]
        place += 1


def fresh(draw, identity, time, customers, is_late):
    city, country, latitude, longitude = CITIES[draw.randrange(len(CITIES))]
    behind = draw.randrange(HOUR // 2) if is_late else 0
    return {
        "transaction_id": identity,
        "customer_id": f"c-{draw.randrange(customers)}",
        "merchant_id": f"m-{draw.randrange(200)}",
        "event_time": time - behind,
        # No sum of the model comes near to 0 with these paise, nor to a severity's limit.
        "amount": draw.randrange(2_000) + 0.37,
        "currency": "INR",
        "category": draw.choice(["Groceries", "Fuel", "Travel"]),
        "payment_mode": "UPI",
        "channel": "Mobile",
        "status": "APPROVED",
        "merchant_name": draw.choice([None, "Chai & Söhne", "書店"]),
        "merchant_reputation": draw.choice([None, 0.25, 0.9]),
        "city": city,
        "country": country,
        "latitude": latitude,
        "longitude": longitude,
        "home_latitude": None,
        "home_longitude": None,
        "device_id": None,
        "ip_address": None,
    }


def add_arguments(parser):
    """What decides a stream beside its seed."""
    parser.add_argument("--start", type=int, default=START)
    parser.add_argument("--customers", type=int, default=CUSTOMERS)
    parser.add_argument("--step", type=int, default=STEP)


def of_arguments(arguments):
    """The stream that they ask for."""
    a = arguments
    return transactions(a.seed, a.count, a.start, a.customers, a.step)


def alerts(stream, frauds=()):
    """What must be alerted of transactions in order, as dicts of the alerts' schema without what
    depends on the moment (`scored_at`) or the place (`source_partition`, `source_offset`). `frauds`
    are (merchant, labelled at) that were known before."""
    times = {}
    seen = set()
    for payment in stream:
        identity, customer = payment["transaction_id"], payment["customer_id"]
        if identity in seen:
            continue
        seen.add(identity)
        of_customer = times.setdefault(customer, [])
        now = payment["event_time"]
        bisect.insort(of_customer, now)
        last = bisect.bisect_right(of_customer, now)
        row = (
            payment["amount"],
            last - bisect.bisect_right(of_customer, now - HOUR),
            last - bisect.bisect_right(of_customer, now - DAY),
            sum(m == payment["merchant_id"] and now - 30 * DAY < at <= now for m, at in frauds),
        )
        score = model(row)
        if score >= THRESHOLD:
            yield alert(payment, row, score)


def model(row):
    amount, hour, day, frauds = row
    logit = amount / 1000 + hour + day / 4 + 8 * frauds - 7.5
    return 1 / (1 + math.exp(-logit))


def alert(payment, row, score):
    severity = ["LOW", "MEDIUM", "HIGH", "CRITICAL"][min(3, int((score - THRESHOLD) / 0.125))]
    recommendation = {"LOW": "FLAG", "CRITICAL": "BLOCK"}.get(severity, "REVIEW")
    copied = ("transaction_id", "customer_id", "merchant_id", "event_time", "amount", "currency")
    return {
        "alert_id": str(uuid.uuid5(uuid.NAMESPACE_OID, payment["transaction_id"])),
        **{name: payment[name] for name in copied},
        "score": score,
        "threshold": THRESHOLD,
        "severity": severity,
        "recommendation": recommendation,
        "model_name": "stack-test",
        "model_version": "1.2.3",
        "reasons": reasons(row, score),
        "rules": [],
    }


def reasons(row, score):
    """Each feature's drop of the score at its typical value, positive ones, strongest first."""
    found = []
    for place, (feature, code) in enumerate(FEATURES):
        normal = list(row)
        normal[place] = BASELINE[place]
        drop = score - model(normal)
        if drop > 0 and row[place] != BASELINE[place]:
            found.append(
                {"code": code, "feature": feature, "value": row[place], "contribution": drop}
            )
    return sorted(found, key=lambda reason: -reason["contribution"])
