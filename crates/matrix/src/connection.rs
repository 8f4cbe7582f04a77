//! HTTP to one homeserver, before and after there is an account.

use std::{sync::Arc, time::Duration};

use reqwest::{Certificate, StatusCode, redirect};
use url::Url;

use crate::{
    client::{ANSWER_TIMEOUT, Client},
    homeserver::{Answer, Homeserver},
    patience::patiently,
    resolver::Resolver,
    server_error::ServerError,
};

/// How long a connection may take to come up.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Where every homeserver answers, with an account or without.
const VERSIONS: &str = "/_matrix/client/versions";

/// More than any list of versions and features takes: Synapse's has 2 KiB.
const MAX_VERSIONS: usize = 64 * 1024;

/// Connections to one homeserver. Kept open, so that a request costs one round trip.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    homeserver: Homeserver,
    http: reqwest::Client,
}

impl Connection {
    pub(crate) fn new(homeserver: &Homeserver) -> Result<Self, ServerError> {
        let mut builder = reqwest::Client::builder()
            .user_agent("SecureCall")
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(None)
            // What is small on the way must not be large here.
            .no_gzip()
            // A homeserver that sends us elsewhere would be another homeserver.
            .redirect(redirect::Policy::none())
            .dns_resolver(Arc::new(Resolver));
        if homeserver.is_loopback() {
            builder = builder.no_proxy();
        }
        if homeserver.is_encrypted() {
            let own = homeserver
                .ca_pem()
                .map(|pem| Certificate::from_pem_bundle(pem.as_bytes()));
            let own = own.transpose().map_err(|error| internal(&error))?;
            builder = builder.tls_certs_merge(own.unwrap_or_default());
        } else {
            // Reading the system's certificates costs time and memory, and none is needed here.
            builder = builder.tls_certs_only([]);
        }
        let http = builder.build().map_err(|error| internal(&error))?;
        Ok(Self {
            homeserver: homeserver.clone(),
            http,
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
        let request = self.http.get(url).timeout(ANSWER_TIMEOUT);
        let response = request
            .send()
            .await
            .map_err(|error| ServerError::from_network(&error))?;
        let answer = Answer::read(response, limit).await?;
        match answer.status {
            StatusCode::TOO_MANY_REQUESTS => Err(answer.fault()),
            _ => Ok(answer),
        }
    }

    /// A client that asks nothing before it is asked to.
    pub(crate) fn client(&self) -> Client {
        Client::new(self.http.clone(), self.homeserver.url())
    }
}

fn internal(error: &(impl std::error::Error + 'static)) -> ServerError {
    ServerError::Internal {
        reason: crate::server_error::chain(error),
    }
}
