//! Looks for marks that give fraud away in single rows.

mod columns;
mod marks;

pub use marks::worst_mark;
