"""The training table that `synfinance features` writes, and its split by time."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

# Shares of the rows, oldest first: fitted on, threshold chosen on, reported on. A random split
# would let a model see the rest of the very episode that it is asked about.
FIT, CHOOSE = 0.6, 0.2


@dataclass
class Table:
    """Rows in the order of their event time; features as float32, which is what a model is fed."""

    rows: np.ndarray
    labels: np.ndarray
    last_event: str

    def parts(self):
        """(rows, labels) to fit on, to choose the threshold on, and to report on."""
        fit = int(len(self.rows) * FIT)
        choose = fit + int(len(self.rows) * CHOOSE)
        bounds = [(0, fit), (fit, choose), (choose, len(self.rows))]
        return [(self.rows[a:b], self.labels[a:b]) for a, b in bounds]


def read(path, features, label):
    """The table's rows with these features; exits with what is missing."""
    present = pq.read_schema(path).names
    missing = [name for name in [*features, label, "event_time"] if name not in present]
    if missing:
        raise SystemExit(f"{path} lacks the columns {', '.join(missing)}")
    table = pq.read_table(path, columns=[*features, label, "event_time"])
    millis = to_millis(table["event_time"])
    order = np.argsort(millis, kind="stable")
    columns = [table[name].to_numpy().astype(np.float32) for name in features]
    rows = np.column_stack(columns)[order]
    if not np.isfinite(rows).all():
        raise SystemExit(f"{path} has features that are not finite numbers")
    labels = to_labels(table[label])[order]
    last = np.datetime64(int(millis.max()), "ms")
    return Table(rows, labels, f"{np.datetime_as_string(last, unit='s')}Z")


def to_millis(column):
    """Event times as milliseconds since the epoch, whatever the column's type."""
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        column = pc.cast(column, pa.timestamp("ms", tz="UTC"))
    if pa.types.is_timestamp(column.type):
        column = pc.cast(column, pa.timestamp("ms", tz=column.type.tz), safe=False)
    return pc.cast(column, pa.int64()).to_numpy()


def to_labels(column):
    """Labels as 0 or 1; an unknown one counts as honest."""
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        column = pc.is_in(pc.utf8_lower(column), pa.array(["true", "1"]))
    return (pc.fill_null(pc.cast(column, pa.float64()), 0.0).to_numpy() > 0.5).astype(np.int64)
