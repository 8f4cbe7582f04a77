//! Questions to a person. Nothing is ever asked unless standard input is a terminal.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _};

use zeroize::Zeroizing;

#[cfg(unix)]
use self::echo::EchoOff;
use crate::error::{ErrorKind, Failure};
use crate::output::{Line, Printable, Stream, note};

#[cfg(unix)]
mod echo;

/// The longest answer that is read, in bytes.
const MAX_ANSWER: u64 = 16 * 1024;

/// Whether somebody can be asked.
pub(crate) fn can_ask() -> bool {
    io::stdin().is_terminal()
}

/// A secret typed at a prompt, or the first line of standard input where that is no terminal.
pub(crate) fn secret(question: &str) -> Result<Zeroizing<String>, Failure> {
    if can_ask() { hidden(question) } else { line() }
}

/// A secret typed at a prompt, without showing it.
pub(crate) fn hidden(question: &str) -> Result<Zeroizing<String>, Failure> {
    let question = Line::from(format!("{question}: "));
    rpassword::prompt_password(question.as_str())
        .map(Zeroizing::new)
        .map_err(|error| unreadable(&error))
}

/// A line typed at a prompt, for all to see.
pub(crate) fn visible(question: &str) -> Result<String, Failure> {
    ask(question)?;
    Ok(line()?.to_string())
}

/// So many words at a prompt, on one line or on several, up to an empty one; or all of standard input where that is no
/// terminal.
pub(crate) fn words(question: &str, count: usize) -> Result<Zeroizing<String>, Failure> {
    if can_ask() {
        return hidden_words(question, count);
    }
    let mut text = Zeroizing::new(String::new());
    io::stdin()
        .lock()
        .take(MAX_ANSWER)
        .read_to_string(&mut text)
        .map_err(|error| unreadable(&error))?;
    Ok(text)
}

/// Nothing of it is shown, also where all lines are pasted at once, before the second one is asked for.
#[cfg(unix)]
fn hidden_words(question: &str, count: usize) -> Result<Zeroizing<String>, Failure> {
    let _silent = EchoOff::new().map_err(|error| unreadable(&error))?;
    several_lines(question, count, |prompt| {
        ask(prompt)?;
        let line = line()?;
        // The key that ended the line was not shown either.
        note(Printable::default());
        Ok(line)
    })
}

/// Line by line: a paste of several may be seen.
#[cfg(not(unix))]
fn hidden_words(question: &str, count: usize) -> Result<Zeroizing<String>, Failure> {
    several_lines(question, count, hidden)
}

fn several_lines(
    question: &str,
    count: usize,
    next: impl Fn(&str) -> Result<Zeroizing<String>, Failure>,
) -> Result<Zeroizing<String>, Failure> {
    let mut words = Zeroizing::new(String::with_capacity(1024));
    let mut line = next(&format!("{question} ({count} words)"))?;
    loop {
        if line.trim().is_empty() {
            return Ok(words);
        }
        words.push_str(&line);
        words.push(' ');
        let missing = count.saturating_sub(words.split_whitespace().count());
        if missing == 0 {
            return Ok(words);
        }
        line = next(&format!("{missing} more, or Enter to end"))?;
    }
}

fn ask(question: &str) -> Result<(), Failure> {
    show(&format!("{question}: "))
}

/// Yes or no; the capital letter is what an empty answer means.
///
/// # Errors
///
/// Nobody can be asked: `instead` names what to give.
pub(crate) fn confirm(question: &str, instead: &str) -> Result<bool, Failure> {
    if !can_ask() {
        return Err(Failure::new(
            ErrorKind::NeedsTerminal,
            format!("nobody can be asked: {question}"),
        )
        .help(instead));
    }
    show(&format!("{question} [Y/n] "))?;
    let answer = line()?;
    Ok(!answer.trim().to_ascii_lowercase().starts_with('n'))
}

fn show(question: &str) -> Result<(), Failure> {
    Stream::Err
        .start_of_line(&Printable::text(question))
        .map_err(|error| unreadable(&error))
}

fn line() -> Result<Zeroizing<String>, Failure> {
    let mut line = Zeroizing::new(String::new());
    io::stdin()
        .lock()
        .take(MAX_ANSWER)
        .read_line(&mut line)
        .map_err(|error| unreadable(&error))?;
    let length = line.trim_end_matches(['\r', '\n']).len();
    line.truncate(length);
    Ok(line)
}

fn unreadable(error: &io::Error) -> Failure {
    Failure::new(
        ErrorKind::NeedsTerminal,
        format!("standard input cannot be read: {error}"),
    )
}
