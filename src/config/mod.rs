//! Raw settings to validated settings.
