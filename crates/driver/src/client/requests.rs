//! The endpoint's requests to the homeserver, each in a task of its own. Every one gets its answer.

use std::collections::HashMap;

use securecall_contact::Device;
use securecall_matrix::{Account, DevicesError, SendError, ServerError};
use securecall_session::{Request, RequestError, RequestId};
use tokio::task::{Id, JoinSet};

/// Requests under way at once; one more is answered as one that failed, and tried again later.
const MAX_REQUESTS: usize = 64;

/// What came back from the homeserver.
#[derive(Debug)]
pub(crate) enum Response {
    Devices(RequestId, Result<Vec<Device>, RequestError>),
    Sent(RequestId, Result<(), RequestError>),
}

/// What is asked, as far as it is needed to say that it failed.
#[derive(Clone, Copy, Debug)]
enum Asked {
    Devices(RequestId),
    Send(RequestId),
}

impl Asked {
    fn failed(self, error: RequestError) -> Response {
        match self {
            Self::Devices(id) => Response::Devices(id, Err(error)),
            Self::Send(id) => Response::Sent(id, Err(error)),
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Requests {
    tasks: JoinSet<Response>,
    under_way: HashMap<Id, Asked>,
}

impl Requests {
    /// Asks the homeserver.
    pub(crate) fn make(&mut self, account: &Account, request: Request) {
        let asked = asked(&request);
        if self.tasks.len() >= MAX_REQUESTS {
            tracing::warn!("too many requests to the homeserver at once");
            return self.spawn(
                asked,
                async move { asked.failed(RequestError::Unreachable) },
            );
        }
        self.spawn(asked, ask(account.clone(), request));
    }

    /// The next answer; `None` while nothing is asked. Nothing is lost if the wait is cut short.
    pub(crate) async fn next(&mut self) -> Option<Response> {
        loop {
            let (task, response) = match self.tasks.join_next_with_id().await? {
                Ok((task, response)) => (task, Some(response)),
                Err(error) => {
                    tracing::error!(%error, "a request to the homeserver failed inside");
                    (error.id(), None)
                }
            };
            let asked = self.under_way.remove(&task);
            let failed = || asked.map(|asked| asked.failed(RequestError::Failed));
            if let Some(response) = response.or_else(failed) {
                return Some(response);
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    fn spawn(&mut self, asked: Asked, answer: impl Future<Output = Response> + Send + 'static) {
        let task = self.tasks.spawn(answer).id();
        self.under_way.insert(task, asked);
    }
}

fn asked(request: &Request) -> Asked {
    match request {
        Request::QueryDevices { id, .. } => Asked::Devices(*id),
        Request::Send { id, .. } => Asked::Send(*id),
    }
}

async fn ask(account: Account, request: Request) -> Response {
    match request {
        Request::QueryDevices { id, user } => {
            let devices = account.devices_of(&user).await;
            Response::Devices(id, devices.map_err(|error| devices_failed(&error)))
        }
        Request::Send {
            id,
            user,
            device_id,
            content,
        } => {
            let sent = account.send(&user, &device_id, &content).await;
            Response::Sent(id, sent.map_err(|error| send_failed(&error)))
        }
    }
}

fn devices_failed(error: &DevicesError) -> RequestError {
    match error {
        DevicesError::BadMatrixId(_) => RequestError::NotFound,
        DevicesError::Server(error) => server_failed(error),
    }
}

fn send_failed(error: &SendError) -> RequestError {
    match error {
        SendError::UnknownDevice { .. } => RequestError::NotFound,
        SendError::Server(error) => server_failed(error),
        // The message is still here; the next try asks for a key again.
        SendError::NoOneTimeKey { .. } => {
            tracing::info!(%error, "a request to the homeserver failed");
            RequestError::Unreachable
        }
        SendError::BadContent => RequestError::Failed,
    }
}

fn server_failed(error: &ServerError) -> RequestError {
    tracing::info!(%error, "a request to the homeserver failed");
    match error {
        // Only what never left this machine may be sent once more than three times.
        ServerError::Unreachable {
            may_have_arrived: false,
            ..
        } => RequestError::Unreachable,
        // It has not looked at the request.
        ServerError::TooManyRequests { .. } => RequestError::Unreachable,
        _ => RequestError::Failed,
    }
}

#[cfg(test)]
mod tests {
    use securecall_contact::OlmKey;
    use securecall_crypto::{IdentityKeyPair, IdentitySeed};
    use securecall_session::{
        AnswerPolicy, CallOptions, Callee, Config, Contacts, Endpoint, Output, Route,
    };

    use super::*;
    use crate::randomness::SystemRandomness;

    /// The first thing that a call asks for.
    fn request() -> Request {
        let mut rng = SystemRandomness;
        let mut identity = || IdentityKeyPair::from_seed(&IdentitySeed::generate(&mut rng));
        let (own, other) = (identity(), identity().public());
        let options = CallOptions {
            route: Some(Route::Direct),
            ..CallOptions::default()
        };
        let config = Config {
            matrix_id: "@own:homeserver.test".parse().unwrap(),
            device: Device {
                device_id: "OWN".parse().unwrap(),
                olm_key: OlmKey::from_bytes([1; 32]),
            },
            answer: AnswerPolicy::Ask,
            inbound: options.clone(),
            relay_available: false,
        };
        let mut endpoint = Endpoint::new(config, own, Contacts::new(Vec::new()), None).unwrap();
        let callee = Callee {
            identity: Some(other),
            matrix_id: "@other:homeserver.test".parse().unwrap(),
        };
        let now = crate::clock::now();
        endpoint.call(now, 1, &mut rng, callee, &options).unwrap();
        loop {
            match endpoint.poll_output() {
                Output::Request(request) => return request,
                Output::Timeout(_) => panic!("nothing is asked"),
                _ => {}
            }
        }
    }

    #[test]
    fn only_what_never_left_this_machine_does_not_count_as_sent() {
        let unreachable = |may_have_arrived| ServerError::Unreachable {
            reason: "it answers 502".to_owned(),
            may_have_arrived,
        };
        for (error, expected) in [
            (unreachable(false), RequestError::Unreachable),
            (unreachable(true), RequestError::Failed),
            (ServerError::TimedOut, RequestError::Failed),
        ] {
            assert_eq!(server_failed(&error), expected, "{error:?}");
        }
    }

    #[test]
    fn what_the_homeserver_has_not_taken_does_not_count_as_sent() {
        let wait = ServerError::TooManyRequests { retry_after: None };
        let no_key = SendError::NoOneTimeKey {
            device_id: "D".parse().unwrap(),
        };
        assert_eq!(server_failed(&wait), RequestError::Unreachable);
        assert_eq!(send_failed(&no_key), RequestError::Unreachable);
        assert_eq!(server_failed(&ServerError::TimedOut), RequestError::Failed);
    }

    #[tokio::test]
    async fn a_request_that_breaks_inside_is_answered_as_failed() {
        let asked = asked(&request());
        let Asked::Devices(id) = asked else {
            panic!("{asked:?}");
        };
        let mut requests = Requests::default();
        requests.spawn(asked, async { panic!("inside") });
        let response = requests.next().await;
        assert!(
            matches!(response, Some(Response::Devices(answered, Err(RequestError::Failed))) if answered == id),
            "{response:?}"
        );
        assert!(requests.next().await.is_none() && requests.under_way.is_empty());
    }
}
