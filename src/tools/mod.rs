//! Tools around the product: made-up data, a demonstration, and failures on purpose.
//!
//! [`generate`] (synthetic customers, merchants and fraud patterns, from a seed), [`demo`] (the
//! whole stream in one process, on a mock of Kafka), [`drill`] (failures on your own servers, and
//! what they did to alerts).
//!
//! What never happens here: no tool has a scoring path of its own, and no production room uses one.

pub mod generate;

pub mod demo;

pub mod drill;
