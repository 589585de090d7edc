//! Saving what is remembered, without stopping for it, and having it again.
//!
//! A worker's customers change with every record, and a database takes milliseconds to seconds, or
//! is away. So the two never meet: the worker encodes a few hundred customers a turn ([`saving`])
//! when it is time ([`policy`]), and a thread beside it ([`keeper`]) takes what is encoded to the
//! database and waits there, for as long as it takes.
//!
//! Nothing is stored before it is committed. A row that had a record which is judged again after a
//! crash would take that record for one it knows, and its alert would be lost; so an encoded batch
//! waits until the partition's committed offset has passed everything in it.

pub mod erasure;
pub mod keeper;
pub mod policy;
pub mod saving;
pub mod transfer;

pub use keeper::{Answer, Gate, Keeper, Order, Page, Place, Returned};
pub use policy::Policy;
pub use saving::{Batch, Portions, Saving};
