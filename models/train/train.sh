#!/bin/sh
# Trains both bundled models from nothing: generated transactions, their features as the product
# computes them, the isolation forest, the features again with the forest's score, the detector;
# and fills in the figures of the model card.
#
#   SYNFINANCE=target/release/synfinance PYTHON=python3 models/train/train.sh
#
# The seeds differ from that of `synfinance demo`: customers, merchants and thieves are others.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
models=${MODELS:-$(dirname "$here")}
synfinance=${SYNFINANCE:-target/release/synfinance}
python=${PYTHON:-python3}
work=${WORK:-$(mktemp -d)}
[ -n "${WORK:-}" ] || trap 'rm -rf "$work"' EXIT
mkdir -p "$work/models"

# A model file with other contents needs another version: alerts name both.
version=${VERSION:-2.0.0}

generate() { # FILE SEED
    "$synfinance" generate --transactions "${TRANSACTIONS:-900000}" \
        --customers "${CUSTOMERS:-12000}" --days "${DAYS:-45}" \
        --fraud-rate "${FRAUD_RATE:-0.02}" --seed "$2" --start 2025-10-01 \
        --output "$work/$1.parquet"
}

table() { # TRANSACTIONS TABLE
    "$synfinance" features "$work/$1.parquet" --output "$work/$2.parquet" \
        --label-column is_fraud --label-delay 7d
}

generate transactions "${SEED:-20260101}"
# The forest itself reads no feature that comes from a forest.
table transactions without-forest
"$python" "$here/train.py" forest --table "$work/without-forest.parquet" --version "$version" \
    --output "$work/models/isolation-forest.onnx" --card "$models/README.md"
export SYNFINANCE__MODELS__ISOLATION_FOREST="$work/models/isolation-forest.onnx"
table transactions with-forest
"$python" "$here/train.py" detector --table "$work/with-forest.parquet" --version "$version" \
    --output "$work/models/fraud-detector.onnx" --card "$models/README.md"
# Other customers, merchants and thieves.
generate others "${OTHER_SEED:-777}"
table others others-with-forest
"$python" "$here/report.py" --model "$work/models/fraud-detector.onnx" \
    --table "$work/others-with-forest.parquet" --transactions "$work/others.parquet" \
    --readme "$models/README.md"
cp "$work/models/isolation-forest.onnx" "$work/models/fraud-detector.onnx" "$models/"
