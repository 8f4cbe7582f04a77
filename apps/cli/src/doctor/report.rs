//! Tells of checks in a fixed order, each as soon as it and all before it are known.

use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::interval;

use super::check::{Check, Outcome, worse};
use super::order::Order;
use super::progress::Progress;
use super::teller::Told;
use crate::error::Failure;
use crate::exit_code::ExitCode;
use crate::harmless::Printable;
use crate::output::{Output, OutputError};
use crate::screen::wrap;

/// How often the line of progress changes.
const TURN: Duration = Duration::from_millis(150);

/// What is told of all checks.
#[derive(Debug)]
pub(crate) struct Report {
    output: Output,
    progress: Progress,
    order: Order,
    exit_code: ExitCode,
    failed: usize,
    not_checked: usize,
    /// Checks that people are not told of yet, for the next may be missing for the same reason.
    left: Vec<Check>,
}

impl Report {
    /// Tells by `output`.
    pub(crate) fn new(output: Output) -> Self {
        Self {
            output,
            progress: Progress::new(),
            order: Order::default(),
            exit_code: ExitCode::Done,
            failed: 0,
            not_checked: 0,
            left: Vec::new(),
        }
    }

    /// Takes the only check of its name.
    ///
    /// # Errors
    ///
    /// It cannot be told.
    pub(crate) fn add(&mut self, check: Check) -> Result<(), OutputError> {
        let name = check.name;
        self.take(Told::Check(check))?;
        self.take(Told::Complete(name))
    }

    /// Tells what comes until nothing more does.
    ///
    /// # Errors
    ///
    /// It cannot be told.
    pub(crate) async fn tell_all(
        &mut self,
        mut coming: UnboundedReceiver<Told>,
    ) -> Result<(), OutputError> {
        let mut turn = interval(TURN);
        loop {
            tokio::select! {
                told = coming.recv() => match told {
                    Some(told) => self.take(told)?,
                    None => break,
                },
                _ = turn.tick() => {
                    let pending = self.order.pending();
                    self.progress.show(&pending, terminal_width());
                }
            }
        }
        self.progress.clear();
        Ok(())
    }

    /// What nobody has said anything of is told so; `is_bug`: something broke, it did not only take too long.
    ///
    /// # Errors
    ///
    /// It cannot be told.
    pub(crate) fn complete(&mut self, is_bug: bool) -> Result<(), OutputError> {
        for name in self.order.pending() {
            if is_bug {
                self.add(Check::bad(name, Failure::bug("the check broke off")))?;
            } else {
                let check = Check::not_checked(name, "there was no time left");
                self.add(check.at(usize::MAX))?;
            }
        }
        Ok(())
    }

    /// Says to a person how many are not well, and gives the exit code.
    ///
    /// # Errors
    ///
    /// It cannot be told.
    pub(crate) fn end(mut self) -> Result<ExitCode, OutputError> {
        self.show_left()?;
        if !self.output.is_json() {
            let words = summary(self.failed, self.not_checked);
            self.output.lines(&words)?;
        }
        Ok(self.exit_code)
    }

    fn take(&mut self, told: Told) -> Result<(), OutputError> {
        let ready = self.order.take(told);
        ready.into_iter().try_for_each(|check| self.tell(check))
    }

    fn tell(&mut self, check: Check) -> Result<(), OutputError> {
        self.exit_code = worse(self.exit_code, check.exit_code());
        match &check.outcome {
            Outcome::Good { .. } => {}
            Outcome::Bad(_) => self.failed += 1,
            Outcome::NotChecked { .. } => self.not_checked += 1,
        }
        if self.output.is_json() {
            return self.output.event(&check.event());
        }
        let goes_on = self.left.last().is_some_and(|it| it.is_left_as(&check));
        if !goes_on {
            self.show_left()?;
        }
        match check.outcome {
            Outcome::NotChecked { .. } => {
                self.left.push(check);
                Ok(())
            }
            _ => self.show(&[check]),
        }
    }

    /// Shows on one line what was left for one reason.
    fn show_left(&mut self) -> Result<(), OutputError> {
        let left = std::mem::take(&mut self.left);
        self.show(&left)
    }

    fn show(&mut self, checks: &[Check]) -> Result<(), OutputError> {
        let Some(lines) = lines(
            checks,
            self.output.is_terminal().then(terminal_width),
            self.output.takes_colours(),
        ) else {
            return Ok(());
        };
        self.progress.clear();
        self.output.painted_lines(lines)
    }
}

fn terminal_width() -> usize {
    crossterm::terminal::size().map_or(80, |(columns, _)| usize::from(columns))
}

fn summary(failed: usize, not_checked: usize) -> String {
    let left = match not_checked {
        0 => String::new(),
        1 => "; one thing could not be checked".to_owned(),
        _ => format!("; {not_checked} things could not be checked"),
    };
    match failed {
        0 => format!("all is well{left}"),
        1 => format!("one thing is wrong{left}"),
        _ => format!("{failed} things are wrong{left}"),
    }
}

const GREEN: &str = "\u{1b}[32m";
const RED: &str = "\u{1b}[31m";
const QUIET: &str = "\u{1b}[2m";
const PLAIN: &str = "\u{1b}[0m";

/// Checks of which the same is to be said, for a person: on one line, or on lines of a terminal of this width.
fn lines(checks: &[Check], width: Option<usize>, colours: bool) -> Option<Printable> {
    let first = checks.first()?;
    let (mark, colour) = match &first.outcome {
        Outcome::Good { .. } => ("✓", GREEN),
        Outcome::Bad(_) => ("✗", RED),
        Outcome::NotChecked { .. } => ("–", QUIET),
    };
    let names: Vec<String> = checks.iter().map(|check| check.name.words()).collect();
    let (message, help) = first.words();
    let mut printable = Printable::default();
    if colours {
        printable.push_sequence(colour);
    }
    printable.push(mark);
    if colours {
        printable.push_sequence(PLAIN);
    }
    let text = format!("{}: {message}", names.join(", "));
    push_wrapped(&mut printable, 2, &text, width);
    if let Some(help) = help {
        printable.push("\n   ");
        push_wrapped(&mut printable, 4, help, width);
    }
    Some(printable)
}

/// Adds a text behind so many columns; what follows on further lines begins there, too. The first is short of one space.
fn push_wrapped(printable: &mut Printable, indent: usize, text: &str, width: Option<usize>) {
    let lines = match width {
        Some(width) => wrap_words(text, width.saturating_sub(indent + 1)),
        None => vec![text.to_owned()],
    };
    for (number, line) in lines.iter().enumerate() {
        if number > 0 {
            printable.push("\n");
            printable.push(&" ".repeat(indent - 1));
        }
        printable.push(" ");
        printable.push(line);
    }
}

/// Addresses are copied: a word is broken by the terminal, which knows that it is one, and not by us.
fn wrap_words(text: &str, width: usize) -> Vec<String> {
    let longest = text.split(' ').map(|word| word.chars().count()).max();
    if longest.is_some_and(|longest| longest > width) {
        return vec![text.to_owned()];
    }
    wrap(text, width)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::names::Name;
    use crate::error::ErrorKind;

    fn text(check: Check, width: Option<usize>, colours: bool) -> String {
        let lines = lines(&[check], width, colours);
        lines.unwrap().as_str().to_owned()
    }

    #[test]
    fn a_line_says_how_it_is_and_below_it_what_to_do() {
        let good = Check::good(Name::OneTimeKeys, "50 at the homeserver");
        assert_eq!(
            text(good, None, false),
            "✓ one time keys: 50 at the homeserver"
        );
        let bad = || {
            let failure = Failure::new(ErrorKind::SignedOut, "not valid");
            Check::bad(Name::Login, failure.help("log in again, please do"))
        };
        assert_eq!(
            text(bad(), None, false),
            "✗ login: not valid\n    log in again, please do"
        );
        assert_eq!(
            text(bad(), Some(19), false),
            "✗ login: not valid\n    log in again,\n    please do"
        );
        let skipped = Check::not_checked(Name::Clock, "why");
        assert_eq!(
            text(skipped, Some(80), true),
            "\u{1b}[2m–\u{1b}[0m clock: not checked: why"
        );
    }

    #[test]
    fn what_a_server_says_neither_breaks_the_line_nor_paints() {
        let hostile = "x\n✓ login: fine\u{1b}[2J\u{202e}\u{9b}31m";
        let bad = Failure::new(ErrorKind::HomeserverFault, hostile).help(hostile);
        let check = Check::bad(Name::Homeserver, bad).of_server(hostile);
        let shown = text(check, Some(200), false);
        assert_eq!(shown.lines().count(), 2, "{shown}");
        assert!(
            !shown.contains('\u{1b}') && !shown.contains('\u{202e}'),
            "{shown:?}"
        );
    }

    #[test]
    fn an_address_is_never_broken() {
        let id = "x".repeat(70);
        let check = Check::good(Name::Account, format!("the account is {id}"));
        assert!(text(check, Some(40), false).contains(&id));
    }

    #[test]
    fn what_is_missing_for_one_reason_is_said_once() {
        let left = |name, why: &str| Check::not_checked(name, why);
        let (clock, login) = (left(Name::Clock, "why"), left(Name::Login, "why"));
        assert!(clock.is_left_as(&login));
        assert!(!clock.is_left_as(&left(Name::Login, "else")));
        assert!(!clock.is_left_as(&Check::good(Name::Login, "why")));
        let lines = lines(&[clock, login], None, false).unwrap();
        assert_eq!(lines.as_str(), "– clock, login: not checked: why");
    }

    #[test]
    fn what_is_left_is_counted() {
        assert_eq!(summary(0, 0), "all is well");
        assert_eq!(
            summary(1, 1),
            "one thing is wrong; one thing could not be checked"
        );
        assert_eq!(
            summary(2, 3),
            "2 things are wrong; 3 things could not be checked"
        );
    }
}
