//! A schema registry that behaves as badly as a test wants, and what was logged meanwhile.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

/// How long anything is waited for that must come.
const PATIENCE: Duration = Duration::from_secs(30);

/// What was asked.
#[derive(Debug, Clone)]
pub struct Request {
    /// Method and target.
    pub line: String,
    pub authorization: Option<String>,
    pub body: String,
}

/// What is answered.
pub enum Reply {
    Json(u16, String),
    Html(u16),
    /// No answer, and the connection stays open.
    Silence,
    /// No answer, and the connection is closed.
    Close,
}

type Behaviour = Arc<dyn Fn(&Request) -> Reply + Send + Sync>;

struct Shared {
    requests: Mutex<Vec<Request>>,
    behaviour: Mutex<Behaviour>,
    silent: Mutex<Vec<TcpStream>>,
    has_ended: AtomicBool,
}

/// A registry on a free port of this machine; gone when dropped.
pub struct Fake {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

impl Fake {
    pub fn start(behaviour: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), behaviour)
    }

    /// At an address that has just been given up.
    pub fn start_at(
        address: SocketAddr,
        behaviour: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = until(|| TcpListener::bind(address).ok());
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            requests: Mutex::default(),
            behaviour: Mutex::new(Arc::new(behaviour)),
            silent: Mutex::default(),
            has_ended: AtomicBool::new(false),
        });
        let server = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if server.has_ended.load(Ordering::Relaxed) {
                    return;
                }
                let server = Arc::clone(&server);
                thread::spawn(move || serve(stream, &server));
            }
        });
        Self { address, shared }
    }

    /// Behaves otherwise from now on.
    pub fn becomes(&self, behaviour: impl Fn(&Request) -> Reply + Send + Sync + 'static) {
        *self.shared.behaviour.lock().unwrap() = Arc::new(behaviour);
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What has been asked so far.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().unwrap().clone()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.shared.has_ended.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(mut stream: TcpStream, shared: &Shared) {
    let Some(request) = read(&stream) else { return };
    shared.requests.lock().unwrap().push(request.clone());
    let behaviour = Arc::clone(&shared.behaviour.lock().unwrap());
    let (status, kind, body) = match behaviour(&request) {
        Reply::Json(status, body) => (status, "application/vnd.schemaregistry.v1+json", body),
        Reply::Html(status) => (status, "text/html", "<html>proxy</html>".to_owned()),
        Reply::Silence => return shared.silent.lock().unwrap().push(stream),
        Reply::Close => return,
    };
    let length = body.len();
    let head = format!("HTTP/1.1 {status} x\r\nContent-Type: {kind}\r\nContent-Length: {length}");
    let _ = write!(stream, "{head}\r\nConnection: close\r\n\r\n{body}");
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim_end() {
            "" => break,
            line => head.push(line.to_owned()),
        }
    }
    let header = |name: &str| {
        let (_, value) = head
            .iter()
            .skip(1)
            .filter_map(|line| line.split_once(": "))
            .find(|(found, _)| found.eq_ignore_ascii_case(name))?;
        Some(value.to_owned())
    };
    let length = header("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let line = head.first()?.trim_end_matches(" HTTP/1.1").to_owned();
    let body = String::from_utf8(body).ok()?;
    Some(Request { line, authorization: header("authorization"), body })
}

/// A registry's error.
pub fn error(status: u16, code: u32, message: &str) -> Reply {
    Reply::Json(status, serde_json::json!({"error_code": code, "message": message}).to_string())
}

/// An answer with a schema.
pub fn schema(text: &str) -> Reply {
    Reply::Json(200, serde_json::json!({ "schema": text }).to_string())
}

/// Waits for something that must come.
pub fn until<T>(mut ready: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(value) = ready() {
            return value;
        }
        assert!(started.elapsed() < PATIENCE, "it did not come");
        thread::sleep(Duration::from_millis(1));
    }
}

#[derive(Clone, Copy)]
struct Log;

fn buffer() -> &'static Mutex<Vec<u8>> {
    static BUFFER: OnceLock<Mutex<Vec<u8>>> = OnceLock::new();
    BUFFER.get_or_init(Mutex::default)
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        buffer().lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Keeps every log line of this process, whatever its level.
pub fn record_logs() {
    static STARTED: OnceLock<()> = OnceLock::new();
    STARTED.get_or_init(|| {
        tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer(|| Log)
            .init();
    });
}

/// The lines so far.
pub fn logged() -> String {
    String::from_utf8_lossy(&buffer().lock().unwrap()).into_owned()
}
