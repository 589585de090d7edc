"""The names of the features that the bundled models read, in the order of their input columns.

They are names of the catalogue (`synfinance features --list`); a table without one of them is
refused with its name.
"""

# What the isolation forest looks at: behaviour, nothing that comes from a label or another model.
FOREST = [
    "log_amount",
    "amount_zscore",
    "amount_to_mean_ratio",
    "seconds_since_last_txn",
    "txn_frequency_1h",
    "txn_frequency_24h",
    "amount_velocity_1h",
    "distance_from_home",
    "travel_velocity_kmh",
    "hour_of_day",
    "new_merchant_flag",
    "new_device_flag",
]

# The 69 of the detector.
DETECTOR = [
    # amount
    "amount",
    # aggregate
    "daily_txn_count",
    "weekly_txn_count",
    "daily_txn_amount",
    "weekly_txn_amount",
    "avg_daily_amount",
    "avg_weekly_amount",
    # velocity
    "txn_frequency_1h",
    "txn_frequency_6h",
    "txn_frequency_24h",
    "amount_velocity_1h",
    "amount_velocity_6h",
    "amount_velocity_24h",
    # geographic
    "distance_from_home",
    "avg_distance_last_10",
    "distance_variance",
    "unique_cities_7d",
    "travel_velocity_kmh",
    # temporal
    "is_unusual_hour",
    "is_weekend",
    "is_holiday",
    "hour_of_day",
    "day_of_week",
    # behavioural
    "category_diversity_score",
    "merchant_loyalty_score",
    "avg_merchant_reputation",
    "new_merchant_flag",
    "refund_rate_30d",
    "declined_rate_7d",
    # network
    "shared_merchant_count",
    "shared_location_count",
    "customer_proximity_score",
    "temporal_cluster_flag",
    # anomalies
    "hourly_anomaly_count",
    "daily_anomaly_count",
    "weekly_anomaly_count",
    "anomaly_frequency_trend",
    "time_since_last_anomaly_hours",
    "mean_severity_last_10",
    "max_severity_last_10",
    "severity_std_last_10",
    "high_severity_rate_last_10",
    "current_severity",
    "behavioral_anomaly_rate",
    "geographic_anomaly_rate",
    "temporal_anomaly_rate",
    "amount_anomaly_rate",
    "anomaly_type_diversity",
    "consecutive_anomaly_count",
    "anomaly_streak_length",
    "days_since_first_anomaly",
    "is_fraud_and_anomaly",
    "fraud_anomaly_correlation_score",
    "has_impossible_travel",
    "has_unusual_category",
    "has_unusual_hour",
    "has_spending_spike",
    "isolation_forest_score",
    "anomaly_probability",
    # interaction
    "high_risk_combination",
    "risk_amplification_score",
    "compound_severity_score",
    "behavioral_consistency_score",
    "pattern_alignment_score",
    "conflict_indicator",
    "velocity_severity_product",
    "geographic_risk_score",
    "weighted_risk_score",
    "ensemble_fraud_probability",
]

assert len(DETECTOR) == len(set(DETECTOR)) == 69
assert len(FOREST) == len(set(FOREST)) == 12
