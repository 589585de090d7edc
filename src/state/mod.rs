//! What is remembered of each customer.
