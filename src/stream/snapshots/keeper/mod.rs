//! The thread that has the database.
//!
//! It does one order after the other, and tries each for as long as the database is away: orders
//! are bounded in number, so what waits is bounded, and the worker sees that there is no room. Only
//! an end that is asked for, or somebody else's claim, makes it drop an order.

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

/// How long the thread may take to end; what it was doing may be carried out all the same.
const END_PATIENCE: Duration = Duration::from_secs(1);

/// One wait for an answer without a thread.
const TURN: Duration = Duration::from_millis(1);

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
    /// Delete the rows of customers that cannot be read. What was saved counts up to `saved_offset`
    /// only: they are remembered again from there.
    DeleteRows {
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
    /// Those rows are deleted.
    RowsDeleted(Holder),
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

/// Whether a keeper without a thread goes on now.
pub type Gate = Arc<dyn Fn() -> bool + Send + Sync>;

/// The worker's end of a keeper. Dropping it ends the thread; what it has not done is not done.
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

/// Orders that are carried out whenever somebody looks for answers, and the gate is open.
struct Turns {
    job: Job,
    gate: Gate,
    waiting: VecDeque<Order>,
    /// Of the first one that waits.
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
        // An answer for each order that waits: the thread waits for a worker that takes none.
        let (answer, answers) = sync_channel(2 * WAITING_ORDERS + 2);
        let stop = Arc::new(AtomicBool::new(false));
        let is_away = Arc::new(AtomicBool::new(false));
        let mut job = Job::new(open, complain, Arc::clone(&is_away));
        let stopped = Arc::clone(&stop);
        let run = move || job.run(&waiting, &answer, &stopped);
        let thread = Some(Builder::new().name(name.to_owned()).spawn(run)?);
        Ok(Self { side: Side::Thread { orders: Some(orders), answers, stop, thread }, is_away })
    }

    /// One without a thread, for a simulation, which has no other time than its own.
    pub fn in_turns(open: Open, complain: Complaint, gate: Gate) -> Self {
        let is_away = Arc::new(AtomicBool::new(false));
        let job = Job::new(open, complain, Arc::clone(&is_away));
        let (waiting, answers) = (VecDeque::new(), VecDeque::new());
        let turns = Box::new(Turns { job, gate, waiting, trial: None, answers });
        Self { side: Side::Turns(RefCell::new(turns)), is_away }
    }

    /// Gives an order; the order itself if too many wait already.
    ///
    /// # Errors
    /// The order, to be given again.
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

    /// Whether the database has failed, and not answered since.
    pub fn is_away(&self) -> bool {
        self.is_away.load(Ordering::Acquire)
    }

    /// What has been done, if anything has.
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
        // One more than wait is in the hands of a thread.
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
