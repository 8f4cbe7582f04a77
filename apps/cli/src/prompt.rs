//! Questions to a person. Nothing is ever asked unless standard input is a terminal.

use std::io::{self, IsTerminal as _};

use securecall_profile::phrase_text::words_in;
use securecall_profile::text_encoding;
use zeroize::Zeroizing;

#[cfg(unix)]
use self::echo::EchoOff;
use crate::error::{ErrorKind, Failure};
use crate::harmless::{Line, Printable};
use crate::output::{Stream, note};
use crate::secret_input;

#[cfg(unix)]
mod echo;

/// The longest words that are typed on several lines, in bytes.
const MAX_WORDS_LENGTH: usize = 4096;

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
    let bytes = secret_input::stdin()
        .and_then(secret_input::read_to_end)
        .map_err(|error| unreadable(&error))?
        .ok_or_else(|| unreadable(&io::Error::other("it is far too long")))?;
    let text = text_encoding::decode(&bytes).map_err(|_| {
        Failure::new(ErrorKind::InvalidPhrase, "standard input is not a text")
            .help("save the phrase as plain text, or type it at the prompt")
    })?;
    Ok(Zeroizing::new(text.into_owned()))
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
    let mut words = Zeroizing::new(String::with_capacity(MAX_WORDS_LENGTH));
    let mut line = next(&format!("{question} ({count} words)"))?;
    loop {
        if line.trim().is_empty() {
            return Ok(words);
        }
        // A text that grows would leave parts of it behind in memory.
        if words.len() + line.len() >= MAX_WORDS_LENGTH {
            return Err(unreadable(&io::Error::other("it is far too long")));
        }
        words.push_str(&line);
        words.push('\n');
        let missing = count.saturating_sub(words_in(&words).split_whitespace().count());
        if missing == 0 {
            return Ok(words);
        }
        line = next(&format!("{missing} more, or Enter to end"))?;
    }
}

fn ask(question: &str) -> Result<(), Failure> {
    show(&format!("{question}: "))
}

/// Yes or no; an empty answer means yes.
///
/// # Errors
///
/// Nobody can be asked: `instead` names what to give.
pub(crate) fn confirm(question: &str, instead: &str) -> Result<bool, Failure> {
    Ok(!yes_or_no(question, "Y/n", instead)?.starts_with('n'))
}

/// Yes or no, about what nobody should do in passing: only a yes means yes.
///
/// # Errors
///
/// As [`confirm`].
pub(crate) fn agree(question: &str, instead: &str) -> Result<bool, Failure> {
    Ok(yes_or_no(question, "y/N", instead)?.starts_with('y'))
}

fn yes_or_no(question: &str, choice: &str, instead: &str) -> Result<String, Failure> {
    if !can_ask() {
        return Err(Failure::new(
            ErrorKind::NeedsTerminal,
            format!("nobody can be asked: {question}"),
        )
        .help(instead));
    }
    show(&format!("{question} [{choice}] "))?;
    Ok(line()?.trim().to_ascii_lowercase())
}

fn show(question: &str) -> Result<(), Failure> {
    Stream::Err
        .start_of_line(&Printable::text(question))
        .map_err(|error| unreadable(&error))
}

fn line() -> Result<Zeroizing<String>, Failure> {
    secret_input::stdin()
        .and_then(secret_input::read_line)
        .map_err(|error| unreadable(&error))
}

fn unreadable(error: &io::Error) -> Failure {
    Failure::new(
        ErrorKind::NeedsTerminal,
        format!("standard input cannot be read: {error}"),
    )
}
