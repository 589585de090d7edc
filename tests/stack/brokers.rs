//! Brokers that die and come back, under load, one after the other: who coordinates the group, and
//! who leads a partition.
//!
//! Two streams share three brokers, one in each delivery mode, each with two processes of two
//! workers. After every kill each stream has to get on within [`RECOVERY`] of the cluster's being
//! whole again, and at the end the oracle counts. Some kills leave fewer replicas than alerts want:
//! then nothing gets done, and everybody who asks has to be told so. In the midst of a last kill a
//! process is told to end.

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

/// How many brokers are killed: three, or as many as `SYNFINANCE_BROKER_KILLS` says.
fn kills() -> u32 {
    let kills = std::env::var("SYNFINANCE_BROKER_KILLS").ok().filter(|kills| !kills.is_empty());
    kills.map_or(3, |kills| kills.parse().expect("SYNFINANCE_BROKER_KILLS is a number"))
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
                _ => {
                    let reports = pair.each_ref().map(Service::report).concat();
                    Err(format!("{committed:?} of {ends:?}, {states:?}\n{reports}"))
                }
            }
        });
        self.recoveries.push(whole.elapsed().as_secs_f64());
    }

    fn finish(self) -> Verdict {
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
        verdict
    }
}

/// Why a broker is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kill {
    /// It coordinates a stream's group.
    Coordinator,
    /// It leads a partition of a stream's alerts.
    Leader,
    /// Alerts want all three replicas.
    Replica,
}

impl Kill {
    fn of(round: u32) -> Self {
        [Self::Coordinator, Self::Leader, Self::Replica][(round % 3) as usize]
    }

    fn victim(self, round: u32, stage: &Stage) -> i32 {
        let partition = i32::try_from(round / 3).expect("few rounds") % PARTITIONS;
        let found = match self {
            Self::Coordinator => cluster::coordinator(&stage.brokers, &stage.group),
            Self::Leader | Self::Replica => {
                cluster::leader(&stage.brokers, &stage.alerts, partition)
            }
        };
        found.expect("a node that does it")
    }
}

/// Lets a broker be away; after how many seconds each stream said that it was not ready. Where
/// nothing can get done, who has said so goes on to say it, and asks for no restart.
fn wait_away(streams: &mut [Stream; 2], kill: Kill) -> [Option<f64>; 2] {
    let since = Instant::now();
    let mut told = [[None; 2]; 2];
    while since.elapsed() < AWAY {
        for (stream, told) in streams.iter_mut().zip(&mut told) {
            for (service, told) in stream.pair.iter_mut().zip(told) {
                match service.readyz() {
                    Ok((503, _)) => *told = told.or(Some(since.elapsed().as_secs_f64())),
                    ready if kill == Kill::Replica && told.is_some() => {
                        panic!("ready again, {ready:?}: {}", service.report());
                    }
                    _ => {}
                }
            }
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    if kill == Kill::Replica {
        for (stream, told) in streams.iter().zip(&told) {
            for service in stream.pair.iter().zip(told).filter_map(|(one, told)| told.map(|_| one))
            {
                let status = |path| service.get(path).map(|(status, _)| status);
                assert_eq!((status("/health"), status("/livez")), (Ok(503), Ok(200)));
            }
        }
    }
    told.map(|told| told.into_iter().flatten().reduce(f64::min))
}

#[test]
fn a_broker_that_dies_stops_nobody() {
    let mut quorum = Quorum::start();
    let brokers = quorum.brokers();
    let start = |delivery, seed| Stream::start(delivery, &brokers, seed);
    let mut streams = [start("exactly_once", 61), start("at_least_once", 62)];
    streams.iter_mut().for_each(Stream::wait_for_work);
    for round in 0..kills() {
        let (kill, of) = (Kill::of(round), (round / 3 % 2) as usize);
        let want_in_sync = |streams: &[Stream; 2], replicas| {
            let alerts = streams.iter().map(|stream| &stream.stage.alerts);
            alerts.for_each(|topic| cluster::want_in_sync(&brokers, topic, replicas));
        };
        if kill == Kill::Replica {
            want_in_sync(&streams, 3);
        }
        let node = kill.victim(round, &streams[of].stage);
        quorum.kill(node);
        let told = wait_away(&mut streams, kill);
        quorum.start_again(node);
        if kill == Kill::Replica {
            want_in_sync(&streams, 2);
        }
        let whole = Instant::now();
        let ends = streams.each_ref().map(|one| cluster::ends(&brokers, &one.stage.transactions));
        streams.iter_mut().zip(&ends).for_each(|(stream, ends)| {
            stream.wait_for_recovery(whole, ends);
        });
        let seconds = streams.each_ref().map(|stream| stream.recoveries.last().copied());
        println!(
            "round {round}: {kill:?}, node {node}, not ready after {told:.1?} s, got on after \
             {seconds:.1?} s"
        );
        // Nobody takes over before the others miss who coordinated: it can be told.
        let is_told = match kill {
            Kill::Coordinator => told[of].is_some(),
            Kill::Leader => true,
            Kill::Replica => told.iter().all(Option::is_some),
        };
        assert!(is_told, "nothing got done and nobody said so");
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
    at_least_once.assert_none_missed();
    exactly_once.assert_exact();
}
