//! What a demo keeps of its customers for the next demo.
//!
//! Every demo starts a new cluster, whose offsets begin at 0; what is stored is carried over to it
//! ([`SnapshotStore::begin_anew`]). The generator goes on in the same world, with the same
//! customers and merchants, after the newest remembered payment. So no transaction comes twice and
//! no customer's time goes back. Another seed or another number of customers is another world, with
//! an archive of its own.
//!
//! Customers are saved when a demo ends, and before that only if memory is full. If a demo is
//! killed while it saves, some stored customers know its payments and some do not. The next start
//! notices that and deletes everything.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::core::state::snapshot::decode;
use crate::edges::database::{
    Location, Progress, SnapshotStore, StoreError, Stream, each_customer,
};
use crate::stream::snapshots::Policy;
use crate::stream::worker::{self, Budget};
use crate::tools::generate;

/// How many customers are read at once.
const PAGE: u32 = 4_096;

/// The owner's name in claims.
const OWNER: &str = "demo";

/// What earlier demos of a world left. While this value lives, no other demo can open it.
#[derive(Debug, Clone)]
pub struct Archive {
    location: Location,
    stream: Stream,
    budget: Arc<Budget>,
    past: Past,
    _lock: Arc<File>,
}

/// What earlier demos left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Past {
    /// Nothing, or the user asked for a fresh start.
    Nothing,
    /// The customers of demos that ended in order.
    Kept {
        /// How many transactions they had in total.
        transactions: u64,
        /// Event time of the newest one, in milliseconds since the epoch.
        until_ms: i64,
    },
    /// Nothing: the last demo did not end in order, or the world has come to its end.
    Forgotten,
}

/// Why nothing can be kept. The demo runs without it.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// Another demo has the archive open.
    #[error("another demo has {}", .0.display())]
    Busy(PathBuf),
    /// A file cannot be written.
    #[error("cannot write {}", .file.display())]
    File {
        /// The file's path.
        file: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The database fails.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Archive {
    /// Opens the archive of a world in a SQLite file, which is created if missing, and moves it to
    /// a new cluster. `is_fresh` deletes what it has. Workers keep at most `max_bytes` of customers
    /// in memory.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn open(
        file: &Path,
        world: &generate::Settings,
        max_bytes: usize,
        is_fresh: bool,
    ) -> Result<Self, ArchiveError> {
        let lock = lock(file)?;
        let location = Location::Sqlite(file.to_owned());
        let topic = format!("demo-{}-{}", world.seed, world.customers);
        let stream = Stream { group_id: "synfinance".to_owned(), topic };
        let mut store = location.open(&stream)?;
        let found = if is_fresh { Found::Nothing } else { look(&mut *store, world)? };
        let transactions = store.begin_anew(matches!(found, Found::Until(_)))?;
        let past = match found {
            Found::Nothing => Past::Nothing,
            Found::Until(until_ms) => Past::Kept { transactions, until_ms },
            Found::Useless => Past::Forgotten,
        };
        Ok(Self { location, stream, budget: Budget::new(max_bytes), past, _lock: lock })
    }

    /// What earlier demos left.
    pub fn past(&self) -> Past {
        self.past
    }

    /// How many transactions came before the next one generated.
    pub(super) fn transactions(&self) -> u64 {
        match self.past {
            Past::Kept { transactions, .. } => transactions,
            _ => 0,
        }
    }

    /// The settings of the generator, which goes on where the last demo ended.
    pub(super) fn goes_on(&self, world: &generate::Settings) -> generate::Settings {
        match self.past {
            Past::Kept { until_ms, .. } => goes_on(world, until_ms),
            _ => *world,
        }
    }

    /// The snapshot settings of a worker.
    pub(super) fn of_worker(&self) -> worker::Snapshots {
        let (location, stream) = (self.location.clone(), self.stream.clone());
        worker::Snapshots {
            open: Arc::new(move || location.open(&stream)),
            // The thread that uses the database logs its complaints.
            complain: Arc::new(|_| ()),
            owner: OWNER.to_owned(),
            policy: Policy::default(),
            portions: Default::default(),
            goes_on_incomplete: true,
            budget: Arc::clone(&self.budget),
            in_turns: None,
        }
    }
}

/// Fails instead of waiting: two demos at once would claim each other's partitions.
fn lock(file: &Path) -> Result<Arc<File>, ArchiveError> {
    let name = file.with_extension("lock");
    let failed = |source| ArchiveError::File { file: name.clone(), source };
    if let Some(directory) = file.parent() {
        std::fs::create_dir_all(directory).map_err(failed)?;
    }
    let lock = File::create(&name).map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => Ok(Arc::new(lock)),
        Err(TryLockError::WouldBlock) => Err(ArchiveError::Busy(file.to_owned())),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// What is stored.
enum Found {
    Nothing,
    /// All customers as of the end of a demo, whose newest payment was at this time.
    Until(i64),
    Useless,
}

/// Why the look at the customers stopped.
enum Stopped {
    Unreadable,
    Store(StoreError),
}

impl From<StoreError> for Stopped {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

fn look(store: &mut dyn SnapshotStore, world: &generate::Settings) -> Result<Found, StoreError> {
    let partitions = store.progress()?;
    if !ended_in_order(store, &partitions)? {
        return Ok(Found::Useless);
    }
    let mut newest = None;
    for progress in partitions {
        let of = (progress.partition, progress.handed_over);
        let seen = each_customer(store, of, PAGE, &mut |row| {
            let state = decode(&row.state).map_err(|_| Stopped::Unreadable)?;
            newest = newest.max(state.columns.newest());
            Ok(())
        });
        match seen {
            Ok(()) => {}
            Err(Stopped::Unreadable) => return Ok(Found::Useless),
            Err(Stopped::Store(error)) => return Err(error),
        }
    }
    let Some(until_ms) = newest else { return Ok(Found::Nothing) };
    // A world has an end as well.
    let goes_on = goes_on(world, until_ms).check().is_ok();
    Ok(if goes_on { Found::Until(until_ms) } else { Found::Useless })
}

/// Whether all partitions were released, or nothing was saved in any of them.
fn ended_in_order(
    store: &mut dyn SnapshotStore,
    partitions: &[Progress],
) -> Result<bool, StoreError> {
    if partitions.iter().all(|progress| progress.owner.is_none()) {
        return Ok(true);
    }
    for progress in partitions {
        let claim = store.claim(progress.partition, OWNER)?;
        if claim.newest() > 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The same world, from the millisecond after `until_ms`.
fn goes_on(world: &generate::Settings, until_ms: i64) -> generate::Settings {
    generate::Settings { start_ms: until_ms.saturating_add(1), ..*world }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::state::Bounds;
    use crate::core::state::customer::CustomerState;
    use crate::core::state::observation::Incoming;
    use crate::core::state::snapshot::encode;
    use crate::core::transaction::Status;
    use crate::edges::database::{Holder, SavedCustomer};

    struct Place(tempfile::TempDir);

    impl Place {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn file(&self) -> PathBuf {
            self.0.path().join("data/demo.db")
        }

        fn open(&self, world: &generate::Settings) -> Result<Archive, ArchiveError> {
            Archive::open(&self.file(), world, 1 << 24, false)
        }

        fn past(&self) -> Past {
            self.open(&world()).unwrap().past()
        }

        fn store(&self) -> Box<dyn SnapshotStore> {
            let topic = "demo-42-1000".to_owned();
            let stream = Stream { group_id: "synfinance".to_owned(), topic };
            Location::Sqlite(self.file()).open(&stream).unwrap()
        }
    }

    fn world() -> generate::Settings {
        generate::Settings::default()
    }

    /// Saves in each of these partitions a customer who paid at `time`.
    fn save(store: &mut dyn SnapshotStore, partitions: &[i32], time: i64) -> Vec<Holder> {
        let incoming = Incoming {
            transaction: 1,
            time,
            amount: 100,
            merchant: 1,
            status: Status::Approved,
            hour: 1,
            category: 0,
            city: 0,
            device: 0,
            reputation: None,
            position: None,
            home: None,
        };
        let (mut customer, mut state) = (CustomerState::default(), Vec::new());
        customer.remember(&incoming, &Bounds::default(), |_, _| ());
        encode(&customer, &mut state);
        let save = |&partition: &i32| {
            let holder = store.claim(partition, OWNER).unwrap().holder;
            let customer = SavedCustomer { customer_id: "c", applied_offset: 9, state: &state };
            store.save(holder, &[customer], Some(10)).unwrap();
            holder
        };
        partitions.iter().map(save).collect()
    }

    fn release(store: &mut dyn SnapshotStore, holders: Vec<Holder>) {
        holders.into_iter().for_each(|holder| store.release(holder).unwrap());
    }

    const T0: i64 = 1_767_300_000_000;

    #[test]
    fn demos_add_up_and_time_goes_on() {
        let place = Place::new();
        assert_eq!(place.past(), Past::Nothing);
        let mut store = place.store();
        let holders = save(&mut *store, &[0, 1], T0);
        release(&mut *store, holders);
        for _ in 0..2 {
            let memory = place.open(&world()).unwrap();
            assert_eq!(memory.past(), Past::Kept { transactions: 20, until_ms: T0 });
            assert_eq!(memory.goes_on(&world()).start_ms, T0 + 1);
        }
        let holders = save(&mut *store, &[1], T0 + 5);
        release(&mut *store, holders);
        assert_eq!(place.past(), Past::Kept { transactions: 30, until_ms: T0 + 5 });
        let other = generate::Settings { seed: 7, ..world() };
        assert_eq!(place.open(&other).unwrap().past(), Past::Nothing);
        assert_eq!(place.past(), Past::Kept { transactions: 30, until_ms: T0 + 5 });
        let fresh = Archive::open(&place.file(), &world(), 1 << 24, true).unwrap();
        assert_eq!((fresh.past(), fresh.goes_on(&world())), (Past::Nothing, world()));
        drop(fresh);
        assert_eq!(place.past(), Past::Nothing);
    }

    #[test]
    fn who_was_handed_over_is_remembered_as_well() {
        let place = Place::new();
        place.past();
        let mut store = place.store();
        let holders = save(&mut *store, &[0], T0);
        let newer = save(&mut *store, &[1], T0 + 5);
        let row = store.load(1, &["c"]).unwrap().remove(0);
        let later = SavedCustomer { customer_id: "d", applied_offset: 11, state: &row.state };
        store.hand_over(holders[0], 0, &[later], Some(12)).unwrap();
        store.discard(newer[0]).unwrap();
        release(&mut *store, [holders, newer].concat());
        assert_eq!(place.past(), Past::Kept { transactions: 12, until_ms: T0 + 5 });
        assert_eq!(store.load(0, &["d"]).unwrap().len(), 1);
    }

    #[test]
    fn a_demo_that_was_killed_before_it_saved_has_not_been() {
        let place = Place::new();
        place.past();
        let mut store = place.store();
        let holders = save(&mut *store, &[0, 1], T0);
        release(&mut *store, holders);
        place.past();
        store.claim(1, OWNER).unwrap();
        assert_eq!(place.past(), Past::Kept { transactions: 20, until_ms: T0 });
    }

    #[test]
    fn what_was_saved_in_part_is_forgotten() {
        let place = Place::new();
        place.past();
        let mut store = place.store();
        let holders = save(&mut *store, &[0], T0);
        release(&mut *store, holders);
        store.claim(1, OWNER).unwrap();
        assert_eq!(place.past(), Past::Forgotten);
        assert_eq!(store.ids(0, "", 9).unwrap(), [""; 0]);
        assert_eq!(place.past(), Past::Nothing);
    }

    #[test]
    fn a_world_ends_with_its_century() {
        let place = Place::new();
        place.past();
        let mut store = place.store();
        let holders = save(&mut *store, &[0], 4_102_444_800_000);
        release(&mut *store, holders);
        assert_eq!(place.past(), Past::Forgotten);
    }

    #[test]
    fn one_demo_at_a_time_has_it() {
        let place = Place::new();
        let memory = place.open(&world()).unwrap();
        let error = place.open(&world()).unwrap_err();
        assert!(matches!(error, ArchiveError::Busy(_)), "{error}");
        drop(memory);
        place.past();
        std::fs::write(place.0.path().join("file"), "").unwrap();
        let nowhere = place.0.path().join("file/demo.db");
        let error = Archive::open(&nowhere, &world(), 1 << 24, false).unwrap_err();
        assert!(matches!(error, ArchiveError::File { .. }), "{error}");
    }
}
