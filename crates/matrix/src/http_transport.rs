//! Requests to one homeserver, whatever becomes of the connections that they go over.
//!
//! A connection dies in two ways. Either somebody tells of it: the network has changed ([`HttpTransport::network_changed`]).
//! Then all connections are let go, and what was in flight is asked again. Or nobody does, because a NAT has forgotten it:
//! then a request over it is not answered, and after a while is asked *once* more, over a new connection, while the first
//! goes on. So a homeserver that is only slow still answers, and what comes first counts. If it is the new connection,
//! the old ones were dead, and let go. Where there is a reason to think that they are ([`HttpTransport::doubt_connections`]) the
//! while is short.
//!
//! What may not be asked twice ([`Terms::ONCE`]) ends with its connection.

use std::{
    mem,
    net::IpAddr,
    pin::{Pin, pin},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use reqwest::{Request, Response};
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};
use tracing::{debug, info, warn};

use crate::{
    homeserver::Homeserver,
    http_error::HttpError,
    pool::{AnswerHead, Pool, PoolSettings},
    server_error::ServerError,
};

/// How long any one answer may take; a long poll has its own time on top.
pub(crate) const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);

/// The same for what our server asks another one first. A Synapse gives that a minute.
const ANSWER_OF_ANOTHER_TIMEOUT: Duration = Duration::from_secs(90);

/// How long a connection that has answered before is believed to be alive. Most answers take a fraction of this; a call
/// that comes up, or changes networks, waits for them.
const PATIENCE: Duration = Duration::from_millis(3_500);

/// The same where there are doubts: longer than most homeservers are away. One that is further away is asked twice.
const PATIENCE_IN_DOUBT: Duration = Duration::from_millis(250);

/// How long a doubt lasts. What is asked because of whatever has raised it is asked by then.
const IN_DOUBT_FOR: Duration = Duration::from_secs(5);

/// How long after a change of the network a connection that does not come up is tried again: an address is there before its
/// route, and a name server may come last.
const SETTLING: Duration = Duration::from_secs(5);

/// The pause between such tries at first; each is twice the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// How a request is to be made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    /// When an answer must have begun.
    time: Duration,
    /// Whether the homeserver may get the request more than once.
    may_repeat: bool,
    /// Whether it may be asked once more when there is no answer for a while.
    may_doubt: bool,
}

impl Terms {
    /// For what may reach the homeserver twice: what asks, what has a transaction ID, what ends something.
    pub(crate) const REPEATABLE: Self = Self {
        time: ANSWER_TIMEOUT,
        may_repeat: true,
        may_doubt: true,
    };

    /// For what would be done twice. It fails with its connection, and whoever asks decides.
    pub(crate) const ONCE: Self = Self {
        may_repeat: false,
        may_doubt: false,
        ..Self::REPEATABLE
    };

    /// The same for what our server asks another one first.
    pub(crate) const ONCE_ELSEWHERE: Self = Self {
        time: ANSWER_OF_ANOTHER_TIMEOUT,
        ..Self::ONCE
    };

    /// How long all of it may take.
    pub(crate) fn time(self) -> Duration {
        self.time
    }

    /// For a sync that is held open for so long: no answer means nothing.
    pub(crate) fn sync(held: Duration) -> Self {
        Self {
            time: ANSWER_TIMEOUT + held,
            may_doubt: held.is_zero(),
            ..Self::REPEATABLE
        }
    }
}

/// Makes requests to one homeserver. Cheap to clone; all clones use the same connections.
#[derive(Clone, Debug)]
pub(crate) struct HttpTransport {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    settings: PoolSettings,
    pool: Mutex<Arc<Pool>>,
    /// When the network has changed for the last time.
    changed: watch::Sender<Option<Instant>>,
    /// When connections were doubted for the last time.
    doubted: watch::Sender<Option<Instant>>,
}

/// Waits for something to happen: changes of the network, or doubts.
#[derive(Debug)]
pub(crate) struct Happenings(watch::Receiver<Option<Instant>>);

impl Happenings {
    /// Waits for the next one; at once, if there was one since the last time.
    pub(crate) async fn next(&mut self) {
        if self.0.changed().await.is_err() {
            // Nobody is there any more who could tell of one.
            std::future::pending::<()>().await;
        }
    }
}

impl HttpTransport {
    pub(crate) fn new(homeserver: &Homeserver) -> Result<Self, ServerError> {
        let settings = PoolSettings::new(homeserver)?;
        let pool = settings.pool()?;
        Ok(Self {
            inner: Arc::new(Inner {
                settings,
                pool: Mutex::new(pool),
                changed: watch::Sender::new(None),
                doubted: watch::Sender::new(None),
            }),
        })
    }

    /// Lets all connections go if one of them may be dead, now that the machine has lost these addresses or its routes have
    /// changed.
    pub(crate) fn network_changed(&self, gone: &[IpAddr]) {
        // First of all: who loses a connection is to find that the network is new.
        self.inner.changed.send_replace(Some(Instant::now()));
        let pool = self.pool();
        // A change that makes no difference cancels nothing: of one that comes in many steps the first does, or two.
        if pool.may_be_dead(gone) {
            self.let_go();
        }
    }

    /// Lets all connections go.
    pub(crate) fn distrust_connections(&self) {
        self.inner.changed.send_replace(Some(Instant::now()));
        self.let_go();
    }

    /// Connections may be dead, and nobody says so. None is let go before a new one has answered and it has not.
    pub(crate) fn doubt_connections(&self) {
        debug!("connections to the homeserver are in doubt");
        self.inner.doubted.send_replace(Some(Instant::now()));
    }

    /// Changes of the network from now on.
    pub(crate) fn network_changes(&self) -> Happenings {
        Happenings(self.inner.changed.subscribe())
    }

    /// Doubts from now on.
    pub(crate) fn doubts(&self) -> Happenings {
        Happenings(self.inner.doubted.subscribe())
    }

    /// Makes a request and reads the answer, over as many connections as it takes.
    pub(crate) async fn perform<T, F>(
        &self,
        request: Request,
        terms: Terms,
        read: impl Fn(Response) -> F,
    ) -> Result<T, HttpError>
    where
        F: Future<Output = Result<T, HttpError>>,
    {
        let mut pause = FIRST_PAUSE;
        let mut changes = self.network_changes();
        loop {
            let answer = async {
                let AnswerHead { pool, response } = self.ask(&request, terms).await?;
                pool.while_in_use(read(response)).await?
            };
            match answer.await {
                // Not without end: each time there was a change, or the homeserver has answered somebody.
                Err(HttpError::ConnectionLost) if terms.may_repeat => {
                    debug!("asking again over a new connection");
                }
                Err(error) if self.is_settling() && has_no_connection(&error) => {
                    debug!(%error, "the network is not there yet");
                    tokio::select! {
                        () = sleep(pause) => pause = LONGEST_PAUSE.min(pause * 2),
                        () = changes.next() => pause = FIRST_PAUSE,
                    }
                }
                other => return other,
            }
        }
    }

    async fn ask(&self, request: &Request, terms: Terms) -> Result<AnswerHead, HttpError> {
        let pool = self.pool();
        let mut first = pin!(Arc::clone(&pool).ask(copy(request)?, terms.time));
        if !terms.may_doubt || !pool.has_answered() {
            // A new connection is there because the homeserver was a moment ago: it may take its time.
            let outcome = first.await;
            if pool.has_answered() && outcome.as_ref().is_err_and(was_found_dead) {
                // What has been kept as long is no better.
                self.replace(&pool, self.inner.settings.pool()?);
                return Err(HttpError::ConnectionLost);
            }
            return outcome;
        }
        match timeout(self.patience(), &mut first).await {
            Ok(Err(HttpError::Network(error))) if !error.is_connect() => {
                debug!(%error, "a kept connection was dead");
                let successor = self.successor(&pool)?;
                let second = successor.ask(copy(request)?, terms.time).await?;
                Ok(self.prefer(second, &pool))
            }
            Ok(outcome) => outcome,
            Err(_) => self.ask_beside(&pool, first, request, terms).await,
        }
    }

    /// Asks once more over a new connection, beside a first attempt that has not been answered; gives the first answer.
    async fn ask_beside(
        &self,
        pool: &Arc<Pool>,
        mut first: Pin<&mut impl Future<Output = Result<AnswerHead, HttpError>>>,
        request: &Request,
        terms: Terms,
    ) -> Result<AnswerHead, HttpError> {
        debug!("no answer on a kept connection");
        let successor = self.successor(pool)?;
        let mut second = pin!(successor.ask(copy(request)?, terms.time));
        let answer = tokio::select! {
            biased;
            outcome = &mut first => match outcome {
                Ok(answer) => return Ok(answer),
                Err(_) => second.await?,
            },
            outcome = &mut second => match outcome {
                Ok(answer) => answer,
                Err(HttpError::ConnectionLost) => return Err(HttpError::ConnectionLost),
                // A homeserver that takes no second connection may still answer on the first.
                Err(_) => return first.await,
            },
        };
        Ok(self.prefer(answer, pool))
    }

    fn pool(&self) -> Arc<Pool> {
        Arc::clone(&self.lock())
    }

    fn successor(&self, pool: &Pool) -> Result<Arc<Pool>, HttpError> {
        Ok(pool.successor(&self.inner.settings)?)
    }

    /// A new pool takes the place of the one in use, which is retired only then: whoever loses a connection finds a pool
    /// that is in use.
    fn let_go(&self) {
        match self.inner.settings.pool() {
            Ok(new) => {
                info!("connections to the homeserver are made anew");
                let old = mem::replace(&mut *self.lock(), new);
                old.retire_with_successor();
            }
            Err(error) => warn!(%error, "connections to the homeserver stay as they are"),
        }
    }

    /// The pool that has answered takes the place of the one that has not.
    fn prefer(&self, answer: AnswerHead, pool: &Arc<Pool>) -> AnswerHead {
        self.replace(pool, Arc::clone(&answer.pool));
        answer
    }

    /// Retires a pool whose connections are dead, unless somebody has.
    fn replace(&self, dead: &Arc<Pool>, new: Arc<Pool>) {
        let mut pool = self.lock();
        if Arc::ptr_eq(&pool, dead) {
            info!("connections to the homeserver were dead");
            *pool = new;
            dead.retire();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Arc<Pool>> {
        self.inner
            .pool
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// How long a kept connection may take to answer.
    fn patience(&self) -> Duration {
        let doubted = *self.inner.doubted.borrow();
        if doubted.is_some_and(|doubted| doubted.elapsed() < IN_DOUBT_FOR) {
            PATIENCE_IN_DOUBT
        } else {
            PATIENCE
        }
    }

    fn is_settling(&self) -> bool {
        let changed = *self.inner.changed.borrow();
        changed.is_some_and(|changed| changed.elapsed() < SETTLING)
    }
}

fn copy(request: &Request) -> Result<Request, HttpError> {
    // Ours have bytes for a body, which can always be sent again.
    let copy = request.try_clone().ok_or_else(|| ServerError::Internal {
        reason: "a request cannot be made twice".to_owned(),
    });
    Ok(copy?)
}

/// Whether TCP, or HTTP/2, has asked for a sign of life in vain.
fn was_found_dead(error: &HttpError) -> bool {
    matches!(error, HttpError::Network(error) if error.is_timeout() && !error.is_connect())
}

/// Whether the request has not left, so that even one can be made again that must not be made twice.
fn has_no_connection(error: &HttpError) -> bool {
    matches!(error, HttpError::Network(error) if error.is_connect())
}

#[cfg(test)]
mod tests;
