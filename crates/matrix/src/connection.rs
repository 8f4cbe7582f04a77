//! HTTP to one homeserver, before and after there is an account.

use std::time::Duration;

use matrix_sdk::reqwest::{self, Certificate, redirect};
use ruma::api::client::discovery::get_supported_versions;

use crate::{client::Client, homeserver::Homeserver, server_error::ServerError};

/// How long a connection may take to come up.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

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
            .redirect(redirect::Policy::none());
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
        let client = self.client();
        let versions = client.send(get_supported_versions::Request::new()).await;
        versions.map_err(|error| match ServerError::from_http(&error) {
            ServerError::Refused { code, message } => ServerError::NotMatrix {
                reason: format!("{message} ({code})"),
            },
            other => other,
        })?;
        Ok(client)
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
