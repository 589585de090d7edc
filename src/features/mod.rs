//! The feature catalogue and the code that fills a row.
