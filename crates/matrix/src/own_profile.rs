//! What others are shown of this account: a name and a picture. Public, to everybody who asks the homeserver.

use ruma::{
    MxcUri, OwnedMxcUri, OwnedUserId,
    api::client::{
        media::create_content,
        profile::{get_profile, set_profile_field},
    },
    assign,
    profile::ProfileFieldValue,
};
use securecall_contact::is_harmful;
use serde_json::{Map, Value};

use crate::{
    AccountStore, RestoreError, ServerError, account_store::StoredSession, client::Client,
    connection::Connection, http_transport::Terms, patience::patiently,
};

/// The longest display name that is set, in characters: Synapse's bound.
pub const MAX_DISPLAY_NAME: usize = 256;

/// The longest address of a picture, in bytes: Synapse's bound.
const MAX_AVATAR: usize = 1_000;

/// What a homeserver shows of this account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnProfile {
    /// The name beside the Matrix ID; `None` where there is none, or none that can be shown.
    pub display_name: Option<String>,
    /// The address of a picture, as `mxc://server/id`.
    pub avatar: Option<String>,
}

/// Why the profile was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// Longer than homeservers take.
    #[error("a display name has at most {MAX_DISPLAY_NAME} characters, this has {found}")]
    NameTooLong {
        /// Characters counted.
        found: usize,
    },
    /// A character that harms displays.
    #[error("'{}' cannot be in a display name", .character.escape_debug())]
    NameCharacter {
        /// The first that was found.
        character: char,
    },
    /// Not the address of a picture on a homeserver.
    #[error("the address of a picture is mxc://server/id")]
    BadAvatar,
    /// The homeserver did not do it.
    #[error(transparent)]
    Server(#[from] ServerError),
}

/// Reads and changes what others are shown of a stored account. Its Olm state and its inbox stay as they are, so that another process
/// may be using them meanwhile.
pub struct ProfileEditor {
    client: Client,
    user_id: OwnedUserId,
}

impl ProfileEditor {
    /// Reads from `store` who we are. Talks to nobody yet.
    ///
    /// # Errors
    ///
    /// When there is no account, or the store cannot be used.
    pub async fn open(store: &AccountStore) -> Result<Self, RestoreError> {
        let (_, stored) = store.open_session().await?;
        let connection = Connection::new(&stored.homeserver()?)?;
        let StoredSession { session, .. } = stored;
        Ok(Self {
            client: connection.client().with_token(&session.access_token),
            user_id: session.user_id.clone(),
        })
    }

    /// Asks what others are shown of this account.
    ///
    /// # Errors
    ///
    /// When the homeserver cannot be asked, or does not answer as one does.
    pub async fn own_profile(&self) -> Result<OwnProfile, ServerError> {
        let request = get_profile::v3::Request::new(self.user_id.clone());
        let ask = || async {
            // With the token: some homeservers show profiles to their users only.
            let body = self.client.send_with_token_for_body(request.clone()).await;
            body.map_err(|error| ServerError::from_http(&error))
        };
        match patiently(ask).await {
            Ok(body) => read(&body),
            // An account that has never had one.
            Err(ServerError::Refused { code, .. }) if code == "M_NOT_FOUND" => {
                Ok(OwnProfile::default())
            }
            Err(error) => Err(error),
        }
    }

    /// Sets the display name; an empty one removes it. Everybody who shares a room with the account is told.
    ///
    /// # Errors
    ///
    /// When it is none, or the homeserver does not take it.
    pub async fn set_display_name(&self, name: &str) -> Result<(), ProfileError> {
        check_display_name(name)?;
        self.set(ProfileFieldValue::DisplayName(name.to_owned()))
            .await
    }

    /// Gives the homeserver a picture, and gives its address there, as `mxc://server/id`. Whoever knows that can have it.
    ///
    /// # Errors
    ///
    /// When the homeserver does not take it.
    pub async fn upload_png(&self, file: &[u8]) -> Result<String, ProfileError> {
        let request = assign!(create_content::v3::Request::new(file.to_vec()), {
            content_type: Some("image/png".to_owned()),
        });
        let put = || async {
            // One that came twice would be there twice, for good.
            let answer = self.client.send_on(Terms::ONCE, request.clone()).await;
            answer.map_err(|error| ServerError::from_http(&error))
        };
        let uri = patiently(put).await?.content_uri;
        if !is_avatar(uri.as_str()) {
            return Err(ServerError::Misbehaves {
                reason: "the address that it gives a picture is none".to_owned(),
            }
            .into());
        }
        Ok(uri.to_string())
    }

    /// Sets the picture to one that is at a homeserver already, as `mxc://server/id`; an empty text removes it.
    ///
    /// # Errors
    ///
    /// When it is none, or the homeserver does not take it.
    pub async fn set_avatar(&self, avatar: &str) -> Result<(), ProfileError> {
        if !avatar.is_empty() && !is_avatar(avatar) {
            return Err(ProfileError::BadAvatar);
        }
        self.set(ProfileFieldValue::AvatarUrl(OwnedMxcUri::from(avatar)))
            .await
    }

    async fn set(&self, value: ProfileFieldValue) -> Result<(), ProfileError> {
        let request = set_profile_field::v3::Request::new(self.user_id.clone(), value);
        let put = || async {
            let answer = self.client.send(request.clone()).await;
            let answer = answer.map_err(|error| ServerError::from_http(&error));
            answer.map(drop)
        };
        Ok(patiently(put).await?)
    }
}

/// Whether a text can be a display name, or none for an empty one.
///
/// # Errors
///
/// What is wrong with it.
pub fn check_display_name(name: &str) -> Result<(), ProfileError> {
    let found = name.chars().count();
    if found > MAX_DISPLAY_NAME {
        return Err(ProfileError::NameTooLong { found });
    }
    match name.chars().find(|character| is_harmful(*character)) {
        Some(character) => Err(ProfileError::NameCharacter { character }),
        None => Ok(()),
    }
}

fn is_avatar(uri: &str) -> bool {
    uri.len() <= MAX_AVATAR && <&MxcUri>::from(uri).is_valid()
}

/// What cannot be shown, or set, is as if it were not there: another client may have set anything.
fn read(body: &[u8]) -> Result<OwnProfile, ServerError> {
    let answer = serde_json::from_slice(body);
    let answer: Map<String, Value> = answer.map_err(|_| ServerError::Misbehaves {
        reason: "its answer about the profile is no JSON object".to_owned(),
    })?;
    let text = |key: &str| answer.get(key).and_then(Value::as_str);
    let name =
        text("displayname").filter(|name| !name.is_empty() && check_display_name(name).is_ok());
    let avatar = text("avatar_url").filter(|avatar| is_avatar(avatar));
    Ok(OwnProfile {
        display_name: name.map(str::to_owned),
        avatar: avatar.map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_shown_of_a_profile_is_not_there() {
        let named = |name: &str| OwnProfile {
            display_name: Some(name.to_owned()),
            avatar: None,
        };
        let long = format!(
            r#"{{"displayname":"{}"}}"#,
            "x".repeat(MAX_DISPLAY_NAME + 1)
        );
        for (body, expected) in [
            ("{}", OwnProfile::default()),
            (
                r#"{"displayname":"Ada","avatar_url":null,"x":[1]}"#,
                named("Ada"),
            ),
            (r#"{"displayname":"A\u0007"}"#, OwnProfile::default()),
            (r#"{"displayname":"A\u202e"}"#, OwnProfile::default()),
            (
                r#"{"displayname":1,"avatar_url":"https://example.test/a"}"#,
                OwnProfile::default(),
            ),
            (r#"{"avatar_url":"mxc://"}"#, OwnProfile::default()),
            (&long, OwnProfile::default()),
        ] {
            assert_eq!(read(body.as_bytes()).unwrap(), expected, "{body:.60}");
        }
        let with_avatar = read(br#"{"avatar_url":"mxc://b.test/abc"}"#).unwrap();
        assert_eq!(with_avatar.avatar.as_deref(), Some("mxc://b.test/abc"));
        for body in ["", "[]", "1", "<html>"] {
            assert!(matches!(
                read(body.as_bytes()),
                Err(ServerError::Misbehaves { .. })
            ));
        }
    }

    #[test]
    fn a_name_is_refused_with_its_reason() {
        assert!(check_display_name("").is_ok() && check_display_name("Ada Lovelace ✨").is_ok());
        assert!(check_display_name(&"é".repeat(MAX_DISPLAY_NAME)).is_ok());
        let long = check_display_name(&"é".repeat(MAX_DISPLAY_NAME + 1));
        assert!(matches!(
            long,
            Err(ProfileError::NameTooLong { found: 257 })
        ));
        for character in ['\n', '\u{1b}', '\u{202e}', '\u{200b}'] {
            let refused = check_display_name(&format!("Ada{character}"));
            assert!(
                matches!(refused, Err(ProfileError::NameCharacter { character: found }) if found == character)
            );
        }
    }
}
