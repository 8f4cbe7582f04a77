//! What a profile holds, as it is sealed.

use std::fmt;

use securecall_contact::{ContactLink, DeviceId, MatrixId, SecureCallId};
use securecall_crypto::{IdentityKeyPair, IdentitySeed};
use securecall_matrix::Account;
use securecall_randomness::{NoRandomness, fill_random};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use crate::policy::{AgreedAccount, BlockedPerson, Requirement};

/// Everything that is sealed.
#[derive(Debug, Serialize, Deserialize)]
pub struct Content {
    /// The key of matrix-sdk's store, which does not change with the profile's own.
    pub(crate) matrix_store_key: StoreKey,
    /// Who the profile is of, once that is made.
    pub identity: Option<Identity>,
    /// Where it is reached, once there is an account.
    pub account: Option<AccountData>,
    /// Whom its owner knows.
    #[serde(default)]
    pub contacts: Vec<Contact>,
    /// Whom its owner wants to hear nothing of, contacts and others. Stores before version 3 have none.
    #[serde(default)]
    pub blocked: Vec<BlockedPerson>,
    /// With whom its owner puts up with calls of tier `matrix`. Stores before version 4 have none.
    #[serde(default)]
    pub(crate) agreed: Vec<AgreedAccount>,
}

impl Content {
    /// The profile's own ID, if it has an identity.
    pub fn own_id(&self) -> Option<SecureCallId> {
        self.identity.as_ref().map(Identity::id)
    }

    /// A profile that holds nothing yet.
    pub(crate) const fn new(matrix_store_key: StoreKey) -> Self {
        Self {
            matrix_store_key,
            identity: None,
            account: None,
            contacts: Vec::new(),
            blocked: Vec::new(),
            agreed: Vec::new(),
        }
    }
}

#[cfg(test)]
impl Default for Content {
    fn default() -> Self {
        Self::new(StoreKey::new(&[0; 32]))
    }
}

/// What a store of version 1 holds.
#[derive(Deserialize)]
pub(crate) struct FirstContent {
    identity: Option<Identity>,
    account: Option<AccountData>,
    #[serde(default)]
    contacts: Vec<Contact>,
}

impl FirstContent {
    /// The same as it is kept today.
    pub(crate) fn with(self, matrix_store_key: StoreKey) -> Content {
        let Self {
            identity,
            account,
            contacts,
        } = self;
        Content {
            matrix_store_key,
            identity,
            account,
            contacts,
            blocked: Vec::new(),
            agreed: Vec::new(),
        }
    }
}

/// The identity of the profile's owner.
pub struct Identity(IdentitySeed);

impl Identity {
    /// A new one.
    ///
    /// # Errors
    ///
    /// The operating system gives no randomness.
    pub fn random() -> Result<Self, NoRandomness> {
        let mut bytes = Zeroizing::new([0; 32]);
        fill_random(&mut *bytes)?;
        Ok(Self(IdentitySeed::from_bytes(*bytes)))
    }

    /// The identity made of a seed.
    pub const fn new(seed: IdentitySeed) -> Self {
        Self(seed)
    }

    /// The seed.
    pub const fn seed(&self) -> &IdentitySeed {
        &self.0
    }

    /// The key pair.
    pub fn key_pair(&self) -> IdentityKeyPair {
        IdentityKeyPair::from_seed(&self.0)
    }

    /// The SecureCall ID.
    pub fn id(&self) -> SecureCallId {
        SecureCallId::new(&self.key_pair().public())
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(_) = self;
        f.write_str("Identity(..)")
    }
}

impl Serialize for Identity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        as_base64::serialize(self.0.as_bytes(), serializer)
    }
}

impl<'de> Deserialize<'de> for Identity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let seed = as_base64::deserialize(deserializer)?;
        Ok(Self(IdentitySeed::from_bytes(**seed)))
    }
}

/// A key that is kept sealed.
#[derive(Serialize, Deserialize)]
pub(crate) struct StoreKey(#[serde(with = "as_base64")] Box<Zeroizing<[u8; 32]>>);

impl StoreKey {
    /// A fresh one.
    ///
    /// # Errors
    ///
    /// The operating system gives no randomness.
    pub(crate) fn random() -> Result<Self, NoRandomness> {
        let mut key = Self::new(&[0; 32]);
        fill_random(key.0.as_mut_slice())?;
        Ok(key)
    }

    pub(crate) fn new(key: &[u8; 32]) -> Self {
        Self(Box::new(Zeroizing::new(*key)))
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub(crate) fn duplicate(&self) -> Self {
        Self::new(self.as_bytes())
    }
}

impl fmt::Debug for StoreKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(_) = self;
        f.write_str("StoreKey(..)")
    }
}

/// The account on a homeserver. Its access token is in the Matrix store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountData {
    /// The account's Matrix ID.
    #[serde(with = "as_text")]
    pub matrix_id: MatrixId,
    /// The ID of this login's device.
    #[serde(with = "as_text")]
    pub device_id: DeviceId,
    /// The homeserver's URL.
    pub homeserver: String,
}

impl AccountData {
    /// What is kept of an account that was logged in to.
    pub fn of(account: &Account) -> Self {
        let homeserver = account.homeserver().url();
        Self {
            matrix_id: account.matrix_id().clone(),
            device_id: account.own_device().device_id.clone(),
            homeserver: homeserver.as_str().trim_end_matches('/').to_owned(),
        }
    }
}

/// Somebody the user knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// What the user calls them.
    pub name: String,
    /// The key as an ID; `None` for an ordinary account whose key is not known.
    #[serde(with = "as_optional_text")]
    pub id: Option<SecureCallId>,
    /// Where they are called.
    #[serde(with = "as_text")]
    pub matrix_id: MatrixId,
    /// Somebody has compared the key by a way that no server controls.
    #[serde(default)]
    pub verified: bool,
    /// What calls with them must be like; `None` if nothing is said. Stores before version 3 say nothing.
    #[serde(default)]
    pub require: Option<Requirement>,
}

impl Contact {
    /// The link that leads to this contact; `None` where no key is known.
    pub fn link(&self) -> Option<ContactLink> {
        ContactLink::new(self.id?, &self.matrix_id).ok()
    }
}

/// 32 secret bytes, as base64. They lie on the heap, so that moving them leaves no copy behind.
mod as_base64 {
    use data_encoding::BASE64;
    use serde::{Deserialize, Deserializer, Serializer, de};
    use zeroize::Zeroizing;

    /// Characters of 32 bytes.
    const LENGTH: usize = 44;

    pub(super) fn serialize<S: Serializer>(
        secret: &[u8; 32],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let mut text = Zeroizing::new([0; LENGTH]);
        BASE64.encode_mut(secret, &mut *text);
        serializer.serialize_str(std::str::from_utf8(&*text).unwrap_or_default())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Box<Zeroizing<[u8; 32]>>, D::Error> {
        let text = String::deserialize(deserializer).map(Zeroizing::new)?;
        let bytes = BASE64
            .decode(text.as_bytes())
            .map(Zeroizing::new)
            .map_err(|_| de::Error::custom("not base64"))?;
        let mut secret = Box::new(Zeroizing::new([0; 32]));
        if bytes.len() != secret.len() {
            return Err(de::Error::custom("not 32 bytes"));
        }
        secret.copy_from_slice(&bytes);
        Ok(secret)
    }
}

/// Values that print and parse, as text.
pub(crate) mod as_text {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(crate) fn serialize<T: Display, S: Serializer>(
        value: &T,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(crate) fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

/// The same where there may be none.
pub(crate) mod as_optional_text {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

    pub(crate) fn serialize<T: Display, S: Serializer>(
        value: &Option<T>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        value
            .as_ref()
            .map(ToString::to_string)
            .serialize(serializer)
    }

    pub(crate) fn deserialize<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| text.parse().map_err(de::Error::custom))
            .transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_survive_writing_and_reading() {
        let identity = Identity::new(IdentitySeed::from_bytes([7; 32]));
        let id = identity.id();
        let matrix_id: MatrixId = "@alice:example.org".parse().unwrap();
        let content = Content {
            matrix_store_key: StoreKey::new(&[9; 32]),
            identity: Some(identity),
            account: Some(AccountData {
                matrix_id: matrix_id.clone(),
                device_id: "DEVICE".parse().unwrap(),
                homeserver: "https://example.org".to_owned(),
            }),
            contacts: vec![
                Contact {
                    name: "Ada".to_owned(),
                    id: Some(id),
                    matrix_id: matrix_id.clone(),
                    verified: true,
                    require: Some(Requirement::SecureCall),
                },
                Contact {
                    name: "Bo".to_owned(),
                    id: None,
                    matrix_id: matrix_id.clone(),
                    verified: false,
                    require: None,
                },
            ],
            blocked: vec![BlockedPerson {
                id: None,
                matrix_id: matrix_id.clone(),
            }],
            agreed: vec![AgreedAccount { matrix_id }],
        };
        let text = serde_json::to_string(&content).unwrap();
        let read: Content = serde_json::from_str(&text).unwrap();
        assert_eq!(read.identity.unwrap().id(), id);
        assert_eq!(read.matrix_store_key.as_bytes(), &[9; 32]);
        assert_eq!(read.contacts, content.contacts);
        assert_eq!(read.blocked, content.blocked);
        assert_eq!(read.agreed, content.agreed);
        assert_eq!(read.account, content.account);
    }

    #[test]
    fn a_key_of_another_length_is_none() {
        for length in [0, 31, 33] {
            let text = data_encoding::BASE64.encode(&vec![7; length]);
            let read = serde_json::from_str::<StoreKey>(&format!("\"{text}\""));
            assert!(read.is_err(), "{length}");
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let content = Content {
            identity: Some(Identity::new(IdentitySeed::from_bytes([7; 32]))),
            ..Content::new(StoreKey::new(&[9; 32]))
        };
        assert_eq!(
            format!("{content:?}"),
            "Content { matrix_store_key: StoreKey(..), identity: Some(Identity(..)), account: None, contacts: [], blocked: [], agreed: [] }"
        );
    }
}
