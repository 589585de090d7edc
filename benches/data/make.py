"""Trains the two models of benches/trees.rs: LightGBM on made-up data, 69 features, as ONNX.

    python benches/data/make.py

lightgbm 4.7.0, onnxmltools 1.16.0, numpy 2.4.6. The data only has to make trees that use many
features at uneven depths, as trees on real transactions do.
"""

import json
from pathlib import Path

import lightgbm
import numpy as np
from onnxmltools import convert_lightgbm
from onnxmltools.convert.common.data_types import FloatTensorType

WIDTH = 69
HERE = Path(__file__).parent


def data(rows, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, WIDTH)).astype(np.float32)
    x[:, 40:55] = np.round(np.abs(x[:, 40:55]) * 3)  # counts
    x[:, 55:] = x[:, 55:] > 1  # flags
    weights = rng.normal(size=WIDTH)
    pairs = rng.integers(0, WIDTH, size=(40, 2))
    margin = x @ weights * 0.4 + (np.sin(x[:, pairs[:, 0]]) * x[:, pairs[:, 1]]).sum(axis=1) * 0.5
    y = rng.random(rows) < 1 / (1 + np.exp(1.5 - margin))
    return x, y.astype(int)


def main():
    x, y = data(40_000, 1)
    for trees, leaves in ((200, 31), (100, 15)):
        model = lightgbm.LGBMClassifier(
            n_estimators=trees, num_leaves=leaves, learning_rate=0.05, verbose=-1, seed=1
        )
        model.fit(x, y)
        onnx = convert_lightgbm(
            model, initial_types=[("input", FloatTensorType([None, WIDTH]))], zipmap=False
        )
        keys = {
            "name": f"bench-{trees}x{leaves}",
            "version": "1",
            "features": json.dumps([f"f{i}" for i in range(WIDTH)]),
            "threshold": "0.5",
            "baseline": json.dumps([0] * WIDTH),
        }
        for key, value in keys.items():
            onnx.metadata_props.add(key=key, value=value)
        (HERE / f"lightgbm_{trees}x{leaves}.onnx").write_bytes(onnx.SerializeToString())


if __name__ == "__main__":
    main()
