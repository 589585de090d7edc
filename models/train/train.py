#!/usr/bin/env python3
"""Trains the bundled models on a table made by `synfinance features`.

    train.py forest   --table T.parquet --output models/isolation-forest.onnx
    train.py detector --table T.parquet --output models/fraud-detector.onnx

The same table gives the same file, byte for byte. `train.sh` makes the tables and runs both.
"""

import argparse
import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import detector
import forest
import table
from contract_features import DETECTOR, FOREST

README = Path(__file__).resolve().parent.parent / "README.md"


def main():
    args = parse()
    features, train = {
        "forest": (FOREST, forest.train),
        "detector": (DETECTOR, detector.train),
    }[args.model]
    train(args, table.read(args.table, features, args.label))


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    models = parser.add_subparsers(dest="model", required=True)
    for name, about in [("forest", "the isolation forest"), ("detector", "the fraud detector")]:
        one = models.add_parser(name, help=about)
        one.add_argument("--table", required=True, help="Parquet from `synfinance features`")
        one.add_argument("--output", required=True, help="the ONNX file to write")
        one.add_argument("--label", default="is_fraud", help="the label's column")
        one.add_argument("--version", default="1.0.0", help="the model's version")
        one.add_argument("--trained-at", help="RFC 3339; default: the table's last event time")
        one.add_argument("--seed", type=int, default=7)
        one.add_argument("--readme", default=README, help="the model card to fill in")
    one.add_argument("--min-precision", type=float, default=0.8,
                     help="of the threshold, on the rows it is chosen on")
    return parser.parse_args()


if __name__ == "__main__":
    main()
