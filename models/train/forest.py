"""An isolation forest (Liu, Ting and Zhou, ICDM 2008) as ONNX.

No converter writes the form that the product wants: one number in 0..1, 2^(-E[h(x)] / c(n)), where
h(x) is the length of a row's path through a tree and c(n) the mean length in a tree of n rows. So
the trees are written out here: a regressor whose leaves hold path lengths, then one product and
one exponential.
"""

import math

import numpy as np
import onnx
from onnx import TensorProto, helper
from sklearn.ensemble import IsolationForest
from sklearn.metrics import average_precision_score, roc_auc_score

import onnx_file

TREES, SAMPLES = 64, 64


def train(args, table):
    """Fits, exports, checks and writes the forest."""
    (fit_rows, _), _, (test_rows, test_labels) = table.parts()
    forest = IsolationForest(n_estimators=TREES, max_samples=SAMPLES, random_state=args.seed)
    forest.fit(fit_rows)
    model = export(forest, len(args.features))
    expected = -forest.score_samples(test_rows)
    scores = onnx_file.run(model, "score", test_rows)
    onnx_file.require_close("isolation forest", scores, expected, 1e-5)
    scores = scores[:, 0]
    fit_scores = onnx_file.run(model, "score", fit_rows)[:, 0]
    # As isolated as one row in fifty: of use when the forest is looked at alone.
    threshold = round(float(np.quantile(fit_scores, 0.98)), 4)
    metrics = {
        "rows_fitted": len(fit_rows),
        "rows_tested": len(test_rows),
        "auc_roc": float(roc_auc_score(test_labels, scores)),
        "average_precision": float(average_precision_score(test_labels, scores)),
        "mean_score": float(scores.mean()),
        "threshold": threshold,
    }
    onnx_file.describe(model, {
        "name": args.name,
        "version": args.version,
        "features": args.features,
        "threshold": threshold,
        "baseline": onnx_file.medians(fit_rows),
        "examples": onnx_file.examples(test_rows, scores),
        "trained_at": args.trained_at or table.last_event,
        "metrics": metrics,
    })
    onnx_file.save(model, args.output)
    onnx_file.show(metrics, args.card, args.name)


def export(forest, width):
    """The fitted forest as a graph from `input` [N, width] to `score` [N, 1]."""
    trees = helper.make_node(
        "TreeEnsembleRegressor",
        ["input"],
        ["path_length"],
        domain="ai.onnx.ml",
        n_targets=1,
        aggregate_function="SUM",
        post_transform="NONE",
        **tree_attributes(forest),
    )
    # 2^(-h / c) = exp(h * (-ln 2 / c)).
    factor = -math.log(2.0) / mean_path_length(forest.max_samples_)
    constant = helper.make_tensor("factor", TensorProto.FLOAT, [1], [factor])
    nodes = [
        trees,
        helper.make_node("Mul", ["path_length", "factor"], ["exponent"]),
        helper.make_node("Exp", ["exponent"], ["score"]),
    ]
    graph = helper.make_graph(
        nodes,
        "isolation_forest",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [None, width])],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, [None, 1])],
        [constant],
    )
    opsets = [
        helper.make_opsetid("", onnx_file.OPSET),
        helper.make_opsetid("ai.onnx.ml", onnx_file.ML_OPSET),
    ]
    return helper.make_model(
        graph, opset_imports=opsets, ir_version=8, producer_name="synfinance"
    )


def tree_attributes(forest):
    """All nodes of all trees, in the attributes of TreeEnsembleRegressor."""
    names = ["treeids", "nodeids", "featureids", "modes", "values", "truenodeids", "falsenodeids"]
    nodes = {f"nodes_{name}": [] for name in names}
    leaves = {f"target_{name}": [] for name in ["treeids", "nodeids", "ids", "weights"]}
    for number, estimator in enumerate(forest.estimators_):
        tree = estimator.tree_
        depths = node_depths(tree)
        for node in range(tree.node_count):
            is_leaf = tree.children_left[node] < 0
            threshold = 0.0 if is_leaf else float32_at_most(tree.threshold[node])
            row = [
                number,
                node,
                0 if is_leaf else int(tree.feature[node]),
                "LEAF" if is_leaf else "BRANCH_LEQ",
                threshold,
                0 if is_leaf else int(tree.children_left[node]),
                0 if is_leaf else int(tree.children_right[node]),
            ]
            for name, value in zip(names, row):
                nodes[f"nodes_{name}"].append(value)
            if is_leaf:
                length = depths[node] + mean_path_length(tree.n_node_samples[node])
                weight = length / len(forest.estimators_)
                for name, value in zip(leaves, [number, node, 0, weight]):
                    leaves[name].append(value)
    return {**nodes, **leaves}


def node_depths(tree):
    """How many branches lie above each node; parents come before their children."""
    depths = np.zeros(tree.node_count, dtype=int)
    for node in range(tree.node_count):
        for child in (tree.children_left[node], tree.children_right[node]):
            if child >= 0:
                depths[child] = depths[node] + 1
    return depths


def mean_path_length(count):
    """c(n), equation 1 of the paper: the mean length of an unsuccessful search among n rows."""
    if count <= 1:
        return 0.0
    if count == 2:
        return 1.0
    return 2.0 * (math.log(count - 1.0) + np.euler_gamma) - 2.0 * (count - 1.0) / count


def float32_at_most(value):
    """The largest float32 that is not above the threshold: float32 inputs then branch alike."""
    rounded = np.float32(value)
    if float(rounded) > value:
        rounded = np.nextafter(rounded, np.float32(-np.inf))
    return float(rounded)
