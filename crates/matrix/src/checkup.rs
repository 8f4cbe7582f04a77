//! What a homeserver says of an account that is stored, asked without a change to anything: neither to the account's Olm
//! state nor to its inbox, which another process may be using.

use std::time::{Duration, Instant};

use matrix_sdk_crypto::{store::CryptoStore, vodozemac::Curve25519PublicKey};
use ruma::{
    DeviceKeyAlgorithm, OneTimeKeyAlgorithm, OwnedDeviceId, OwnedUserId,
    api::client::{account::whoami, keys::upload_keys},
    encryption::DeviceKeys,
};
use securecall_contact::{Device, MatrixId, OlmKey, enrolment::ServerDocument};

use crate::{
    AccountStore, Homeserver, RestoreError, ServerError, TurnCredentials,
    account_store::StoredSession, client::Client, connection::Connection, patience::patiently,
    server_document, server_error::bounded, turn_credentials, user_id::matrix_id,
};

/// The most versions that are told of.
const MAX_VERSIONS: usize = 64;

/// An account whose homeserver is asked how things are.
pub struct Checkup {
    connection: Connection,
    client: Client,
    matrix_id: MatrixId,
    user_id: OwnedUserId,
    ruma_device_id: OwnedDeviceId,
    device: Device,
    signing_key: String,
}

/// A homeserver that answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reached {
    /// The versions of Matrix that it names, as text: at most 64, each bounded.
    pub versions: Vec<String>,
    /// What it says the time is (`Date`), in seconds since the Unix epoch.
    pub date: Option<u64>,
    /// How long the answer took, with the connection.
    pub took: Duration,
}

/// Whose an access token is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenOwner {
    /// This account's and this device's.
    Us,
    /// Another's, as the homeserver has it: user and device, as bounded text.
    Other(String),
}

/// What others are told of our device's keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublishedKeys {
    /// Those that it has.
    Ours,
    /// None: nobody can reach it.
    None,
    /// Others.
    Others,
}

impl Checkup {
    /// Reads who we are from `store`, and leaves everything in it as it is. Talks to nobody yet.
    ///
    /// # Errors
    ///
    /// When there is no account, or the store cannot be used.
    pub async fn open(store: &AccountStore) -> Result<Self, RestoreError> {
        let (database, stored) = store.open_session().await?;
        let homeserver = stored.homeserver()?;
        let StoredSession { session, .. } = stored;
        let olm = database.load_account().await;
        // Without keys a login was cut off.
        let olm = olm
            .map_err(|error| store.fault(&error))?
            .ok_or(RestoreError::NotLoggedIn)?;
        let unusable = |what: &str| ServerError::NotMatrix {
            reason: format!("{what} is not usable"),
        };
        let matrix_id =
            matrix_id(&session.user_id).ok_or_else(|| unusable("the account's Matrix ID"))?;
        let device_id = session.device_id.as_str().parse();
        let device_id = device_id.map_err(|_| unusable("the device's ID"))?;
        let keys = olm.identity_keys();
        let connection = Connection::new(&homeserver)?;
        Ok(Self {
            client: connection.client().with_token(&session.access_token),
            connection,
            matrix_id,
            user_id: session.user_id.clone(),
            ruma_device_id: session.device_id.clone(),
            device: Device {
                device_id,
                olm_key: OlmKey::from_bytes(keys.curve25519.to_bytes()),
            },
            signing_key: keys.ed25519.to_base64(),
        })
    }

    /// The account, as the homeserver named it at the login.
    #[must_use]
    pub fn matrix_id(&self) -> &MatrixId {
        &self.matrix_id
    }

    /// What others know this device by.
    #[must_use]
    pub fn own_device(&self) -> &Device {
        &self.device
    }

    /// Where the account is.
    #[must_use]
    pub fn homeserver(&self) -> &Homeserver {
        self.connection.homeserver()
    }

    /// What a server of ours beside the homeserver offers, if there is one.
    ///
    /// # Errors
    ///
    /// When nothing answers.
    pub async fn offers(&self) -> Result<Option<ServerDocument>, ServerError> {
        server_document::ask(&self.connection).await
    }

    /// Whether there is a homeserver, and what it says of itself to anybody.
    ///
    /// # Errors
    ///
    /// When nothing answers, or something that is no homeserver.
    #[expect(
        clippy::disallowed_methods,
        reason = "measures how long an answer takes"
    )]
    pub async fn reach(&self) -> Result<Reached, ServerError> {
        let asked_at = Instant::now();
        let answer = self.connection.versions().await?;
        let took = asked_at.elapsed();
        let mut versions = answer.versions()?;
        versions.truncate(MAX_VERSIONS);
        Ok(Reached {
            versions: versions.iter().map(|version| bounded(version)).collect(),
            date: answer.date,
            took,
        })
    }

    /// Whose the homeserver thinks the stored login is.
    ///
    /// # Errors
    ///
    /// When it takes the login for none ([`ServerError::SessionEnded`]), or cannot be asked.
    pub async fn token_owner(&self) -> Result<TokenOwner, ServerError> {
        let answer = patiently(|| async {
            let answer = self.client.send(whoami::v3::Request::new()).await;
            answer.map_err(|error| ServerError::from_http(&error))
        })
        .await?;
        let is_ours = answer.user_id == self.user_id
            // A homeserver need not say which device it is.
            && answer.device_id.as_ref().is_none_or(|id| *id == self.ruma_device_id);
        Ok(if is_ours {
            TokenOwner::Us
        } else {
            let device = answer.device_id.as_ref().map_or("?", |id| id.as_str());
            TokenOwner::Other(bounded(&format!("{}, device {device}", answer.user_id)))
        })
    }

    /// What others are told who ask for our device's keys.
    ///
    /// # Errors
    ///
    /// When the homeserver cannot be asked.
    pub async fn published_keys(&self) -> Result<PublishedKeys, ServerError> {
        let ask = || self.client.device_keys([self.user_id.clone()]);
        let answer = patiently(ask).await?;
        let devices = answer.device_keys.get(&self.user_id);
        let Some(keys) = devices.and_then(|devices| devices.get(&self.ruma_device_id)) else {
            return Ok(PublishedKeys::None);
        };
        Ok(match keys.deserialize() {
            Ok(keys) if self.are_ours(&keys) => PublishedKeys::Ours,
            _ => PublishedKeys::Others,
        })
    }

    /// How many one-time keys of our device the homeserver has left, of which everybody takes one who calls us for the
    /// first time.
    ///
    /// # Errors
    ///
    /// When the homeserver cannot be asked.
    pub async fn one_time_keys(&self) -> Result<u64, ServerError> {
        // An upload of nothing is answered with the count.
        let answer = patiently(|| async {
            let answer = self.client.send(upload_keys::v3::Request::new()).await;
            answer.map_err(|error| ServerError::from_http(&error))
        })
        .await?;
        let count = answer
            .one_time_key_counts
            .get(&OneTimeKeyAlgorithm::SignedCurve25519);
        Ok(count.map_or(0, |count| u64::from(*count)))
    }

    /// As [`Account::turn_credentials`](crate::Account::turn_credentials).
    ///
    /// # Errors
    ///
    /// When the homeserver cannot be asked, or does not answer as one does.
    pub async fn turn_credentials(&self) -> Result<Option<TurnCredentials>, ServerError> {
        turn_credentials::ask(&self.client).await
    }

    fn are_ours(&self, keys: &DeviceKeys) -> bool {
        let key = |algorithm: DeviceKeyAlgorithm| {
            let found = keys.keys.iter().find(|(id, _)| {
                id.algorithm() == algorithm
                    && id.key_name().as_str() == self.ruma_device_id.as_str()
            });
            found.map(|(_, key)| key.as_str())
        };
        let own = Curve25519PublicKey::from_bytes(*self.device.olm_key.as_bytes());
        key(DeviceKeyAlgorithm::Curve25519) == Some(own.to_base64().as_str())
            && key(DeviceKeyAlgorithm::Ed25519) == Some(self.signing_key.as_str())
    }
}

impl std::fmt::Debug for Checkup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Checkup")
            .field("homeserver", self.homeserver())
            .finish_non_exhaustive()
    }
}
