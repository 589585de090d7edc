//! A SQLite file without room.

use super::*;
use crate::base::error::with_causes;
use crate::edges::database::Problem;

/// SQLite itself limits the file here, with the answer that it gives for a file system without
/// room.
fn limited(store: Sqlite, pages: i64) -> Sqlite {
    let limit = ("max_page_count", pages.to_string());
    let options = store.options.clone().pragma(limit.0, limit.1);
    let pool = store
        .asking
        .within(|| SqlitePoolOptions::new().max_connections(1).connect_lazy_with(options));
    Sqlite { pool, ..store }
}

fn number(store: &Sqlite, pragma: &'static str) -> i64 {
    let ask = async { sqlx::query_scalar(pragma).fetch_one(&store.pool).await };
    store.asking.wait("ask", ask).unwrap()
}

#[test]
fn a_full_disk_is_said_and_what_is_stored_stays_whole() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("synfinance.db");
    let stream = Stream { group_id: "g".to_owned(), topic: "t".to_owned() };
    let mut store = Sqlite::open(&file, &stream).unwrap();
    let holder = store.claim(0, "worker").unwrap().holder;
    let ids: Vec<String> = (0..40).map(|number| format!("c{number}")).collect();
    let customers = |applied_offset, state| -> Vec<SavedCustomer<'_>> {
        ids.iter().map(|id| SavedCustomer { customer_id: id, applied_offset, state }).collect()
    };
    let (small, large) = ([1; 8], [2; 8_000]);
    store.save(holder, &customers(10, &small), Some(10)).unwrap();

    let pages = number(&store, "pragma page_count");
    let mut full = limited(store, pages + 4);
    let error = full.save(holder, &customers(20, &large), Some(20)).unwrap_err();
    let said = with_causes(&error);
    assert_eq!(error.problem(), Problem::Unavailable, "{said}: saving goes on by itself");
    assert!(said.contains("its disk is full: make room"), "{said}");
    assert!(said.contains("synfinance.db"), "{said}");
    // SQLite has ended the transaction by itself; as keepers do, on with a new connection.
    let mut full = limited(full, pages + 4);
    let error = full.hand_over(holder, 0, &customers(20, &large), Some(20)).unwrap_err();
    assert_eq!(error.problem(), Problem::Unavailable);
    let mut full = limited(full, pages + 4);
    let asked: Vec<&str> = ids.iter().map(String::as_str).collect();
    let stored = full.load(0, &asked).unwrap();
    assert_eq!(stored.len(), ids.len());
    assert!(stored.iter().all(|row| row.applied_offset == 10 && row.state == small));
    assert_eq!(full.progress().unwrap()[0].saved_offset, Some(10));

    let mut roomy = limited(full, pages + 1_000);
    roomy.save(holder, &customers(20, &large), Some(20)).unwrap();
    assert_eq!(roomy.progress().unwrap()[0].saved_offset, Some(20));
    let check = async {
        sqlx::query_scalar::<_, String>("pragma integrity_check").fetch_one(&roomy.pool).await
    };
    assert_eq!(roomy.asking.wait("check", check).unwrap(), "ok");
}
