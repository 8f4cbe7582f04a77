//! An HTTP server that answers as a test tells it, and leads the rest to another server if there is one.

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// How long a test waits for a request that does not come.
const PATIENCE: Duration = Duration::from_secs(60);

/// One request, as the server has read it.
#[derive(Clone, Debug)]
pub struct Request {
    /// `GET /path?query HTTP/1.1`.
    pub line: String,
    /// As many bytes as `Content-Length` says, as text.
    pub body: String,
}

/// Listens on a free port of the loopback interface until it is dropped.
#[derive(Debug)]
pub struct WebServer {
    address: SocketAddr,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    behind: Option<SocketAddr>,
    rules: Mutex<Vec<(String, Vec<u8>)>>,
    ways: Mutex<Vec<(String, SocketAddr)>>,
    requests: Mutex<Vec<Request>>,
    has_come: Condvar,
    held: Mutex<Option<String>>,
    released: Condvar,
    is_over: AtomicBool,
}

impl WebServer {
    /// A server that answers 404 to what it was not told.
    ///
    /// # Errors
    ///
    /// When no socket can be had.
    pub fn start() -> io::Result<Self> {
        Self::with(State::default())
    }

    /// A server that leads what it was not told to `server`.
    ///
    /// # Errors
    ///
    /// When no socket can be had.
    pub fn in_front_of(server: SocketAddr) -> io::Result<Self> {
        Self::with(State {
            behind: Some(server),
            ..State::default()
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:port`.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on requests whose first line contains `what` (such as `POST /_matrix/client/v3/login`) are answered with
    /// these bytes as they are. The latest that fits counts.
    pub fn answer_raw(&self, what: &str, bytes: impl Into<Vec<u8>>) {
        lock(&self.state.rules).push((what.to_owned(), bytes.into()));
    }

    /// The same with an answer of HTTP; `status` such as `404 Not Found`, with further header lines behind it if need be.
    pub fn answer(&self, what: &str, status: &str, body: &str) {
        let length = body.len();
        self.answer_raw(
            what,
            format!(
                "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            ),
        );
    }

    /// From now on requests whose first line contains `what` go to this server, as behind a proxy. The latest that fits counts.
    pub fn lead(&self, what: &str, server: SocketAddr) {
        lock(&self.state.ways).push((what.to_owned(), server));
    }

    /// From now on nothing is answered as it was told: all goes to the server behind, or is not found.
    pub fn forget_answers(&self) {
        lock(&self.state.rules).clear();
    }

    /// From now on requests whose first line contains `what` get no answer, nor get anywhere, before [`WebServer::release`].
    pub fn hold(&self, what: &str) {
        *lock(&self.state.held) = Some(what.to_owned());
    }

    /// What was held goes on, and nothing is held any more.
    pub fn release(&self) {
        *lock(&self.state.held) = None;
        self.state.released.notify_all();
    }

    /// Waits until there was a request whose first line contains `what`.
    ///
    /// # Errors
    ///
    /// When there is none for a minute.
    pub fn wait_for(&self, what: &str) -> io::Result<()> {
        let give_up_at = Instant::now() + PATIENCE;
        let mut requests = lock(&self.state.requests);
        while !requests.iter().any(|request| request.line.contains(what)) {
            let left = give_up_at.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::Error::other(format!("no `{what}` came")));
            }
            let woken = self.state.has_come.wait_timeout(requests, left);
            requests = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(())
    }

    /// What came in so far.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        lock(&self.state.requests).clone()
    }

    fn with(state: State) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let state = Arc::new(state);
        let shared = Arc::clone(&state);
        thread::Builder::new()
            .name("web-server".to_owned())
            .spawn(move || {
                for client in listener.incoming() {
                    if shared.is_over.load(Ordering::SeqCst) {
                        return;
                    }
                    let (Ok(client), state) = (client, Arc::clone(&shared)) else {
                        continue;
                    };
                    // A client that goes away needs no answer.
                    thread::spawn(move || serve(client, &state));
                }
            })?;
        Ok(Self { address, state })
    }
}

impl Drop for WebServer {
    fn drop(&mut self) {
        self.state.is_over.store(true, Ordering::SeqCst);
        self.release();
        // Wakes the listener, which then sees that it is over.
        let _ = TcpStream::connect(self.address);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Answers one request, then closes.
fn serve(mut client: TcpStream, state: &State) -> io::Result<()> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 16_384];
    let head_end = loop {
        let read = client.read(&mut buffer)?;
        if read == 0 {
            return Ok(());
        }
        bytes.extend_from_slice(buffer.get(..read).unwrap_or_default());
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        // What is no HTTP has no such end: it is answered as if it had.
        if !bytes.is_ascii() {
            break bytes.len();
        }
    };
    let head = String::from_utf8_lossy(bytes.get(..head_end).unwrap_or_default()).into_owned();
    let length: usize = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse().ok())
        .unwrap_or_default();
    while bytes.len() < head_end + length {
        let read = client.read(&mut buffer)?;
        if read == 0 {
            return Ok(());
        }
        bytes.extend_from_slice(buffer.get(..read).unwrap_or_default());
    }

    let line = head.lines().next().unwrap_or_default().to_owned();
    let body = String::from_utf8_lossy(bytes.get(head_end..).unwrap_or_default()).into_owned();
    let answer = lock(&state.rules)
        .iter()
        .rfind(|(what, _)| line.contains(what.as_str()))
        .map(|(_, answer)| answer.clone());
    let behind = lock(&state.ways)
        .iter()
        .rfind(|(what, _)| line.contains(what.as_str()))
        .map_or(state.behind, |(_, server)| Some(*server));
    let mut held = lock(&state.held);
    lock(&state.requests).push(Request {
        line: line.clone(),
        body,
    });
    state.has_come.notify_all();
    while held.as_ref().is_some_and(|what| line.contains(what)) {
        let woken = state.released.wait(held);
        held = woken.unwrap_or_else(PoisonError::into_inner);
    }
    drop(held);
    match (answer, behind) {
        (Some(answer), _) => client.write_all(&answer),
        (None, Some(server)) => forward(
            client,
            server,
            &head,
            bytes.get(head_end..).unwrap_or_default(),
        ),
        (None, None) => client
            .write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
    }
}

fn forward(mut client: TcpStream, server: SocketAddr, head: &str, body: &[u8]) -> io::Result<()> {
    let mut server = TcpStream::connect(server)?;
    let (line, rest) = head.split_once("\r\n").unwrap_or((head, ""));
    // One request a connection, so that its answer ends where the connection does.
    write!(server, "{line}\r\nConnection: close\r\n{rest}")?;
    server.write_all(body)?;
    io::copy(&mut server, &mut client)?;
    Ok(())
}
