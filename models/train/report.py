#!/usr/bin/env python3
"""Says how the detector does on payments of other customers, pattern by pattern.

    report.py --model models/fraud-detector.onnx --table T.parquet --transactions P.parquet

`train.sh` makes both files with a seed that the model has never seen.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import onnx
import pyarrow.parquet as pq
from sklearn.metrics import average_precision_score

import onnx_file
import table
from detector import at_threshold

README = Path(__file__).resolve().parent.parent / "README.md"

# Of the rows: in the oldest ones customers have no history, and no label has come back yet.
SKIPPED = 0.2


def main():
    args = parse()
    model = onnx.load(args.model)
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    rows = table.read(args.table, json.loads(metadata["features"]), "is_fraud")
    patterns = read_patterns(args.transactions)
    if len(patterns) != len(rows.rows):
        raise SystemExit(f"{args.table} and {args.transactions} have different rows")
    first = int(len(patterns) * SKIPPED)
    scores = onnx_file.run(model, "probabilities", rows.rows[first:])[:, 1]
    labels, patterns = rows.labels[first:], patterns[first:]
    threshold = float(metadata["threshold"])
    onnx_file.fill_card(args.readme, "other-customers", {
        "rows tested": len(labels),
        "average precision": float(average_precision_score(labels, scores)),
        **at_threshold(labels, scores, threshold),
        **recalls(patterns, scores >= threshold),
    })


def read_patterns(path):
    """The fraud pattern of each payment in the order of time; empty for honest ones."""
    payments = pq.read_table(path, columns=["event_time", "fraud_type"])
    order = np.argsort(table.to_millis(payments["event_time"]), kind="stable")
    return np.array([kind or "" for kind in payments["fraud_type"].to_pylist()])[order]


def recalls(patterns, alerts):
    """How many payments of each pattern are alerts."""
    return {
        f"recall of {kind}": float(alerts[patterns == kind].mean())
        for kind in sorted(set(patterns)) if kind
    }


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True, help="the detector")
    parser.add_argument("--table", required=True, help="Parquet from `synfinance features`")
    parser.add_argument("--transactions", required=True,
                        help="Parquet from `synfinance generate`, of which the table was made")
    parser.add_argument("--readme", default=README, help="the model card to fill in")
    return parser.parse_args()


if __name__ == "__main__":
    main()
