//! Runs queries in the calling thread, which waits for them.

use std::future::Future;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use super::StoreError;
use crate::base::limits::DATABASE_ANSWER_TIME;

/// A database's name for messages, and the runtime to ask it with.
#[derive(Debug)]
pub(super) struct Asking {
    database: String,
    runtime: Runtime,
}

impl Asking {
    pub fn new(database: String) -> Result<Self, StoreError> {
        match Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => Ok(Self { database, runtime }),
            Err(error) => {
                let (action, source) = ("begin to ask", Box::new(sqlx::Error::Io(error)));
                Err(StoreError::Database { action, database, source })
            }
        }
    }

    /// Runs something that needs a runtime's context but does not wait.
    pub fn within<T>(&self, work: impl FnOnce() -> T) -> T {
        let _inside = self.runtime.enter();
        work()
    }

    /// Waits for an answer, at most [`DATABASE_ANSWER_TIME`].
    pub fn wait<T>(
        &self,
        action: &'static str,
        query: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, StoreError> {
        self.wait_or(action, async {
            query.await.map_err(|source| StoreError::Database {
                action,
                database: self.database.clone(),
                source: Box::new(source),
            })
        })
    }

    /// Like [`Self::wait`], for queries that can fail in other ways.
    pub fn wait_or<T>(
        &self,
        action: &'static str,
        query: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let limit: Duration = DATABASE_ANSWER_TIME;
        let answered = self.runtime.block_on(async {
            let answered = tokio::time::timeout(limit, query).await;
            // Connections return to their pool in a task, which runs only while this thread waits.
            tokio::task::yield_now().await;
            answered
        });
        answered.unwrap_or_else(|_| {
            let (database, seconds) = (self.database.clone(), limit.as_secs());
            Err(StoreError::Silent { action, database, seconds })
        })
    }
}

/// A stored id as text.
pub(super) fn text(bytes: Vec<u8>) -> Result<String, sqlx::Error> {
    String::from_utf8(bytes).map_err(|error| sqlx::Error::Decode(Box::new(error)))
}
