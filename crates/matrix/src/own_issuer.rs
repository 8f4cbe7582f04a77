//! Relay tokens of one's own server: who sells them, and what shows the seller who asks.

use ruma::api::client::account::request_openid_token;
use zeroize::Zeroizing;

use crate::{Account, ServerError, connection::Connection, server_document};

impl Account {
    /// The name of the issuer that sells relay tokens to the users of this homeserver, if its host names one.
    ///
    /// # Errors
    ///
    /// When nothing answers there.
    pub async fn own_issuer(&self) -> Result<Option<String>, ServerError> {
        let connection = Connection::new(self.homeserver())?;
        let document = server_document::ask(&connection).await?;
        Ok(document.and_then(|document| document.issuer))
    }

    /// A token that shows whoever gets it our Matrix ID, and lets them do nothing else
    /// ([OpenID](https://spec.matrix.org/v1.16/client-server-api/#openid)). For the issuer of one's own server alone: it knows the
    /// account, and not the relay tokens that it signs.
    ///
    /// # Errors
    ///
    /// When the homeserver gives none.
    pub async fn open_id_token(&self) -> Result<Zeroizing<String>, ServerError> {
        let request = request_openid_token::v3::Request::new(self.user_id().to_owned());
        let response = self.client().send(request).await;
        let response = response.map_err(|error| ServerError::from_http(&error))?;
        Ok(Zeroizing::new(response.access_token))
    }
}
