//! Brokers that die and come back, under load, one after the other: who coordinates the group, and
//! who leads a partition.
//!
//! Two streams share three brokers, one in each delivery mode, each with two processes of two
//! workers. After every kill each stream has to get on within [`RECOVERY`] of the cluster's being
//! whole again, and at the end the oracle counts. In the midst of a last kill a process is told to
//! end.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::cluster;
use crate::oracle::Verdict;
use crate::process::eventually;
use crate::quorum::Quorum;
use crate::service::{Service, merge};
use crate::stage::{PARTITIONS, Producing, Stage};

/// How long nobody may stand still once the cluster is whole.
const RECOVERY: Duration = Duration::from_secs(20);

/// How long a broker is away: longer than the others take to miss it.
const AWAY: Duration = Duration::from_secs(12);

/// `stream.shutdown_deadline`, and what a process needs beside it.
const DEADLINE: Duration = Duration::from_secs(30);
const BESIDE: Duration = Duration::from_secs(3);

const SOON: Duration = Duration::from_secs(90);
const RATE: u32 = 400;

/// How many brokers are killed: two, or as many as `SYNFINANCE_BROKER_KILLS` says.
fn kills() -> u32 {
    let kills = std::env::var("SYNFINANCE_BROKER_KILLS").ok().filter(|kills| !kills.is_empty());
    kills.map_or(2, |kills| kills.parse().expect("SYNFINANCE_BROKER_KILLS is a number"))
}

/// A stream in one delivery mode.
struct Stream {
    delivery: &'static str,
    stage: Stage,
    config: Value,
    pair: [Service; 2],
    producing: Producing,
    /// The longest that it took to get on, after each kill.
    recoveries: Vec<f64>,
}

impl Stream {
    fn start(delivery: &'static str, brokers: &str, seed: u64) -> Self {
        let stage = Stage::on(&format!("brokers-{delivery}"), brokers);
        let over = json!({"stream": {
            "delivery": delivery,
            "shutdown_deadline": format!("{}s", DEADLINE.as_secs()),
            "kafka": {"transaction.timeout.ms": "10000"},
        }});
        let config = merge(stage.config(), &over);
        let pair = [Service::start(&config), Service::start(&config)];
        let producing = stage.produce_on(seed, RATE);
        Self { delivery, stage, config, pair, producing, recoveries: Vec::new() }
    }

    fn wait_for_work(&mut self) {
        for service in &mut self.pair {
            service.wait_ready();
            service.wait_metric(SOON, "synfinance_transactions_total", "", 100.0);
        }
    }

    /// Whether any of its processes says that it is not ready.
    fn is_unready(&mut self) -> bool {
        self.pair.iter_mut().any(|service| matches!(service.readyz(), Ok((503, _))))
    }

    /// Waits until all that was there when the cluster was whole is committed, and everybody is
    /// ready.
    fn wait_for_recovery(&mut self, whole: Instant, ends: &BTreeMap<i32, i64>) {
        let Self { stage, pair, .. } = self;
        let left = RECOVERY.saturating_sub(whole.elapsed());
        eventually(&format!("{} gets on", self.delivery), left, || {
            let committed = cluster::committed(&stage.brokers, &stage.group, &stage.transactions)?;
            let behind = ends.iter().find(|(partition, end)| committed[partition] < **end);
            let states: Vec<_> = pair.iter_mut().map(Service::readyz).collect();
            let are_ready = states.iter().all(|state| matches!(state, Ok((200, _))));
            match behind {
                None if are_ready => Ok(()),
                _ => Err(format!("{committed:?} of {ends:?}, {states:?}")),
            }
        });
        self.recoveries.push(whole.elapsed().as_secs_f64());
    }

    fn finish(self) -> (Stage, Verdict) {
        let Self { delivery, stage, pair: [mut first, mut second], producing, .. } = self;
        let sent = producing.finish();
        stage.wait_done(&mut [&mut first, &mut second]);
        let ends = [first.terminate(), second.terminate()];
        ends.iter().for_each(|(status, said)| assert!(status.success(), "{status}: {said}"));
        let count = |(_, said): &(_, String)| said.matches("does not come back").count();
        let left_behind: usize = ends.iter().map(count).sum();
        println!("calls of {delivery} left behind: {left_behind}");
        let isolation =
            if delivery == "exactly_once" { "read_committed" } else { "read_uncommitted" };
        let verdict = Verdict::new(&sent.expected(), &stage.consume(&stage.alerts, isolation));
        verdict.print(&format!("{} brokers killed, {delivery}", kills() + 1));
        println!("seconds until {delivery} got on: {:.1?}", self.recoveries);
        (stage, verdict)
    }
}

/// Lets a broker be away; after how many seconds each stream said that it was not ready.
fn wait_away(streams: &mut [Stream; 2]) -> [Option<f64>; 2] {
    let since = Instant::now();
    let mut told = [None; 2];
    while since.elapsed() < AWAY {
        for (stream, told) in streams.iter_mut().zip(&mut told) {
            if told.is_none() && stream.is_unready() {
                *told = Some(since.elapsed().as_secs_f64());
            }
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    told
}

/// Whom to kill: by turns who coordinates a stream's group, and who leads a partition of its.
fn victim(round: u32, streams: &[Stream; 2]) -> (i32, &'static str) {
    let stage = &streams[(round / 2 % 2) as usize].stage;
    let (brokers, partition) = (&stage.brokers, (round / 2) as i32 % PARTITIONS);
    let (found, what) = match round % 2 {
        0 => (cluster::coordinator(brokers, &stage.group), "the coordinator"),
        _ => (cluster::leader(brokers, &stage.alerts, partition), "a leader"),
    };
    (found.expect("a node that does it"), what)
}

#[test]
fn a_broker_that_dies_stops_nobody() {
    let mut quorum = Quorum::start();
    let brokers = quorum.brokers();
    let start = |delivery, seed| Stream::start(delivery, &brokers, seed);
    let mut streams = [start("exactly_once", 61), start("at_least_once", 62)];
    streams.iter_mut().for_each(Stream::wait_for_work);
    for round in 0..kills() {
        let (node, what) = victim(round, &streams);
        quorum.kill(node);
        let told = wait_away(&mut streams);
        quorum.start_again(node);
        let whole = Instant::now();
        let ends = streams.each_ref().map(|one| cluster::ends(&brokers, &one.stage.transactions));
        streams.iter_mut().zip(&ends).for_each(|(stream, ends)| {
            stream.wait_for_recovery(whole, ends);
        });
        let seconds = streams.each_ref().map(|stream| stream.recoveries.last().copied());
        println!(
            "round {round}: {what}, node {node}, not ready after {told:.1?} s, got on after \
             {seconds:.1?} s"
        );
        // Nobody takes over before the others miss who coordinated: it can be told.
        let is_told = round % 2 == 1 || told[(round / 2 % 2) as usize].is_some();
        assert!(is_told, "nothing was committed and nobody said so");
    }
    // A process of each is told to end while nobody coordinates its group.
    let node = cluster::coordinator(&brokers, &streams[0].stage.group).expect("a coordinator");
    quorum.kill(node);
    std::thread::sleep(Duration::from_secs(3));
    for stream in &mut streams {
        let fresh = Service::spawn(&stream.config);
        let ending = std::mem::replace(&mut stream.pair[0], fresh);
        let asked = Instant::now();
        let (status, _) = ending.terminate();
        let took = asked.elapsed();
        println!("SIGTERM, {}: {status} after {:.1} s", stream.delivery, took.as_secs_f64());
        assert!(took < DEADLINE + BESIDE, "{} took {took:?} to end", stream.delivery);
    }
    quorum.start_again(node);
    let [exactly_once, at_least_once] = streams.map(Stream::finish);
    at_least_once.1.assert_none_missed();
    exactly_once.1.assert_exact();
}
