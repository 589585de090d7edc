//! The thread that has the database.
//!
//! It does one order after the other, and tries each for as long as the database is away: orders
//! are bounded in number, so what waits is bounded, and the worker sees that there is no room. Only
//! an end that is asked for, or somebody else's claim, makes it drop an order.

mod orders;
mod pages;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use super::Batch;
use crate::clock::{Stopwatch, pause};
use crate::database::{
    Claim, Holder, Opened, Problem, Progress, SnapshotStore, StoreError, StoredCustomer,
};
use crate::error::with_causes;
use crate::limits::WAITING_ORDERS;
use crate::retry::Backoff;
use crate::state::customer::CustomerState;
use crate::state::snapshot::{SnapshotError, decode};
use orders::{claim, hand_over, is_whole, save};
use pages::Pages;

pub use pages::Page;

/// Around how long a database that is away is left alone.
const FIRST_REST: Duration = Duration::from_millis(50);
const LONGEST_REST: Duration = Duration::from_secs(2);

/// How soon an order to end is seen.
const LOOK: Duration = Duration::from_millis(20);

/// How long the thread may take to end; what it was doing may be carried out all the same.
const END_PATIENCE: Duration = Duration::from_secs(1);

/// After this time without orders a scan is ended.
const SCAN_REST: Duration = Duration::from_secs(5);

/// What a worker wants of the database.
#[derive(Debug)]
pub enum Order {
    /// Make `owner` the owner of a partition.
    Claim {
        /// The partition.
        partition: i32,
        /// Who claims it.
        owner: String,
        /// Whether anybody still wants it: the order may wait for longer than the worker has the
        /// partition, and a claim that comes too late would put the next owner out.
        is_wanted: Arc<AtomicBool>,
    },
    /// Store a batch.
    Save(Batch),
    /// Hand a batch over to the next owner.
    HandOver {
        /// The batch, which is a chunk.
        batch: Batch,
        /// As in [`Order::Claim`]: whoever has the partition next waits for nothing any more.
        is_wanted: Arc<AtomicBool>,
    },
    /// Read customers.
    Load {
        /// Their partition.
        partition: i32,
        /// Comes back in the answer: which time it is that the worker has the partition.
        adoption: u64,
        /// Their ids.
        customer_ids: Vec<String>,
    },
    /// Read which customers a partition has, a page of them.
    Page {
        /// The partition.
        partition: i32,
        /// As in [`Order::Load`].
        adoption: u64,
        /// Where it begins.
        from: Place,
    },
    /// Note that records left the topic before they were saved.
    Mark(Holder),
    /// Tell who has which partition.
    Look,
    /// Let a partition go.
    Release(Holder),
    /// Remove customers whose rows cannot be read. What was saved counts up to `saved_offset` only:
    /// they are remembered again from there.
    Forget {
        /// Who has the partition.
        holder: Holder,
        /// Their ids.
        customer_ids: Vec<String>,
        /// `None`: as far as it did.
        saved_offset: Option<i64>,
    },
    /// Forget what is stored of a partition.
    Discard(Holder),
}

/// Where a page of a partition's customers begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// With the first ones of all as they are stored now. Their states are wanted too.
    Scan,
    /// Where the page before ended. If that is not known any more, as for [`Place::Scan`].
    ScanOn,
    /// Behind this id. Ids alone are wanted, in their order.
    Ids(String),
}

/// What an order came to.
#[derive(Debug)]
pub enum Answer {
    /// The partition is claimed, and these customers were handed over, in any order.
    Claimed(Claim, Vec<Returned>),
    /// A batch is stored.
    Saved {
        /// Who saved.
        holder: Holder,
        /// How many customers.
        customers: usize,
        /// As in the batch.
        saved_offset: Option<i64>,
        /// From order to answer.
        duration: Duration,
    },
    /// The customers that are stored, of those that were asked for.
    Loaded {
        /// As in the order.
        adoption: u64,
        /// Whom the order asked for.
        customer_ids: Vec<String>,
        /// In any order.
        customers: Vec<Returned>,
    },
    /// A page of the customers that a partition has.
    Page {
        /// As in the order.
        adoption: u64,
        /// What it says.
        page: Page,
    },
    /// The database has failed during a save and may have lost what it had taken before. Nothing is
    /// promised about it.
    Torn {
        /// Whose save it is.
        holder: Holder,
        /// Whether this was to be handed over and relied on the save.
        is_handover: bool,
    },
    /// The batch is handed over.
    HandedOver {
        /// Who has handed it over.
        holder: Holder,
        /// It was the last one.
        is_last: bool,
    },
    /// Those customers are removed.
    Forgotten(Holder),
    /// The lost records are noted.
    Marked,
    /// The newest claim of each partition.
    Claims(Vec<Holder>),
    /// What was ordered was wanted no more.
    Unclaimed,
    /// The partition is let go.
    Released(Holder),
    /// What was stored of the partition is forgotten.
    Discarded(Holder),
    /// Somebody else has claimed the partition.
    Fenced(Holder),
}

/// A customer as it was stored, decoded.
#[derive(Debug)]
pub struct Returned {
    /// As in the transactions.
    pub customer_id: String,
    /// Records of the partition before this offset are in the state.
    pub applied_offset: i64,
    /// What is remembered; the error if it is not what a release up to this one wrote.
    pub state: Result<CustomerState, SnapshotError>,
}

impl From<StoredCustomer> for Returned {
    fn from(stored: StoredCustomer) -> Self {
        let StoredCustomer { customer_id, applied_offset, state, erased_at_ms } = stored;
        let state = decode(&state).or_else(|error| match erased_at_ms {
            // The log has what was erased. Nothing known is what is right then.
            Some(_) => {
                tracing::error!(
                    customer = customer_id,
                    error = &error as &dyn std::error::Error,
                    "a customer who was erased cannot be read, nothing is known of them now"
                );
                Ok(CustomerState::default())
            }
            None => Err(error),
        });
        Self { customer_id, applied_offset, state }
    }
}

/// Opens the database, anew after every failure to do so.
pub type Open = Box<dyn FnMut() -> Opened + Send>;

/// Is told what the database lacks, and `None` when it answers, first or again.
pub type Complaint = Box<dyn FnMut(Option<&str>) + Send>;

/// The worker's end of a keeper. Dropping it ends the thread; what it has not done is not done.
pub struct Keeper {
    orders: Option<SyncSender<Order>>,
    answers: Receiver<Answer>,
    stop: Arc<AtomicBool>,
    is_away: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    /// Starts a thread called `name`.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(name: &str, open: Open, complain: Complaint) -> std::io::Result<Self> {
        let (orders, waiting) = sync_channel(WAITING_ORDERS);
        // An answer for each order that waits: the thread waits for a worker that takes none.
        let (answer, answers) = sync_channel(2 * WAITING_ORDERS + 2);
        let stop = Arc::new(AtomicBool::new(false));
        let is_away = Arc::new(AtomicBool::new(false));
        let mut job = Job {
            open,
            complain,
            answer,
            stop: Arc::clone(&stop),
            is_away: Arc::clone(&is_away),
            store: None,
            session: 0,
            begun: BTreeMap::new(),
            pages: Pages::default(),
            has_answered: false,
        };
        let thread = Builder::new().name(name.to_owned()).spawn(move || job.run(&waiting))?;
        Ok(Self { orders: Some(orders), answers, stop, is_away, thread: Some(thread) })
    }

    /// Gives an order; the order itself if too many wait already.
    ///
    /// # Errors
    /// The order, to be given again.
    pub fn order(&self, order: Order) -> Result<(), Order> {
        let Some(orders) = &self.orders else { return Err(order) };
        orders.try_send(order).map_err(|error| match error {
            TrySendError::Full(order) | TrySendError::Disconnected(order) => order,
        })
    }

    /// Whether the database has failed, and not answered since.
    pub fn is_away(&self) -> bool {
        self.is_away.load(Ordering::Acquire)
    }

    /// What has been done, if anything has.
    pub fn answer(&self) -> Option<Answer> {
        self.answers.try_recv().ok()
    }

    /// Waits for the next answer; `None` if none comes in time.
    pub fn wait(&self, limit: Duration) -> Option<Answer> {
        self.answers.recv_timeout(limit).ok()
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        self.orders = None;
        let Some(thread) = self.thread.take() else { return };
        let waited = Stopwatch::start();
        while !thread.is_finished() && waited.elapsed() < END_PATIENCE {
            pause(LOOK / 10);
        }
        if !thread.is_finished() {
            tracing::warn!("a database does not answer, its thread is left behind");
        } else if thread.join().is_err() {
            tracing::error!("the thread that saves had panicked");
        }
    }
}

impl fmt::Debug for Keeper {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Keeper")
    }
}

/// What the thread has.
struct Job {
    open: Open,
    complain: Complaint,
    answer: SyncSender<Answer>,
    stop: Arc<AtomicBool>,
    is_away: Arc<AtomicBool>,
    store: Option<Box<dyn SnapshotStore>>,
    /// How often it was opened.
    session: u64,
    /// In which session the newest save of a partition began.
    begun: BTreeMap<i32, u64>,
    pages: Pages,
    has_answered: bool,
}

impl Job {
    fn run(&mut self, orders: &Receiver<Order>) {
        loop {
            let order = match orders.recv_timeout(SCAN_REST) {
                Ok(order) => order,
                Err(RecvTimeoutError::Timeout) => {
                    self.pages.end();
                    continue;
                }
                // The other end was dropped.
                Err(RecvTimeoutError::Disconnected) => return,
            };
            if self.is_stopped() {
                return;
            }
            let Some(answer) = self.carry_out(&order) else { return };
            if self.answer.send(answer).is_err() {
                return;
            }
        }
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// Tries until it is done; `None` if the thread is to end.
    fn carry_out(&mut self, order: &Order) -> Option<Answer> {
        let since = Stopwatch::start();
        let mut backoff = Backoff::new(FIRST_REST, LONGEST_REST);
        let mut has_complained = false;
        loop {
            let attempt = match self.attempt(order, &since) {
                Err(StoreError::Fenced(holder)) => Ok(Answer::Fenced(holder)),
                attempt => attempt,
            };
            let error = match attempt {
                Ok(answer) => {
                    if has_complained {
                        tracing::info!("the database answers again");
                    }
                    if has_complained || !self.has_answered {
                        (self.complain)(None);
                    }
                    self.has_answered = true;
                    self.is_away.store(false, Ordering::Release);
                    return Some(answer);
                }
                Err(error) => error,
            };
            // A connection that has failed may be in the middle of something: SQLite gives up a
            // transaction by itself when its disk is full.
            self.store = None;
            self.pages.end();
            let text = with_causes(&error);
            if !has_complained {
                match error.problem() {
                    Problem::Refused => tracing::error!(error = text, "snapshots are not saved"),
                    _ => tracing::warn!(error = text, "the database is in trouble, retrying"),
                }
            }
            has_complained = true;
            self.is_away.store(true, Ordering::Release);
            (self.complain)(Some(&text));
            if !self.rest(backoff.next_wait()) {
                return None;
            }
        }
    }

    /// Waits; `false` if the thread is to end.
    fn rest(&self, duration: Duration) -> bool {
        let waited = Stopwatch::start();
        while waited.elapsed() < duration && !self.is_stopped() {
            pause(LOOK.min(duration));
        }
        !self.is_stopped()
    }

    fn attempt(&mut self, order: &Order, since: &Stopwatch) -> Result<Answer, StoreError> {
        let store = match &mut self.store {
            Some(store) => store,
            none => {
                let store = none.insert((self.open)()?);
                self.session += 1;
                store
            }
        };
        Ok(match order {
            Order::Claim { is_wanted, .. } if !is_wanted.load(Ordering::Acquire) => {
                Answer::Unclaimed
            }
            Order::Claim { partition, owner, .. } => claim(&mut **store, *partition, owner)?,
            Order::HandOver { is_wanted, .. } if !is_wanted.load(Ordering::Acquire) => {
                Answer::Unclaimed
            }
            Order::HandOver { batch, .. } => {
                let is_whole = is_whole(&mut self.begun, batch, self.session);
                hand_over(&mut **store, batch, is_whole)?
            }
            Order::Save(batch) => {
                let is_whole = is_whole(&mut self.begun, batch, self.session);
                save(&mut **store, batch, is_whole, since)?
            }
            Order::Load { partition, adoption, customer_ids } => {
                let ids: Vec<&str> = customer_ids.iter().map(String::as_str).collect();
                let asked = Stopwatch::start();
                let customers = store.load(*partition, &ids)?;
                let customers = customers.into_iter().map(Returned::from).collect();
                self.pages.loaded_in(asked.elapsed());
                let customer_ids = customer_ids.clone();
                Answer::Loaded { adoption: *adoption, customer_ids, customers }
            }
            Order::Page { partition, adoption, from } => {
                self.pages.read(&mut **store, (*partition, *adoption), from)?
            }
            Order::Mark(holder) => {
                store.mark_incomplete(*holder)?;
                Answer::Marked
            }
            Order::Look => {
                let claims = store.progress()?;
                let holder = |row: Progress| Holder { partition: row.partition, epoch: row.epoch };
                Answer::Claims(claims.into_iter().map(holder).collect())
            }
            Order::Release(holder) => {
                store.release(*holder)?;
                Answer::Released(*holder)
            }
            Order::Forget { holder, customer_ids, saved_offset } => {
                let ids: Vec<&str> = customer_ids.iter().map(String::as_str).collect();
                store.forget(*holder, &ids, *saved_offset)?;
                Answer::Forgotten(*holder)
            }
            Order::Discard(holder) => {
                store.discard(*holder)?;
                Answer::Discarded(*holder)
            }
        })
    }
}

#[cfg(test)]
mod tests;
