#!/bin/sh
# Trains both bundled models from nothing: generated transactions, their features as the product
# computes them, the isolation forest, the features again with the forest's score, the detector.
#
#   SYNFINANCE=target/release/synfinance PYTHON=python3 models/train/train.sh
#
# The seed differs from that of `synfinance demo`: customers, merchants and thieves are others.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
models=${MODELS:-$(dirname "$here")}
synfinance=${SYNFINANCE:-target/release/synfinance}
python=${PYTHON:-python3}
work=${WORK:-$(mktemp -d)}
[ -n "${WORK:-}" ] || trap 'rm -rf "$work"' EXIT
mkdir -p "$work/models"

table() {
    "$synfinance" features "$work/transactions.parquet" --output "$work/$1.parquet" \
        --label-column is_fraud --label-delay 7d
}

"$synfinance" generate --transactions "${TRANSACTIONS:-300000}" --customers "${CUSTOMERS:-4000}" \
    --days "${DAYS:-45}" --fraud-rate "${FRAUD_RATE:-0.02}" --seed "${SEED:-20260101}" \
    --start 2025-10-01 --output "$work/transactions.parquet"
# The forest itself reads no feature that comes from a forest.
table without-forest
"$python" "$here/train.py" forest --table "$work/without-forest.parquet" \
    --output "$work/models/isolation-forest.onnx" --card "$models/README.md"
export SYNFINANCE__MODELS__ISOLATION_FOREST="$work/models/isolation-forest.onnx"
table with-forest
"$python" "$here/train.py" detector --table "$work/with-forest.parquet" \
    --output "$work/models/fraud-detector.onnx" --card "$models/README.md"
cp "$work/models/isolation-forest.onnx" "$work/models/fraud-detector.onnx" "$models/"
