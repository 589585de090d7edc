//! Saves what is remembered, and reads it again, beside the stream.
//!
//! Customers change with every record, and a database takes milliseconds to seconds, or is away. So
//! the worker only encodes a few hundred customers per turn ([`saving`]) when it is time
//! ([`policy`]), and a thread ([`keeper`]) takes them to the database and waits there as long as it
//! takes.
//!
//! Nothing is stored before it is committed. Otherwise a record judged again after a crash would be
//! known to the row already, and its alert lost; so an encoded batch waits until the partition's
//! committed offset has passed everything in it.

pub mod erasure;
pub mod keeper;
pub mod policy;
pub mod saving;
pub mod transfer;

pub use keeper::{Answer, Gate, Keeper, Order, Page, Place, Returned};
pub use policy::Policy;
pub use saving::{Batch, Portions, Saving};
