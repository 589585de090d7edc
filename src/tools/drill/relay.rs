//! A relay in front of a server. When the relay is shut, the server is away for its clients, and
//! for them only.
//!
//! A drill must not stop a database or a registry that others use as well. So the service under
//! test reaches both through a port of this process, and that port is what goes away.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::base::clock::pause;

/// Time between two looks for a connection.
const LOOK: Duration = Duration::from_millis(5);

/// How long the server may take to accept a connection.
const CONNECT_TIME: Duration = Duration::from_secs(5);

/// A server's address, taken apart so that host and port can be replaced.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    /// Scheme, user and password.
    before: String,
    /// `host:port`.
    target: String,
    /// Path and parameters.
    after: String,
}

impl Address {
    /// Takes a URL apart; `default_port` is used if it has none. The error says why no relay can
    /// stand in front of this server.
    pub fn parse(url: &str, default_port: u16) -> Result<Self, &'static str> {
        let (scheme, rest) = url.split_once("://").ok_or("the address is no URL")?;
        if scheme == "https" {
            return Err("the registry is reached over https, and a relay cannot have its name");
        }
        let (authority, after) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let (user, host) = match authority.rfind('@') {
            Some(at) => authority.split_at(at + 1),
            None => ("", authority),
        };
        let parameters = after.split_once('?').map_or("", |(_, parameters)| parameters);
        for parameter in parameters.split('&') {
            match parameter.split_once('=') {
                Some(("host" | "hostaddr" | "port", _)) => {
                    return Err("the address has its host or port in a parameter");
                }
                Some(("sslmode" | "ssl-mode", "verify-full")) => {
                    return Err(
                        "sslmode is verify-full, and a relay cannot have the server's name",
                    );
                }
                _ => {}
            }
        }
        if host.is_empty() || host.starts_with('%') || host.contains(',') {
            return Err("the address does not name one host");
        }
        let has_port = host.rfind(':').is_some_and(|colon| !host[colon..].contains(']'));
        let port = if has_port { String::new() } else { format!(":{default_port}") };
        Ok(Self {
            before: format!("{scheme}://{user}"),
            target: format!("{host}{port}"),
            after: after.to_owned(),
        })
    }

    /// The URL with a port of this machine instead of the server's host and port.
    fn through(&self, port: u16) -> String {
        format!("{}127.0.0.1:{port}{}", self.before, self.after)
    }

    /// The server's own host and port, and the URL's path.
    pub(super) fn target(&self) -> (&str, &str) {
        (&self.target, self.after.trim_end_matches('/'))
    }
}

/// What the relay does with a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Door {
    /// Connects it to the server.
    Open,
    /// Accepts it and never answers, like a server that hangs.
    Silent,
    /// Closes it at once, like a server that is not there.
    Shut,
}

/// A running relay; dropping it ends it.
pub(super) struct Relay {
    port: u16,
    address: Address,
    shared: Arc<Shared>,
}

struct Shared {
    has_ended: AtomicBool,
    state: Mutex<(Door, Vec<TcpStream>)>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, (Door, Vec<TcpStream>)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Relay {
    /// Starts an open relay on a free port.
    pub(super) fn start(address: Address) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let state = Mutex::new((Door::Open, Vec::new()));
        let shared = Arc::new(Shared { has_ended: AtomicBool::new(false), state });
        let (own, target) = (Arc::clone(&shared), address.target.clone());
        std::thread::Builder::new().name("relay".to_owned()).spawn(move || {
            while !own.has_ended.load(Ordering::Acquire) {
                match listener.accept() {
                    Ok((client, _)) => welcome(client, &target, &own),
                    Err(_) => pause(LOOK),
                }
            }
        })?;
        Ok(Self { port, address, shared })
    }

    /// The server's URL, through the relay.
    pub(super) fn url(&self) -> String {
        self.address.through(self.port)
    }

    /// Sets what happens to connections. Existing ones are closed.
    pub(super) fn set(&self, door: Door) {
        let mut state = self.shared.state();
        state.0 = door;
        for connection in state.1.drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.has_ended.store(true, Ordering::Release);
        self.set(Door::Shut);
    }
}

/// Treats a new connection as the door says. A connection that cannot be relayed is dropped, and
/// its client notices.
fn welcome(client: TcpStream, target: &str, shared: &Arc<Shared>) {
    let mut state = shared.state();
    match state.0 {
        Door::Shut => {}
        Door::Silent => state.1.push(client),
        Door::Open => {
            drop(state);
            let (target, shared) = (target.to_owned(), Arc::clone(shared));
            let carry = move || carry(&client, &target, &shared);
            let _ = std::thread::Builder::new().name("relayed".to_owned()).spawn(carry);
        }
    }
}

/// Relays bytes both ways until one side ends.
fn carry(client: &TcpStream, target: &str, shared: &Shared) -> io::Result<()> {
    client.set_nonblocking(false)?;
    let server = connect(target)?;
    for stream in [client, &server] {
        stream.set_nodelay(true)?;
    }
    {
        let mut state = shared.state();
        if state.0 != Door::Open {
            return Ok(());
        }
        state.1.extend([client.try_clone()?, server.try_clone()?]);
    }
    let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
    let there = std::thread::spawn(move || {
        let _ = io::copy(&mut from_client, &mut to_server);
        let _ = to_server.shutdown(Shutdown::Both);
    });
    let _ = io::copy(&mut &server, &mut &*client);
    let _ = client.shutdown(Shutdown::Both);
    let _ = there.join();
    Ok(())
}

/// Connects to the first address of a name that accepts.
pub(super) fn connect(target: &str) -> io::Result<TcpStream> {
    let addresses: Vec<SocketAddr> = target.to_socket_addrs()?.collect();
    let mut outcome = Err(io::ErrorKind::NotFound.into());
    for address in addresses {
        outcome = TcpStream::connect_timeout(&address, CONNECT_TIME);
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;

    #[test]
    fn addresses_are_led_through_a_port() {
        let cases = [
            (
                "postgres://svc:pa:ss@db/fraud?a=b",
                "db:5432",
                "postgres://svc:pa:ss@127.0.0.1:7/fraud?a=b",
            ),
            ("postgresql://db:6543/fraud", "db:6543", "postgresql://127.0.0.1:7/fraud"),
            ("http://[::1]/apis", "[::1]:5432", "http://127.0.0.1:7/apis"),
            ("http://u@h:80", "h:80", "http://u@127.0.0.1:7"),
        ];
        for (url, target, through) in cases {
            let address = Address::parse(url, 5_432).unwrap();
            assert_eq!((address.target.as_str(), address.through(7).as_str()), (target, through));
        }
        let refused = [
            ("https://h", "https"),
            ("sqlite:a.db", "no URL"),
            ("postgres:///fraud", "one host"),
            ("postgres://%2Frun%2Fpg/fraud", "one host"),
            ("postgres://a:1,b:2/fraud", "one host"),
            ("postgres://h/fraud?host=/run", "parameter"),
            ("postgres://h/fraud?sslmode=verify-full", "verify-full"),
        ];
        for (url, words) in refused {
            let why = Address::parse(url, 5_432).err().unwrap_or_default();
            assert!(why.contains(words), "{url}: {why}");
        }
    }

    #[test]
    fn a_shut_relay_is_a_server_that_is_away() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = server.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for mut client in server.incoming().flatten() {
                std::thread::spawn(move || {
                    let mut byte = [0];
                    while client.read_exact(&mut byte).is_ok() && client.write_all(&byte).is_ok() {}
                });
            }
        });
        let address = Address::parse(&format!("http://127.0.0.1:{port}/x"), 80).unwrap();
        let relay = Relay::start(address).unwrap();
        let call = || {
            let stream = TcpStream::connect(("127.0.0.1", relay.port)).unwrap();
            stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
            stream
        };
        let ask = |stream: &mut TcpStream| {
            let mut byte = [0];
            stream.write_all(&[7]).and_then(|()| stream.read_exact(&mut byte)).map(|()| byte[0])
        };
        let mut kept = call();
        assert_eq!(ask(&mut kept).unwrap(), 7);
        relay.set(Door::Silent);
        assert!(ask(&mut kept).is_err(), "what was connected is cut");
        let silence = ask(&mut call()).unwrap_err();
        assert_eq!(silence.kind(), io::ErrorKind::WouldBlock, "nobody answers");
        relay.set(Door::Shut);
        assert_ne!(ask(&mut call()).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        relay.set(Door::Open);
        assert_eq!(ask(&mut call()).unwrap(), 7);
    }
}
