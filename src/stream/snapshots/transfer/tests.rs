//! Files that are whole, and files that are not.

use std::time::Duration;

use super::*;
use crate::base::clock::pause;
use crate::core::state::customer::CustomerState;
use crate::core::state::snapshot::encode;
use crate::edges::database::{Location, Progress, SavedCustomer, Stream};

/// A new store of one stream, in a file.
struct Place {
    _directory: tempfile::TempDir,
    store: Box<dyn SnapshotStore>,
}

fn stream() -> Stream {
    Stream { group_id: "g".to_owned(), topic: "t".to_owned() }
}

fn place() -> Place {
    let directory = tempfile::tempdir().unwrap();
    let store = Location::Sqlite(directory.path().join("a.db")).open(&stream()).unwrap();
    Place { _directory: directory, store }
}

fn state() -> Vec<u8> {
    let mut state = Vec::new();
    encode(&CustomerState::default(), &mut state);
    state
}

/// Partition 0 with two customers, one of them erased, saved up to 9, and partition 2 with one,
/// never saved completely.
fn filled() -> Place {
    let mut place = place();
    let state = state();
    let customer =
        |customer_id, applied_offset| SavedCustomer { customer_id, applied_offset, state: &state };
    let first = place.store.claim(0, "me").unwrap().holder;
    place.store.save(first, &[customer("a", 5), customer("b", 9)], Some(9)).unwrap();
    place.store.erase(first, &["a"], 6, &state).unwrap();
    let second = place.store.claim(2, "me").unwrap().holder;
    place.store.save(second, &[customer("c", 3)], None).unwrap();
    place
}

fn file_of(place: &mut Place) -> String {
    let mut file = Vec::new();
    let moved = export(&mut *place.store, &stream(), &mut file, &AtomicBool::new(false));
    assert_eq!(moved.unwrap(), Moved { partitions: 2, customers: 3 });
    String::from_utf8(file).unwrap()
}

fn exported() -> String {
    file_of(&mut filled())
}

fn import_into(place: &mut Place, file: &str) -> Result<Moved, TransferError> {
    import(&mut *place.store, &stream(), "import", &mut file.as_bytes(), &AtomicBool::new(false))
}

/// Partitions and the offsets up to which they are saved.
fn saved(place: &mut Place) -> Vec<(i32, Option<i64>)> {
    let saved = |progress: Progress| (progress.partition, progress.saved_offset);
    place.store.progress().unwrap().into_iter().map(saved).collect()
}

#[test]
fn a_whole_file_is_taken() {
    let file = exported();
    assert_eq!(file.lines().count(), 9);
    let mut new = place();
    assert_eq!(import_into(&mut new, &file).unwrap(), Moved { partitions: 2, customers: 3 });
    assert_eq!(saved(&mut new), [(0, Some(9)), (2, None)]);
    assert_eq!(new.store.ids(0, "", 9).unwrap(), ["a", "b"]);
    assert_eq!(new.store.ids(2, "", 9).unwrap(), ["c"]);
    assert_eq!(file_of(&mut new), file);
}

#[test]
fn an_erasure_is_imported_as_of_when_it_happened() {
    let mut old = filled();
    let erased = old.store.load(0, &["a"]).unwrap();
    assert!(erased[0].erased_at_ms.is_some(), "{erased:?}");
    // Long enough that another time would be seen.
    pause(Duration::from_millis(5));
    let mut new = place();
    import_into(&mut new, &file_of(&mut old)).unwrap();
    assert_eq!(new.store.load(0, &["a"]).unwrap(), erased);
    // A customer who has paid since stays as stored.
    let me = new.store.claim(0, "me").unwrap().holder;
    let state = state();
    let paid = SavedCustomer { customer_id: "a", applied_offset: 7, state: &state };
    new.store.save(me, &[paid], None).unwrap();
    import_into(&mut new, &file_of(&mut old)).unwrap();
    assert_eq!(new.store.load(0, &["a"]).unwrap()[0].applied_offset, 7);
}

#[test]
fn a_file_that_is_cut_off_anywhere_is_an_error_and_promises_nothing() {
    let file = exported();
    let lines: Vec<&str> = file.lines().collect();
    for kept in 0..lines.len() {
        let mut new = place();
        let error = import_into(&mut new, &lines[..kept].join("\n")).unwrap_err();
        let is_named = match error {
            TransferError::Empty => kept == 0,
            TransferError::CutOff { lines } => lines == kept && kept > 0,
            _ => false,
        };
        assert!(is_named, "{kept}: {error}");
        // The fifth line is the first partition's end.
        let promised = saved(&mut new).first().and_then(|(_, saved)| *saved);
        assert_eq!(promised, (kept >= 5).then_some(9), "{kept}");
    }
    let within = file.trim_end().len() - 4;
    let error = import_into(&mut place(), &file[..within]).unwrap_err();
    assert!(matches!(error, TransferError::Line { number: 9, .. }), "{error}");
}

#[test]
fn lines_that_are_missing_or_do_not_belong_there_are_errors() {
    let file = exported();
    let lines: Vec<&str> = file.lines().collect();
    let without = |at: usize| [&lines[..at], &lines[at + 1..]].concat().join("\n");
    for (missing, number, why) in [
        (0, 1, "the line of the stream is missing"),
        (1, 2, "no line of a partition stands before it"),
        (2, 4, "1 customers of partition 0 stand before it, it says 2 of partition 0"),
        (4, 5, "the end of partition 0 is missing before it"),
        (7, 8, "the end of partition 2 is missing before it"),
    ] {
        let mut new = place();
        let error = import_into(&mut new, &without(missing)).unwrap_err().to_string();
        assert!(error.contains(&format!("line {number} ")) && error.contains(why), "{error}");
        if missing == 2 {
            assert_eq!(saved(&mut new), [(0, None)]);
        }
    }
    let whole_partition = [&lines[..1], &lines[5..]].concat().join("\n");
    let error = import_into(&mut place(), &whole_partition).unwrap_err().to_string();
    assert!(error.contains("1 partitions with 1 customers stand before it"), "{error}");
    let error = import_into(&mut place(), &format!("{file}{}", lines[1])).unwrap_err().to_string();
    assert!(error.contains("line 10 ") && error.contains("behind the file's last line"), "{error}");
    let twice = [&lines[..1], &lines[..]].concat().join("\n");
    assert!(import_into(&mut place(), &twice).is_err());
    let old = file.replace("snapshots-2", "snapshots-1");
    let error = import_into(&mut place(), &old).unwrap_err().to_string();
    assert!(error.contains("\"synfinance-snapshots-1\""), "{error}");
}

#[test]
fn an_export_that_is_interrupted_has_no_end() {
    let mut file = Vec::new();
    let stop = AtomicBool::new(true);
    let interrupted = export(&mut *filled().store, &stream(), &mut file, &stop);
    assert!(matches!(interrupted, Err(TransferError::Interrupted)), "{interrupted:?}");
    let file = String::from_utf8(file).unwrap();
    let error = import_into(&mut place(), &file).unwrap_err();
    assert!(matches!(error, TransferError::CutOff { .. }), "{error}");
    let interrupted =
        import(&mut *place().store, &stream(), "import", &mut exported().as_bytes(), &stop);
    assert!(matches!(interrupted, Err(TransferError::Interrupted)), "{interrupted:?}");
}
