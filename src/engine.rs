//! The one path every transaction takes: remember, features, score, decide.
