//! A room that a person names.

use ruma::{
    OwnedRoomOrAliasId, OwnedServerName, RoomAliasId,
    api::client::{alias::get_alias, membership::join_room_by_id_or_alias},
    assign,
};
use securecall_contact::RoomId;

use crate::{
    Account, ServerError,
    http_transport::Terms,
    patience::patiently,
    rooms::error::{RoomError, code},
};

/// Servers that a room may be joined by, of those that are named with an alias.
const MAX_SERVERS: usize = 8;

impl Account {
    /// The room that somebody means: by its ID, or by an alias, which the homeserver is asked for. If this account is not in
    /// it, it joins: that is what it is named for.
    ///
    /// # Errors
    ///
    /// [`RoomError::NotFound`] if there is no such alias, [`RoomError::Forbidden`] if we are not let in.
    pub async fn room_named(&self, name: &str) -> Result<RoomId, RoomError> {
        let not_found = |_| RoomError::NotFound;
        let (room, servers) = if name.starts_with('#') {
            let alias = RoomAliasId::parse(name).map_err(not_found)?;
            let ask = || async {
                let asked = self
                    .client()
                    .send(get_alias::v3::Request::new(alias.clone()));
                let answer = asked.await;
                answer.map_err(|error| ServerError::from_http(&error))
            };
            let answer = match patiently(ask).await {
                Err(error) if code(&error) == Some("M_INVALID_PARAM") => {
                    return Err(RoomError::NotFound);
                }
                other => other.map_err(RoomError::from_server)?,
            };
            (answer.room_id.to_string(), answer.servers)
        } else {
            // Of an ID that has a server in it, that one may know the room.
            let server = name.split_once(':').map(|(_, server)| server);
            let server = server.and_then(|server| OwnedServerName::try_from(server).ok());
            (name.to_owned(), server.into_iter().collect())
        };
        let room: RoomId = room.parse().map_err(|_| RoomError::NotFound)?;
        if self.joined_rooms().await?.contains(room.as_str()) {
            return Ok(room);
        }
        let id = OwnedRoomOrAliasId::try_from(room.as_str()).map_err(not_found)?;
        let request = assign!(join_room_by_id_or_alias::v3::Request::new(id), {
            via: servers.into_iter().take(MAX_SERVERS).collect(),
        });
        let join = || async {
            let joined = self
                .client()
                .send_on(Terms::ONCE_ELSEWHERE, request.clone());
            let joined = joined.await;
            joined.map_err(|error| ServerError::from_http(&error))
        };
        patiently(join).await.map_err(RoomError::from_server)?;
        Ok(room)
    }
}
