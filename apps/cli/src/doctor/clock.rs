//! This machine's clock beside the homeserver's.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use securecall_matrix::Reached;

use super::check::Check;
use super::names::Name;
use crate::error::{ErrorKind, Failure};

/// A call rings only where the clocks of the two ends differ by no more (`docs/protocol/signaling.md`).
const TOLERATED_MS: u64 = 5 * 60 * 1000;
/// Half of that: the other end's clock may be off as well.
const NOTABLE_MS: u64 = TOLERATED_MS / 2;

/// Compares the clocks, right after the homeserver has answered.
#[expect(
    clippy::disallowed_methods,
    reason = "the time of day is what is checked"
)]
pub(super) fn clock(reached: &Reached) -> Check {
    let Some(date) = reached.date else {
        return Check::not_checked(Name::Clock, "the homeserver does not say what time it is");
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let ahead_ms = ahead_ms(now.unwrap_or_default(), date, reached.took);
    judge(ahead_ms, is_synchronized())
}

/// How far this clock is ahead of the homeserver's. That one is told in whole seconds, and was read about in the middle of the request.
fn ahead_ms(now: Duration, date: u64, took: Duration) -> i64 {
    let here = now.saturating_sub(took / 2).as_millis();
    let here = i64::try_from(here).unwrap_or(i64::MAX);
    let there = i64::try_from(date).unwrap_or(i64::MAX);
    here.saturating_sub(there.saturating_mul(1000).saturating_add(500))
}

/// `is_synchronized`: whether the operating system says that its clock follows another, if it says anything.
fn judge(ahead_ms: i64, is_synchronized: Option<bool>) -> Check {
    let difference = ahead_ms.unsigned_abs();
    if difference <= 1000 {
        return Check::good(Name::Clock, "agrees with the homeserver's");
    }
    let direction = if ahead_ms > 0 { "ahead of" } else { "behind" };
    let words = format!(
        "{} {direction} the homeserver's",
        duration_words(difference)
    );
    if difference <= NOTABLE_MS {
        return Check::good(Name::Clock, words);
    }
    if difference <= TOLERATED_MS {
        return Check::good(Name::Clock, words).hint(
            "calls need clocks that differ by no more than 5 minutes: set this machine's, if it is wrong",
        );
    }
    let message =
        format!("{words}: calls between clocks that differ by more than 5 minutes do not ring");
    // Which of the two is wrong cannot be seen from here, but for what the operating system says of its own.
    let failure = match is_synchronized {
        Some(true) => Failure::new(ErrorKind::HomeserverFault, message).help(
            "this machine's clock follows a time server, so the homeserver's seems to be wrong: tell its owner",
        ),
        Some(false) | None => Failure::new(ErrorKind::ClockWrong, message).help(
            "set this machine's clock, such as by `timedatectl set-ntp true`; if it is right, tell the owner of the homeserver",
        ),
    };
    Check::bad(Name::Clock, failure)
}

fn duration_words(ms: u64) -> String {
    let seconds = ms / 1000;
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// Whether the clock of this machine follows another one.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "adjtimex has no safe form")]
fn is_synchronized() -> Option<bool> {
    // SAFETY: all of it is numbers, for which zero is a value.
    let mut state: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: one valid structure, which the call fills in. It changes nothing where `modes` is 0.
    let result = unsafe { libc::adjtimex(&raw mut state) };
    (result >= 0).then_some(state.status & libc::STA_UNSYNC == 0)
}

/// Whether the clock of this machine follows another one.
#[cfg(not(target_os = "linux"))]
fn is_synchronized() -> Option<bool> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit_code::ExitCode;

    const DATE: u64 = 1_795_804_455;

    fn ahead(now_ms: u64, took_ms: u64) -> i64 {
        ahead_ms(
            Duration::from_millis(now_ms),
            DATE,
            Duration::from_millis(took_ms),
        )
    }

    #[test]
    fn a_date_is_the_middle_of_its_second_and_of_the_request() {
        assert_eq!(ahead(DATE * 1000 + 500, 0), 0);
        assert_eq!(ahead(DATE * 1000 + 600, 200), 0);
        assert_eq!(ahead(DATE * 1000 + 400_500, 0), 400_000);
        assert_eq!(ahead(0, 0), -1_795_804_455_500);
        assert_eq!(ahead_ms(Duration::MAX, 0, Duration::ZERO), i64::MAX - 500);
        assert_eq!(ahead_ms(Duration::ZERO, u64::MAX, Duration::MAX), -i64::MAX);
    }

    #[test]
    fn what_calls_tolerate_is_well_and_what_comes_near_it_is_said() {
        for (ahead_ms, words, has_hint) in [
            (-1_000, "agrees", false),
            (2_500, "2 s ahead of", false),
            (-150_000, "2 min behind", false),
            (150_001, "2 min ahead of", true),
            (-300_000, "5 min behind", true),
        ] {
            let check = judge(ahead_ms, None);
            assert_eq!(check.exit_code(), ExitCode::Done, "{check:?}");
            let (message, hint) = check.words();
            assert!(message.starts_with(words), "{message}");
            assert_eq!(hint.is_some(), has_hint, "{message}");
        }
    }

    #[test]
    fn a_clock_that_follows_a_time_server_is_not_blamed() {
        for (is_synchronized, code) in [
            (Some(true), ExitCode::Network),
            (Some(false), ExitCode::Machine),
            (None, ExitCode::Machine),
        ] {
            for ahead_ms in [300_001, -300_001, i64::MAX, i64::MIN] {
                let check = judge(ahead_ms, is_synchronized);
                assert_eq!(check.exit_code(), code, "{check:?}");
            }
        }
    }
}
