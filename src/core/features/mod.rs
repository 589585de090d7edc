//! From a customer's state to a row of numbers.
//!
//! Training and serving disagree wherever features are computed twice. Here they are computed once.
//! [`catalog`] is the single table of names, formulas and reasons. A [`plan::Plan`] turns a model's
//! list of names into the groups to compute. The stream, the API, batch scoring and the training
//! export all call [`plan::Plan::fill`].
//!
//! In reading order: [`feature`] (what a row of the catalogue says), [`catalog`], [`calendar`] and
//! [`cities`] (local time and places), [`row`] (what features are computed from), the groups
//! (`spending`, `habits`, `network`, `anomalies`, `interaction`), [`plan`].

pub mod calendar;
pub mod catalog;
mod catalog_macro;
pub mod cities;
pub mod feature;
pub mod plan;
pub mod row;

mod anomalies;
mod habits;
mod interaction;
mod network;
mod spending;
