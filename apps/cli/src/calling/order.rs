//! What a script may order, one command a line on standard input.

use crate::error::{ErrorKind, Failure};

/// One order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Take the call that rings here.
    Answer,
    /// Decline it.
    Reject,
    /// Send silence.
    Mute,
    /// Send the microphone again.
    Unmute,
    /// End the call.
    Hangup,
    /// Mark the peer as verified: the safety words are the same on both sides.
    Verify,
    /// Call somebody.
    Call(String),
    /// End the program.
    Quit,
}

impl Order {
    /// Reads a line; `None` if it is blank.
    ///
    /// # Errors
    ///
    /// It is none of the commands.
    pub(crate) fn parse(line: &str) -> Result<Option<Self>, Failure> {
        let line = line.trim();
        let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let rest = rest.trim();
        Ok(Some(match (word, rest) {
            ("", _) => return Ok(None),
            ("answer", "") => Self::Answer,
            ("reject", "") => Self::Reject,
            ("mute", "") => Self::Mute,
            ("unmute", "") => Self::Unmute,
            ("hangup", "") => Self::Hangup,
            ("verify", "") => Self::Verify,
            ("quit", "") => Self::Quit,
            ("call", who) if !who.is_empty() => Self::Call(who.to_owned()),
            _ => return Err(not_understood(line)),
        }))
    }

    /// The word for it.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Answer => "answer",
            Self::Reject => "reject",
            Self::Mute => "mute",
            Self::Unmute => "unmute",
            Self::Hangup => "hangup",
            Self::Verify => "verify",
            Self::Call(_) => "call",
            Self::Quit => "quit",
        }
    }
}

fn not_understood(line: &str) -> Failure {
    let shown: String = line.chars().take(60).collect();
    Failure::new(
        ErrorKind::Usage,
        format!("not a command: '{}'", shown.escape_debug()),
    )
    .help("one a line: answer, reject, mute, unmute, verify, hangup, call WHO, quit")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_read() {
        for order in [
            Order::Answer,
            Order::Reject,
            Order::Mute,
            Order::Unmute,
            Order::Hangup,
            Order::Verify,
            Order::Quit,
        ] {
            assert_eq!(
                Order::parse(&format!(" {}\r\n", order.name())).unwrap(),
                Some(order)
            );
        }
        assert_eq!(
            Order::parse("call Ada Lovelace").unwrap(),
            Some(Order::Call("Ada Lovelace".to_owned()))
        );
        assert_eq!(Order::parse("  \n").unwrap(), None);
    }

    #[test]
    fn what_is_no_command_is_named() {
        for line in ["call", "answer now", "Answer", "{\"command\":\"answer\"}"] {
            let failure = Order::parse(line).unwrap_err();
            assert_eq!(failure.kind, ErrorKind::Usage, "{line}");
        }
    }
}
