"""Trains velocity.onnx: LightGBM, 100 trees of 31 leaves on 12 features of the workload.

    $(.ci/setup python models/train/requirements.txt) benches/stream/train.py

What is fraud is drawn from a formula, so the model is a real one about nothing. The threshold lies in
the widest gap between scores near the top hundredth: no rounding moves a record across it.
"""

import json
from pathlib import Path

import lightgbm
import numpy as np
import onnx
import onnxmltools
from onnxmltools.convert.common.data_types import FloatTensorType

import reference
import workload

rows = reference.features(*workload.columns(2_000_000, 100_000, 1))
column = {name: rows[:, place].astype(float) for place, name in enumerate(reference.FEATURES)}
logit = (
    -7.5
    + 1.4 * np.clip(column["txn_frequency_1h"] - 2, 0, None)
    + 0.4 * np.clip(column["txn_frequency_6h"] - 4, 0, None)
    + 1.5 * np.log1p(column["amount"] / 400)
    + 0.9 * np.log1p(column["daily_txn_amount"] / 1_000)
    + 0.7 * (column["hour_of_day"] < 6)
    + 0.3 * column["is_weekend"]
    + np.clip(column["avg_daily_amount"] / (column["avg_weekly_amount"] + 1) - 1.5, 0, 3)
    + 0.2 * np.log1p(column["weekly_txn_count"])
)
draw = np.random.default_rng(5)
is_fraud = draw.random(len(rows)) < 1 / (1 + np.exp(-logit))
chosen = draw.permutation(len(rows))[:400_000]
trained = lightgbm.LGBMClassifier(
    n_estimators=100,
    num_leaves=31,
    learning_rate=0.08,
    min_child_samples=50,
    random_state=1,
    deterministic=True,
    force_row_wise=True,
    n_jobs=2,
    verbose=-1,
).fit(rows[chosen], is_fraud[chosen])
model = onnxmltools.convert_lightgbm(
    trained.booster_,
    initial_types=[("input", FloatTensorType([None, len(reference.FEATURES)]))],
    target_opset=15,
    zipmap=False,
)
model.ir_version = 8
score, _ = reference.scores(model.SerializeToString(), rows)
top = np.unique(score[score > np.quantile(score, 0.988)])
top = top[top < np.quantile(score, 0.992)]
gap = int(np.argmax(np.diff(top)))
threshold = round(float(top[gap] + top[gap + 1]) / 2, 7)
assert top[gap] < threshold < top[gap + 1]
metadata = {
    "name": "velocity",
    "version": "1.0.0",
    "features": json.dumps(reference.FEATURES),
    "threshold": repr(threshold),
    "baseline": json.dumps([float(value) for value in np.median(rows, axis=0)]),
}
for key, value in metadata.items():
    model.metadata_props.add(key=key, value=value)
onnx.checker.check_model(model)
onnx.save(model, Path(__file__).parent / "velocity.onnx")
print(f"{trained.booster_.num_trees()} trees, {is_fraud.mean():.4f} fraud, threshold {threshold},")
print(f"{(score >= threshold).sum()} alerts, nearest score {np.abs(score - threshold).min():.1e}")
