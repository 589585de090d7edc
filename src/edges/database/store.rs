//! What every store of snapshots does.

use super::StoreError;

/// The owner of a partition, as of its claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder {
    /// The partition.
    pub partition: i32,
    /// The number of the claim; only the newest one may write.
    pub epoch: i64,
}

/// The result of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Names the claim in every write.
    pub holder: Holder,
    /// Every customer changed by a record before this offset is stored; `None` if no save has ever
    /// been completed, or what was saved was discarded.
    pub saved_offset: Option<i64>,
    /// No stored customer has a later applied offset.
    pub highest_offset: i64,
    /// Every customer changed by a record before this offset is stored or handed over; `None` if
    /// nothing is handed over.
    pub handed_over: Option<i64>,
    /// When the saved offset was written, in milliseconds since the epoch by the database's clock
    /// (by the writing process's for SQLite).
    pub saved_at_ms: Option<i64>,
    /// The previous owner, if it did not release the partition: it may have scored more than it
    /// saved.
    pub previous: Option<String>,
}

impl Claim {
    /// The offset up to which anything of the partition is stored; 0 if nothing is.
    pub fn newest(&self) -> i64 {
        let saved = self.saved_offset.max(self.handed_over).unwrap_or(0);
        saved.max(self.highest_offset)
    }
}

/// A customer to store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SavedCustomer<'a> {
    /// The id, as transactions spell it.
    pub customer_id: &'a str,
    /// The state contains the records of the partition before this offset.
    pub applied_offset: i64,
    /// The bytes that [`encode`](crate::core::state::snapshot::encode) wrote.
    pub state: &'a [u8],
}

/// A customer as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCustomer {
    /// The id, as transactions spell it.
    pub customer_id: String,
    /// The state contains the records of the partition before this offset.
    pub applied_offset: i64,
    /// The bytes that [`encode`](crate::core::state::snapshot::encode) wrote, in this or an older
    /// release.
    pub state: Vec<u8>,
    /// When the customer was erased, in milliseconds since the epoch by the same clock as
    /// [`Claim::saved_at_ms`]; `None` if never.
    pub erased_at_ms: Option<i64>,
}

/// Some of the customers that are handed over.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chunk {
    /// Their rows, at most 4 MiB and one row more.
    pub customers: Vec<StoredCustomer>,
    /// The chunk to ask for next; `None` if there are no more.
    pub next: Option<i32>,
}

/// How far a partition is saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// The partition.
    pub partition: i32,
    /// The same as in [`Claim`].
    pub saved_offset: Option<i64>,
    /// The same as in [`Claim`].
    pub saved_at_ms: Option<i64>,
    /// The epoch of the newest claim.
    pub epoch: i64,
    /// The owner; `None` if it released the partition.
    pub owner: Option<String>,
    /// The same as in [`Claim`].
    pub handed_over: Option<i64>,
    /// When it was found that records had left the topic before they were saved, in milliseconds
    /// since the epoch: windows that reach back beyond that time are incomplete.
    pub incomplete_at_ms: Option<i64>,
}

/// Snapshots of one stream's partitions.
///
/// [`Problem`](super::Problem) says what to do about an error. A call that failed may have been
/// carried out nevertheless; any call can be repeated safely.
pub trait SnapshotStore: Send {
    /// Makes `owner` the owner of a partition. Earlier owners cannot write any more.
    fn claim(&mut self, partition: i32, owner: &str) -> Result<Claim, StoreError>;

    /// Stores customers, all or none, and in the same step that the partition is saved up to
    /// `saved_offset`, if given. A stored row with a later applied offset stays.
    fn save(
        &mut self,
        holder: Holder,
        customers: &[SavedCustomer<'_>],
        saved_offset: Option<i64>,
    ) -> Result<(), StoreError>;

    /// Hands over to the next owner what the last save does not contain: `chunk` by chunk, every
    /// customer changed by a record before `offset` whose stored row is older. That takes a
    /// fraction of the time of a save. Chunk 0 replaces everything handed over before. Pass
    /// `offset` with the last chunk: that makes the hand-over valid, until a save reaches the
    /// offset. Erasing removes the erased customers from it; [`import`](Self::import),
    /// [`delete_rows`](Self::delete_rows) and [`discard`](Self::discard) drop it.
    fn hand_over(
        &mut self,
        holder: Holder,
        chunk: i32,
        customers: &[SavedCustomer<'_>],
        offset: Option<i64>,
    ) -> Result<(), StoreError>;

    /// The customers of the first handed-over chunk numbered `chunk` or higher, in any order. Ask
    /// for chunk 0, then for each [`next`](Chunk::next). Together they are what the claim's
    /// [`handed_over`](Claim::handed_over) promises, provided that nobody claimed the partition
    /// since. Without that promise they are the remains of an owner that did not finish.
    fn handed_over(&mut self, partition: i32, chunk: i32) -> Result<Chunk, StoreError>;

    /// Like [`save`](Self::save), for customers of another database. The time of erasure is
    /// imported with them and never set back. A customer erased here stays erased even if the
    /// imported row has the same offset, unless it was erased at the same time or later there.
    fn import(
        &mut self,
        holder: Holder,
        customers: &[StoredCustomer],
        saved_offset: Option<i64>,
    ) -> Result<(), StoreError>;

    /// Replaces whatever is stored of these customers by `state`, all or none, as of
    /// `applied_offset` (the records before it count as applied), and notes the time.
    fn erase(
        &mut self,
        holder: Holder,
        customer_ids: &[&str],
        applied_offset: i64,
        state: &[u8],
    ) -> Result<(), StoreError>;

    /// Notes that records had left the topic before they were saved.
    fn mark_incomplete(&mut self, holder: Holder) -> Result<(), StoreError>;

    /// Begins with a new topic, whose records follow those of the topic before. With `keeps` every
    /// stored offset becomes 0; without it, everything is deleted. No earlier owner can write any
    /// more. Returns how many records the earlier topics had, up to their saved or handed-over
    /// offsets, as far as their customers are kept.
    ///
    /// Call it when every partition has been released: otherwise the records between the saved
    /// offset and a customer's later applied offset would not be counted. Calling it again changes
    /// nothing but epochs.
    fn begin_anew(&mut self, keeps: bool) -> Result<u64, StoreError>;

    /// Releases the partition. Call it only once everything scored is saved or handed over.
    fn release(&mut self, holder: Holder) -> Result<(), StoreError>;

    /// Deletes customers' rows, all or none. If the partition was saved further than
    /// `saved_offset`, if given, it counts as saved up to there only. Drops what is handed over.
    fn delete_rows(
        &mut self,
        holder: Holder,
        customer_ids: &[&str],
        saved_offset: Option<i64>,
    ) -> Result<(), StoreError>;

    /// Deletes everything of a partition except who owns it, because what is stored is useless: for
    /// example, the topic was deleted and made anew.
    fn discard(&mut self, holder: Holder) -> Result<(), StoreError>;

    /// Those of these customers that are stored, in any order.
    fn load(
        &mut self,
        partition: i32,
        customer_ids: &[&str],
    ) -> Result<Vec<StoredCustomer>, StoreError>;

    /// Begins to read all customers of a partition as they are stored now, in the fastest order.
    fn scan(&mut self, partition: i32) -> Result<Box<dyn Scan>, StoreError>;

    /// Up to `limit` customers of a partition, with ids after `after`, ordered by the bytes of
    /// their ids. Start with "", which is before every id. If others write between pages, no
    /// customer appears twice.
    fn page(
        &mut self,
        partition: i32,
        after: &str,
        limit: u32,
    ) -> Result<Vec<StoredCustomer>, StoreError>;

    /// Like [`page`](Self::page), but ids only.
    fn ids(&mut self, partition: i32, after: &str, limit: u32) -> Result<Vec<String>, StoreError>;

    /// Every partition that was ever claimed, in order. Customers are not counted: counting
    /// millions takes longer than a statement may.
    fn progress(&mut self) -> Result<Vec<Progress>, StoreError>;
}

/// All customers of a partition as they were stored when the scan began. It keeps a connection of
/// its own until it is dropped.
pub trait Scan: Send {
    /// Some more of the customers; an empty list when there are no more.
    ///
    /// # Errors
    /// [`StoreError`]; the scan cannot be continued then.
    fn next(&mut self) -> Result<Vec<StoredCustomer>, StoreError>;
}
