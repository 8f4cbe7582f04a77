//! Requests of the client-server API. Whatever a homeserver answers, it takes no more memory than the request allows.
//!
//! Nothing is decompressed: a small body must not become a large one. Heads are bounded by the HTTP library (400 KiB for
//! HTTP/1, 16 KiB for HTTP/2).

use std::{borrow::Cow, collections::BTreeMap, time::Duration};

use reqwest::{StatusCode, header};
use ruma::{
    api::{
        IncomingResponse, MatrixVersion, OutgoingRequest, SupportedVersions,
        auth_scheme::{
            AccessToken, AccessTokenOptional, AppserviceTokenOptional, AuthScheme, NoAccessToken,
            NoAuthentication, SendAccessToken,
        },
        client::{
            filter::FilterDefinition,
            sync::sync_events::v3::{Filter, Request as SyncRequest, Response as SyncResponse},
            uiaa::{UiaaInfo, UiaaResponse},
        },
        error::{Error as ApiError, ErrorKind, FromHttpResponseError, IntoHttpError},
        path_builder::{PathBuilder, SinglePath, VersionHistory},
    },
    assign,
    presence::PresenceState,
};
use serde::Deserialize;
use tokio::time::timeout;
use url::Url;
use zeroize::Zeroizing;

use crate::{
    homeserver::{is_web_page, location, shown},
    sync_answer::{SyncAnswer, SyncReader},
    sync_scanner::UnreadableSync,
};

/// How long any one answer may take; a long poll has its own time on top.
pub(crate) const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);

/// How long the body of a sync may take as a whole: thousands of messages over a slow line.
const SYNC_BODY_TIMEOUT: Duration = Duration::from_secs(120);

/// The most that an answer may hold: versions, login flows, sessions, one-time keys, errors. Real ones have a few KiB.
const MAX_ANSWER: usize = 64 * 1024;

/// The same for the devices of a user, of about 1 KiB each.
pub(crate) const MAX_DEVICES_ANSWER: usize = 1024 * 1024;

/// The same for a sync, of which only what is for us is kept as it comes in. A full inbox is handed out a hundred
/// messages at a time.
const MAX_SYNC_ANSWER: usize = 64 * 1024 * 1024;

/// What we use has not changed since long before this version: no need to ask before the first request.
const VERSION: MatrixVersion = MatrixVersion::V1_11;

/// Why a request was not answered, or not with what was asked for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    /// The network, or HTTP itself.
    #[error(transparent)]
    Network(#[from] reqwest::Error),
    /// Nothing came in time.
    #[error("no answer in time")]
    TimedOut,
    /// It wants us to wait; so may something in front of it that knows nothing of Matrix.
    #[error("it asks to wait")]
    TooManyRequests {
        /// For how long, if it says so.
        retry_after: Option<Duration>,
    },
    /// More came than is ever needed.
    #[error("the answer has more than {limit} bytes")]
    TooLarge {
        /// What was allowed.
        limit: usize,
    },
    /// It is compressed, although we say that we take no such thing.
    #[error("the answer is compressed, which was not asked for")]
    Compressed,
    /// It sends us elsewhere.
    #[error("the answer leads elsewhere")]
    Redirected {
        /// Scheme, host and port of where to, if it says so.
        to: Option<String>,
    },
    /// It is a page for people.
    #[error("the answer is a web page")]
    WebPage,
    /// What it says cannot be read.
    #[error(transparent)]
    UnreadableSync(#[from] UnreadableSync),
    /// An error of the homeserver, or an answer that cannot be read.
    #[error(transparent)]
    Api(Box<FromHttpResponseError<UiaaResponse>>),
    /// Our own request cannot be written.
    #[error(transparent)]
    Request(#[from] IntoHttpError),
}

impl HttpError {
    /// The homeserver's error, if it is one in Matrix' form.
    pub(crate) fn as_client_api_error(&self) -> Option<&ApiError> {
        match self.as_server_error()? {
            UiaaResponse::MatrixError(error) => Some(error),
            UiaaResponse::AuthResponse(_) => None,
        }
    }

    /// The `errcode` of the homeserver's error.
    pub(crate) fn client_api_error_kind(&self) -> Option<&ErrorKind> {
        self.as_client_api_error().and_then(ApiError::error_kind)
    }

    /// The homeserver's demand for more authentication.
    pub(crate) fn as_uiaa_response(&self) -> Option<&UiaaInfo> {
        match self.as_server_error()? {
            UiaaResponse::AuthResponse(info) => Some(info),
            UiaaResponse::MatrixError(_) => None,
        }
    }

    fn as_server_error(&self) -> Option<&UiaaResponse> {
        match self {
            Self::Api(error) => match &**error {
                FromHttpResponseError::Server(error) => Some(error),
                _ => None,
            },
            _ => None,
        }
    }
}

impl From<FromHttpResponseError<UiaaResponse>> for HttpError {
    fn from(error: FromHttpResponseError<UiaaResponse>) -> Self {
        Self::Api(Box::new(error))
    }
}

impl From<FromHttpResponseError<ApiError>> for HttpError {
    fn from(error: FromHttpResponseError<ApiError>) -> Self {
        Self::Api(Box::new(error.map(UiaaResponse::MatrixError)))
    }
}

/// Asks one homeserver, with an account or without. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    base_url: String,
    access_token: Option<Zeroizing<String>>,
}

impl Client {
    /// Without an account.
    pub(crate) fn new(http: reqwest::Client, homeserver: &Url) -> Self {
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

    /// Asks for something whose answer is small.
    pub(crate) async fn send<R>(&self, request: R) -> Result<R::IncomingResponse, HttpError>
    where
        R: OutgoingRequest,
        R::Authentication: Authentication,
        R::PathBuilder: Versioned,
        HttpError: From<FromHttpResponseError<R::EndpointError>>,
    {
        self.send_bounded(request, MAX_ANSWER).await
    }

    /// Asks for something whose answer has at most `limit` bytes.
    pub(crate) async fn send_bounded<R>(
        &self,
        request: R,
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
        let answer = Box::pin(self.exchange(request, limit)).await?;
        Ok(R::IncomingResponse::try_from_http_response(answer)?)
    }

    /// One sync: what came since `position`, or as soon as something comes within `long_poll`.
    pub(crate) async fn sync(
        &self,
        position: Option<String>,
        long_poll: Duration,
    ) -> Result<SyncAnswer, HttpError> {
        let request = self.write(assign!(SyncRequest::new(), {
            since: position,
            timeout: Some(long_poll),
            set_presence: PresenceState::Offline,
            filter: Some(Filter::FilterDefinition(FilterDefinition::ignore_all())),
        }))?;
        let asked = timeout(long_poll + ANSWER_TIMEOUT, self.http.execute(request)).await;
        let response = asked.map_err(|_| HttpError::TimedOut)??;
        if response.status() != StatusCode::OK {
            let answer = Box::pin(read_body(response, MAX_ANSWER));
            let answer = timeout(ANSWER_TIMEOUT, answer).await;
            let answer = answer.map_err(|_| HttpError::TimedOut)??;
            return match SyncResponse::try_from_http_response(answer) {
                Err(error) => Err(error.into()),
                // Another kind of success is none that Matrix knows.
                Ok(_) => Err(UnreadableSync.into()),
            };
        }
        let reading = Box::pin(read_sync(response));
        timeout(SYNC_BODY_TIMEOUT, reading)
            .await
            .map_err(|_| HttpError::TimedOut)?
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
        mut request: reqwest::Request,
        limit: usize,
    ) -> Result<http::Response<Vec<u8>>, HttpError> {
        *request.timeout_mut() = Some(ANSWER_TIMEOUT);
        read_body(self.http.execute(request).await?, limit).await
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

/// How long an answer asks to wait. The header goes before the field that it has replaced (MSC4041).
pub(crate) fn retry_after(response: &reqwest::Response, body: &[u8]) -> Option<Duration> {
    #[derive(Deserialize)]
    struct Body {
        retry_after_ms: u64,
    }
    let header = response.headers().get(header::RETRY_AFTER);
    let seconds = header.and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let body = || serde_json::from_slice(body).ok();
    seconds
        .map(Duration::from_secs)
        .or_else(|| body().map(|Body { retry_after_ms }| Duration::from_millis(retry_after_ms)))
}

async fn read_sync(mut response: reqwest::Response) -> Result<SyncAnswer, HttpError> {
    refuse_compressed(&response)?;
    let mut reader = SyncReader::default();
    let mut length = 0;
    loop {
        let chunk = timeout(ANSWER_TIMEOUT, response.chunk()).await;
        let Some(chunk) = chunk.map_err(|_| HttpError::TimedOut)?? else {
            return Ok(reader.finish()?);
        };
        length += chunk.len();
        if length > MAX_SYNC_ANSWER {
            return Err(HttpError::TooLarge {
                limit: MAX_SYNC_ANSWER,
            });
        }
        reader.read(&chunk)?;
        // Much may be there at once; others on this thread have something to do as well.
        tokio::task::coop::consume_budget().await;
    }
}

pub(crate) fn refuse_compressed(response: &reqwest::Response) -> Result<(), HttpError> {
    match response.headers().get(header::CONTENT_ENCODING) {
        Some(encoding) if encoding != "identity" => Err(HttpError::Compressed),
        _ => Ok(()),
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

/// How many one-time keys a homeserver has left of ours, by algorithm.
pub(crate) type KeyCounts = BTreeMap<ruma::OneTimeKeyAlgorithm, ruma::UInt>;
