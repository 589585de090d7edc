//! A door before a server: shut, the server is away for those who come through it, and only for
//! them.
//!
//! An outage of a server that all tests share would be an outage for all tests, and a registry that
//! keeps its schemas in memory would come back with other ids. The server behind the door stays.

use std::io::copy;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What happens to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// It reaches the server.
    Open,
    /// It is closed at once, as by a server that is not there.
    Refuses,
    /// It is taken and never answered, as by a server that hangs.
    Silent,
}

/// A door on a port of its own.
pub struct Gate {
    port: u16,
    state: Arc<Mutex<State>>,
}

struct State {
    door: Door,
    connections: Vec<TcpStream>,
}

impl Gate {
    /// A door before `target`, `host:port`. It ends with the process.
    pub fn new(target: &str, door: Door) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let state = Arc::new(Mutex::new(State { door, connections: Vec::new() }));
        let (shared, target) = (Arc::clone(&state), target.to_owned());
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let mut state = shared.lock().expect("a door");
                match state.door {
                    Door::Open => {
                        if let Ok(server) = TcpStream::connect(&target) {
                            join(&connection, &server);
                            state.connections.extend([connection, server]);
                        }
                    }
                    Door::Refuses => drop(connection),
                    Door::Silent => state.connections.push(connection),
                }
            }
        });
        Self { port, state }
    }

    /// Where the door is.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Opens or shuts it. Connections that are there end.
    pub fn set(&self, door: Door) {
        let mut state = self.state.lock().expect("a door");
        state.door = door;
        for connection in state.connections.drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }
}

/// Carries bytes both ways until one side ends.
fn join(one: &TcpStream, other: &TcpStream) {
    for (from, to) in [(one, other), (other, one)] {
        let clone = |stream: &TcpStream| stream.try_clone().expect("another handle");
        let (mut from, mut to) = (clone(from), clone(to));
        std::thread::spawn(move || {
            let _ = copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Write);
        });
    }
}
