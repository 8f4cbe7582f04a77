//! Requests of the client-server API. Whatever a homeserver answers, it takes no more memory than the request allows.
//!
//! Nothing is decompressed: a small body must not become a large one. Heads are bounded by the HTTP library (400 KiB for
//! HTTP/1, 16 KiB for HTTP/2).

use std::{borrow::Cow, net::IpAddr, time::Duration};

use reqwest::{StatusCode, header};
use ruma::{
    OwnedUserId,
    api::{
        IncomingResponse, MatrixVersion, OutgoingRequest, SupportedVersions,
        auth_scheme::{
            AccessToken, AccessTokenOptional, AppserviceTokenOptional, AuthScheme, NoAccessToken,
            NoAuthentication, SendAccessToken,
        },
        client::{
            keys::get_keys,
            state::{get_state_events, send_state_event},
            sync::sync_events::v3::{Filter, Request as SyncRequest, Response as SyncResponse},
        },
        error::FromHttpResponseError,
        path_builder::{PathBuilder, SinglePath, VersionHistory},
    },
    assign,
    presence::PresenceState,
};
use tokio::time::timeout;
use url::Url;
use zeroize::Zeroizing;

use crate::{
    homeserver::is_web_page,
    http_date::unix_seconds,
    http_error::HttpError,
    http_transport::{ANSWER_TIMEOUT, Happenings, HttpTransport, Terms},
    response::{location, refuse_compressed, retry_after, shown},
    rooms::{
        filter::SyncScope,
        group_room::state::{RoomStateAnswer, StateReader},
    },
    server_error::ServerError,
    sync_answer::{SyncAnswer, SyncReader},
    sync_scanner::UnreadableSync,
};

/// How long the body of a sync, or the state of a room, may take as a whole: thousands of messages over a slow line.
const STREAM_TIMEOUT: Duration = Duration::from_secs(120);

/// The most that an answer may hold: versions, login flows, sessions, one-time keys, errors. Real ones have a few KiB.
const MAX_ANSWER: usize = 64 * 1024;

/// The same for the devices of a user, of about 1 KiB each.
const MAX_DEVICES_ANSWER: usize = 1024 * 1024;

/// The same for a sync, and for the state of a room, of which only what is for us is kept as it comes in. A full inbox is
/// handed out a hundred messages at a time.
const MAX_STREAM: usize = 64 * 1024 * 1024;

/// What we use has not changed since long before this version: no need to ask before the first request.
const VERSION: MatrixVersion = MatrixVersion::V1_11;

/// Asks one homeserver, with an account or without. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Client {
    http: HttpTransport,
    base_url: String,
    access_token: Option<Zeroizing<String>>,
}

impl Client {
    /// Without an account.
    pub(crate) fn new(http: HttpTransport, homeserver: &Url) -> Self {
        Self {
            http,
            base_url: homeserver.to_string(),
            access_token: None,
        }
    }

    /// With an account's access token.
    pub(crate) fn with_token(self, access_token: &str) -> Self {
        Self {
            access_token: Some(Zeroizing::new(access_token.to_owned())),
            ..self
        }
    }

    /// See [`HttpTransport::network_changed`].
    pub(crate) fn network_changed(&self, gone: &[IpAddr]) {
        self.http.network_changed(gone);
    }

    /// See [`HttpTransport::distrust_connections`].
    pub(crate) fn distrust_connections(&self) {
        self.http.distrust_connections();
    }

    /// See [`HttpTransport::doubt_connections`].
    pub(crate) fn doubt_connections(&self) {
        self.http.doubt_connections();
    }

    /// Changes of the network from now on.
    pub(crate) fn network_changes(&self) -> Happenings {
        self.http.network_changes()
    }

    /// Doubts of connections from now on.
    pub(crate) fn doubts(&self) -> Happenings {
        self.http.doubts()
    }

    /// Asks for something whose answer is small, and that may reach the homeserver twice.
    pub(crate) async fn send<R>(&self, request: R) -> Result<R::IncomingResponse, HttpError>
    where
        R: OutgoingRequest,
        R::Authentication: Authentication,
        R::PathBuilder: Versioned,
        HttpError: From<FromHttpResponseError<R::EndpointError>>,
    {
        self.ask(request, Terms::REPEATABLE, MAX_ANSWER).await
    }

    /// The same on other terms, as for what the homeserver would do twice if it got it twice.
    pub(crate) async fn send_on<R>(
        &self,
        terms: Terms,
        request: R,
    ) -> Result<R::IncomingResponse, HttpError>
    where
        R: OutgoingRequest,
        R::Authentication: Authentication,
        R::PathBuilder: Versioned,
        HttpError: From<FromHttpResponseError<R::EndpointError>>,
    {
        self.ask(request, terms, MAX_ANSWER).await
    }

    /// The keys of all devices of these users.
    pub(crate) async fn device_keys(
        &self,
        users: impl IntoIterator<Item = OwnedUserId>,
    ) -> Result<get_keys::v3::Response, ServerError> {
        let request = assign!(get_keys::v3::Request::new(), {
            device_keys: users.into_iter().map(|user| (user, Vec::new())).collect(),
        });
        let answer = self
            .ask(request, Terms::REPEATABLE, MAX_DEVICES_ANSWER)
            .await;
        answer.map_err(|error| ServerError::from_http(&error))
    }

    /// Like [`send`](Self::send), and gives the answer as it came: for one that is often not what the specification says.
    pub(crate) async fn send_for_body<R>(&self, request: R) -> Result<Vec<u8>, HttpError>
    where
        R: OutgoingRequest,
        R::Authentication: Authentication,
        R::PathBuilder: Versioned,
        HttpError: From<FromHttpResponseError<R::EndpointError>>,
    {
        self.send_for_long_body(request, MAX_ANSWER).await
    }

    /// The same for an answer that may be longer, up to `limit` bytes.
    pub(crate) async fn send_for_long_body<R>(
        &self,
        request: R,
        limit: usize,
    ) -> Result<Vec<u8>, HttpError>
    where
        R: OutgoingRequest,
        R::Authentication: Authentication,
        R::PathBuilder: Versioned,
        HttpError: From<FromHttpResponseError<R::EndpointError>>,
    {
        let request = self.write(request)?;
        self.body_of::<R>(request, Terms::REPEATABLE, limit).await
    }

    /// Like [`send_for_body`](Self::send_for_body), for what needs no token at most homeservers, and one at some.
    pub(crate) async fn send_with_token_for_body<R>(&self, request: R) -> Result<Vec<u8>, HttpError>
    where
        R: OutgoingRequest<Authentication = NoAccessToken>,
        R::PathBuilder: Versioned,
        HttpError: From<FromHttpResponseError<R::EndpointError>>,
    {
        let token = self.access_token.as_ref().map(|token| token.as_str());
        let input = token.map_or(SendAccessToken::None, SendAccessToken::Always);
        let request: http::Request<Vec<u8>> =
            request.try_into_http_request(&self.base_url, input, R::PathBuilder::input())?;
        let request = reqwest::Request::try_from(request).map_err(HttpError::Network)?;
        self.body_of::<R>(request, Terms::REPEATABLE, MAX_ANSWER)
            .await
    }

    /// Like [`send_for_body`](Self::send_for_body), with something more in the query.
    pub(crate) async fn send_with_query<R>(
        &self,
        request: R,
        (name, value): (&str, String),
        terms: Terms,
    ) -> Result<Vec<u8>, HttpError>
    where
        R: OutgoingRequest,
        R::Authentication: Authentication,
        R::PathBuilder: Versioned,
        HttpError: From<FromHttpResponseError<R::EndpointError>>,
    {
        let mut request = self.write(request)?;
        // A statement of its own: what writes a query cannot be held while we wait.
        request
            .url_mut()
            .query_pairs_mut()
            .append_pair(name, &value);
        self.body_of::<R>(request, terms, MAX_ANSWER).await
    }

    /// Posts what the library has no request for. The parts of the path may be anything but `.` and `..`.
    pub(crate) async fn post(
        &self,
        path: &[&str],
        body: &serde_json::Value,
    ) -> Result<Vec<u8>, HttpError> {
        // Only its token, and how its errors are read, are of this one.
        type Any = send_state_event::v3::Request;
        let ours = |reason: String| HttpError::Ours(ServerError::Internal { reason });
        let mut url = Url::parse(&self.base_url).map_err(|error| ours(error.to_string()))?;
        let mut segments = url.path_segments_mut();
        if let Ok(segments) = &mut segments {
            segments.pop_if_empty().extend(["_matrix", "client"]);
            segments.extend(path);
        }
        drop(segments);
        let mut request = reqwest::Request::new(reqwest::Method::POST, url);
        let headers = request.headers_mut();
        let json = header::HeaderValue::from_static("application/json");
        headers.insert(header::CONTENT_TYPE, json);
        if let Some(token) = &self.access_token {
            let bearer = Zeroizing::new(format!("Bearer {}", token.as_str()));
            let mut bearer = header::HeaderValue::from_str(&bearer)
                .map_err(|_| ours("the token is none".to_owned()))?;
            bearer.set_sensitive(true);
            headers.insert(header::AUTHORIZATION, bearer);
        }
        *request.body_mut() = Some(body.to_string().into());
        self.body_of::<Any>(request, Terms::REPEATABLE, MAX_ANSWER)
            .await
    }

    /// The state of a room, read as it comes in.
    pub(crate) async fn room_state(
        &self,
        request: get_state_events::v3::Request,
        reader: impl Fn() -> StateReader,
    ) -> Result<RoomStateAnswer, HttpError> {
        let request = self.write(request)?;
        let read = |response| read_state(response, reader());
        let asking = self.http.perform(request, Terms::REPEATABLE, read);
        Box::pin(asking).await
    }

    async fn body_of<R>(
        &self,
        request: reqwest::Request,
        terms: Terms,
        limit: usize,
    ) -> Result<Vec<u8>, HttpError>
    where
        R: OutgoingRequest,
        HttpError: From<FromHttpResponseError<R::EndpointError>>,
    {
        let answer = Box::pin(self.exchange(request, terms, limit)).await?;
        if answer.status() == StatusCode::OK {
            return Ok(answer.into_body());
        }
        // What is no success is an error of the specification, and read as such.
        R::IncomingResponse::try_from_http_response(answer)?;
        Ok(Vec::new())
    }

    /// One sync: what came since `position`, or as soon as something comes within `long_poll`.
    pub(crate) async fn sync(
        &self,
        position: Option<String>,
        long_poll: Duration,
        scope: SyncScope<'_>,
    ) -> Result<SyncAnswer, HttpError> {
        let request = self.write(assign!(SyncRequest::new(), {
            since: position,
            timeout: Some(long_poll),
            set_presence: PresenceState::Offline,
            filter: Some(Filter::FilterDefinition(scope.filter())),
        }))?;
        let read = |response| read_sync(response, SyncReader::new(scope));
        let asking = self.http.perform(request, Terms::sync(long_poll), read);
        Box::pin(asking).await
    }

    async fn ask<R>(
        &self,
        request: R,
        terms: Terms,
        limit: usize,
    ) -> Result<R::IncomingResponse, HttpError>
    where
        R: OutgoingRequest,
        R::Authentication: Authentication,
        R::PathBuilder: Versioned,
        HttpError: From<FromHttpResponseError<R::EndpointError>>,
    {
        let request = self.write(request)?;
        // One future for all kinds of requests: each kind would be another copy of the HTTP library's.
        let answer = Box::pin(self.exchange(request, terms, limit)).await?;
        Ok(R::IncomingResponse::try_from_http_response(answer)?)
    }

    fn write<R>(&self, request: R) -> Result<reqwest::Request, HttpError>
    where
        R: OutgoingRequest,
        R::Authentication: Authentication,
        R::PathBuilder: Versioned,
    {
        let token = self.access_token.as_ref().map(|token| token.as_str());
        let request: http::Request<Vec<u8>> = request.try_into_http_request(
            &self.base_url,
            R::Authentication::input(token),
            R::PathBuilder::input(),
        )?;
        Ok(request.try_into()?)
    }

    async fn exchange(
        &self,
        request: reqwest::Request,
        terms: Terms,
        limit: usize,
    ) -> Result<http::Response<Vec<u8>>, HttpError> {
        let read = |response| read_body(response, limit);
        let asking = self.http.perform(request, terms, read);
        // Over whatever number of connections: the callers' patience is the same.
        let answer = timeout(terms.time(), asking).await;
        answer.unwrap_or(Err(HttpError::TimedOut))
    }
}

async fn read_body(
    mut response: reqwest::Response,
    limit: usize,
) -> Result<http::Response<Vec<u8>>, HttpError> {
    refuse_compressed(&response)?;
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if chunk.len() > limit - body.len() {
            return Err(HttpError::TooLarge { limit });
        }
        body.extend_from_slice(&chunk);
    }
    if response.status() == StatusCode::TOO_MANY_REQUESTS {
        let retry_after = retry_after(&response, &body);
        return Err(HttpError::TooManyRequests { retry_after });
    }
    // To the library both are success, and what needs no content of an answer would count as done.
    if response.status().is_redirection() {
        let to = location(&response).as_ref().map(shown);
        return Err(HttpError::Redirected { to });
    }
    if response.status().is_success() && is_web_page(&body) {
        return Err(HttpError::WebPage);
    }
    let mut answer = http::Response::new(body);
    *answer.status_mut() = response.status();
    if let Some(kind) = response.headers().get(header::CONTENT_TYPE) {
        answer
            .headers_mut()
            .insert(header::CONTENT_TYPE, kind.clone());
    }
    Ok(answer)
}

async fn read_sync(
    response: reqwest::Response,
    mut reader: SyncReader,
) -> Result<SyncAnswer, HttpError> {
    read_stream::<SyncResponse>(response, |bytes| reader.read(bytes)).await?;
    Ok(reader.finish()?)
}

async fn read_state(
    response: reqwest::Response,
    mut reader: StateReader,
) -> Result<RoomStateAnswer, HttpError> {
    let date = response.headers().get(header::DATE);
    let seconds = date.and_then(|date| unix_seconds(date.to_str().ok()?));
    read_stream::<get_state_events::v3::Response>(response, |bytes| reader.read(bytes)).await?;
    let mut answer = reader.finish()?;
    answer.room.homeserver_ms = seconds.map(|seconds| seconds.saturating_mul(1000));
    Ok(answer)
}

/// Reads an answer that may be long, as it comes in. What is no success is an error of `R`.
async fn read_stream<R>(
    response: reqwest::Response,
    take: impl FnMut(&[u8]) -> Result<(), UnreadableSync>,
) -> Result<(), HttpError>
where
    R: IncomingResponse,
    HttpError: From<FromHttpResponseError<R::EndpointError>>,
{
    if response.status() != StatusCode::OK {
        let answer = Box::pin(read_body(response, MAX_ANSWER));
        let answer = timeout(ANSWER_TIMEOUT, answer).await;
        let answer = answer.map_err(|_| HttpError::TimedOut)??;
        return match R::try_from_http_response(answer) {
            Err(error) => Err(error.into()),
            // Another kind of success is none that Matrix knows.
            Ok(_) => Err(UnreadableSync.into()),
        };
    }
    let reading = Box::pin(read_stream_body(response, take));
    let read = timeout(STREAM_TIMEOUT, reading).await;
    read.map_err(|_| HttpError::TimedOut)?
}

async fn read_stream_body(
    mut response: reqwest::Response,
    mut take: impl FnMut(&[u8]) -> Result<(), UnreadableSync>,
) -> Result<(), HttpError> {
    refuse_compressed(&response)?;
    let mut length = 0;
    loop {
        let chunk = timeout(ANSWER_TIMEOUT, response.chunk()).await;
        let Some(chunk) = chunk.map_err(|_| HttpError::TimedOut)?? else {
            return Ok(());
        };
        length += chunk.len();
        if length > MAX_STREAM {
            return Err(HttpError::TooLarge { limit: MAX_STREAM });
        }
        take(&chunk)?;
        // Much may be there at once; others on this thread have something to do as well.
        tokio::task::coop::consume_budget().await;
    }
}

/// What a kind of request needs to prove who asks.
pub(crate) trait Authentication: AuthScheme {
    fn input(access_token: Option<&str>) -> Self::Input<'_>;
}

fn if_required(access_token: Option<&str>) -> SendAccessToken<'_> {
    match access_token {
        Some(token) => SendAccessToken::IfRequired(token),
        None => SendAccessToken::None,
    }
}

impl Authentication for NoAuthentication {
    fn input(_: Option<&str>) -> Self::Input<'_> {}
}

impl Authentication for NoAccessToken {
    fn input(access_token: Option<&str>) -> Self::Input<'_> {
        if_required(access_token)
    }
}

impl Authentication for AccessToken {
    fn input(access_token: Option<&str>) -> Self::Input<'_> {
        if_required(access_token)
    }
}

impl Authentication for AccessTokenOptional {
    fn input(access_token: Option<&str>) -> Self::Input<'_> {
        if_required(access_token)
    }
}

impl Authentication for AppserviceTokenOptional {
    fn input(access_token: Option<&str>) -> Self::Input<'_> {
        if_required(access_token)
    }
}

/// What a kind of request needs to find its path.
pub(crate) trait Versioned: PathBuilder {
    fn input() -> Self::Input<'static>;
}

impl Versioned for VersionHistory {
    fn input() -> Self::Input<'static> {
        Cow::Owned(SupportedVersions {
            versions: [VERSION].into(),
            features: Default::default(),
        })
    }
}

impl Versioned for SinglePath {
    fn input() -> Self::Input<'static> {}
}
