"""The feature catalogue a second time, from its definitions alone.

The engine keeps running sums, rings and suffix indices; all of that can be wrong in ways that its
own tests repeat. This program has none of it: for each transaction T it looks through everything
that its customer did before, keeps what T may see, and evaluates the formulas as they are written.
It was written from the catalogue's formulas, not from the engine's code.

Terms: H is what is remembered of the customer when T arrives (31 days), at or before T's event time
t, in event order, equal times in order of arrival. W(w) are those of H and T in (t - w, t].

    features.py --transactions T.csv --labels L.csv --out F.csv [--config config] [--processes 2]

T.csv: transactions in order of arrival, columns of the Transaction schema, event_time in epoch
milliseconds, an empty field is unknown. L.csv: transaction_id, customer_id, merchant_id,
event_time, is_fraud (true or false), labeled_at, arrival (how many rows of T.csv arrive before the
label). F.csv: row (of T.csv), transaction_id, the features. Duplicates have no row.
"""

import argparse
import csv
import math
import multiprocessing
import pathlib
from collections import Counter
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
MEMORY = 31 * DAY
DEDUP_HORIZON = DAY
FEWEST_FOR_HABITS = 10
FEWEST_FOR_HOME = 5
EARTH_RADIUS_KM = 6371.0088
FASTEST_KMH = 20_000.0
LONGEST_WAIT_HOURS = 744.0
TYPES = ("geographic", "behavioural", "temporal", "amount")  # the order of ties
ZONE = ZoneInfo("Asia/Kolkata")


# --- input -------------------------------------------------------------------------------------


def numbers(texts):
    """Floats as Python reads them (pandas' own parser may differ in the last bit); empty is NaN."""
    return np.array([float(text) if text else math.nan for text in texts])


def codes(texts):
    """One number for each distinct text, -1 for the empty one."""
    found = pd.factorize(np.asarray(texts, dtype=object))[0]
    return np.where(np.asarray(texts) == "", -1, found)


def read_cities(path):
    """Positions by (city, country) and, for the first row of a name, by city; lower case."""
    by_country, by_name = {}, {}
    with open(path, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            position = (float(row["latitude"]), float(row["longitude"]))
            city, country = row["city"].lower(), row["country"].lower()
            by_country.setdefault((city, country), position)
            by_name.setdefault(city, position)
    return by_country, by_name


def positions(table, cities):
    """Latitudes and longitudes: the transaction's own, else its city's, else NaN."""
    by_country, by_name = cities
    latitude, longitude = numbers(table["latitude"]), numbers(table["longitude"])
    unknown = np.isnan(latitude) | np.isnan(longitude)
    latitude[unknown] = longitude[unknown] = math.nan
    for row in np.flatnonzero(unknown):
        city, country = table["city"][row].lower(), table["country"][row].lower()
        found = by_country.get((city, country)) or by_name.get(city)
        if found:
            latitude[row], longitude[row] = found
    return latitude, longitude


def homes(table):
    latitude, longitude = numbers(table["home_latitude"]), numbers(table["home_longitude"])
    unknown = np.isnan(latitude) | np.isnan(longitude)
    latitude[unknown] = longitude[unknown] = math.nan
    return latitude, longitude


def read_transactions(path, config):
    """Columns as arrays, in order of arrival."""
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    table = {name: table[name].to_numpy(dtype=object) for name in table.columns}
    latitude, longitude = positions(table, read_cities(config / "cities.csv"))
    home_latitude, home_longitude = homes(table)
    times = np.array([int(text) for text in table["event_time"]], dtype=np.int64)
    local = [datetime.fromtimestamp(int(ms) // 1000, ZONE) for ms in times]
    with open(config / "holidays.csv", newline="", encoding="utf-8") as file:
        holidays = {row["date"] for row in csv.DictReader(file)}
    return {
        "row": np.arange(len(times)),
        "id": table["transaction_id"],
        "customer": table["customer_id"],
        "time": times,
        # Amounts are kept in ten-thousandths, reputations in millionths.
        "minor": np.floor(numbers(table["amount"]) * 1e4 + 0.5).astype(np.int64),
        "reputation": np.floor(numbers(table["merchant_reputation"]) * 1e6 + 0.5) / 1e6,
        "merchant": table["merchant_id"],
        "merchant_code": codes(table["merchant_id"]),
        "category": codes(table["category"]),
        "city": codes(table["city"]),
        "device": codes(table["device_id"]),
        "refunded": table["status"] == "REFUNDED",
        "declined": table["status"] == "DECLINED",
        "latitude": latitude,
        "longitude": longitude,
        "home_latitude": home_latitude,
        "home_longitude": home_longitude,
        "hour": np.array([moment.hour for moment in local]),
        "weekday": np.array([moment.weekday() for moment in local]),
        "holiday": np.array([moment.date().isoformat() in holidays for moment in local]),
    }


def read_frauds(path):
    """Frauds and from which row until which row (excluded) each is known.

    The first verdict "fraud" on a transaction counts, further ones do not; the verdict "no fraud"
    takes it back, after which a new one counts again.
    """
    known, frauds = {}, []
    with open(path, newline="", encoding="utf-8") as file:
        labels = sorted(csv.DictReader(file), key=lambda label: int(label["arrival"]))
    for label in labels:
        key, arrival = label["transaction_id"], int(label["arrival"])
        if label["is_fraud"] == "true" and key not in known:
            known[key] = {
                "customer": label["customer_id"],
                "merchant": label["merchant_id"],
                "event_time": int(label["event_time"]),
                "labeled_at": int(label["labeled_at"]),
                "from": arrival,
                "until": math.inf,
            }
            frauds.append(known[key])
        elif label["is_fraud"] == "false" and key in known:
            known.pop(key)["until"] = arrival
    return frauds


def grouped(frauds, key):
    groups = {}
    for fraud in frauds:
        groups.setdefault(fraud[key], []).append(fraud)
    return groups


# --- small formulas ----------------------------------------------------------------------------


def haversine(latitude, longitude, other_latitude, other_longitude):
    """Great-circle distance in kilometres."""
    a, b = math.radians(latitude), math.radians(other_latitude)
    half = math.sin((b - a) / 2) ** 2
    half += math.cos(a) * math.cos(b) * math.sin(math.radians(other_longitude - longitude) / 2) ** 2
    return 2 * EARTH_RADIUS_KM * math.asin(min(1.0, math.sqrt(half)))


def entropy(values):
    """Shannon entropy in bits of how often each value (0, 1, 2...) occurs."""
    counts = np.bincount(values)
    shares = counts[counts > 0] / len(values)
    return float(-(shares * np.log2(shares)).sum())


def mean(values, of_none=0.0):
    return float(values.sum()) / len(values) if len(values) else of_none


def distinct(values):
    return float(len(set(values.tolist())))


def longest_run(flags):
    longest = current = 0
    for flag in flags:
        current = current + 1 if flag else 0
        longest = max(longest, current)
    return float(longest)


def run_at_the_end(flags):
    run = 0
    for flag in flags[::-1]:
        if not flag:
            break
        run += 1
    return float(run)


# --- one customer ------------------------------------------------------------------------------


class Customer:
    """The transactions of one customer in order of arrival, and what was found out on arrival."""

    def __init__(self, columns, frauds_of_merchants, frauds):
        self.columns = columns
        self.frauds_of_merchants = frauds_of_merchants
        self.frauds = frauds
        count = len(columns["time"])
        self.remembered = np.zeros(count, dtype=bool)
        self.severity = np.zeros(count)
        self.type = np.full(count, -1)  # an index of TYPES, -1 for no anomaly
        self.distance = np.zeros(count)
        self.newest = None
        self.newest_at = np.full(count, -(2**62))  # on arrival; so low for duplicates
        self.first = None

    def features(self):
        """(row, features) of each transaction that is no duplicate."""
        return [
            (int(self.columns["row"][at]), self.arrive(at))
            for at in range(len(self.remembered))
            if not self.is_duplicate(at)
        ]

    def is_duplicate(self, at):
        """Whether its id came before, when the newest time was less than the horizon ago."""
        same = self.columns["id"][:at] == self.columns["id"][at]
        if not same.any():
            return False
        return bool((self.newest_at[:at][same] > self.newest - DEDUP_HORIZON).any())

    def arrive(self, at):
        """Features of the transaction at `at`; it is remembered unless it is late."""
        time = int(self.columns["time"][at])
        is_late = self.newest is not None and time <= self.newest - MEMORY
        if not is_late:
            self.newest = time if self.newest is None else max(self.newest, time)
        self.newest_at[at] = self.newest
        history = self.history(at, time)
        first = time if self.first is None else min(self.first, time)
        row = self.describe(at, time, history, first)
        if not is_late:
            self.first = first
            self.remembered[at] = True
        return row

    def history(self, at, time):
        """H: places of what T may see, in event order."""
        times = self.columns["time"][:at]
        seen = self.remembered[:at] & (times <= time) & (times > self.newest - MEMORY)
        places = np.flatnonzero(seen)
        return places[np.argsort(times[places], kind="stable")]

    def describe(self, at, time, history, first):
        seen = View(self, at, time, history)
        row = {}
        money(row, seen)
        places(row, seen)
        calendar(row, seen)
        habits(row, seen)
        network(row, seen)
        detect(row, seen)
        anomalies(row, seen)
        against_history(row, seen, first)
        known_frauds(row, seen)
        interaction(row)
        return row


class View:
    """What T may see: H, the windows, the labels."""

    def __init__(self, customer, at, time, history):
        self.customer = customer
        self.columns = customer.columns
        self.at = at
        self.time = time
        self.row = int(self.columns["row"][at])
        self.history = history
        self.all = np.append(history, at)
        self.all_times = self.columns["time"][self.all]
        self.windows = {}

    def of(self, column):
        """T's own value."""
        return self.columns[column][self.at]

    def before(self, column):
        """Values of H."""
        return self.columns[column][self.history]

    def window(self, width):
        """Places of W(width)."""
        if width not in self.windows:
            inside = (self.all_times > self.time - width) & (self.all_times <= self.time)
            self.windows[width] = self.all[inside]
        return self.windows[width]

    def within(self, width, column):
        """Values of W(width)."""
        return self.columns[column][self.window(width)]

    def known(self, frauds, width=math.inf):
        """Those of the frauds that are known to be such since less than `width` before t."""
        return [
            fraud
            for fraud in frauds
            if fraud["from"] <= self.row < fraud["until"]
            and self.time - width < fraud["labeled_at"] <= self.time
        ]

    def frauds_at(self, merchant, width=math.inf):
        return self.known(self.customer.frauds_of_merchants.get(merchant, ()), width)

    def own_frauds(self, width=math.inf):
        return self.known(self.customer.frauds, width)


def money(row, seen):
    """Amounts, counts and sums of windows."""
    row["amount"] = int(seen.of("minor")) / 1e4
    row["log_amount"] = math.log1p(row["amount"])
    row["round_amount_flag"] = float(
        seen.of("minor") > 0 and int(seen.of("minor")) % (100 * 10_000) == 0
    )
    for name, width in (("daily", DAY), ("weekly", 7 * DAY), ("monthly", 30 * DAY)):
        count, total, summed = spent(seen, width)
        row[f"{name}_txn_count"] = count
        row[f"{name}_txn_amount"] = total
        row[f"avg_{name}_amount"] = total / summed if summed else 0.0
    for hours in (1, 6, 24):
        count, total, _ = spent(seen, hours * HOUR)
        row[f"txn_frequency_{hours}h"] = count
        row[f"amount_velocity_{hours}h"] = total / (hours * 60)


def spent(seen, width):
    """How many transactions, the sum without refunds, and how many were summed."""
    window = seen.window(width)
    paid = window[~seen.columns["refunded"][window]]
    return float(len(window)), int(seen.columns["minor"][paid].sum()) / 1e4, len(paid)


def places(row, seen):
    """Where payments are made."""
    customer, columns = seen.customer, seen.columns
    here = (seen.of("latitude"), seen.of("longitude"))
    has_position = not math.isnan(here[0])
    positioned = seen.history[~np.isnan(seen.before("latitude"))]
    home = home_of(seen, positioned)
    distance = haversine(*here, *home) if has_position and home else 0.0
    customer.distance[seen.at] = distance
    row["distance_from_home"] = distance
    last = np.append(positioned, seen.at) if has_position else positioned
    distances = customer.distance[last[-10:]]
    row["avg_distance_last_10"] = mean(distances)
    row["distance_variance"] = float(distances.var()) if len(distances) else 0.0
    row["travel_velocity_kmh"] = 0.0
    seen.travelled = 0.0
    if has_position and len(positioned):
        previous = positioned[-1]
        way = haversine(columns["latitude"][previous], columns["longitude"][previous], *here)
        hours = max(seen.time - int(columns["time"][previous]), SECOND) / HOUR
        row["travel_velocity_kmh"] = min(FASTEST_KMH, way / hours)
        seen.travelled = way
    cities = seen.within(7 * DAY, "city")
    row["unique_cities_7d"] = distinct(cities[cities >= 0])


def home_of(seen, positioned):
    """The home that T names, else the mean position of H once there are enough, else None."""
    if not math.isnan(seen.of("home_latitude")):
        return seen.of("home_latitude"), seen.of("home_longitude")
    if len(positioned) < FEWEST_FOR_HOME:
        return None
    latitude, longitude = seen.columns["latitude"], seen.columns["longitude"]
    return mean(latitude[positioned]), mean(longitude[positioned])


def calendar(row, seen):
    """Local time."""
    row["hour_of_day"] = float(seen.of("hour"))
    row["day_of_week"] = float(seen.of("weekday"))
    row["is_unusual_hour"] = float(0 <= seen.of("hour") <= 5)
    row["is_weekend"] = float(seen.of("weekday") >= 5)
    row["is_holiday"] = float(seen.of("holiday"))


def habits(row, seen):
    """What the customer usually does."""
    month = seen.window(30 * DAY)
    categories = seen.within(30 * DAY, "category")
    categories = categories[categories >= 0]
    row["category_diversity_score"] = entropy(categories) if len(categories) else 0.0
    merchants = seen.within(30 * DAY, "merchant_code")
    row["merchant_loyalty_score"] = 1 - distinct(merchants) / len(month)
    reputations = seen.within(30 * DAY, "reputation")
    reputations = reputations[~np.isnan(reputations)]
    row["avg_merchant_reputation"] = mean(reputations, of_none=0.5)
    row["new_merchant_flag"] = float(seen.of("merchant_code") not in seen.before("merchant_code"))
    row["refund_rate_30d"] = mean(seen.within(30 * DAY, "refunded"))
    row["declined_rate_7d"] = mean(seen.within(7 * DAY, "declined"))
    row["declined_count_1h"] = float(seen.within(HOUR, "declined").sum())
    row["new_device_flag"] = float(
        seen.of("device") >= 0 and seen.of("device") not in seen.before("device")
    )
    devices = seen.within(7 * DAY, "device")
    row["unique_devices_7d"] = distinct(devices[devices >= 0])
    row["unique_merchants_24h"] = distinct(seen.within(DAY, "merchant_code"))


def network(row, seen):
    """Merchants with known frauds of other customers."""
    month = seen.window(30 * DAY)
    merchants = seen.columns["merchant"][month]
    own = seen.of("customer")
    marked = {
        merchant
        for merchant in set(merchants)
        if any(fraud["customer"] != own for fraud in seen.frauds_at(merchant, 30 * DAY))
    }
    at_marked = month[[merchant in marked for merchant in merchants]]
    cities = seen.columns["city"][at_marked]
    row["shared_merchant_count"] = float(len(marked))
    row["shared_location_count"] = distinct(cities[cities >= 0])
    row["customer_proximity_score"] = len(at_marked) / len(month)
    row["temporal_cluster_flag"] = float(row["txn_frequency_1h"] >= 3)


def usual_amounts(seen):
    """Amounts of H without refunds, in major units."""
    return seen.before("minor")[~seen.before("refunded")] / 1e4


def detect(row, seen):
    """The four detectors; the verdict is remembered with T."""
    usual = usual_amounts(seen)
    row["amount_zscore"] = 0.0
    if len(usual):
        row["amount_zscore"] = (row["amount"] - mean(usual)) / max(float(usual.std()), 1.0)
    severities = (
        travel_severity(row["travel_velocity_kmh"], seen.travelled),
        category_severity(seen),
        hour_severity(seen),
        spike_severity(seen, row["amount_zscore"]),
    )
    flags = ("impossible_travel", "unusual_category", "unusual_hour", "spending_spike")
    for flag, severity in zip(flags, severities):
        row[f"has_{flag}"] = float(severity > 0)
    strongest = max(severities)
    row["current_severity"] = strongest
    row["compound_severity_score"] = 1 - math.prod(1 - severity for severity in severities)
    seen.customer.severity[seen.at] = strongest
    seen.customer.type[seen.at] = severities.index(strongest) if strongest > 0 else -1


def travel_severity(velocity, way):
    return min(1.0, velocity / 1800) if velocity > 900 and way >= 100 else 0.0


def rarity(share):
    return 1 - share / 0.05 if share < 0.05 else 0.0


def category_severity(seen):
    if len(seen.history) < FEWEST_FOR_HABITS or seen.of("category") < 0:
        return 0.0
    return rarity(mean(seen.before("category") == seen.of("category")))


def hour_severity(seen):
    if len(seen.history) < FEWEST_FOR_HABITS:
        return 0.0
    apart = np.abs(seen.before("hour") - seen.of("hour"))
    return rarity(mean(np.minimum(apart, 24 - apart) <= 1))


def spike_severity(seen, zscore):
    if len(seen.history) < FEWEST_FOR_HABITS or zscore <= 3:
        return 0.0
    return min(1.0, zscore / 10)


def anomalies(row, seen):
    """How anomalies came about lately."""
    customer = seen.customer
    before = seen.history[customer.type[seen.history] >= 0]
    last = customer.severity[before[-10:]]
    row["mean_severity_last_10"] = mean(last)
    row["max_severity_last_10"] = float(last.max()) if len(last) else 0.0
    row["severity_std_last_10"] = float(last.std()) if len(last) else 0.0
    row["high_severity_rate_last_10"] = mean(last >= 0.7)
    row["time_since_last_anomaly_hours"] = LONGEST_WAIT_HOURS
    if len(before):
        since = (seen.time - int(seen.columns["time"][before[-1]])) / HOUR
        row["time_since_last_anomaly_hours"] = min(LONGEST_WAIT_HOURS, since)
    row["hourly_anomaly_count"] = anomaly_count(seen, HOUR)
    row["daily_anomaly_count"] = anomaly_count(seen, DAY)
    this_week = row["weekly_anomaly_count"] = anomaly_count(seen, 7 * DAY)
    two_weeks = anomaly_count(seen, 14 * DAY)
    last_week = two_weeks - this_week
    row["anomaly_frequency_trend"] = (this_week - last_week) / two_weeks if two_weeks else 0.0
    row["consecutive_anomaly_count"] = run_at_the_end(customer.type[seen.all] >= 0)
    anomaly_types(row, seen)
    anomalies_and_frauds(row, seen)
    # There is no forest here: its features are neutral.
    row["isolation_forest_score"] = row["anomaly_probability"] = 0.0


def anomaly_count(seen, width):
    return float((seen.customer.type[seen.window(width)] >= 0).sum())


def anomaly_types(row, seen):
    """The anomalies of W(30d)."""
    month = seen.window(30 * DAY)
    types = seen.customer.type[month]
    row["anomaly_streak_length"] = longest_run(types >= 0)
    found = types[types >= 0]
    for index, name in enumerate(TYPES):
        name = "behavioral" if name == "behavioural" else name
        row[f"{name}_anomaly_rate"] = mean(found == index)
    row["anomaly_type_diversity"] = entropy(found) / 2 if len(found) else 0.0
    first = seen.columns["time"][month[types >= 0]]
    row["days_since_first_anomaly"] = (seen.time - int(first[0])) / DAY if len(first) else 0.0


def anomalies_and_frauds(row, seen):
    """Whether the customer's known frauds and its anomalies are the same transactions."""
    is_anomaly = seen.customer.type[seen.at] >= 0
    row["is_fraud_and_anomaly"] = float(is_anomaly and len(seen.own_frauds(30 * DAY)) > 0)
    month = seen.window(30 * DAY)
    month = month[seen.customer.type[month] >= 0]
    anomalous = Counter(zip(seen.columns["time"][month].tolist(), seen.columns["merchant"][month]))
    frauds = Counter(
        (fraud["event_time"], fraud["merchant"])
        for fraud in seen.own_frauds()
        if seen.time - 30 * DAY < fraud["event_time"] <= seen.time
    )
    # Several transactions of one moment at one merchant are several.
    both, either = (anomalous & frauds).total(), (anomalous | frauds).total()
    row["fraud_anomaly_correlation_score"] = both / either if either else 0.0


def against_history(row, seen, first):
    """The amount and the time against the customer's usual ones."""
    usual = usual_amounts(seen)
    average, largest = mean(usual), float(usual.max(initial=0.0))
    row["amount_to_mean_ratio"] = row["amount"] / average if average > 0 else 1.0
    row["amount_to_max_ratio"] = row["amount"] / largest if largest > 0 else 1.0
    lately = seen.within(HOUR, "minor") / 1e4
    row["small_amount_count_1h"] = float((lately < 0.01 * average).sum())
    row["seconds_since_last_txn"] = 2_678_400.0
    if len(seen.history):
        row["seconds_since_last_txn"] = (seen.time - int(seen.before("time")[-1])) / SECOND
    row["customer_age_days"] = (seen.time - first) / DAY


def known_frauds(row, seen):
    """Labels that were known at t."""
    merchant = seen.of("merchant")
    for days in (1, 7, 30):
        row[f"merchant_fraud_count_{days}d"] = float(len(seen.frauds_at(merchant, days * DAY)))
        row[f"customer_fraud_count_{days}d"] = float(len(seen.own_frauds(days * DAY)))
    row["hours_since_merchant_fraud"] = hours_since(seen, seen.frauds_at(merchant))
    row["hours_since_customer_fraud"] = hours_since(seen, seen.own_frauds())


def hours_since(seen, frauds):
    since = [(seen.time - fraud["labeled_at"]) / HOUR for fraud in frauds]
    return min([LONGEST_WAIT_HOURS, *since])


def interaction(row):
    """Combinations of the above."""
    severity, haste = row["current_severity"], min(1.0, row["txn_frequency_1h"] / 10)
    new, night = row["new_merchant_flag"], row["is_unusual_hour"]
    declined, proximity = row["declined_rate_7d"], row["customer_proximity_score"]
    hurry = min(1.0, (row["txn_frequency_1h"] - 1) / 9)
    fraud_like = (hurry + new + declined + proximity + night) / 5
    row["high_risk_combination"] = float(
        severity >= 0.7 and (row["txn_frequency_1h"] >= 3 or new == 1)
    )
    row["risk_amplification_score"] = severity * (1 + haste) / 2
    unusual = new + row["has_unusual_category"] + row["has_unusual_hour"]
    row["behavioral_consistency_score"] = 1 - unusual / 3
    row["pattern_alignment_score"] = 1 - abs(fraud_like - severity)
    row["conflict_indicator"] = float((fraud_like >= 0.5) != (severity >= 0.5))
    row["velocity_severity_product"] = haste * severity
    far = min(1.0, row["distance_from_home"] / 1000)
    row["geographic_risk_score"] = far * row["geographic_anomaly_rate"]
    row["weighted_risk_score"] = (
        0.3 * severity + 0.2 * haste + 0.15 * new + 0.15 * proximity + 0.1 * night + 0.1 * declined
    )
    row["ensemble_fraud_probability"] = 1 - (1 - fraud_like) * (1 - severity) * (1 - proximity)


# --- all customers -----------------------------------------------------------------------------


def features_of(work):
    """The rows of some customers; runs in a process of its own."""
    groups, frauds = work
    of_merchants, of_customers = grouped(frauds, "merchant"), grouped(frauds, "customer")
    rows = []
    for name, columns in groups:
        rows += Customer(columns, of_merchants, of_customers.get(name, [])).features()
    return rows


def shares(transactions, processes):
    """Customers with their columns, dealt out so that each process has about as many rows."""
    groups = pd.Series(transactions["row"]).groupby(transactions["customer"]).indices
    groups = sorted(groups.items(), key=lambda group: (-len(group[1]), group[0]))
    dealt, counts = [[] for _ in range(processes)], [0] * processes
    for name, rows in groups:
        columns = {column: values[rows] for column, values in transactions.items()}
        least = counts.index(min(counts))
        dealt[least].append((name, columns))
        counts[least] += len(rows)
    return dealt


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--transactions", required=True)
    parser.add_argument("--labels", required=True)
    parser.add_argument("--out", required=True)
    default = pathlib.Path(__file__).resolve().parents[2] / "config"
    parser.add_argument("--config", type=pathlib.Path, default=default)
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()

    transactions = read_transactions(arguments.transactions, arguments.config)
    frauds = read_frauds(arguments.labels)
    work = [(groups, frauds) for groups in shares(transactions, arguments.processes)]
    with multiprocessing.Pool(arguments.processes) as pool:
        rows = [row for part in pool.map(features_of, work) for row in part]
    rows.sort(key=lambda row: row[0])

    with open(arguments.out, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        names = list(rows[0][1]) if rows else []
        writer.writerow(["row", "transaction_id", *names])
        for row, values in rows:
            texts = [repr(float(values[name])) for name in names]
            writer.writerow([row, transactions["id"][row], *texts])


if __name__ == "__main__":
    main()
