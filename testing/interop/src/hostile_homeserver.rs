//! A homeserver as bad as a test wants it: it does what one account needs, and answers some requests with anything at all.

use std::{
    collections::HashMap,
    fmt,
    io::{self, BufRead, BufReader, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

/// How long a poll is held when nothing else is said.
const POLL: Duration = Duration::from_millis(200);

/// Writes a whole answer, head and all, until it is done or the client has gone.
type WriteAnswer = dyn Fn(&mut dyn Write) -> io::Result<()> + Send + Sync;

/// What is answered in place of the truth.
#[derive(Clone)]
pub struct Answer(Arc<WriteAnswer>);

impl Answer {
    /// A status line such as `429 Too Many Requests`, further header lines, and a JSON body.
    #[must_use]
    pub fn json(status: &str, headers: &[&str], body: &str) -> Self {
        let mut head = format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\n");
        for header in headers {
            head.push_str(&format!("{header}\r\n"));
        }
        let answer = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
        Self::written(move |client| client.write_all(answer.as_bytes()))
    }

    /// A body that never ends: `beginning`, and then the same piece for ever.
    #[must_use]
    pub fn endless(beginning: &str, piece: &str) -> Self {
        let beginning = beginning.to_owned();
        let pieces = piece.repeat(64 * 1024 / piece.len().max(1) + 1);
        Self::written(move |client| {
            client.write_all(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
            )?;
            if !beginning.is_empty() {
                write_chunk(client, beginning.as_bytes())?;
            }
            loop {
                write_chunk(client, pieces.as_bytes())?;
            }
        })
    }

    /// A head that never ends.
    #[must_use]
    pub fn endless_head() -> Self {
        Self::written(|client| {
            client.write_all(b"HTTP/1.1 200 OK\r\n")?;
            for number in 0_u64.. {
                write!(client, "X-Filler-{number}: {}\r\n", "x".repeat(1_000))?;
            }
            Ok(())
        })
    }

    /// A compressed body that is 159 times as long when it is unpacked: `beginning`, and so many MiB of spaces.
    #[must_use]
    pub fn gzip(beginning: &str, mebibytes: usize, end: &str) -> Self {
        let body = gzip_of(
            beginning.as_bytes(),
            mebibytes * 1024 * 1024,
            end.as_bytes(),
        );
        Self::written(move |client| {
            write!(
                client,
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
                body.len()
            )?;
            client.write_all(&body)
        })
    }

    /// The same answer, but only after a while.
    #[must_use]
    pub fn after(self, time: Duration) -> Self {
        Self::written(move |client| {
            thread::sleep(time);
            (self.0)(client)
        })
    }

    /// The connection is closed after a while, without an answer: what an impatient proxy does.
    #[must_use]
    pub fn cut_after(time: Duration) -> Self {
        Self::written(move |_| {
            thread::sleep(time);
            Err(io::ErrorKind::ConnectionAborted.into())
        })
    }

    /// Whatever is written. Must begin with a status line.
    pub fn written(
        write: impl Fn(&mut dyn Write) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(write))
    }

    /// Gives the answer to a client; for one that is made of another.
    ///
    /// # Errors
    ///
    /// When the client has gone, or is to be left.
    pub fn write(&self, client: &mut dyn Write) -> io::Result<()> {
        (self.0)(client)
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Answer(..)")
    }
}

/// One rule: what to answer to which requests, and how often.
#[derive(Debug)]
struct Rule {
    /// In the request line.
    contains: String,
    answer: Answer,
    times: usize,
}

#[derive(Debug, Default)]
struct State {
    rules: Vec<Rule>,
    /// The request lines so far.
    requests: Vec<String>,
    /// What `/keys/upload` brought, by user.
    device_keys: HashMap<String, String>,
}

/// The server. It stops when it is dropped.
#[derive(Debug)]
pub struct HostileHomeserver {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    is_over: Arc<AtomicBool>,
}

impl HostileHomeserver {
    /// Starts on a free port of the loopback interface, and is honest for the time being.
    ///
    /// # Errors
    ///
    /// When no socket can be had.
    pub fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let state = Arc::<Mutex<State>>::default();
        let is_over = Arc::new(AtomicBool::new(false));
        let (shared, over) = (Arc::clone(&state), Arc::clone(&is_over));
        thread::Builder::new()
            .name("hostile".to_owned())
            .spawn(move || {
                for client in listener.incoming() {
                    if over.load(Ordering::SeqCst) {
                        return;
                    }
                    let (Ok(client), state, over) =
                        (client, Arc::clone(&shared), Arc::clone(&over))
                    else {
                        continue;
                    };
                    // A client that goes away is what this is about.
                    thread::spawn(move || serve(&client, address, &state, &over));
                }
            })?;
        Ok(Self {
            address,
            state,
            is_over,
        })
    }

    /// `http://127.0.0.1:port`.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on requests whose first line contains this text are answered so. The latest rule goes first.
    pub fn answer(&self, contains: &str, answer: Answer) {
        self.answer_times(contains, usize::MAX, answer);
    }

    /// The same, for so many requests.
    pub fn answer_times(&self, contains: &str, times: usize, answer: Answer) {
        let contains = contains.to_owned();
        let rule = Rule {
            contains,
            answer,
            times,
        };
        lock(&self.state).rules.push(rule);
    }

    /// Honest again.
    pub fn behave(&self) {
        lock(&self.state).rules.clear();
    }

    /// How many requests came whose first line contains this text.
    #[must_use]
    pub fn requests(&self, contains: &str) -> usize {
        let state = lock(&self.state);
        let fits = |line: &&String| line.contains(contains);
        state.requests.iter().filter(fits).count()
    }
}

impl Drop for HostileHomeserver {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        // Wakes the listener, which then sees that it is over.
        let _ = TcpStream::connect(self.address);
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(
    stream: &TcpStream,
    address: SocketAddr,
    state: &Mutex<State>,
    over: &AtomicBool,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    let mut client = stream;
    while !over.load(Ordering::SeqCst) {
        let Some((line, body)) = read_request(&mut reader)? else {
            return Ok(());
        };
        let lie = {
            let mut state = lock(state);
            state.requests.push(line.clone());
            let rules = state.rules.iter_mut().rev();
            let mut fitting = rules.filter(|rule| rule.times > 0 && line.contains(&rule.contains));
            fitting.next().map(|rule| {
                rule.times = rule
                    .times
                    .saturating_sub(usize::from(rule.times != usize::MAX));
                rule.answer.clone()
            })
        };
        match lie {
            Some(lie) => (lie.0)(&mut client)?,
            None => (honest(&line, &body, address, state).0)(&mut client)?,
        }
    }
    Ok(())
}

fn read_request(reader: &mut impl BufRead) -> io::Result<Option<(String, String)>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let header = header.trim();
        if header.is_empty() {
            break;
        }
        if let Some((name, value)) = header.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().map_err(io::Error::other)?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let body = String::from_utf8(body).map_err(io::Error::other)?;
    Ok(Some((line.trim().to_owned(), body)))
}

/// What a homeserver with one user answers, as far as a client of one device needs it.
fn honest(line: &str, body: &str, address: SocketAddr, state: &Mutex<State>) -> Answer {
    let ok = |body: &str| Answer::json("200 OK", &[], body);
    let path = line.split(['?', ' ']).nth(1).unwrap_or_default();
    let has = |part: &str| path.contains(part);
    // The user that the last login asked for.
    let user = |state: &State| state.device_keys.keys().next().cloned().unwrap_or_default();
    if has("/versions") {
        ok(r#"{"versions":["v1.11"]}"#)
    } else if has("/login") && line.starts_with("GET") {
        ok(r#"{"flows":[{"type":"m.login.password"}]}"#)
    } else if has("/login") || has("/register") {
        let name = field(body, "user").or_else(|| field(body, "username"));
        let name = name.unwrap_or_else(|| "user".to_owned());
        let id = match name.starts_with('@') {
            true => name,
            false => format!("@{name}:{address}"),
        };
        lock(state).device_keys = HashMap::from([(id.clone(), String::new())]);
        ok(&format!(
            r#"{{"user_id":"{id}","device_id":"HOSTILE","access_token":"token"}}"#
        ))
    } else if has("/keys/upload") {
        if let Some(keys) = object(body, "device_keys") {
            let mut state = lock(state);
            let user = user(&state);
            state.device_keys.insert(user, keys);
        }
        ok(r#"{"one_time_key_counts":{"signed_curve25519":50}}"#)
    } else if has("/keys/query") {
        let state = lock(state);
        let keys = state
            .device_keys
            .iter()
            .filter(|(_, keys)| !keys.is_empty());
        let keys = keys.map(|(user, keys)| format!(r#""{user}":{{"HOSTILE":{keys}}}"#));
        let keys: Vec<_> = keys.collect();
        ok(&format!(r#"{{"device_keys":{{{}}}}}"#, keys.join(",")))
    } else if has("/keys/claim") {
        ok(r#"{"one_time_keys":{}}"#)
    } else if has("/sync") {
        if !line.contains("timeout=0") {
            thread::sleep(POLL);
        }
        ok(r#"{"next_batch":"s1","device_one_time_keys_count":{"signed_curve25519":50}}"#)
    } else {
        ok("{}")
    }
}

/// The text of a field that is one, found without a parser: what our own client sends has no surprises.
fn field(json: &str, name: &str) -> Option<String> {
    let (_, behind) = json.split_once(&format!(r#""{name}":""#))?;
    behind.split('"').next().map(str::to_owned)
}

/// The object in a field.
fn object(json: &str, name: &str) -> Option<String> {
    let (_, behind) = json.split_once(&format!(r#""{name}":{{"#))?;
    let mut depth = 1;
    let end = behind.find(|c| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        depth == 0
    })?;
    Some(format!("{{{}}}", &behind[..end]))
}

/// One of no bytes would be the end.
fn write_chunk(client: &mut dyn Write, chunk: &[u8]) -> io::Result<()> {
    write!(client, "{:x}\r\n", chunk.len())?;
    client.write_all(chunk)?;
    client.write_all(b"\r\n")
}

/// RFC 1952 around RFC 1951: stored blocks for the ends, and for the spaces one block of fixed codes in which each 13
/// bits say "the last byte 258 times more".
fn gzip_of(beginning: &[u8], spaces: usize, end: &[u8]) -> Vec<u8> {
    const RUN: usize = 258;
    let runs = spaces / RUN;
    let mut bits = Bits::default();
    bits.push_stored(beginning, false);
    bits.push(0b010, 3);
    bits.push_code(0x30 + u32::from(b' '), 8);
    for _ in 0..runs {
        // Length 258 is symbol 285, distance 1 is symbol 0.
        bits.push_code(0b1100_0101, 8);
        bits.push_code(0, 5);
    }
    bits.push_code(0, 7);
    bits.push_stored(end, true);

    let mut crc = Crc::default();
    crc.update(beginning.iter().copied());
    crc.update_with_many(b' ', runs * RUN + 1);
    crc.update(end.iter().copied());
    let mut gzip = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    gzip.extend(bits.bytes);
    gzip.extend(crc.end().to_le_bytes());
    let length = beginning.len() + runs * RUN + 1 + end.len();
    gzip.extend(
        u32::try_from(length & 0xffff_ffff)
            .unwrap_or(0)
            .to_le_bytes(),
    );
    gzip
}

#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    used: u32,
}

impl Bits {
    /// Numbers go in from their least bit.
    fn push(&mut self, value: u32, count: u32) {
        for place in 0..count {
            if self.used == 0 {
                self.bytes.push(0);
            }
            if let Some(last) = self.bytes.last_mut() {
                *last |= u8::from(value >> place & 1 == 1) << self.used;
            }
            self.used = (self.used + 1) % 8;
        }
    }

    /// Codes go in from their greatest bit.
    fn push_code(&mut self, code: u32, count: u32) {
        for place in (0..count).rev() {
            self.push(code >> place & 1, 1);
        }
    }

    fn push_stored(&mut self, bytes: &[u8], is_last: bool) {
        self.push(u32::from(is_last), 3);
        self.used = 0;
        let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
        self.bytes.extend(length.to_le_bytes());
        self.bytes.extend((!length).to_le_bytes());
        self.bytes.extend(bytes);
    }
}

struct Crc(u32);

impl Default for Crc {
    fn default() -> Self {
        Self(u32::MAX)
    }
}

impl Crc {
    fn update(&mut self, bytes: impl Iterator<Item = u8>) {
        for byte in bytes {
            self.0 = Self::after(self.0 ^ u32::from(byte));
        }
    }

    /// As [`Crc::update`] with so many of one byte, of which the tests have half a thousand million: what a byte does to the state is
    /// linear, so twice as many take but one step more.
    fn update_with_many(&mut self, byte: u8, mut count: usize) {
        let mut columns: [u32; 32] = std::array::from_fn(|bit| Self::after(1 << bit));
        let mut constant = Self::after(u32::from(byte));
        while count > 0 {
            let apply = |state: u32| {
                let set = (0..32).filter(|bit| state >> bit & 1 == 1);
                set.fold(0, |sum, bit| sum ^ columns[bit])
            };
            if count & 1 == 1 {
                self.0 = apply(self.0) ^ constant;
            }
            (columns, constant) = (columns.map(apply), apply(constant) ^ constant);
            count >>= 1;
        }
    }

    /// The state after the eight bits that are lowest in this one.
    fn after(mut state: u32) -> u32 {
        for _ in 0..8 {
            state = (state >> 1) ^ (0xedb8_8320 & (state & 1).wrapping_neg());
        }
        state
    }

    fn end(self) -> u32 {
        !self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_is_that_of_the_standard() {
        let mut crc = Crc::default();
        crc.update(b"123456789".iter().copied());
        assert_eq!(crc.end(), 0xcbf4_3926);
    }

    #[test]
    fn many_bytes_at_once_give_the_checksum_of_one_after_the_other() {
        for count in [0, 1, 2, 258, 1023] {
            let (mut at_once, mut each) = (Crc::default(), Crc::default());
            for crc in [&mut at_once, &mut each] {
                crc.update(b"{".iter().copied());
            }
            at_once.update_with_many(b' ', count);
            each.update(std::iter::repeat_n(b' ', count));
            assert_eq!(at_once.end(), each.end(), "{count}");
        }
    }
}
