"""Our tree ensembles against onnxruntime's, one thread each, on the same files and rows, in turns.

    python benches/trees_onnxruntime.py [rounds [rows]]

Builds benches/trees.rs, then for each model and batch size alternates short spans of both and
prints the medians. For onnxruntime the faster of `run` and `run_with_iobinding` counts, only
`probabilities` is asked for. Also checks that the scores agree. A second argument limits how many
different rows go round (1024; with 16, onnxruntime's branches become predictable).
onnxruntime 1.32.0, numpy 2.4.6.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnxruntime as ort

ROOT = Path(__file__).parent.parent
MODELS = ["lightgbm_200x31", "lightgbm_100x15"]
BATCHES = [1, 16, 64, 256, 1024]
WIDTH, SPAN_MS = 69, 150


def build():
    command = ["cargo", "bench", "--bench", "trees", "--no-run", "--message-format", "json"]
    lines = subprocess.run(
        command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
    ).stdout.splitlines()
    found = [json.loads(line) for line in lines if line.startswith("{")]
    return next(
        m["executable"] for m in found if m.get("executable") and m["target"]["name"] == "trees"
    )


def make_rows(count):
    rng = np.random.default_rng(2)
    x = rng.normal(size=(count, WIDTH)).astype(np.float32)
    x[:, 40:55] = np.round(np.abs(x[:, 40:55]) * 3)
    x[:, 55:] = x[:, 55:] > 1
    return x


class OnnxRuntime:
    def __init__(self, name):
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
        path = str(ROOT / "benches" / "data" / f"{name}.onnx")
        self.session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def scores(self, rows):
        return self.session.run(["probabilities"], {"input": rows})[0][:, 1]

    def measure(self, parts, milliseconds):
        """Nanoseconds a call: the faster way to call."""
        run = self.session.run
        plain = spans(lambda part: run(["probabilities"], {"input": part}), parts, milliseconds / 2)
        bindings = []
        for part in parts:
            binding = self.session.io_binding()
            binding.bind_ortvalue_input("input", ort.OrtValue.ortvalue_from_numpy(part))
            binding.bind_ortvalue_output(
                "probabilities",
                ort.OrtValue.ortvalue_from_numpy(np.zeros((len(part), 2), np.float32)),
            )
            bindings.append(binding)
        bound = spans(self.session.run_with_iobinding, bindings, milliseconds / 2)
        return min(plain, bound)


def spans(call, parts, milliseconds):
    start, calls = time.perf_counter_ns(), 0
    while time.perf_counter_ns() - start < milliseconds * 1e6:
        for part in parts:
            call(part)
        calls += len(parts)
    return (time.perf_counter_ns() - start) / calls


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 9
    binary = os.environ.get("SYNFINANCE_BENCH_BINARY") or build()
    rows = make_rows(int(sys.argv[2]) if len(sys.argv) > 2 else 1024)
    with tempfile.NamedTemporaryFile(suffix=".f32") as file:
        rows.tofile(file)
        file.flush()
        environment = dict(os.environ, SYNFINANCE_BENCH_ROWS=file.name)
        ours = subprocess.Popen(
            [binary], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

        def ask(question):
            ours.stdin.write(question + "\n")
            ours.stdin.flush()
            return ours.stdout.readline()

        print(
            f"onnxruntime {ort.__version__}, one thread, {len(rows)} rows, us a row, median of {rounds}"
        )
        print("| model | batch | ours | onnxruntime | times faster |")
        print("| --- | --- | --- | --- | --- |")
        for name in MODELS:
            theirs = OnnxRuntime(name)
            off = np.abs(
                np.array(json.loads(ask(f"scores {name}")), np.float32) - theirs.scores(rows)
            ).max()
            assert off < 1e-5, f"{name}: scores differ by {off}"
            for batch in [batch for batch in BATCHES if batch <= len(rows)]:
                parts = [
                    np.ascontiguousarray(rows[i : i + batch]) for i in range(0, len(rows), batch)
                ]
                pairs = []
                for _ in range(rounds):
                    mine = float(ask(f"{name} {batch} {SPAN_MS}")) / batch / 1000
                    pairs.append((mine, theirs.measure(parts, SPAN_MS) / batch / 1000))
                mine, other = (statistics.median(column) for column in zip(*pairs))
                ratio = statistics.median(b / a for a, b in pairs)
                print(f"| {name} | {batch} | {mine:.3f} | {other:.3f} | {ratio:.1f} |", flush=True)
        ours.stdin.close()
        ours.wait()


if __name__ == "__main__":
    main()
