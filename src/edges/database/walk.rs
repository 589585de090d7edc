//! All customers of a partition, one after the other.

use super::{SnapshotStore, StoreError, StoredCustomer};

/// Hands those to `take` that are handed over, if that was promised (as in
/// [`Claim::handed_over`](super::Claim::handed_over)): without, they are an owner's that was not
/// done.
///
/// # Errors
/// [`StoreError`] of the store, or whatever `take` answers.
pub fn each_handed_over<E: From<StoreError>>(
    store: &mut dyn SnapshotStore,
    (partition, promise): (i32, Option<i64>),
    take: &mut dyn FnMut(StoredCustomer) -> Result<(), E>,
) -> Result<(), E> {
    let mut next = promise.map(|_| 0);
    while let Some(chunk) = next {
        let found = store.handed_over(partition, chunk)?;
        found.customers.into_iter().try_for_each(&mut *take)?;
        next = found.next;
    }
    Ok(())
}

/// Hands every customer to `take` that is stored, read `page` at a time, and then those that are
/// handed over: whoever is both comes twice.
///
/// # Errors
/// As of [`each_handed_over`].
pub fn each_customer<E: From<StoreError>>(
    store: &mut dyn SnapshotStore,
    (partition, promise): (i32, Option<i64>),
    page: u32,
    take: &mut dyn FnMut(StoredCustomer) -> Result<(), E>,
) -> Result<(), E> {
    let mut after = String::new();
    loop {
        let customers = store.page(partition, &after, page)?;
        let Some(last) = customers.last() else { break };
        after.clone_from(&last.customer_id);
        customers.into_iter().try_for_each(&mut *take)?;
    }
    each_handed_over(store, (partition, promise), take)
}
