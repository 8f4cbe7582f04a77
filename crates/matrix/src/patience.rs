//! A homeserver that asks us to wait is waited for, within bounds.

use std::time::Duration;

use tokio::time::sleep;
use tracing::info;

use crate::ServerError;

/// Waited if the homeserver does not say how long.
const DEFAULT_WAIT: Duration = Duration::from_secs(1);

/// Never less, whatever it says: a second request at once would make it worse.
const SHORTEST_WAIT: Duration = Duration::from_millis(250);

/// What is longer is for the caller to decide.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// Asks again at most so often; a server that goes on like this does not want the request.
const MAX_WAITS: usize = 5;

/// Makes a request, and makes it again when the homeserver has asked for a pause (429) and had it.
pub(crate) async fn patiently<T, F>(request: impl Fn() -> F) -> Result<T, ServerError>
where
    F: Future<Output = Result<T, ServerError>>,
{
    with_pauses(request, sleep).await
}

async fn with_pauses<T, F, P>(
    request: impl Fn() -> F,
    pause: impl Fn(Duration) -> P,
) -> Result<T, ServerError>
where
    F: Future<Output = Result<T, ServerError>>,
    P: Future<Output = ()>,
{
    for _ in 0..MAX_WAITS {
        match request().await {
            Err(ServerError::TooManyRequests { retry_after })
                if retry_after.unwrap_or_default() <= LONGEST_WAIT =>
            {
                let wait = retry_after.unwrap_or(DEFAULT_WAIT).max(SHORTEST_WAIT);
                info!(?wait, "the homeserver asks to wait");
                pause(wait).await;
            }
            other => return other,
        }
    }
    request().await
}

#[cfg(test)]
mod tests {
    use std::{
        cell::{Cell, RefCell},
        future::ready,
    };

    use futures_util::FutureExt as _;

    use super::*;

    /// What came of a request that is refused so often, how often it was made, and the pauses between.
    fn asked(refusals: usize, retry_after: Option<Duration>) -> (bool, usize, Vec<Duration>) {
        let requests = Cell::new(0);
        let pauses = RefCell::default();
        let request = || {
            requests.set(requests.get() + 1);
            ready(match requests.get() {
                number if number <= refusals => Err(ServerError::TooManyRequests { retry_after }),
                _ => Ok(()),
            })
        };
        let pause = |wait| {
            Vec::push(&mut pauses.borrow_mut(), wait);
            ready(())
        };
        let outcome = with_pauses(request, pause).now_or_never().unwrap();
        (outcome.is_ok(), requests.get(), pauses.into_inner())
    }

    #[test]
    fn a_homeserver_is_waited_for_as_it_asks() {
        let wait = Duration::from_millis(1_500);
        assert_eq!(asked(2, Some(wait)), (true, 3, vec![wait; 2]));
        assert_eq!(asked(1, None), (true, 2, vec![DEFAULT_WAIT]));
        assert_eq!(
            asked(1, Some(Duration::ZERO)),
            (true, 2, vec![SHORTEST_WAIT])
        );
    }

    #[test]
    fn a_homeserver_that_never_has_time_is_given_up() {
        let (done, requests, _) = asked(usize::MAX, Some(Duration::from_secs(1)));
        assert_eq!((done, requests), (false, MAX_WAITS + 1));
        let long = Some(LONGEST_WAIT + Duration::from_secs(1));
        assert_eq!(asked(usize::MAX, long), (false, 1, Vec::new()));
    }
}
