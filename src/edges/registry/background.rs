//! The thread that talks to the registry.
//!
//! Workers are plain threads that must not wait for a network, and the registry's client needs an
//! async runtime. So one thread has a runtime of its own and takes jobs from a queue. Every job is
//! a task of its own, so an id that is hard to get does not hold up another. The thread ends when
//! the last sender of jobs is dropped, and abandons what is under way.

use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::thread;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::sleep;

use super::board::Board;
use super::client::{Client, Failure};
use crate::base::retry::Backoff;

/// How many jobs may wait for the thread.
const QUEUE: usize = 256;

/// How many name look-ups run at a time; each takes a thread.
const MAX_NAME_LOOKUPS: usize = 4;

/// Where the answer to a job goes.
pub(super) type Reply = SyncSender<Result<u32, Failure>>;

/// What the thread can be asked to do.
pub(super) enum Job {
    /// Fetch the schema of an id and put it on the board, however long it takes.
    Fetch(u32),
    /// Try once to register a schema.
    Register { subject: String, schema: String, reply: Reply },
    /// Try once to find a schema's id.
    Find { subject: String, schema: String, reply: Reply },
}

/// Starts the thread. The error is the system's, if it cannot start one.
pub(super) fn start(client: Client, board: Arc<Board>) -> std::io::Result<Sender<Job>> {
    let mut runtime = Builder::new_current_thread();
    let runtime = runtime.enable_all().max_blocking_threads(MAX_NAME_LOOKUPS).build()?;
    let (sender, jobs) = channel(QUEUE);
    let run = move || run(runtime, Arc::new(client), board, jobs);
    thread::Builder::new().name("registry".to_owned()).spawn(run)?;
    Ok(sender)
}

fn run(runtime: Runtime, client: Arc<Client>, board: Arc<Board>, mut jobs: Receiver<Job>) {
    runtime.block_on(async {
        tokio::spawn(watch(Arc::clone(&client), Arc::clone(&board)));
        while let Some(job) = jobs.recv().await {
            tokio::spawn(work(job, Arc::clone(&client), Arc::clone(&board)));
        }
    });
    // Name look-ups run in threads that cannot be interrupted; nothing waits for them.
    runtime.shutdown_background();
}

async fn work(job: Job, client: Arc<Client>, board: Arc<Board>) {
    // The channel has room for the one reply; if the caller stopped waiting, the reply is dropped.
    match job {
        Job::Fetch(id) => fetch(id, &client, &board).await,
        Job::Register { subject, schema, reply } => {
            let _ = reply.send(client.register(&subject, &schema).await);
        }
        Job::Find { subject, schema, reply } => {
            let _ = reply.send(client.find(&subject, &schema).await);
        }
    }
}

async fn fetch(id: u32, client: &Client, board: &Board) {
    let mut backoff = Backoff::new(board.pace.first_retry, board.pace.longest_retry);
    loop {
        match client.schema(id).await {
            Ok(schema) => return board.learn(id, Some(schema)),
            Err(Failure::Missing(why)) => {
                tracing::debug!(id, why, "schema registry has no such schema");
                return board.learn(id, None);
            }
            Err(Failure::Broken(why)) => {
                tracing::warn!(id, why, "schema cannot be put together");
                return board.learn(id, None);
            }
            Err(Failure::Away(why) | Failure::Refused(why)) => board.silent(&why),
        }
        sleep(backoff.next_wait()).await;
    }
}

/// Probes the registry from time to time, while nobody else asks it.
async fn watch(client: Arc<Client>, board: Arc<Board>) {
    loop {
        sleep(board.probe_wait()).await;
        let Some(id) = board.probe() else { continue };
        match client.probe(id).await {
            Err(Failure::Away(why) | Failure::Refused(why)) => board.silent(&why),
            Ok(()) | Err(_) => board.answered(None),
        }
    }
}
