"""The fraud detector: gradient-boosted trees (LightGBM) on features of the catalogue, as ONNX."""

import lightgbm
import numpy as np
from onnxmltools.convert import convert_lightgbm
from onnxmltools.convert.common.data_types import FloatTensorType
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

import onnx_file
from forest import float32_at_most

TREES, LEAVES = 100, 31


def train(args, table):
    """Fits, exports, checks and writes the detector."""
    (fit_rows, fit_labels), (choose_rows, choose_labels), test = table.parts()
    test_rows, test_labels = test
    booster = fit(fit_rows, fit_labels, args.features, args.seed)
    model = export(booster, args.features)
    probabilities = onnx_file.run(model, "probabilities", test_rows)[:, 1]
    onnx_file.require_close("detector", probabilities, booster.predict(test_rows), 1e-5)
    chosen = booster.predict(choose_rows)
    threshold = choose_threshold(choose_labels, chosen, args.min_precision)
    metrics = {
        "rows_fitted": len(fit_rows),
        "rows_tested": len(test_rows),
        "fraud_share_tested": float(test_labels.mean()),
        "auc_roc": float(roc_auc_score(test_labels, probabilities)),
        "average_precision": float(average_precision_score(test_labels, probabilities)),
        "threshold": threshold,
        **at_threshold(test_labels, probabilities, threshold),
    }
    onnx_file.describe(model, {
        "name": args.name,
        "version": args.version,
        "features": args.features,
        "threshold": threshold,
        "baseline": onnx_file.medians(fit_rows),
        "examples": onnx_file.examples(test_rows, probabilities),
        "trained_at": args.trained_at or table.last_event,
        "metrics": metrics,
    })
    onnx_file.save(model, args.output)
    onnx_file.show(metrics, args.card, args.name)
    print_gains(booster, args.features)


def fit(rows, labels, features, seed):
    """The same rows give the same trees: one thread, fixed seeds, row-wise histograms."""
    parameters = {
        "objective": "binary",
        "num_leaves": LEAVES,
        "learning_rate": 0.08,
        "min_data_in_leaf": 60,
        "feature_fraction": 0.7,
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "lambda_l2": 2.0,
        "seed": seed,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,
        "verbosity": -1,
    }
    data = lightgbm.Dataset(rows.astype(np.float64), labels, feature_name=features)
    return lightgbm.train(parameters, data, num_boost_round=TREES)


def export(booster, features):
    """The fitted trees as a graph with the one output `probabilities` [N, 2]."""
    model = convert_lightgbm(
        booster,
        name="fraud_detector",
        initial_types=[("input", FloatTensorType([None, len(features)]))],
        target_opset=onnx_file.OPSET,
        zipmap=False,
    )
    keep_trees_alone(model)
    correct_thresholds(model, booster, features)
    return model


def keep_trees_alone(model):
    """Drops what the converter puts behind the trees (copies, a cast of the label, a product with
    1) and the label's output, whose declared shape is wrong; what is left is checked by `train`.
    The operator sets, which come in any order, are sorted: the bytes must be the same each time."""
    trees = next(node for node in model.graph.node if node.op_type == "TreeEnsembleClassifier")
    trees.output[:] = ["label", "probabilities"]
    outputs = [output for output in model.graph.output if output.name == "probabilities"]
    for field, kept in [
        (model.graph.node, [trees]),
        (model.graph.output, outputs),
        (model.graph.initializer, []),
        (model.opset_import, sorted(model.opset_import, key=lambda opset: opset.domain)),
    ]:
        kept = list(kept)
        del field[:]
        field.extend(kept)


def correct_thresholds(model, booster, features):
    """Rounds thresholds down to float32 where the converter rounded them up, so that a float32
    input on the boundary takes the same branch as in LightGBM, which compares doubles. A node is
    found again by its tree, its feature and its rounded value."""
    splits = booster.trees_to_dataframe().dropna(subset=["threshold"])
    exact = {}
    for tree, name, value in zip(splits.tree_index, splits.split_feature, splits.threshold):
        exact.setdefault((tree, features.index(name), float(np.float32(value))), []).append(value)
    attributes = {a.name: a for node in model.graph.node for a in node.attribute}
    modes, values = attributes["nodes_modes"].strings, attributes["nodes_values"].floats
    keys = zip(attributes["nodes_treeids"].ints, attributes["nodes_featureids"].ints, values)
    corrected = [
        value if mode == b"LEAF" else min(float32_at_most(threshold) for threshold in exact[key])
        for mode, value, key in zip(modes, list(values), list(keys))
    ]
    values[:] = corrected


def choose_threshold(labels, probabilities, min_precision):
    """The threshold with the best F1 among those with enough precision, to four decimals."""
    precision, recall, thresholds = precision_recall_curve(labels, probabilities)
    precision, recall = precision[:-1], recall[:-1]
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    enough = precision >= min_precision
    candidates = np.where(enough, f1, -1.0) if enough.any() else f1
    best = float(thresholds[int(np.argmax(candidates))])
    return round(min(max(best, 0.0001), 0.9999), 4)


def at_threshold(labels, probabilities, threshold):
    """What alerting from this threshold means."""
    alerts = probabilities >= threshold
    hits = int((alerts & (labels == 1)).sum())
    return {
        "precision": hits / max(int(alerts.sum()), 1),
        "recall": hits / max(int(labels.sum()), 1),
        "alert_share": float(alerts.mean()),
    }


def print_gains(booster, features):
    """Which features the trees rest on: a single one far ahead is a leak or too easy a pattern."""
    gains = booster.feature_importance("gain")
    total = max(gains.sum(), 1e-12)
    for index in np.argsort(-gains, kind="stable")[:12]:
        print(f"{gains[index] / total:7.1%}  {features[index]}")
