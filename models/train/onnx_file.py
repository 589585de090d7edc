"""What every model file has in common: metadata, checks against the fitted model, the model card."""

import json
import re
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

OPSET = 15
ML_OPSET = 3


def run(model, output, rows):
    """One output of a model for float32 rows, by onnxruntime."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    return session.run([output], {session.get_inputs()[0].name: rows})[0]


def require_close(name, got, expected, tolerance):
    """Stops the training when the exported model does not say what the fitted one says."""
    worst = float(np.abs(np.ravel(got) - np.ravel(expected)).max())
    if worst > tolerance:
        raise SystemExit(f"{name}: the ONNX file differs from the fitted model by {worst}")
    print(f"{name}: the ONNX file equals the fitted model to {worst:.1e}")


def describe(model, entries):
    """Replaces a model's metadata; values that are no strings are written as JSON."""
    del model.metadata_props[:]
    for key, value in entries.items():
        text = value if isinstance(value, str) else json.dumps(value)
        model.metadata_props.add(key=key, value=text)


def examples(rows, scores, count=5):
    """A few rows with their scores, evenly from the lowest score to the highest."""
    ranked = np.argsort(scores, kind="stable")
    chosen = ranked[np.linspace(0, len(ranked) - 1, count).round().astype(int)]
    return [[[float(value) for value in rows[i]], float(scores[i])] for i in chosen]


def medians(rows):
    """Each feature's typical value."""
    return [float(value) for value in np.median(rows, axis=0).astype(np.float32)]


def save(model, path):
    """Checks and writes a model; the same model gives the same bytes."""
    onnx.checker.check_model(model)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_bytes(model.SerializeToString(deterministic=True))
    print(f"wrote {path} ({Path(path).stat().st_size:,} bytes)")


def show(metrics, card, name):
    """Prints the metrics as a Markdown table and puts it between the markers of the model's name in
    a model card, if there is one."""
    lines = ["| figure | value |", "| --- | --- |"]
    lines += [f"| {key.replace('_', ' ')} | {shown(value)} |" for key, value in metrics.items()]
    block = "\n".join(lines)
    print(block)
    if card is None:
        return
    path = Path(card)
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    text = path.read_text() if path.exists() else ""
    if begin not in text or end not in text:
        print(f"{card} has no markers {begin} and {end}; left as it is")
        return
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    path.write_text(pattern.sub(lambda _: f"{begin}\n{block}\n{end}", text))


def shown(value):
    """Counts with separators, shares with four significant digits."""
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"
