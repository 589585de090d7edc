//! From a list of feature names to the groups to compute and the columns to hand out.

use super::catalog::{FeatureId, Group};
use super::feature::Feature;
use super::row::{Moment, Row};
use super::{anomalies, habits, interaction, network, spending};

/// Which groups to compute for a model or a table, and the order in which to hand out the columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    columns: Vec<FeatureId>,
    groups: u16,
}

const fn bit(group: Group) -> u16 {
    1 << group as u16
}

/// Groups that [`interaction::interaction`] reads.
const INTERACTION_NEEDS: u16 = bit(Group::Velocity)
    | bit(Group::Geographic)
    | bit(Group::Temporal)
    | bit(Group::Behavioural)
    | bit(Group::Network)
    | bit(Group::Anomalies);

impl Plan {
    /// The plan for `columns`, in the order of a model's inputs.
    pub fn new(columns: Vec<FeatureId>) -> Self {
        let mut groups = columns.iter().fold(0, |groups, &id| groups | bit(Feature::of(id).group));
        if groups & bit(Group::Interaction) != 0 {
            groups |= INTERACTION_NEEDS;
        }
        Self { columns, groups }
    }

    /// A plan with this one's columns, followed by those that only `other` has.
    pub fn with(&self, other: &Self) -> Self {
        let added = other.columns.iter().filter(|id| !self.columns.contains(id));
        Self::new(self.columns.iter().chain(added).copied().collect())
    }

    /// The features, in the order in which they are handed out.
    pub fn columns(&self) -> &[FeatureId] {
        &self.columns
    }

    /// Whether any column needs the isolation forest.
    pub fn needs_forest(&self) -> bool {
        let forest = [FeatureId::IsolationForestScore, FeatureId::AnomalyProbability];
        self.columns.iter().any(|id| forest.contains(id))
    }

    /// Computes the plan's groups into `row`; other features keep their values.
    #[inline]
    pub fn fill(&self, moment: &Moment<'_>, row: &mut Row) {
        let needs = |group| self.groups & bit(group) != 0;
        if needs(Group::Amount) {
            spending::amount(moment, row);
        }
        if needs(Group::Aggregate) {
            spending::aggregate(moment, row);
        }
        if needs(Group::Velocity) {
            spending::velocity(moment, row);
        }
        if needs(Group::Geographic) {
            habits::geographic(moment, row);
        }
        if needs(Group::Temporal) {
            habits::temporal(moment, row);
        }
        if needs(Group::Behavioural) {
            habits::behavioural(moment, row);
        }
        if needs(Group::Network) {
            network::network(moment, row);
        }
        if needs(Group::Anomalies) {
            anomalies::anomalies(moment, row);
        }
        if needs(Group::Interaction) {
            interaction::interaction(moment, row);
        }
        if needs(Group::History) {
            spending::history(moment, row);
        }
        if needs(Group::Frauds) {
            network::frauds(moment, row);
        }
    }
}
