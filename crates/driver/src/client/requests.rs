//! The endpoint's requests to the homeserver, each in a task of its own. Every one gets its answer.

use std::collections::HashMap;
use std::time::Duration;

use securecall_contact::{Device, EventId, MatrixId, RoomId};
use securecall_matrix::{
    Account, CallProtection, DevicesError, RoomMessage, SendError, ServerError,
};
use securecall_session::{
    FoundRoom, MembershipFailure, MembershipResponse, Request, RequestError, RequestId, RoomFacts,
    RoomRequestError,
};
use tokio::sync::watch;
use tokio::task::{Id, JoinHandle, JoinSet};
use web_time::Instant;

use super::{group_room_requests, room_requests};
use crate::clock;

/// Requests under way at once; one more is answered as one that failed, and tried again later.
const MAX_REQUESTS: usize = 64;
/// What was asked so long ago, before the call, counts as asked with it. Nobody tells us of a device that came since.
const AHEAD_IS_NEW: Duration = Duration::from_secs(5);

/// What came back from the homeserver.
#[derive(Debug)]
pub(crate) enum Response {
    Devices(RequestId, Result<Vec<Device>, RequestError>),
    Sent(RequestId, Result<(), RequestError>),
    InRoom(RequestId, Result<EventId, RoomRequestError>),
    Room(RequestId, MatrixId, Result<FoundRoom, RoomRequestError>),
    GroupRoom(RequestId, Result<MembershipResponse, MembershipFailure>),
}

/// What is asked, as far as it is needed to say that it failed.
#[derive(Clone, Debug)]
enum Asked {
    Devices(RequestId),
    Send(RequestId),
    InRoom(RequestId),
    Room(RequestId, MatrixId),
    NewRoom(RequestId, MatrixId),
    GroupRoom(RequestId),
}

impl Asked {
    fn failed(self, error: RequestError) -> Response {
        match self {
            Self::Devices(id) => Response::Devices(id, Err(error)),
            Self::Send(id) => Response::Sent(id, Err(error)),
            Self::InRoom(id) => Response::InRoom(id, Err(in_room(error))),
            Self::Room(id, user) | Self::NewRoom(id, user) => {
                Response::Room(id, user, Err(in_room(error)))
            }
            Self::GroupRoom(id) => {
                let later = MembershipFailure::Later(Duration::ZERO);
                Response::GroupRoom(id, Err(later))
            }
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Requests {
    tasks: JoinSet<Response>,
    under_way: HashMap<Id, Asked>,
    /// Rooms that are being made; one that is not here any more was given up.
    making: HashMap<RequestId, watch::Sender<()>>,
    ahead: Vec<Ahead>,
}

/// Devices that were asked for before anybody was called.
#[derive(Debug)]
struct Ahead {
    user: MatrixId,
    asked_at: Instant,
    devices: JoinHandle<Result<Vec<Device>, DevicesError>>,
}

impl Requests {
    /// Asks the homeserver.
    pub(crate) fn make(&mut self, account: &Account, request: Request) {
        let asked = asked(&request);
        if self.tasks.len() >= MAX_REQUESTS {
            tracing::warn!("too many requests to the homeserver at once");
            let unreachable = asked.clone();
            return self.spawn(asked, async move {
                unreachable.failed(RequestError::Unreachable)
            });
        }
        if let Request::MakeRoom { id, user } = request {
            return self.make_room(account, id, user);
        }
        let account = account.clone();
        match self.take_ahead(&request) {
            Some(devices) => self.spawn(asked, take_devices(devices, account, request)),
            None => self.spawn(asked, ask(account, request)),
        }
    }

    /// Has a room of two ready for a call that was in use before, and of which nothing else was heard since.
    pub(crate) fn prepare_known(
        &mut self,
        account: &Account,
        id: RequestId,
        user: MatrixId,
        room: RoomId,
        facts: RoomFacts,
    ) {
        let account = account.clone();
        self.spawn(Asked::Room(id, user.clone()), async move {
            let found = room_requests::prepare_known(&account, &user, room, facts).await;
            Response::Room(id, user, found)
        });
    }

    /// Makes a room of two, until nobody waits for it any more.
    fn make_room(&mut self, account: &Account, id: RequestId, user: MatrixId) {
        let account = account.clone();
        let (wanted, mut given_up) = watch::channel(());
        self.making.insert(id, wanted);
        self.spawn(Asked::NewRoom(id, user.clone()), async move {
            let given_up = async move { while given_up.changed().await.is_ok() {} };
            let made = room_requests::make(&account, &user, given_up).await;
            Response::Room(id, user, made)
        });
    }

    /// Rooms that are being made, and that nobody waits for any more: nothing is to be left of them.
    pub(crate) fn give_up_rooms(&mut self, is_awaited: impl Fn(RequestId) -> bool) {
        self.making.retain(|id, _| is_awaited(*id));
    }

    /// Asks for the devices of somebody who is called in a moment: a call begins with that question, and then has its answer.
    pub(crate) fn ask_ahead(&mut self, account: &Account, user: MatrixId) {
        let account = account.clone();
        let of = user.clone();
        self.ahead.push(Ahead {
            user,
            asked_at: clock::now(),
            devices: tokio::spawn(async move { account.devices_of(&of).await }),
        });
    }

    /// What was asked ahead, if it is this, and new enough.
    fn take_ahead(
        &mut self,
        request: &Request,
    ) -> Option<JoinHandle<Result<Vec<Device>, DevicesError>>> {
        let Request::QueryDevices { user, .. } = request else {
            return None;
        };
        let place = self.ahead.iter().position(|ahead| ahead.user == *user)?;
        let ahead = self.ahead.swap_remove(place);
        let is_new = clock::now().saturating_duration_since(ahead.asked_at) < AHEAD_IS_NEW;
        is_new.then_some(ahead.devices)
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

    /// Whether a room is being made, or what has come of it is taken away again.
    pub(crate) fn makes_rooms(&self) -> bool {
        let is_new = |it: &Asked| matches!(it, Asked::NewRoom(..));
        self.under_way.values().any(is_new)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    fn spawn(&mut self, asked: Asked, answer: impl Future<Output = Response> + Send + 'static) {
        let task = self.tasks.spawn(answer).id();
        self.under_way.insert(task, asked);
    }
}

const fn in_room(error: RequestError) -> RoomRequestError {
    match error {
        RequestError::Unreachable => RoomRequestError::Unreachable,
        RequestError::NotFound | RequestError::Failed => RoomRequestError::Failed,
    }
}

fn asked(request: &Request) -> Asked {
    match request {
        Request::QueryDevices { id, .. } => Asked::Devices(*id),
        Request::Send { id, .. } | Request::SendToDevice { id, .. } => Asked::Send(*id),
        Request::OwnMembership { id, .. } | Request::WriteGroupCall { id, .. } => {
            Asked::GroupRoom(*id)
        }
        Request::FindRoom { id, user, .. } | Request::PrepareRoom { id, user, .. } => {
            Asked::Room(*id, user.clone())
        }
        Request::MakeRoom { id, user } => Asked::NewRoom(*id, user.clone()),
        Request::SendToRoom { id, .. } | Request::Redact { id, .. } => Asked::InRoom(*id),
        Request::JoinRoom { .. } | Request::LeaveRoom { .. } => {
            unreachable!("the loop has tasks of its own for these")
        }
    }
}

/// The devices that were asked for ahead; where that failed, they are asked for now.
async fn take_devices(
    ahead: JoinHandle<Result<Vec<Device>, DevicesError>>,
    account: Account,
    request: Request,
) -> Response {
    match (ahead.await, &request) {
        (Ok(Ok(devices)), Request::QueryDevices { id, .. }) => Response::Devices(*id, Ok(devices)),
        _ => ask(account, request).await,
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
        Request::SendToDevice {
            id,
            user,
            device_id,
            event_type,
            content,
            in_clear,
        } => {
            let protection = match in_clear {
                true => CallProtection::InClear,
                false => CallProtection::Olm,
            };
            let sent = account
                .send_call_event(&user, &device_id, event_type, &content, protection)
                .await;
            Response::Sent(id, sent.map_err(|error| send_failed(&error)))
        }
        Request::OwnMembership { id, room, request } => {
            let answer = group_room_requests::own_membership(&account, &room, request).await;
            Response::GroupRoom(id, answer)
        }
        Request::WriteGroupCall {
            id,
            room,
            call_id,
            content,
        } => {
            let written =
                group_room_requests::write_call(&account, &room, &call_id, &content).await;
            Response::GroupRoom(id, written)
        }
        Request::FindRoom { id, user, first } => {
            let found = match first {
                Some(room) => room_requests::find_joined(&account, &user, room).await,
                None => room_requests::find(&account, &user).await,
            };
            Response::Room(id, user, found)
        }
        Request::PrepareRoom { id, user, room } => {
            let found = room_requests::prepare(&account, &user, room).await;
            Response::Room(id, user, found)
        }
        Request::SendToRoom {
            id,
            room,
            user,
            event_type,
            content,
            transaction,
        } => {
            let message = RoomMessage {
                room: &room,
                peer: &user,
                event_type,
                content: &content,
                transaction: &transaction,
            };
            Response::InRoom(id, room_requests::send(&account, message).await)
        }
        // The event's own ID makes its redaction one and the same, however often it is asked for.
        Request::Redact {
            id,
            room,
            event,
            transaction: _,
        } => Response::InRoom(id, room_requests::redact(&account, &room, event).await),
        Request::MakeRoom { .. } | Request::JoinRoom { .. } | Request::LeaveRoom { .. } => {
            unreachable!("these have tasks of their own kind")
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
    use securecall_crypto::{IdentityKey, IdentityKeyPair, IdentitySeed};
    use securecall_randomness::SystemRandomness;
    use securecall_session::{
        AnswerPolicy, CallOptions, Callee, Config, Contacts, Endpoint, NamedCall, Output,
        RingPolicy, Route,
    };

    use super::*;

    fn identity() -> IdentityKeyPair {
        IdentityKeyPair::from_seed(&IdentitySeed::generate(&mut SystemRandomness))
    }

    fn endpoint() -> Endpoint {
        let config = Config {
            matrix_id: "@own:homeserver.test".parse().unwrap(),
            device: Device {
                device_id: "OWN".parse().unwrap(),
                olm_key: OlmKey::from_bytes([1; 32]),
            },
            ring: RingPolicy::Anyone,
            answer: AnswerPolicy::Ask,
            inbound: options(),
            relays: Default::default(),
        };
        Endpoint::new(config, identity(), Contacts::new(Vec::new()), None).unwrap()
    }

    fn options() -> CallOptions {
        CallOptions {
            route: Some(Route::Direct),
            ..CallOptions::default()
        }
    }

    fn call(
        endpoint: &mut Endpoint,
        identity: Option<IdentityKey>,
        matrix_id: &MatrixId,
    ) -> NamedCall {
        let callee = Callee {
            identity,
            matrix_id: matrix_id.clone(),
        };
        let now = clock::now();
        let placed = endpoint.call(now, 1, &mut SystemRandomness, callee, &options());
        placed.unwrap()
    }

    /// The first thing that a call asks for.
    fn first_request(identity: Option<IdentityKey>, matrix_id: &MatrixId) -> Request {
        let mut endpoint = endpoint();
        call(&mut endpoint, identity, matrix_id);
        next_request(&mut endpoint)
    }

    fn next_request(endpoint: &mut Endpoint) -> Request {
        loop {
            match endpoint.poll_output() {
                Output::Request(request) => return request,
                Output::Timeout(_) => panic!("nothing is asked"),
                _ => {}
            }
        }
    }

    /// For the devices of somebody.
    fn request() -> Request {
        let callee = "@other:homeserver.test".parse().unwrap();
        first_request(Some(identity().public()), &callee)
    }

    #[tokio::test]
    async fn devices_that_were_asked_for_ahead_are_those_of_a_call_to_that_user_soon_after() {
        let [callee, other] = ["@other:homeserver.test", "@third:homeserver.test"];
        let long_ago = clock::now() - AHEAD_IS_NEW;
        for (user, asked_at, expected) in [
            (callee, clock::now(), true),
            (other, clock::now(), false),
            (callee, long_ago, false),
        ] {
            let mut requests = Requests {
                ahead: vec![Ahead {
                    user: user.parse().unwrap(),
                    asked_at,
                    devices: tokio::spawn(async { Ok(Vec::new()) }),
                }],
                ..Requests::default()
            };
            let request = request();
            let taken = requests.take_ahead(&request);
            assert_eq!(taken.is_some(), expected, "{user}");
            // Once: the next call asks anew.
            assert!(requests.take_ahead(&request).is_none());
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
