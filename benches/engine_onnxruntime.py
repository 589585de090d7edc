"""The whole engine against onnxruntime's scoring alone, one thread each, in turns.

    cargo build --release && cargo bench --bench engine --no-run
    python benches/engine_onnxruntime.py [rounds]

The engine remembers, computes all 69 features, asks the isolation forest and scores with the bundled
detector (100 trees of 31 leaves). onnxruntime scores the same detector on rows of the same kind of
transactions in batches of 256 and does nothing else; the faster of `run` and `run_with_iobinding`
counts. Prints medians and the ratios. onnxruntime 1.32.0, numpy 2.4.6, pyarrow 26.0.1.
"""

import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pyarrow.parquet as parquet

ROOT = Path(__file__).parent.parent
BATCH, SPAN_SECONDS = 256, 2.0


def bench_binary():
    command = ["cargo", "bench", "--bench", "engine", "--no-run", "--message-format", "json"]
    output = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    messages = [json.loads(line) for line in output.stdout.splitlines() if line.startswith("{")]
    return next(
        m["executable"] for m in messages
        if m.get("executable") and m["target"]["name"] == "engine"
    )


def engine_rate(binary, name):
    """Transactions a second: criterion's estimate over a short run."""
    command = [binary, "--bench", "--warm-up-time", "1", "--measurement-time", "3", name]
    text = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    low, middle, high, unit = re.search(
        r"thrpt:\s+\[([\d.]+) \w+/s ([\d.]+) \w+/s ([\d.]+) (\w+)/s\]", text
    ).groups()
    return float(middle) * {"elem": 1, "Kelem": 1e3, "Melem": 1e6}[unit]


def feature_rows(directory):
    """Rows as the product computes them, in the order of the detector's input."""
    binary = ROOT / "target" / "release" / "synfinance"
    data, table = directory / "data.parquet", directory / "table.parquet"
    run = lambda *arguments: subprocess.run([binary, *arguments], check=True, capture_output=True)
    run("generate", "--transactions", "100000", "--seed", "7", "--output", data)
    run("features", data, "--output", table)
    model = subprocess.run(
        [binary, "models", "inspect", ROOT / "models" / "fraud-detector.onnx", "--json"],
        check=True, capture_output=True, text=True,
    )
    names = json.loads(model.stdout)["features"]
    columns = parquet.read_table(table, columns=names)
    return np.stack([columns[name].to_numpy() for name in names], axis=1).astype(np.float32)


class OnnxRuntime:
    def __init__(self, rows):
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        path = str(ROOT / "models" / "fraud-detector.onnx")
        self.session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.input = self.session.get_inputs()[0].name
        whole = len(rows) // BATCH * BATCH
        self.batches = np.split(np.ascontiguousarray(rows[:whole]), whole // BATCH)

    def plain(self, batch):
        self.session.run(["probabilities"], {self.input: batch})

    def bound(self, batch):
        binding = self.session.io_binding()
        binding.bind_cpu_input(self.input, batch)
        binding.bind_output("probabilities", "cpu")
        self.session.run_with_iobinding(binding)

    def rate(self):
        return max(self.rate_of(self.plain), self.rate_of(self.bound))

    def rate_of(self, score):
        scored, start = 0, time.perf_counter()
        while time.perf_counter() - start < SPAN_SECONDS:
            for batch in self.batches[:64]:
                score(batch)
            scored += 64 * BATCH
        return scored / (time.perf_counter() - start)


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    binary = bench_binary()
    with tempfile.TemporaryDirectory() as directory:
        onnxruntime = OnnxRuntime(feature_rows(Path(directory)))
    figures = {"onnxruntime alone": [], "engine/score_decoded": [], "engine/score_avro": []}
    for _ in range(rounds):
        for name, rates in figures.items():
            rates.append(onnxruntime.rate() if name == "onnxruntime alone"
                         else engine_rate(binary, name))
    base = statistics.median(figures["onnxruntime alone"])
    for name, rates in figures.items():
        middle = statistics.median(rates)
        print(f"{name:22} {middle:12,.0f} /s   ratio {middle / base:.2f}   "
              f"({min(rates):,.0f} to {max(rates):,.0f})")


if __name__ == "__main__":
    main()
