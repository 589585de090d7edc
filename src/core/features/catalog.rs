//! The catalogue: one table with a row for every feature.
//!
//! A model names the features that it needs, an analyst reads the reasons, a data scientist reads
//! the formulas: all of that comes from this table, and so do the identifiers that the code uses.
//! Terms in the formulas: T is the transaction, t its event time, c its customer, H what is
//! remembered of c before T, W(w) the transactions of H and T in (t-w, t]. Sums leave out refunds;
//! counts include everything.

use super::catalog_macro::catalog;
use super::feature::{Feature, Unit};

catalog! {
    /// What the transaction itself says.
    Amount {
        Amount: "amount", Money, "0..1e11", 0.0, "", "AMOUNT",
            "amount of T in major units",
            "the amount is {}";
    }
    /// Sums and counts of days and weeks.
    Aggregate {
        DailyTxnCount: "daily_txn_count", Count, "1..", 1.0, "", "DAILY_COUNT",
            "|W(24h)|",
            "{} transactions within 24 hours";
        WeeklyTxnCount: "weekly_txn_count", Count, "1..", 1.0, "", "WEEKLY_COUNT",
            "|W(7d)|",
            "{} transactions within 7 days";
        DailyTxnAmount: "daily_txn_amount", Money, "0..", 0.0, "", "DAILY_AMOUNT",
            "sum of amounts in W(24h)",
            "{} spent within 24 hours";
        WeeklyTxnAmount: "weekly_txn_amount", Money, "0..", 0.0, "", "WEEKLY_AMOUNT",
            "sum of amounts in W(7d)",
            "{} spent within 7 days";
        AvgDailyAmount: "avg_daily_amount", Money, "0..", 0.0, "", "DAILY_AVERAGE",
            "daily_txn_amount / transactions summed, 0 if none",
            "{} on average within 24 hours";
        AvgWeeklyAmount: "avg_weekly_amount", Money, "0..", 0.0, "", "WEEKLY_AVERAGE",
            "weekly_txn_amount / transactions summed, 0 if none",
            "{} on average within 7 days";
    }
    /// How fast payments follow each other.
    Velocity {
        TxnFrequency1h: "txn_frequency_1h", Count, "1..", 1.0, "", "VELOCITY_1H",
            "|W(1h)|",
            "{} transactions within the last hour";
        TxnFrequency6h: "txn_frequency_6h", Count, "1..", 1.0, "", "VELOCITY_6H",
            "|W(6h)|",
            "{} transactions within 6 hours";
        TxnFrequency24h: "txn_frequency_24h", Count, "1..", 1.0, "", "VELOCITY_24H",
            "|W(24h)|",
            "{} transactions within 24 hours";
        AmountVelocity1h: "amount_velocity_1h", Money, "0..", 0.0, "", "SPENDING_RATE_1H",
            "sum of amounts in W(1h) / 60 min",
            "{} a minute over the last hour";
        AmountVelocity6h: "amount_velocity_6h", Money, "0..", 0.0, "", "SPENDING_RATE_6H",
            "sum of amounts in W(6h) / 360 min",
            "{} a minute over 6 hours";
        AmountVelocity24h: "amount_velocity_24h", Money, "0..", 0.0, "", "SPENDING_RATE_24H",
            "sum of amounts in W(24h) / 1,440 min",
            "{} a minute over 24 hours";
    }
    /// Where payments are made.
    Geographic {
        DistanceFromHome: "distance_from_home", Kilometres, "0..20016", 0.0, "position, home",
            "HOME_DISTANCE",
            "haversine(position of T, home)",
            "{} from home";
        AvgDistanceLast10: "avg_distance_last_10", Kilometres, "0..20016", 0.0, "position, home",
            "DISTANCE_AVERAGE",
            "mean distance_from_home of the last 10 with a position, T included",
            "{} from home on average lately";
        DistanceVariance: "distance_variance", Number, "0..", 0.0, "position, home",
            "DISTANCE_VARIANCE",
            "population variance of the same distances, km²",
            "distances from home vary by {} km²";
        UniqueCities7d: "unique_cities_7d", Count, "0..", 0.0, "city", "CITIES_7D",
            "distinct cities in W(7d)",
            "{} different cities within 7 days";
        TravelVelocityKmh: "travel_velocity_kmh", Speed, "0..20000", 0.0, "position",
            "TRAVEL_SPEED",
            "distance from the previous position / max(time since it, 1 s), at most 20,000",
            "{} from the previous place";
    }
    /// When payments are made, local time.
    Temporal {
        IsUnusualHour: "is_unusual_hour", Flag, "0..1", 0.0, "", "NIGHT",
            "hour_of_day within 0 to 5",
            "made between midnight and six";
        IsWeekend: "is_weekend", Flag, "0..1", 0.0, "", "WEEKEND",
            "day_of_week is 5 or 6",
            "made at the weekend";
        IsHoliday: "is_holiday", Flag, "0..1", 0.0, "holidays table", "HOLIDAY",
            "the local date is in the table of holidays",
            "made on a holiday";
        HourOfDay: "hour_of_day", Number, "0..23", 0.0, "", "HOUR_OF_DAY",
            "local hour of T",
            "made in hour {} of the day";
        DayOfWeek: "day_of_week", Number, "0..6", 0.0, "", "DAY_OF_WEEK",
            "local weekday of T, Monday 0",
            "made on day {} of the week";
    }
    /// What the customer usually does.
    Behavioural {
        CategoryDiversityScore: "category_diversity_score", Number, "0..11", 0.0, "category",
            "CATEGORY_DIVERSITY",
            "Shannon entropy in bits of the known categories in W(30d)",
            "categories spread over {} bits";
        MerchantLoyaltyScore: "merchant_loyalty_score", Share, "0..1", 0.0, "", "MERCHANT_LOYALTY",
            "1 - distinct merchants / |W(30d)|",
            "{} of recent payments repeat a merchant";
        AvgMerchantReputation: "avg_merchant_reputation",
            Number, "0..1", 0.5, "merchant_reputation",
            "MERCHANT_REPUTATION",
            "mean known merchant_reputation in W(30d)",
            "recent merchants have a reputation of {} on average";
        NewMerchantFlag: "new_merchant_flag", Flag, "0..1", 0.0, "", "NEW_MERCHANT",
            "merchant of T not in H",
            "first payment at this merchant";
        RefundRate30d: "refund_rate_30d", Share, "0..1", 0.0, "status", "REFUND_RATE",
            "REFUNDED in W(30d) / |W(30d)|",
            "{} of recent transactions are refunds";
        DeclinedRate7d: "declined_rate_7d", Share, "0..1", 0.0, "status", "DECLINED_RATE",
            "DECLINED in W(7d) / |W(7d)|",
            "{} of this week's transactions were declined";
    }
    /// Merchants that other customers' frauds have marked.
    Network {
        SharedMerchantCount: "shared_merchant_count", Count, "0..", 0.0, "labels",
            "MARKED_MERCHANTS",
            "distinct merchants of W(30d) with a fraud label of another customer known in \
             (t-30d, t]",
            "{} recent merchants have known frauds of others";
        SharedLocationCount: "shared_location_count", Count, "0..", 0.0, "labels, city",
            "MARKED_CITIES",
            "distinct cities of W(30d) in which such a merchant was used",
            "such merchants were used in {} cities";
        CustomerProximityScore: "customer_proximity_score", Share, "0..1", 0.0, "labels",
            "FRAUD_PROXIMITY",
            "share of W(30d) at such merchants",
            "{} of recent payments went to merchants with known frauds";
        TemporalClusterFlag: "temporal_cluster_flag", Flag, "0..1", 0.0, "", "TIME_CLUSTER",
            "|W(1h)| >= 3",
            "part of a cluster within an hour";
    }
    /// What four detectors and an isolation forest find.
    Anomalies {
        HourlyAnomalyCount: "hourly_anomaly_count", Count, "0..", 0.0, "", "ANOMALIES_1H",
            "anomalies in W(1h)",
            "{} anomalies within an hour";
        DailyAnomalyCount: "daily_anomaly_count", Count, "0..", 0.0, "", "ANOMALIES_24H",
            "anomalies in W(24h)",
            "{} anomalies within 24 hours";
        WeeklyAnomalyCount: "weekly_anomaly_count", Count, "0..", 0.0, "", "ANOMALIES_7D",
            "anomalies in W(7d)",
            "{} anomalies within 7 days";
        AnomalyFrequencyTrend: "anomaly_frequency_trend", Number, "-1..1", 0.0, "",
            "ANOMALY_TREND",
            "(n - m) / (n + m), n anomalies in (t-7d, t], m in (t-14d, t-7d]",
            "anomalies change from week to week by {}";
        TimeSinceLastAnomalyHours: "time_since_last_anomaly_hours", Hours, "0..744", 744.0, "",
            "RECENT_ANOMALY",
            "time since the last anomaly before T",
            "{} since the previous anomaly";
        MeanSeverityLast10: "mean_severity_last_10", Number, "0..1", 0.0, "", "MEAN_SEVERITY",
            "mean severity of the last 10 anomalies before T",
            "earlier anomalies had a severity of {} on average";
        MaxSeverityLast10: "max_severity_last_10", Number, "0..1", 0.0, "", "MAX_SEVERITY",
            "largest severity of the same",
            "the worst earlier anomaly had a severity of {}";
        SeverityStdLast10: "severity_std_last_10", Number, "0..0.5", 0.0, "", "SEVERITY_SPREAD",
            "population standard deviation of the same",
            "severities of earlier anomalies vary by {}";
        HighSeverityRateLast10: "high_severity_rate_last_10", Share, "0..1", 0.0, "",
            "HIGH_SEVERITY_RATE",
            "share of the same with severity >= 0.7",
            "{} of the earlier anomalies were severe";
        CurrentSeverity: "current_severity", Number, "0..1", 0.0, "", "SEVERITY",
            "strongest severity of the four detectors for T",
            "an anomaly of severity {}";
        BehavioralAnomalyRate: "behavioral_anomaly_rate", Share, "0..1", 0.0, "category",
            "CATEGORY_ANOMALIES",
            "share of behavioural ones in the anomalies of W(30d)",
            "{} of the recent anomalies are unusual categories";
        GeographicAnomalyRate: "geographic_anomaly_rate", Share, "0..1", 0.0, "position",
            "TRAVEL_ANOMALIES",
            "share of geographic ones in the anomalies of W(30d)",
            "{} of the recent anomalies are impossible journeys";
        TemporalAnomalyRate: "temporal_anomaly_rate", Share, "0..1", 0.0, "", "HOUR_ANOMALIES",
            "share of temporal ones in the anomalies of W(30d)",
            "{} of the recent anomalies are unusual hours";
        AmountAnomalyRate: "amount_anomaly_rate", Share, "0..1", 0.0, "", "AMOUNT_ANOMALIES",
            "share of amount ones in the anomalies of W(30d)",
            "{} of the recent anomalies are spending spikes";
        AnomalyTypeDiversity: "anomaly_type_diversity", Number, "0..1", 0.0, "",
            "ANOMALY_DIVERSITY",
            "entropy in bits of the types of those / 2",
            "types of anomalies are spread by {}";
        ConsecutiveAnomalyCount: "consecutive_anomaly_count", Count, "0..", 0.0, "",
            "CONSECUTIVE_ANOMALIES",
            "anomalies in a row, ending at T",
            "{} anomalies in a row";
        AnomalyStreakLength: "anomaly_streak_length", Count, "0..", 0.0, "", "ANOMALY_STREAK",
            "longest row of anomalies in W(30d)",
            "up to {} anomalies in a row within 30 days";
        DaysSinceFirstAnomaly: "days_since_first_anomaly", Days, "0..30", 0.0, "", "FIRST_ANOMALY",
            "time since the first anomaly in W(30d)",
            "the first recent anomaly was {} ago";
        IsFraudAndAnomaly: "is_fraud_and_anomaly", Flag, "0..1", 0.0, "labels",
            "ANOMALY_AFTER_FRAUD",
            "T is an anomaly and c has a fraud label known in (t-30d, t]",
            "an anomaly of a customer with a known fraud";
        FraudAnomalyCorrelationScore: "fraud_anomaly_correlation_score",
            Number, "0..1", 0.0, "labels",
            "FRAUD_ANOMALY_OVERLAP",
            "Jaccard index of c's labelled frauds and anomalies in W(30d)",
            "known frauds and anomalies overlap by {}";
        HasImpossibleTravel: "has_impossible_travel", Flag, "0..1", 0.0, "position",
            "IMPOSSIBLE_TRAVEL",
            "travel_velocity_kmh > 900 over at least 100 km",
            "no one travels that fast";
        HasUnusualCategory: "has_unusual_category", Flag, "0..1", 0.0, "category",
            "UNUSUAL_CATEGORY",
            "|H| >= 10 and category's share of H < 5 %",
            "a category this customer hardly uses";
        HasUnusualHour: "has_unusual_hour", Flag, "0..1", 0.0, "", "UNUSUAL_HOUR",
            "|H| >= 10 and share of H within ±1 local hour < 5 %",
            "an hour at which this customer hardly pays";
        HasSpendingSpike: "has_spending_spike", Flag, "0..1", 0.0, "", "SPENDING_SPIKE",
            "|H| >= 10 and z-score of the amount > 3, sd at least 1",
            "an amount far above this customer's usual";
        IsolationForestScore: "isolation_forest_score", Number, "-1..1", 0.0, "isolation forest",
            "ISOLATED",
            "2 * anomaly_probability - 1 (0 without a forest)",
            "an isolation score of {}";
        AnomalyProbability: "anomaly_probability", Number, "0..1", 0.0, "isolation forest",
            "ISOLATION",
            "2^(-E[path length] / c(n)) of the isolation forest (Liu et al., ICDM 2008)",
            "isolated to {} from usual transactions";
    }
    /// Bounded combinations; f and a are the fraud-like and the anomaly signal.
    Interaction {
        HighRiskCombination: "high_risk_combination", Flag, "0..1", 0.0, "", "HIGH_RISK",
            "current_severity >= 0.7 and (txn_frequency_1h >= 3 or new_merchant_flag)",
            "a severe anomaly along with haste or a new merchant";
        RiskAmplificationScore: "risk_amplification_score", Number, "0..1", 0.0, "",
            "RISK_AMPLIFICATION",
            "current_severity * (1 + min(1, txn_frequency_1h / 10)) / 2",
            "severity amplified by velocity to {}";
        CompoundSeverityScore: "compound_severity_score", Number, "0..1", 0.0, "",
            "COMPOUND_SEVERITY",
            "1 - product of (1 - severity) over the four detectors",
            "the detectors together say {}";
        BehavioralConsistencyScore: "behavioral_consistency_score", Number, "0..1", 1.0, "category",
            "INCONSISTENT",
            "1 - (new_merchant_flag + has_unusual_category + has_unusual_hour) / 3",
            "consistent with habits by {}";
        PatternAlignmentScore: "pattern_alignment_score", Number, "0..1", 1.0, "status, labels",
            "ALIGNMENT",
            "1 - |f - a|; f mean of min(1, (txn_frequency_1h - 1) / 9), new_merchant_flag, \
             declined_rate_7d, customer_proximity_score, is_unusual_hour; a = current_severity",
            "fraud-like and anomaly signals agree by {}";
        ConflictIndicator: "conflict_indicator", Flag, "0..1", 0.0, "status, labels", "CONFLICT",
            "exactly one of f >= 0.5 and a >= 0.5",
            "fraud-like and anomaly signals disagree";
        VelocitySeverityProduct: "velocity_severity_product", Number, "0..1", 0.0, "",
            "VELOCITY_SEVERITY",
            "min(1, txn_frequency_1h / 10) * current_severity",
            "velocity times severity is {}";
        GeographicRiskScore: "geographic_risk_score", Number, "0..1", 0.0, "position, home",
            "GEOGRAPHIC_RISK",
            "min(1, distance_from_home / 1000) * geographic_anomaly_rate",
            "distance times impossible journeys is {}";
        WeightedRiskScore: "weighted_risk_score", Number, "0..1", 0.0, "status, labels",
            "WEIGHTED_RISK",
            "0.3 current_severity + 0.2 min(1, txn_frequency_1h / 10) + 0.15 new_merchant_flag + \
             0.15 customer_proximity_score + 0.1 is_unusual_hour + 0.1 declined_rate_7d",
            "a weighted risk of {}";
        EnsembleFraudProbability: "ensemble_fraud_probability",
            Number, "0..1", 0.0, "status, labels",
            "ENSEMBLE",
            "1 - (1 - f) (1 - a) (1 - customer_proximity_score)",
            "signals together say {}";
    }
    /// The amount against what the customer usually spends.
    History {
        LogAmount: "log_amount", Number, "0..28", 0.0, "", "LOG_AMOUNT",
            "ln(1 + amount)",
            "the amount's logarithm is {}";
        AmountZscore: "amount_zscore", Number, "..", 0.0, "", "AMOUNT_ZSCORE",
            "(amount - mean of H) / max(sd of H, 1)",
            "{} standard deviations above the usual amount";
        AmountToMeanRatio: "amount_to_mean_ratio", Number, "0..", 1.0, "", "AMOUNT_TO_MEAN",
            "amount / mean of H (1 without one)",
            "{} times the usual amount";
        AmountToMaxRatio: "amount_to_max_ratio", Number, "0..", 1.0, "", "AMOUNT_TO_MAX",
            "amount / largest of H (1 without one)",
            "{} times the largest amount so far";
        SecondsSinceLastTxn: "seconds_since_last_txn", Seconds, "0..2678400", 2678400.0, "",
            "QUICK_SUCCESSION",
            "time since the newest of H",
            "{} since the previous transaction";
        MonthlyTxnCount: "monthly_txn_count", Count, "1..", 1.0, "", "MONTHLY_COUNT",
            "|W(30d)|",
            "{} transactions within 30 days";
        MonthlyTxnAmount: "monthly_txn_amount", Money, "0..", 0.0, "", "MONTHLY_AMOUNT",
            "sum of amounts in W(30d)",
            "{} spent within 30 days";
        AvgMonthlyAmount: "avg_monthly_amount", Money, "0..", 0.0, "", "MONTHLY_AVERAGE",
            "monthly_txn_amount / transactions summed, 0 if none",
            "{} on average within 30 days";
        CustomerAgeDays: "customer_age_days", Days, "0..", 0.0, "", "CUSTOMER_AGE",
            "time since c's first transaction ever",
            "first seen {} ago";
        NewDeviceFlag: "new_device_flag", Flag, "0..1", 0.0, "device_id", "NEW_DEVICE",
            "device of T known and not in H",
            "first payment with this device";
        UniqueDevices7d: "unique_devices_7d", Count, "0..", 0.0, "device_id", "DEVICES_7D",
            "distinct devices in W(7d)",
            "{} different devices within 7 days";
        UniqueMerchants24h: "unique_merchants_24h", Count, "1..", 1.0, "", "MERCHANTS_24H",
            "distinct merchants in W(24h)",
            "{} different merchants within 24 hours";
        DeclinedCount1h: "declined_count_1h", Count, "0..", 0.0, "status", "DECLINED_1H",
            "DECLINED in W(1h)",
            "{} declined within the last hour";
        SmallAmountCount1h: "small_amount_count_1h", Count, "0..", 0.0, "", "SMALL_AMOUNTS_1H",
            "those of W(1h) below 1 % of the mean of H",
            "{} tiny amounts within the last hour";
        RoundAmountFlag: "round_amount_flag", Flag, "0..1", 0.0, "", "ROUND_AMOUNT",
            "amount is a positive multiple of 100",
            "a round amount";
    }
    /// Fraud labels that were known at t.
    Frauds {
        MerchantFraudCount1d: "merchant_fraud_count_1d", Count, "0..", 0.0, "labels",
            "MERCHANT_FRAUDS_1D",
            "labels at T's merchant with labeled_at in (t-1d, t]",
            "{} frauds at this merchant reported within a day";
        MerchantFraudCount7d: "merchant_fraud_count_7d", Count, "0..", 0.0, "labels",
            "MERCHANT_FRAUDS_7D",
            "labels at T's merchant with labeled_at in (t-7d, t]",
            "{} frauds at this merchant reported within 7 days";
        MerchantFraudCount30d: "merchant_fraud_count_30d", Count, "0..", 0.0, "labels",
            "MERCHANT_FRAUDS_30D",
            "labels at T's merchant with labeled_at in (t-30d, t]",
            "{} frauds at this merchant reported within 30 days";
        CustomerFraudCount1d: "customer_fraud_count_1d", Count, "0..", 0.0, "labels",
            "CUSTOMER_FRAUDS_1D",
            "labels of c with labeled_at in (t-1d, t]",
            "{} frauds of this customer reported within a day";
        CustomerFraudCount7d: "customer_fraud_count_7d", Count, "0..", 0.0, "labels",
            "CUSTOMER_FRAUDS_7D",
            "labels of c with labeled_at in (t-7d, t]",
            "{} frauds of this customer reported within 7 days";
        CustomerFraudCount30d: "customer_fraud_count_30d", Count, "0..", 0.0, "labels",
            "CUSTOMER_FRAUDS_30D",
            "labels of c with labeled_at in (t-30d, t]",
            "{} frauds of this customer reported within 30 days";
        HoursSinceMerchantFraud: "hours_since_merchant_fraud", Hours, "0..744", 744.0, "labels",
            "MERCHANT_FRAUD",
            "time since the newest such label at T's merchant, at most 744",
            "{} since a fraud at this merchant was reported";
        HoursSinceCustomerFraud: "hours_since_customer_fraud", Hours, "0..744", 744.0, "labels",
            "CUSTOMER_FRAUD",
            "time since the newest such label of c, at most 744",
            "{} since a fraud of this customer was reported";
    }
}
