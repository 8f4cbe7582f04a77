//! What a homeserver hands out to a device that logs in.

use std::fmt;

use ruma::{OwnedDeviceId, OwnedUserId, api::client::session::login};
use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

/// Who a device is, and the token that shows it. The token is wiped when it is no longer needed.
///
/// In JSON it has the names of the answer to `POST /_matrix/client/v3/login`.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Credentials {
    pub(crate) user_id: OwnedUserId,
    pub(crate) device_id: OwnedDeviceId,
    pub(crate) access_token: String,
}

impl From<login::v3::Response> for Credentials {
    fn from(response: login::v3::Response) -> Self {
        Self {
            user_id: response.user_id,
            device_id: response.device_id,
            access_token: response.access_token,
        }
    }
}

impl Drop for Credentials {
    fn drop(&mut self) {
        self.access_token.zeroize();
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            user_id,
            device_id,
            access_token: _,
        } = self;
        f.debug_struct("Credentials")
            .field("user_id", user_id)
            .field("device_id", device_id)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_earlier_versions_stored_is_read() {
        let stored =
            r#"{"user_id":"@a:b.test","device_id":"D","access_token":"t","refresh_token":"r"}"#;
        let credentials: Credentials = serde_json::from_str(stored).unwrap();
        assert_eq!(credentials.user_id, "@a:b.test");
        assert_eq!(credentials.device_id, "D");
        assert_eq!(credentials.access_token, "t");
        assert_eq!(
            serde_json::to_string(&credentials).unwrap(),
            r#"{"user_id":"@a:b.test","device_id":"D","access_token":"t"}"#
        );
    }

    #[test]
    fn the_token_is_not_shown() {
        let credentials = Credentials {
            user_id: "@a:b.test".try_into().unwrap(),
            device_id: "D".into(),
            access_token: "hidden".to_owned(),
        };
        let shown = format!("{credentials:?}");
        assert!(
            shown.contains("@a:b.test") && !shown.contains("hidden"),
            "{shown}"
        );
    }
}
