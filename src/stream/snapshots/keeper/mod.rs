//! The thread that has the database, and the worker's end of it.
//!
//! The thread carries out one order after the other and tries each for as long as the database is
//! away. Orders are bounded in number, so the worker sees when there is no room. Only the keeper's
//! end or somebody else's claim drops an order.

mod job;
mod orders;
mod pages;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use super::Batch;
use crate::base::clock::{Stopwatch, pause};
use crate::base::limits::WAITING_ORDERS;
use crate::core::state::customer::CustomerState;
use crate::core::state::snapshot::{SnapshotError, decode};
use crate::edges::database::{Claim, Holder, Opened, StoredCustomer};
use job::{Job, LOOK, Trial};

pub use pages::Page;

/// How long the thread may take to end; its last order may be carried out all the same.
const END_PATIENCE: Duration = Duration::from_secs(1);

/// Time between two looks for an answer without a thread.
const TURN: Duration = Duration::from_millis(1);

/// What a worker orders from the database.
#[derive(Debug)]
pub enum Order {
    /// Make `owner` the owner of a partition.
    Claim {
        /// The partition.
        partition: i32,
        /// The new owner, named for people.
        owner: String,
        /// Whether the worker still has the partition. The order may wait longer than that, and a
        /// late claim would fence the next owner.
        is_wanted: Arc<AtomicBool>,
    },
    /// Store a batch.
    Save(Batch),
    /// Hand a batch over to the next owner.
    HandOver {
        /// The batch; its `chunk` is `Some`.
        batch: Batch,
        /// As in [`Order::Claim`]: the next owner no longer waits for a late handover.
        is_wanted: Arc<AtomicBool>,
    },
    /// Read customers by id.
    Load {
        /// Their partition.
        partition: i32,
        /// Which adoption of the partition asks; comes back in the answer.
        adoption: u64,
        /// Their ids.
        customer_ids: Vec<String>,
    },
    /// Read a page of a partition's customers.
    Page {
        /// The partition.
        partition: i32,
        /// As in [`Order::Load`].
        adoption: u64,
        /// Where the page begins.
        from: Place,
    },
    /// Note that records left the topic before they were saved.
    Mark(Holder),
    /// Read the newest claim of each partition.
    Look,
    /// Release a claim.
    Release(Holder),
    /// Delete rows that cannot be read; their customers are remembered again from `saved_offset`
    /// on.
    DeleteRows {
        /// The claim.
        holder: Holder,
        /// Their ids.
        customer_ids: Vec<String>,
        /// The saved offset goes back to this one if it is later; `None` leaves it as it is.
        saved_offset: Option<i64>,
    },
    /// Discard all that is stored of a partition.
    Discard(Holder),
}

/// Where a page of a partition's customers begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// At the start of a new scan, which brings states.
    Scan,
    /// Where the previous page of the scan ended; as [`Place::Scan`] if the scan has gone.
    ScanOn,
    /// Behind this id, in the order of ids; no states.
    Ids(String),
}

/// The outcome of an order.
#[derive(Debug)]
pub enum Answer {
    /// The partition is claimed, and these customers were handed over, in any order.
    Claimed(Claim, Vec<Returned>),
    /// A batch is stored.
    Saved {
        /// The claim under which it was saved.
        holder: Holder,
        /// Customers in the batch.
        customers: usize,
        /// As in the batch.
        saved_offset: Option<i64>,
        /// From the start of the order to its answer.
        duration: Duration,
    },
    /// Those of the customers asked for that are stored.
    Loaded {
        /// As in the order.
        adoption: u64,
        /// The ids asked for.
        customer_ids: Vec<String>,
        /// In any order.
        customers: Vec<Returned>,
    },
    /// A page of a partition's customers.
    Page {
        /// As in the order.
        adoption: u64,
        /// The page.
        page: Page,
    },
    /// The database failed during a save and may have lost earlier batches; the saved offset is not
    /// moved.
    Torn {
        /// The claim of the save.
        holder: Holder,
        /// Whether the lost batches were part of a handover, or of a save it relied on.
        is_handover: bool,
    },
    /// The batch is handed over.
    HandedOver {
        /// The claim under which it was handed over.
        holder: Holder,
        /// Whether it was the last chunk.
        is_last: bool,
    },
    /// The rows are deleted.
    RowsDeleted(Holder),
    /// The lost records are noted.
    Marked,
    /// The newest claim of each partition.
    Claims(Vec<Holder>),
    /// The order was no longer wanted and not carried out.
    Unclaimed,
    /// The claim is released.
    Released(Holder),
    /// All that was stored of the partition is discarded.
    Discarded(Holder),
    /// Somebody else has claimed the partition.
    Fenced(Holder),
}

/// A stored customer, decoded.
#[derive(Debug)]
pub struct Returned {
    /// As in the transactions.
    pub customer_id: String,
    /// Records of the partition before this offset are in the state.
    pub applied_offset: i64,
    /// The state; an error if it is damaged or a newer release wrote it.
    pub state: Result<CustomerState, SnapshotError>,
}

impl From<StoredCustomer> for Returned {
    fn from(stored: StoredCustomer) -> Self {
        let StoredCustomer { customer_id, applied_offset, state, erased_at_ms } = stored;
        let state = decode(&state).or_else(|error| match erased_at_ms {
            // The topic still has what was erased. An empty state is right.
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

/// Opens the database; called again after every failure.
pub type Open = Box<dyn FnMut() -> Opened + Send>;

/// Is told the database's trouble, and `None` when it answers, first or again.
pub type Complaint = Box<dyn FnMut(Option<&str>) + Send>;

/// Whether a keeper without a thread may work now.
pub type Gate = Arc<dyn Fn() -> bool + Send + Sync>;

/// The worker's end of a keeper: it owns the thread and both queues. Dropping it ends the thread;
/// orders not carried out are lost.
pub struct Keeper {
    side: Side,
    is_away: Arc<AtomicBool>,
}

/// Who carries orders out.
enum Side {
    Thread {
        orders: Option<SyncSender<Order>>,
        answers: Receiver<Answer>,
        stop: Arc<AtomicBool>,
        thread: Option<JoinHandle<()>>,
    },
    Turns(RefCell<Box<Turns>>),
}

/// A keeper without a thread: carries orders out when asked for answers, while the gate is open.
struct Turns {
    job: Job,
    gate: Gate,
    waiting: VecDeque<Order>,
    /// The attempts at the first waiting order.
    trial: Option<Trial>,
    answers: VecDeque<Answer>,
}

impl Keeper {
    /// Starts a thread called `name`.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(name: &str, open: Open, complain: Complaint) -> std::io::Result<Self> {
        let (orders, waiting) = sync_channel(WAITING_ORDERS);
        // Room for an answer to each waiting order; when full, the thread waits for the worker.
        let (answer, answers) = sync_channel(2 * WAITING_ORDERS + 2);
        let stop = Arc::new(AtomicBool::new(false));
        let is_away = Arc::new(AtomicBool::new(false));
        let mut job = Job::new(open, complain, Arc::clone(&is_away));
        let stopped = Arc::clone(&stop);
        let run = move || job.run(&waiting, &answer, &stopped);
        let thread = Some(Builder::new().name(name.to_owned()).spawn(run)?);
        Ok(Self { side: Side::Thread { orders: Some(orders), answers, stop, thread }, is_away })
    }

    /// A keeper without a thread, for a simulation, which has its own time.
    pub fn in_turns(open: Open, complain: Complaint, gate: Gate) -> Self {
        let is_away = Arc::new(AtomicBool::new(false));
        let job = Job::new(open, complain, Arc::clone(&is_away));
        let (waiting, answers) = (VecDeque::new(), VecDeque::new());
        let turns = Box::new(Turns { job, gate, waiting, trial: None, answers });
        Self { side: Side::Turns(RefCell::new(turns)), is_away }
    }

    /// Gives an order to be carried out.
    ///
    /// # Errors
    /// The order itself, if too many wait or the thread has ended; it may be given again.
    pub fn order(&self, order: Order) -> Result<(), Order> {
        match &self.side {
            Side::Thread { orders: None, .. } => Err(order),
            Side::Thread { orders: Some(orders), .. } => {
                orders.try_send(order).map_err(|error| match error {
                    TrySendError::Full(order) | TrySendError::Disconnected(order) => order,
                })
            }
            Side::Turns(turns) => turns.borrow_mut().order(order),
        }
    }

    /// Whether the database has failed and not answered since.
    pub fn is_away(&self) -> bool {
        self.is_away.load(Ordering::Acquire)
    }

    /// The next answer, if there is one. Never waits.
    pub fn answer(&self) -> Option<Answer> {
        match &self.side {
            Side::Thread { answers, .. } => answers.try_recv().ok(),
            Side::Turns(turns) => turns.borrow_mut().answer(),
        }
    }

    /// Waits for the next answer; `None` if none comes in time.
    pub fn wait(&self, limit: Duration) -> Option<Answer> {
        let turns = match &self.side {
            Side::Thread { answers, .. } => return answers.recv_timeout(limit).ok(),
            Side::Turns(turns) => turns,
        };
        let waited = Stopwatch::start();
        loop {
            let answer = turns.borrow_mut().answer();
            let left = limit.saturating_sub(waited.elapsed());
            if answer.is_some() || left.is_zero() {
                return answer;
            }
            pause(left.min(TURN));
        }
    }
}

impl Turns {
    fn order(&mut self, order: Order) -> Result<(), Order> {
        // A thread has one more order in hand than wait.
        if self.waiting.len() > WAITING_ORDERS {
            return Err(order);
        }
        self.waiting.push_back(order);
        Ok(())
    }

    fn answer(&mut self) -> Option<Answer> {
        while let Some(order) = self.waiting.front()
            && (self.gate)()
        {
            let trial = self.trial.get_or_insert_with(Trial::begin);
            let Ok(answer) = self.job.attempt(order, trial) else { break };
            self.answers.push_back(answer);
            self.waiting.pop_front();
            self.trial = None;
        }
        self.answers.pop_front_if(|_| (self.gate)())
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        let Side::Thread { orders, stop, thread, .. } = &mut self.side else { return };
        stop.store(true, Ordering::Release);
        *orders = None;
        let Some(thread) = thread.take() else { return };
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

#[cfg(test)]
mod tests;
