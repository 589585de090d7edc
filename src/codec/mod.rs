//! Bytes to values and back: framing, Avro schema resolution, rejected records.
