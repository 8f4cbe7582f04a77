//! A headless Chromium with one page, which does as it is told and says what came of it.
//!
//! The page asks for an order by a POST, whose body is the result of the order before; the answer to it is the next order. The
//! microphone it opens hears a tone.

use std::env;
use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

/// Under these names distributions install it.
const NAMES: [&str; 4] = [
    "chromium",
    "chromium-browser",
    "google-chrome-stable",
    "google-chrome",
];
/// Past the shell script that Debian has in front of it, which a signal would end in place of the browser.
const DEBIANS: &str = "/usr/lib/chromium/chromium";
/// A first start on a busy machine makes a profile.
const START_PATIENCE: Duration = Duration::from_secs(90);
/// The longest result: two descriptions have some 10 KiB.
const MAX_RESULT: usize = 1 << 20;
const SAMPLE_RATE: u32 = 48_000;

/// What kept a browser from starting, or from doing as it was told.
#[derive(Debug, thiserror::Error)]
pub enum BrowserError {
    /// None is installed.
    #[error("there is no Chromium: `cargo xtask setup` installs it, and $CHROMIUM may name one")]
    Missing,
    /// It could not be started, or its server not opened.
    #[error("Chromium could not be started: {0}")]
    Start(#[from] io::Error),
    /// It did not open its page, or left it.
    #[error("Chromium has not asked for an order; it wrote: {0}")]
    Silent(String),
    /// The page reported an error.
    #[error("the page failed: {0}")]
    Failed(String),
}

/// A running browser. It ends when this value is dropped.
#[derive(Debug)]
pub struct Browser {
    process: Child,
    directory: TempDir,
    orders: Sender<String>,
    results: Receiver<Value>,
}

impl Browser {
    /// Starts one, and waits until its page is there. Its microphone hears a tone of so many Hz at a quarter of full scale.
    ///
    /// # Errors
    /// [`BrowserError::Missing`] where there is none: nothing is skipped.
    pub fn start(page: &'static str, hertz: f32) -> Result<Self, BrowserError> {
        let mut command = chromium()?;
        let directory = tempfile::tempdir()?;
        let tone = directory.path().join("tone.wav");
        write_tone(&tone, hertz)?;
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let origin = format!("http://{}/", listener.local_addr()?);
        let (orders, next_order) = mpsc::channel();
        let (told, results) = mpsc::channel();
        thread::spawn(move || serve(&listener, page, &next_order, &told));
        let log = File::create(directory.path().join("log"))?;
        let process = command
            .arg("--allow-loopback-in-peer-connection")
            .arg(format!(
                "--user-data-dir={}",
                directory.path().join("profile").display()
            ))
            .arg(format!(
                "--use-file-for-fake-audio-capture={}",
                tone.display()
            ))
            .arg(origin)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        let browser = Self {
            process,
            directory,
            orders,
            results,
        };
        // The first result is that the page is there.
        match browser.results.recv_timeout(START_PATIENCE) {
            Ok(first) => browser.checked(first).map(|_| browser),
            Err(_) => Err(browser.silent()),
        }
    }

    /// Gives the page its next order. Its result comes by [`Browser::result`], before which there may be no other order.
    pub fn order(&self, order: &Value) {
        // Whoever waits for the result sees that nobody is there.
        let _ = self.orders.send(order.to_string());
    }

    /// The result of the last order, as soon as there is one.
    ///
    /// # Errors
    /// [`BrowserError::Failed`] if that is what the page says; [`BrowserError::Silent`] if it is gone.
    pub fn result(&self) -> Result<Option<Value>, BrowserError> {
        match self.results.try_recv() {
            Ok(result) => self.checked(result).map(Some),
            Err(mpsc::TryRecvError::Empty) => Ok(None),
            Err(mpsc::TryRecvError::Disconnected) => Err(self.silent()),
        }
    }

    fn checked(&self, result: Value) -> Result<Value, BrowserError> {
        match result["failed"].as_str() {
            Some(why) => Err(BrowserError::Failed(why.to_owned())),
            None => Ok(result),
        }
    }

    fn silent(&self) -> BrowserError {
        let log = fs::read_to_string(self.directory.path().join("log"));
        BrowserError::Silent(log.unwrap_or_default())
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Its other processes end with it.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A headless Chromium with what every page of ours needs: where its profile is, and the page, come behind it.
///
/// # Errors
/// [`BrowserError::Missing`] where there is none.
pub fn chromium() -> Result<Command, BrowserError> {
    let mut command = Command::new(program().ok_or(BrowserError::Missing)?);
    command.args([
        "--headless=new",
        // Root has no sandbox, and the page is ours.
        "--no-sandbox",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        // A page that nobody sees is not to be slowed down.
        "--disable-background-timer-throttling",
        "--disable-renderer-backgrounding",
        "--disable-backgrounding-occluded-windows",
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        // The addresses themselves: nobody here resolves a name.
        "--disable-features=WebRtcHideLocalIpsWithMdns",
        "--no-proxy-server",
        // What comes is played, though nobody has clicked.
        "--autoplay-policy=no-user-gesture-required",
    ]);
    Ok(command)
}

/// `$CHROMIUM`, or the first that is installed.
fn program() -> Option<PathBuf> {
    if let Some(named) = env::var_os("CHROMIUM") {
        return Some(named.into());
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let named = env::split_paths(&path)
        .flat_map(|directory| NAMES.map(|name| directory.join(name)))
        .collect::<Vec<_>>();
    let mut all = std::iter::once(PathBuf::from(DEBIANS)).chain(named);
    all.find(|program| program.is_file())
}

/// A WAV file of 16-bit samples: whole periods of a second, which Chromium repeats.
fn write_tone(path: &Path, hertz: f32) -> io::Result<()> {
    let data: Vec<u8> = (0..SAMPLE_RATE)
        .map(|i| {
            let turn = i as f32 * hertz.round() / SAMPLE_RATE as f32;
            (turn.fract() * std::f32::consts::TAU).sin() * 8_192.0
        })
        .flat_map(|sample| (sample as i16).to_le_bytes())
        .collect();
    let length = u32::try_from(data.len()).map_err(io::Error::other)?;
    let mut wav = Vec::new();
    wav.extend(b"RIFF");
    wav.extend((36 + length).to_le_bytes());
    wav.extend(b"WAVEfmt ");
    wav.extend(16_u32.to_le_bytes());
    // PCM, one channel.
    wav.extend([1, 0, 1, 0]);
    wav.extend(SAMPLE_RATE.to_le_bytes());
    wav.extend((SAMPLE_RATE * 2).to_le_bytes());
    wav.extend([2, 0, 16, 0]);
    wav.extend(b"data");
    wav.extend(length.to_le_bytes());
    wav.extend(data);
    fs::write(path, wav)
}

/// Answers the page, one request after the other: there is only one page, and it asks one thing at a time.
fn serve(listener: &TcpListener, page: &str, orders: &Receiver<String>, results: &Sender<Value>) {
    for stream in listener.incoming().map_while(Result::ok) {
        // A request that fails is seen by who waits for the result.
        let _ = answer(stream, page, orders, results);
    }
}

fn answer(
    mut stream: TcpStream,
    page: &str,
    orders: &Receiver<String>,
    results: &Sender<Value>,
) -> io::Result<()> {
    // Browsers open connections that they may use later.
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().map_err(io::Error::other)?;
        }
    }
    if length > MAX_RESULT {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let (kind, body) = if first.starts_with("GET / ") {
        ("text/html", page.to_owned())
    } else if first.starts_with("POST /next ") {
        let result = serde_json::from_slice(&body).map_err(io::Error::other)?;
        // Both ends of the channels are gone when the test is over.
        let told = results.send(result);
        let order = orders.recv().ok().filter(|_| told.is_ok());
        let Some(order) = order else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        ("application/json", order)
    } else {
        ("text/plain", String::new())
    };
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}
