//! What two pages say to each other of a call: an HTTP server at a host of the internet, which gives each page a stream of
//! events, and passes on what the other one posts. No homeserver could be faster: it neither stores nor checks anything.

use std::collections::HashMap;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use securecall_interop::network::Host;
use serde_json::Value;

use crate::call::interrupt;
use crate::call::record::Side;

/// The page that each browser opens.
const PAGE: &str = include_str!("call.html");
/// Any will do.
const PORT: u16 = 8080;
/// The longest message: a recording of a minute has 6 MB, an offer some 2 KiB.
const MAX_BODY: usize = 16 << 20;
/// Requests that come meanwhile need connections of their own, which stay open.
const WARMING: Duration = Duration::from_millis(500);

/// The server.
pub(crate) struct Signaling {
    address: SocketAddr,
    state: Arc<State>,
    reports: Receiver<Value>,
}

/// What its connections share.
struct State {
    /// The streams of events, by side.
    events: Mutex<HashMap<String, TcpStream>>,
    /// 16-bit samples, little-endian, by what they are of.
    recordings: Mutex<HashMap<String, Vec<u8>>>,
    reports: Sender<Value>,
}

impl Signaling {
    /// Listens at a host for as long as the bench runs.
    pub(crate) fn start(host: &Host) -> Result<Self> {
        let listener = host.tcp_listener(PORT)?;
        let (sender, reports) = mpsc::channel();
        let state = Arc::new(State {
            events: Mutex::default(),
            recordings: Mutex::default(),
            reports: sender,
        });
        let shared = Arc::clone(&state);
        let address = listener.local_addr()?;
        thread::spawn(move || accept(&listener, &shared));
        Ok(Self {
            address,
            state,
            reports,
        })
    }

    /// Where one side's page is.
    pub(crate) fn page(&self, side: Side) -> String {
        format!("{}/?side={}", self.origin(), side.name())
    }

    /// The page's origin, which is no secure one by itself.
    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Tells a page something.
    pub(crate) fn tell(&self, side: Side, message: &Value) -> Result<()> {
        let told = self.state.send(side.name(), &message.to_string());
        told.with_context(|| format!("the {}'s page is not there", side.name()))
    }

    /// Takes a recording that a page has sent.
    pub(crate) fn take_recording(&self, of: &str) -> Result<Vec<i16>> {
        let bytes = lock(&self.state.recordings).remove(of);
        let bytes = bytes.with_context(|| format!("no page has sent {of}"))?;
        let samples = bytes.chunks_exact(2);
        Ok(samples
            .map(|sample| i16::from_le_bytes([sample[0], sample[1]]))
            .collect())
    }

    /// What one side's page reports next under this name.
    pub(crate) fn report(&self, side: Side, name: &str, patience: Duration) -> Result<Value> {
        let deadline = Instant::now() + patience;
        loop {
            if interrupt::came() {
                bail!("interrupted");
            }
            if Instant::now() > deadline {
                bail!(
                    "the {}'s page did not report {name} within {} s",
                    side.name(),
                    patience.as_secs()
                );
            }
            let Ok(report) = self.reports.recv_timeout(Duration::from_millis(100)) else {
                continue;
            };
            if let Some(failed) = report["failed"].as_str() {
                bail!("the page of {} failed: {failed}", report["side"]);
            }
            if report["side"] == side.name() && !report[name].is_null() {
                return Ok(report);
            }
        }
    }
}

impl State {
    fn send(&self, side: &str, message: &str) -> io::Result<()> {
        let mut events = lock(&self.events);
        let stream = events.get_mut(side).ok_or(io::ErrorKind::NotConnected)?;
        stream.write_all(format!("data: {message}\n\n").as_bytes())
    }
}

fn accept(listener: &TcpListener, state: &Arc<State>) {
    for stream in listener.incoming().map_while(Result::ok) {
        let state = Arc::clone(state);
        // A connection that fails is seen by who waits for what it should have brought.
        thread::spawn(move || serve(stream, &state));
    }
}

/// Answers the requests of one connection.
fn serve(stream: TcpStream, state: &State) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut stream = stream;
    while let Some((line, body)) = read_request(&mut reader)? {
        let mut words = line.split(' ');
        let target = words.nth(1).unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let (_, value) = query.split_once('=').unwrap_or_default();
        match path {
            "/" => respond(&mut stream, "200 OK", PAGE)?,
            "/events" => {
                let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n\r\n";
                stream.write_all(head.as_bytes())?;
                lock(&state.events).insert(value.to_owned(), stream);
                return Ok(());
            }
            "/say" => {
                // First, as a homeserver that is faster than any.
                let message = str::from_utf8(&body).map_err(io::Error::other)?;
                state.send(value, message)?;
                respond(&mut stream, "200 OK", "")?;
            }
            "/report" => {
                let report = serde_json::from_slice(&body).map_err(io::Error::other)?;
                // Nobody may wait for it any more.
                let _ = state.reports.send(report);
                respond(&mut stream, "200 OK", "")?;
            }
            "/recording" => {
                lock(&state.recordings).insert(value.to_owned(), body);
                respond(&mut stream, "200 OK", "")?;
            }
            "/warm" => {
                thread::sleep(WARMING);
                respond(&mut stream, "200 OK", "")?;
            }
            _ => respond(&mut stream, "404 Not Found", "")?,
        }
    }
    Ok(())
}

/// The first line and the body of a request; nothing if there is none any more.
fn read_request(reader: &mut BufReader<TcpStream>) -> io::Result<Option<(String, Vec<u8>)>> {
    let mut first = String::new();
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        if first.is_empty() {
            line.clone_into(&mut first);
        }
        let (name, value) = line.split_once(':').unwrap_or_default();
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().map_err(io::Error::other)?;
        }
    }
    if length > MAX_BODY {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Some((first, body)))
}

fn respond(stream: &mut TcpStream, status: &str, body: &str) -> io::Result<()> {
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/html\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(answer.as_bytes())
}

/// Nothing is left half done under a lock.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
