//! Three brokers that hold three copies of everything and want two of them to be up to date, so
//! that each of them may be away.
//!
//! With one broker everything is away at once and comes back where it was. With three what a broker
//! did goes to another: coordinators, leaders, with the brokers' own time-outs, and clients find
//! out.

use std::fs::write;
use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;

use crate::cluster;
use crate::process::{Process, eventually, free_port};
use crate::servers::{cached, kafka_java, spawn_broker};

/// The memory of one of several brokers.
const HEAP: &str = "-Xmx256m";

/// How long brokers may take to start, or to catch up, on a busy machine.
const START: Duration = Duration::from_secs(120);

/// How many there are; nodes are counted from 1.
const NODES: i32 = 3;

/// A cluster of three brokers that are also its controllers.
pub struct Quorum {
    nodes: Vec<Node>,
    libraries: PathBuf,
}

struct Node {
    // Before the directory: it must be gone first.
    process: Process,
    directory: TempDir,
    port: u16,
}

impl Quorum {
    /// A new and empty cluster.
    pub fn start() -> Self {
        let libraries = cached("kafka-").join("libs/*");
        let ports: Vec<(u16, u16)> = (0..NODES).map(|_| (free_port(), free_port())).collect();
        let voters: Vec<String> = (1..)
            .zip(&ports)
            .map(|(node, (_, controller))| format!("{node}@127.0.0.1:{controller}"))
            .collect();
        let format = ["kafka.tools.StorageTool", "format", "-t", "c3luZmluYW5jZS10ZXN0cw", "-c"];
        let node = |(node, (port, controller)): (i32, &(u16, u16))| {
            let directory = tempfile::tempdir().expect("a temporary directory");
            let root = directory.path();
            let data = root.join("data").display().to_string();
            let properties = properties(node, &voters.join(","), (*port, *controller), &data);
            write(root.join("server.properties"), properties).expect("a writable directory");
            let mut command = kafka_java(&libraries, root, HEAP);
            let output = command.args(format).arg("server.properties").output();
            let output = output.expect("java: run make test, or .ci/setup servers");
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "kafka's storage cannot be formatted: {said}");
            let process = spawn_broker(&libraries, root, HEAP);
            Node { process, directory, port: *port }
        };
        let nodes = (1..).zip(&ports).map(node).collect();
        let mut quorum = Self { nodes, libraries };
        (1..=NODES).for_each(|node| quorum.wait_for(node));
        quorum
    }

    /// All of them, as clients want it.
    pub fn brokers(&self) -> String {
        let addresses = self.nodes.iter().map(|node| format!("127.0.0.1:{}", node.port));
        addresses.collect::<Vec<_>>().join(",")
    }

    /// Ends a broker at once, as a crash does.
    pub fn kill(&mut self, node: i32) {
        self.node(node).process.kill();
    }

    /// Starts a broker again where it was, and returns when every partition has all its copies.
    pub fn start_again(&mut self, node: i32) {
        let libraries = self.libraries.clone();
        let broker = self.node(node);
        broker.process = spawn_broker(&libraries, broker.directory.path(), HEAP);
        self.wait_for(node);
        let brokers = self.brokers();
        eventually("all copies are up to date", START, || match cluster::incomplete(&brokers)? {
            0 => Ok(()),
            partitions => Err(format!("{partitions} partitions lack a copy")),
        });
    }

    fn node(&mut self, node: i32) -> &mut Node {
        let place = usize::try_from(node - 1).expect("a node");
        &mut self.nodes[place]
    }

    fn wait_for(&mut self, node: i32) {
        let broker = self.node(node);
        let address = format!("127.0.0.1:{}", broker.port);
        eventually("a broker answers", START, || {
            let ended = broker.process.ended();
            assert!(ended.is_none(), "a broker ends: {}", broker.process.report());
            let report = || broker.process.report();
            cluster::answers(&address).map_err(|error| format!("{error}, {}", report()))
        });
    }
}

fn properties(node: i32, voters: &str, (port, controller): (u16, u16), data: &str) -> String {
    format!(
        "process.roles=broker,controller
node.id={node}
controller.quorum.voters={voters}
controller.listener.names=CONTROLLER
listeners=PLAIN://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAIN://127.0.0.1:{port}
inter.broker.listener.name=PLAIN
listener.security.protocol.map=PLAIN:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
default.replication.factor=3
min.insync.replicas=2
offsets.topic.replication.factor=3
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=3
transaction.state.log.min.isr=2
transaction.state.log.num.partitions=4
transaction.abort.timed.out.transaction.cleanup.interval.ms=1000
group.initial.rebalance.delay.ms=0
log.cleaner.dedupe.buffer.size=16777216
num.network.threads=2
num.io.threads=4
"
    )
}
