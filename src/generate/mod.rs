//! Synthetic customers, merchants and fraud, by seed.
