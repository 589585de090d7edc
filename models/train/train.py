#!/usr/bin/env python3
"""Trains the bundled models on a table made by `synfinance features`.

    train.py detector --table T.parquet --output mine.onnx --name mine --label is_fraud
    train.py forest   --table T.parquet --output my-forest.onnx --name my-forest

The same table gives the same file, byte for byte. Nothing but the output is written; figures go to
a model card only if `--card` names one. `train.sh` makes the tables and runs both for the bundled
models.
"""

import argparse
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import detector
import forest
import table
from contract_features import DETECTOR, FOREST


def main():
    args = parse()
    args.features = names(args.features)
    train = {"forest": forest.train, "detector": detector.train}[args.model]
    train(args, table.read(args.table, args.features, args.label))


def names(texts):
    """Feature names from lists with commas and from files (@FILE) that have one a line."""
    found = []
    for text in texts:
        if text.startswith("@"):
            with open(text[1:], encoding="utf-8") as file:
                text = file.read().replace("\n", ",")
        found += [name.strip() for name in text.split(",") if name.strip()]
    twice = sorted({name for name in found if found.count(name) > 1})
    if not found or twice:
        raise SystemExit(f"--features has {', '.join(twice) or 'no names'}{' twice' * bool(twice)}")
    return found


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    models = parser.add_subparsers(dest="model", required=True)
    for model, name, features, about in [
        ("forest", "isolation-forest", FOREST, "an isolation forest"),
        ("detector", "fraud-detector", DETECTOR, "a fraud detector"),
    ]:
        one = models.add_parser(model, help=about)
        one.add_argument("--table", required=True, help="Parquet from `synfinance features`")
        one.add_argument("--output", required=True, help="the ONNX file to write")
        one.add_argument("--name", default=name, help="the model's name (default: %(default)s)")
        one.add_argument("--features", nargs="+", metavar="NAME", default=features,
                         help="columns to learn from, also as a,b,c or @FILE (default: the "
                              f"{len(features)} of the bundled model)")
        one.add_argument("--label", default="is_fraud",
                         help="the label's column (default: %(default)s)")
        one.add_argument("--version", default="1.0.0", help="the model's version")
        one.add_argument("--trained-at", help="RFC 3339; default: the table's last event time")
        one.add_argument("--seed", type=int, default=7)
        one.add_argument("--card", help="a model card whose figures to fill in, between "
                                        "`<!-- NAME: begin -->` and `<!-- NAME: end -->`")
    one.add_argument("--min-precision", type=float, default=0.8,
                     help="of the threshold, on the rows it is chosen on")
    return parser.parse_args()


if __name__ == "__main__":
    main()
