//! One thread, one consumer, its partitions.
