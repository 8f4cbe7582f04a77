//! Where orders come from: lines on standard input, keys at the terminal, or nowhere.

use std::io::{self, BufRead as _, Read as _};
use std::thread;

use crossterm::event;
use tokio::sync::mpsc;

use super::burst::Burst;
use super::input::Input;
use super::order::Order;

/// The longest line that is read, in bytes.
const MAX_LINE: u64 = 16 * 1024;
/// Inputs that may wait; what feeds them then waits too.
const QUEUE: usize = 16;
/// Keys that may wait: more than a person presses while the program is busy, for keys that pile up at the terminal come
/// at once, as a pasted text does.
const KEYS: usize = 256;

/// The stream of inputs. Reading happens on a thread of its own, which the end of the process ends: standard input
/// cannot be read without blocking.
#[derive(Debug)]
pub(super) struct Inputs {
    receiver: Option<mpsc::Receiver<Input>>,
}

impl Inputs {
    /// Nobody orders anything.
    pub(super) const fn none() -> Self {
        Self { receiver: None }
    }

    /// One order a line of standard input. Its end orders nothing.
    pub(super) fn lines() -> Self {
        let (sender, receiver) = mpsc::channel(QUEUE);
        thread::spawn(move || {
            while let Some(line) = next_line() {
                let input = match Order::parse(&line) {
                    Ok(Some(order)) => Input::Order(order),
                    Ok(None) => continue,
                    Err(failure) => Input::NotUnderstood(failure),
                };
                if sender.blocking_send(input).is_err() {
                    return;
                }
            }
        });
        Self {
            receiver: Some(receiver),
        }
    }

    /// The keys pressed at the terminal, and what is pasted there; a change of its size counts as none.
    pub(super) fn keys() -> Self {
        let (sender, receiver) = mpsc::channel(KEYS);
        thread::spawn(move || {
            while let Ok(inputs) = next_at_terminal() {
                for input in inputs {
                    if sender.blocking_send(input).is_err() {
                        return;
                    }
                }
            }
        });
        Self {
            receiver: Some(receiver),
        }
    }

    /// The next input; never, once there will be none.
    pub(super) async fn next(&mut self) -> Input {
        if let Some(receiver) = &mut self.receiver {
            if let Some(input) = receiver.recv().await {
                return input;
            }
            self.receiver = None;
        }
        std::future::pending().await
    }
}

/// The next key or pasted text at the terminal, and what comes together with it.
fn next_at_terminal() -> io::Result<Vec<Input>> {
    let mut pasted = None;
    let first = match event::read()? {
        event::Event::Key(key) => key,
        event::Event::Paste(text) => return Ok(vec![Input::Paste(text)]),
        _ => return Ok(Vec::new()),
    };
    let burst = Burst::gather(first, |patience| {
        while pasted.is_none() && event::poll(patience)? {
            match event::read()? {
                event::Event::Key(key) => return Ok(Some(key)),
                event::Event::Paste(text) => pasted = Some(text),
                _ => {}
            }
        }
        Ok(None)
    })?;
    let mut inputs = burst.into_inputs();
    inputs.extend(pasted.map(Input::Paste));
    Ok(inputs)
}

fn next_line() -> Option<String> {
    let mut line = Vec::new();
    let read = io::stdin()
        .lock()
        .take(MAX_LINE)
        .read_until(b'\n', &mut line)
        .ok()?;
    (read > 0).then(|| String::from_utf8_lossy(&line).into_owned())
}
