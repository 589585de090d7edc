//! Saves what is remembered, and reads it again, beside the stream.
//!
//! Customers change with every record; a database takes milliseconds to seconds, or is away. So the
//! worker only encodes a few hundred customers per turn ([`saving`]) when it is time ([`policy`]),
//! and a thread ([`keeper`]) waits for the database.
//!
//! Nothing is stored before it is committed: a row that knew a record judged again after a crash
//! would lose its alert. So an encoded batch waits until the committed offset has passed everything
//! in it.

pub mod erasure;
pub mod keeper;
pub mod policy;
pub mod saving;
pub mod transfer;

pub use keeper::{Answer, Gate, Keeper, Order, Page, Place, Returned};
pub use policy::Policy;
pub use saving::{Batch, Portions, Saving};
