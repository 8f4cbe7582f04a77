//! What a profile holds, as it is sealed.

use std::fmt;

use data_encoding::BASE64;
use securecall_contact::{ContactLink, MatrixId, SecureCallId};
use securecall_crypto::{IdentityKeyPair, IdentitySeed};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use zeroize::Zeroizing;

/// Everything that is sealed.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Content {
    pub(crate) identity: Option<Identity>,
    pub(crate) account: Option<AccountData>,
    #[serde(default)]
    pub(crate) contacts: Vec<Contact>,
}

/// The identity of the profile's owner.
pub(crate) struct Identity(IdentitySeed);

impl Identity {
    /// The identity made of a seed.
    pub(crate) const fn new(seed: IdentitySeed) -> Self {
        Self(seed)
    }

    /// The seed.
    pub(crate) const fn seed(&self) -> &IdentitySeed {
        &self.0
    }

    /// The key pair.
    pub(crate) fn key_pair(&self) -> IdentityKeyPair {
        IdentityKeyPair::from_seed(&self.0)
    }

    /// The SecureCall ID.
    pub(crate) fn id(&self) -> SecureCallId {
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
        serializer.serialize_str(&Zeroizing::new(BASE64.encode(self.0.as_bytes())))
    }
}

impl<'de> Deserialize<'de> for Identity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        let bytes = BASE64
            .decode(text.as_bytes())
            .map(Zeroizing::new)
            .map_err(de::Error::custom)?;
        let seed = <[u8; 32]>::try_from(bytes.as_slice()).map_err(de::Error::custom)?;
        Ok(Self(IdentitySeed::from_bytes(seed)))
    }
}

/// The account on a homeserver. Its access token is in the Matrix store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AccountData {
    #[serde(with = "as_text")]
    pub(crate) matrix_id: MatrixId,
    pub(crate) device_id: String,
    /// The homeserver's URL.
    pub(crate) homeserver: String,
}

/// Somebody the user knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Contact {
    pub(crate) name: String,
    /// `None` for an ordinary account whose key is not known.
    #[serde(with = "as_optional_text")]
    pub(crate) id: Option<SecureCallId>,
    #[serde(with = "as_text")]
    pub(crate) matrix_id: MatrixId,
    /// Somebody has compared the key by a way that no server controls.
    #[serde(default)]
    pub(crate) verified: bool,
}

impl Contact {
    /// The link that leads to this contact; `None` where no key is known.
    pub(crate) fn link(&self) -> Option<ContactLink> {
        ContactLink::new(self.id?, &self.matrix_id).ok()
    }
}

/// Values that print and parse, as text.
mod as_text {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<T: Display, S: Serializer>(
        value: &T,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(super) fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
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
mod as_optional_text {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

    pub(super) fn serialize<T: Display, S: Serializer>(
        value: &Option<T>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        value
            .as_ref()
            .map(ToString::to_string)
            .serialize(serializer)
    }

    pub(super) fn deserialize<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
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
            identity: Some(identity),
            account: Some(AccountData {
                matrix_id: matrix_id.clone(),
                device_id: "DEVICE".to_owned(),
                homeserver: "https://example.org".to_owned(),
            }),
            contacts: vec![
                Contact {
                    name: "Ada".to_owned(),
                    id: Some(id),
                    matrix_id: matrix_id.clone(),
                    verified: true,
                },
                Contact {
                    name: "Bo".to_owned(),
                    id: None,
                    matrix_id,
                    verified: false,
                },
            ],
        };
        let text = serde_json::to_string(&content).unwrap();
        let read: Content = serde_json::from_str(&text).unwrap();
        assert_eq!(read.identity.unwrap().id(), id);
        assert_eq!(read.contacts, content.contacts);
        assert_eq!(read.account, content.account);
    }

    #[test]
    fn debug_shows_no_secret() {
        let content = Content {
            identity: Some(Identity::new(IdentitySeed::from_bytes([7; 32]))),
            ..Content::default()
        };
        assert_eq!(
            format!("{content:?}"),
            "Content { identity: Some(Identity(..)), account: None, contacts: [] }"
        );
    }
}
