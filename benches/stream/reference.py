"""Which records of the workload must be alerted: the features in numpy, the scores by onnxruntime."""

import json

import numpy as np
import onnxruntime as ort

import workload

HOUR = 3_600_000
DAY = 24 * HOUR
FEATURES = [
    "amount",
    "hour_of_day",
    "day_of_week",
    "is_weekend",
    "txn_frequency_1h",
    "txn_frequency_6h",
    "txn_frequency_24h",
    "weekly_txn_count",
    "daily_txn_amount",
    "weekly_txn_amount",
    "avg_daily_amount",
    "avg_weekly_amount",
]


def features(customer, time_of, cents):
    """Rows of float32 in the order of the records; hours and days are UTC's."""
    count = len(customer)
    order = np.lexsort((time_of, customer))
    moment, money = time_of[order], cents[order]
    # One axis on which customers lie far apart, so that a window never reaches the customer before.
    axis = customer[order].astype(np.int64) * (1 << 40) + (moment - time_of.min())
    before = np.concatenate([[0], np.cumsum(money)])
    here = np.arange(count)

    def window(width):
        first = np.searchsorted(axis, axis - width, side="right")
        first = np.maximum(first, np.searchsorted(customer[order], customer[order], side="left"))
        return here + 1 - first, (before[here + 1] - before[first]) / 100

    hour, _ = window(HOUR)
    hours, _ = window(6 * HOUR)
    day, day_sum = window(DAY)
    week, week_sum = window(7 * DAY)
    weekday = (moment // DAY + 3) % 7  # 1970-01-01 was a Thursday
    table = [
        money / 100,
        moment % DAY // HOUR,
        weekday,
        weekday >= 5,
        hour,
        hours,
        day,
        week,
        day_sum,
        week_sum,
        day_sum / day,
        week_sum / week,
    ]
    rows = np.empty((count, len(FEATURES)), np.float32)
    for place, column in enumerate(table):
        rows[order, place] = column
    return rows


def scores(model, rows):
    """`model`: a path or the bytes of an ONNX file."""
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    parts = (rows[at : at + 8_192] for at in range(0, len(rows), 8_192))
    out = [session.run(["probabilities"], {name: part})[0][:, 1] for part in parts]
    return np.concatenate(out).astype(np.float64), session.get_modelmeta().custom_metadata_map


def alerts(model, count, customers, seed):
    """Numbers of the records that must be alerted, in order."""
    score, metadata = scores(model, features(*workload.columns(count, customers, seed)))
    assert json.loads(metadata["features"]) == FEATURES, "the model has other features"
    return np.nonzero(score >= float(metadata["threshold"]))[0].tolist()
