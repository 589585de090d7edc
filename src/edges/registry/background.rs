//! The thread that talks to the registry.
//!
//! Workers are plain threads that must not wait for a network, and the registry's client needs an
//! async runtime. So one thread has a runtime of its own and takes jobs from a queue; every job is
//! a task of its own, and an id that is hard to get does not hold up another. The thread ends with
//! the last sender of jobs, whatever is under way then.

use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::thread;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::sleep;

use super::board::Board;
use super::client::{Client, Failure};
use crate::base::retry::Backoff;

/// Jobs that wait for the thread to look at them.
const QUEUE: usize = 256;

/// Most name look-ups at a time; each takes a thread.
const MAX_NAME_LOOKUPS: usize = 4;

/// Where one answer goes.
pub(super) type Reply = SyncSender<Result<u32, Failure>>;

/// What the thread is asked to do.
pub(super) enum Job {
    /// Get the schema of an id and put it on the board, however long it takes.
    Fetch(u32),
    /// Try once to register a schema.
    Register { subject: String, schema: String, reply: Reply },
    /// Try once to find a schema's id.
    Find { subject: String, schema: String, reply: Reply },
}

/// Starts the thread; an error is the system's.
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
    // Name look-ups run in threads that cannot be interrupted; nobody waits for them.
    runtime.shutdown_background();
}

async fn work(job: Job, client: Arc<Client>, board: Arc<Board>) {
    // A reply has room for its one answer; whoever has stopped waiting does not want it.
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

/// Asks now and then how the registry is, while nobody else asks.
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
