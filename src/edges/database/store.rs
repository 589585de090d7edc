//! What every store of snapshots does.

use super::StoreError;

/// A partition's owner, as of its claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder {
    /// The partition.
    pub partition: i32,
    /// Which claim; the newest one alone may write.
    pub epoch: i64,
}

/// What a claim came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Names the claimant in everything it writes.
    pub holder: Holder,
    /// Every customer changed by a record before this offset is stored; `None` if nothing of the
    /// partition ever was.
    pub saved_offset: Option<i64>,
    /// No customer is stored with a later applied offset.
    pub highest_offset: i64,
    /// Every customer changed by a record before this offset is stored or handed over; `None`:
    /// nothing is handed over.
    pub handed_over: Option<i64>,
    /// When the saved offset was written, in milliseconds since the epoch by the database's clock.
    pub saved_at_ms: Option<i64>,
    /// Who held the partition and has not let it go: it may have saved less than it has scored.
    pub previous: Option<String>,
}

impl Claim {
    /// The offset behind everything that is stored of the partition, 0 without anything.
    pub fn newest(&self) -> i64 {
        let saved = self.saved_offset.max(self.handed_over).unwrap_or(0);
        saved.max(self.highest_offset)
    }
}

/// A customer to store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SavedCustomer<'a> {
    /// As in the transactions.
    pub customer_id: &'a str,
    /// Records of the partition before this offset are in the state.
    pub applied_offset: i64,
    /// What [`encode`](crate::core::state::snapshot::encode) wrote.
    pub state: &'a [u8],
}

/// A customer as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCustomer {
    /// As in the transactions.
    pub customer_id: String,
    /// Records of the partition before this offset are in the state.
    pub applied_offset: i64,
    /// What [`encode`](crate::core::state::snapshot::encode) wrote, in this release or an older
    /// one.
    pub state: Vec<u8>,
    /// When what was known before was erased, in milliseconds since the epoch by the database's
    /// clock; `None`: it never was.
    pub erased_at_ms: Option<i64>,
}

/// Some of the customers that are handed over.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chunk {
    /// Their rows, at most 4 MiB and a row.
    pub customers: Vec<StoredCustomer>,
    /// The chunk to ask for next; `None`: there are no more.
    pub next: Option<i32>,
}

/// How far a partition is saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// The partition.
    pub partition: i32,
    /// As in [`Claim`].
    pub saved_offset: Option<i64>,
    /// When that was written, in milliseconds since the epoch by the database's clock.
    pub saved_at_ms: Option<i64>,
    /// The newest claim.
    pub epoch: i64,
    /// Who holds it; `None`: it was let go.
    pub owner: Option<String>,
    /// As in [`Claim`].
    pub handed_over: Option<i64>,
    /// When records were found to have left the topic before they were saved, in milliseconds since
    /// the epoch: windows that reach back beyond it are incomplete.
    pub incomplete_at_ms: Option<i64>,
}

/// Snapshots of one stream's partitions.
///
/// What an error makes the caller do is in [`Problem`](super::Problem). A call that failed may have
/// been carried out all the same: each can be repeated and then comes to the same.
pub trait SnapshotStore: Send {
    /// Makes `owner` the owner of a partition: whoever was before cannot write any more.
    fn claim(&mut self, partition: i32, owner: &str) -> Result<Claim, StoreError>;

    /// Stores customers, all or none, and with them that the partition is saved up to
    /// `saved_offset`, if given. What is stored of a customer with a later applied offset stays.
    fn save(
        &mut self,
        holder: Holder,
        customers: &[SavedCustomer<'_>],
        saved_offset: Option<i64>,
    ) -> Result<(), StoreError>;

    /// Hands over to the next owner what has changed since the last save: everybody changed by a
    /// record before an offset who is not stored like that, `chunk` by chunk. That takes a fraction
    /// of a save. It counts from when the last chunk has brought the offset, until a save reaches
    /// it; the first chunk, number 0, takes the place of all that was handed over before. Erasing
    /// leaves the others alone, whatever else changes what is stored drops it.
    fn hand_over(
        &mut self,
        holder: Holder,
        chunk: i32,
        customers: &[SavedCustomer<'_>],
        offset: Option<i64>,
    ) -> Result<(), StoreError>;

    /// Customers of the first chunk from `chunk` on that is handed over, in any order: all of them,
    /// a chunk at a time from 0 on, are those that the claim's [`handed_over`](Claim::handed_over)
    /// promises, if nobody else has claimed the partition since. Without that promise they are
    /// those of an owner that was not done.
    fn handed_over(&mut self, partition: i32, chunk: i32) -> Result<Chunk, StoreError>;

    /// As [`save`](Self::save), for customers of another database: when they were erased comes with
    /// them, and is never put back to an earlier time. Who is stored as erased stays so with the
    /// same offset as well, unless erased as late in the other database.
    fn import(
        &mut self,
        holder: Holder,
        customers: &[StoredCustomer],
        saved_offset: Option<i64>,
    ) -> Result<(), StoreError>;

    /// Puts `state`, which has every record of the partition before `applied_offset`, in the place
    /// of whatever is stored of these customers, all or none, and notes when.
    fn erase(
        &mut self,
        holder: Holder,
        customer_ids: &[&str],
        applied_offset: i64,
        state: &[u8],
    ) -> Result<(), StoreError>;

    /// Notes that records left the topic before they were saved.
    fn mark_incomplete(&mut self, holder: Holder) -> Result<(), StoreError>;

    /// The topic is a new one, and what comes in it follows what the one before had. With `keeps`
    /// every offset of what is stored becomes 0; without, all is forgotten. Whoever has a partition
    /// cannot write any more. Answers how many records the topics before had, up to their saved
    /// offsets, as far as their customers are kept.
    ///
    /// To be called when every partition was let go: a customer who is stored up to a later offset
    /// than the partition would be counted short. Calling it again changes nothing.
    fn begin_anew(&mut self, keeps: bool) -> Result<u64, StoreError>;

    /// Lets the partition go: the next claim need not fear for what was not saved.
    fn release(&mut self, holder: Holder) -> Result<(), StoreError>;

    /// Deletes customers' rows, all or none, and lets the partition count as saved up to
    /// `saved_offset` only, if given and if it was saved further.
    fn delete_rows(
        &mut self,
        holder: Holder,
        customer_ids: &[&str],
        saved_offset: Option<i64>,
    ) -> Result<(), StoreError>;

    /// Forgets everything of a partition but who owns it: what is stored is of no use, such as that
    /// of a topic that was deleted and made anew.
    fn discard(&mut self, holder: Holder) -> Result<(), StoreError>;

    /// The stored ones among these customers, in any order.
    fn load(
        &mut self,
        partition: i32,
        customer_ids: &[&str],
    ) -> Result<Vec<StoredCustomer>, StoreError>;

    /// Begins to read all customers of a partition as they are stored now, in whatever order is
    /// quickest.
    fn scan(&mut self, partition: i32) -> Result<Box<dyn Scan>, StoreError>;

    /// Up to `limit` customers of a partition in the order of their ids' bytes, the first one
    /// behind `after`; no id is empty, so "" is before all. Pages that are read while others write
    /// show each customer at most once.
    fn page(
        &mut self,
        partition: i32,
        after: &str,
        limit: u32,
    ) -> Result<Vec<StoredCustomer>, StoreError>;

    /// As [`page`](Self::page), the ids alone.
    fn ids(&mut self, partition: i32, after: &str, limit: u32) -> Result<Vec<String>, StoreError>;

    /// Every partition that was ever claimed, in order. How many customers each has is not told:
    /// counting millions takes longer than a statement may.
    fn progress(&mut self) -> Result<Vec<Progress>, StoreError>;
}

/// All customers of a partition as they were stored when it began, some at a time. It has a
/// connection of its own, for as long as it is kept.
pub trait Scan: Send {
    /// More of them; none: that was all.
    ///
    /// # Errors
    /// [`StoreError`]. The scan is of no use then.
    fn next(&mut self) -> Result<Vec<StoredCustomer>, StoreError>;
}
