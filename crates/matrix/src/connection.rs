//! HTTP to one homeserver, before and after there is an account.

use reqwest::{
    Method, Request, StatusCode,
    header::{CONTENT_TYPE, HeaderValue},
};
use tokio::time::timeout;
use url::Url;

use crate::{
    client::Client,
    homeserver::{Answer, Homeserver},
    http_error::HttpError,
    http_transport::{HttpTransport, Terms},
    patience::patiently,
    server_error::ServerError,
};

/// Where every homeserver answers, with an account or without.
const VERSIONS: &str = "/_matrix/client/versions";

/// More than any list of versions and features takes: Synapse's has 2 KiB.
const MAX_VERSIONS: usize = 64 * 1024;

/// Connections to one homeserver. Kept open, so that a request costs one round trip.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    homeserver: Homeserver,
    http: HttpTransport,
}

impl Connection {
    pub(crate) fn new(homeserver: &Homeserver) -> Result<Self, ServerError> {
        Ok(Self {
            homeserver: homeserver.clone(),
            http: HttpTransport::new(homeserver)?,
        })
    }

    pub(crate) fn homeserver(&self) -> &Homeserver {
        &self.homeserver
    }

    /// A client that has no account (yet), after checking that there is a homeserver at all.
    pub(crate) async fn anonymous(&self) -> Result<Client, ServerError> {
        self.check().await?;
        Ok(self.client())
    }

    /// Whether a homeserver answers.
    pub(crate) async fn check(&self) -> Result<(), ServerError> {
        self.versions().await?.check_versions()
    }

    /// What answers the question which versions there are.
    pub(crate) async fn versions(&self) -> Result<Answer, ServerError> {
        let mut url = self.homeserver.url().clone();
        let path = format!("{}{VERSIONS}", url.path().trim_end_matches('/'));
        url.set_path(&path);
        self.get(url, MAX_VERSIONS).await
    }

    /// Asks for something that needs no account, and again when a pause is asked for.
    ///
    /// # Errors
    ///
    /// When nothing answers; or when what answers never has time.
    pub(crate) async fn get(&self, url: Url, limit: usize) -> Result<Answer, ServerError> {
        patiently(|| self.get_once(url.clone(), limit)).await
    }

    async fn get_once(&self, url: Url, limit: usize) -> Result<Answer, ServerError> {
        let request = Request::new(Method::GET, url);
        let answer = self.ask(request, Terms::REPEATABLE, limit).await?;
        match answer.status {
            StatusCode::TOO_MANY_REQUESTS => Err(answer.fault()),
            _ => Ok(answer),
        }
    }

    /// Says something that needs no account, once: whoever asks decides what a lost answer means.
    ///
    /// # Errors
    ///
    /// When nothing answers.
    pub(crate) async fn post_json(
        &self,
        url: Url,
        body: &[u8],
        limit: usize,
    ) -> Result<Answer, ServerError> {
        let mut request = Request::new(Method::POST, url);
        let json = HeaderValue::from_static("application/json");
        request.headers_mut().insert(CONTENT_TYPE, json);
        *request.body_mut() = Some(body.to_vec().into());
        self.ask(request, Terms::ONCE, limit).await
    }

    async fn ask(
        &self,
        request: Request,
        terms: Terms,
        limit: usize,
    ) -> Result<Answer, ServerError> {
        let read = |response| Answer::read(response, limit);
        let asking = self.http.perform(request, terms, read);
        let answer = timeout(terms.time(), asking).await;
        let answer = answer.unwrap_or(Err(HttpError::TimedOut));
        answer.map_err(|error| ServerError::from_http(&error))
    }

    /// A client that asks nothing before it is asked to.
    pub(crate) fn client(&self) -> Client {
        Client::new(self.http.clone(), self.homeserver.url())
    }
}
