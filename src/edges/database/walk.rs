//! Visits all customers of a partition.

use super::{SnapshotStore, StoreError, StoredCustomer};

/// Passes the handed-over customers to `take`, if `promise`
/// ([`Claim::handed_over`](super::Claim::handed_over)) is given. Without it they are the remains of
/// an owner that did not finish, and are skipped.
///
/// # Errors
/// The store's [`StoreError`], or the error of `take`.
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

/// Passes every stored customer to `take`, read `page` at a time, then the handed-over ones. A
/// customer that is both comes twice.
///
/// # Errors
/// The same as [`each_handed_over`].
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
