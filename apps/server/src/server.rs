//! What all requests share.

use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ipnet::IpNet;
use securecall_contact::ServerName;
use securecall_contact::enrolment::ServerDocument;
use securecall_daemon::{Failure, file};
use securecall_ghostnet::UnixTime;
use tokio::sync::Semaphore;
use url::Url;
use zeroize::Zeroizing;

use crate::challenges::Challenges;
use crate::config::{Config, EnrolmentConfig, EnrolmentPolicy, read_secret};
use crate::figures::Figures;
use crate::homeserver::{Homeserver, KnownTokens};
use crate::issuer::Issuer;
use crate::network_limit::NetworkLimit;
use crate::operators::{self, OperatorError};
use crate::relay_directory::RelayDirectory;
use crate::repository::{Repository, RepositoryError};
use crate::routes;
use crate::turn::Turn;

/// The page has 64 KiB; a file of this size is none.
const MAX_PAGE: u64 = 4 * 1024 * 1024;

/// One server.
pub(crate) struct Server {
    pub(crate) domain: ServerName,
    /// What clients' passwords are derived for.
    pub(crate) host: String,
    pub(crate) trusted_proxies: Vec<IpNet>,
    pub(crate) secret: Zeroizing<String>,
    pub(crate) repository: Repository,
    pub(crate) homeserver: Homeserver,
    pub(crate) known_tokens: KnownTokens,
    pub(crate) challenges: Challenges,
    pub(crate) enrolment: EnrolmentConfig,
    pub(crate) issuer: Option<Arc<Issuer>>,
    pub(crate) tokens_per_day: NonZeroU32,
    pub(crate) directory: Option<RelayDirectory>,
    pub(crate) page: Option<Bytes>,
    pub(crate) turn: Option<Turn>,
    pub(crate) homeserver_url: Url,
    pub(crate) homeserver_server: Option<ServerName>,
    pub(crate) figures: Arc<Figures>,
    /// Requests of one network.
    pub(crate) requests: NetworkLimit,
    /// New accounts of one network.
    pub(crate) arrivals: NetworkLimit,
    /// Requests under way.
    pub(crate) places: Semaphore,
    pub(crate) request_time: Duration,
}

impl Server {
    /// Reads what the settings name, and opens the database.
    pub(crate) async fn start(config: Config) -> Result<Self, Failure> {
        let secret = read_secret(&config.secret_file)?;
        let homeserver = Homeserver::new(&config.homeserver, &config.domain)?;
        let issuer = config.issuer.as_ref().map(Issuer::load).transpose()?;
        let repository = Repository::open(&config.database)
            .await
            .map_err(database_failure)?;
        Ok(Self {
            challenges: Challenges::new(
                secret.clone(),
                config.domain.clone(),
                config.enrolment.challenge_lifetime,
            ),
            host: config.homeserver.password_host(),
            domain: config.domain,
            trusted_proxies: config.trusted_proxies,
            secret,
            repository,
            homeserver,
            known_tokens: KnownTokens::default(),
            arrivals: NetworkLimit::per_hour(config.enrolment.per_network_per_hour),
            enrolment: config.enrolment,
            tokens_per_day: config
                .issuer
                .as_ref()
                .map_or(NonZeroU32::MIN, |issuer| issuer.per_account_per_day),
            issuer: issuer.map(Arc::new),
            directory: config.directory.map(RelayDirectory::new),
            page: config.page.as_deref().map(read_page).transpose()?,
            turn: config.turn.map(Turn::load).transpose()?,
            homeserver_url: config.homeserver.public_url,
            homeserver_server: config.homeserver.server,
            figures: Arc::default(),
            requests: NetworkLimit::per_minute(config.limits.per_network_per_minute),
            places: Semaphore::new(config.limits.requests),
            request_time: config.limits.request_time,
        })
    }

    /// What clients are told that there is.
    pub(crate) fn document(&self) -> ServerDocument {
        ServerDocument {
            enrolment: (self.enrolment.policy != EnrolmentPolicy::Closed)
                .then(|| routes::ENROLMENT.to_owned()),
            issuer: self.issuer.as_ref().map(|issuer| issuer.name.to_string()),
            relays: self.directory.as_ref().map(|_| routes::RELAYS.to_owned()),
            turn: self.turn.as_ref().map(|_| routes::TURN.to_owned()),
        }
    }

    /// Forgets what has expired, and ends what commands have left: to be called now and then.
    pub(crate) async fn tidy(&self, now: UnixTime) {
        self.requests.forget_old();
        self.arrivals.forget_old();
        if let Err(error) = self.repository.forget_expired(now).await {
            self.database_failed(&error);
        }
        match operators::end_left(&self.homeserver, &self.repository, now).await {
            Ok(()) => {}
            Err(OperatorError::Repository(error)) => self.database_failed(&error),
            Err(OperatorError::Homeserver(error)) => {
                self.figures.homeserver_failures.one();
                tracing::warn!(%error, "an administrator that a command has left is not ended yet");
            }
        }
    }

    /// Counts it and says so; the reason holds nothing that a request said.
    pub(crate) fn database_failed(&self, error: &RepositoryError) {
        self.figures.database_failures.one();
        tracing::error!(%error, "the database fails");
    }
}

/// In words for the operator.
pub(crate) fn database_failure(error: RepositoryError) -> Failure {
    Failure::machine(error)
        .help("`database.url` says where it is; does it run, and may this user write there?")
}

fn read_page(path: &Path) -> Result<Bytes, Failure> {
    file::read(path, MAX_PAGE)
        .map(|bytes| Bytes::copy_from_slice(&bytes))
        .map_err(|error| Failure::usage(format!("`page.file`: {}: {error}", path.display())))
}
