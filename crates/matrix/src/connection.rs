//! HTTP to one homeserver, before and after there is an account.

use std::{sync::Arc, time::Duration};

use matrix_sdk::{
    Client, SqliteCryptoStore,
    config::RequestConfig,
    cross_process_lock::CrossProcessLockConfig,
    encryption::EncryptionSettings,
    reqwest::{self, Certificate, redirect},
};
use matrix_sdk_base::{crypto::CollectStrategy, store::StoreConfig};
use ruma::api::MatrixVersion;
use url::Url;

use crate::{
    homeserver::{Answer, Homeserver},
    resolver::Resolver,
    server_error::ServerError,
};

/// How long any one answer may take; a long poll has its own time on top.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);

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
        let client = self
            .client(StoreConfig::new(CrossProcessLockConfig::SingleProcess))
            .await?;
        self.check().await?;
        Ok(client)
    }

    /// Whether a homeserver answers.
    pub(crate) async fn check(&self) -> Result<(), ServerError> {
        let mut url = self.homeserver.url().clone();
        let path = format!("{}{VERSIONS}", url.path().trim_end_matches('/'));
        url.set_path(&path);
        self.get(url, MAX_VERSIONS).await?.check_versions()
    }

    /// Asks for something that needs no account.
    pub(crate) async fn get(&self, url: Url, limit: usize) -> Result<Answer, ServerError> {
        let request = self.http.get(url).timeout(ANSWER_TIMEOUT);
        let response = request
            .send()
            .await
            .map_err(|error| ServerError::from_network(&error))?;
        Answer::read(response, limit).await
    }

    /// A client whose Olm state lies in `store`. Everything else it keeps in memory: it has no rooms to remember.
    pub(crate) async fn with_store(&self, store: SqliteCryptoStore) -> Result<Client, ServerError> {
        self.client(StoreConfig::new(CrossProcessLockConfig::SingleProcess).crypto_store(store))
            .await
    }

    async fn client(&self, store: StoreConfig) -> Result<Client, ServerError> {
        Client::builder()
            .homeserver_url(self.homeserver.url())
            .http_client(self.http.clone())
            // What we use has not changed since long before this version: no need to ask before the first request.
            .server_versions([MatrixVersion::V1_11])
            .request_config(RequestConfig::new().disable_retry().timeout(ANSWER_TIMEOUT))
            .respect_login_well_known(false)
            .store_config(store)
            .with_room_key_recipient_strategy(CollectStrategy::AllDevices)
            .with_encryption_settings(EncryptionSettings::default())
            .build()
            .await
            .map_err(|error| internal(&error))
    }
}

fn internal(error: &(impl std::error::Error + 'static)) -> ServerError {
    ServerError::Internal {
        reason: crate::server_error::chain(error),
    }
}
