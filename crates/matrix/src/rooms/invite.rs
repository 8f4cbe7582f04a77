//! Invitations to rooms, as a homeserver hands them out: a room, and a little of its state.

use ruma::UserId;
use securecall_contact::{MatrixId, RoomId};
use serde::Deserialize;
use serde_json::Value;

use super::event::RoomRefusal;

/// Members of one room that are looked at: we are one of the first.
const MAX_MEMBERS: usize = 16;

/// An invitation to a room. All of it is the word of the inviter's homeserver and of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomInvite {
    /// Where to.
    pub room: RoomId,
    /// Who invites us.
    pub inviter: MatrixId,
    /// Whether the inviter says that it is a room for the two of us.
    pub is_direct: bool,
    /// Whether the room is encrypted.
    pub encrypted: bool,
    /// Who may join it.
    pub join_rule: JoinRule,
}

/// Who may join a room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum JoinRule {
    /// Whoever is invited. What Matrix takes where nothing is said.
    #[default]
    Invite,
    /// Anybody.
    Public,
    /// Whoever is let in by other rules: who is in another room, or has knocked.
    Other,
}

impl JoinRule {
    pub(crate) fn read(text: &str) -> Self {
        match text {
            "invite" | "private" => Self::Invite,
            "public" => Self::Public,
            _ => Self::Other,
        }
    }
}

/// What is known so far of a room that we are invited to.
#[derive(Debug)]
pub(super) struct InvitedRoom {
    room: RoomId,
    members: Vec<InvitedMember>,
    encrypted: bool,
    join_rule: JoinRule,
}

#[derive(Debug)]
struct InvitedMember {
    user: String,
    inviter: String,
    is_direct: bool,
}

impl InvitedRoom {
    pub(super) fn new(room: RoomId) -> Self {
        Self {
            room,
            members: Vec::new(),
            encrypted: false,
            join_rule: JoinRule::default(),
        }
    }

    /// Takes a stripped state event; one that cannot be read says nothing.
    pub(super) fn take(&mut self, json: &[u8]) {
        #[derive(Deserialize)]
        struct Stripped {
            r#type: String,
            sender: String,
            state_key: String,
            content: Value,
        }
        let Ok(event) = serde_json::from_slice::<Stripped>(json) else {
            return;
        };
        let text = |name: &str| event.content[name].as_str().unwrap_or_default();
        match event.r#type.as_str() {
            "m.room.member" if text("membership") == "invite" => {
                let fits = event.state_key.len() <= MatrixId::MAX_LENGTH
                    && event.sender.len() <= MatrixId::MAX_LENGTH;
                if fits && self.members.len() < MAX_MEMBERS {
                    let is_direct = event.content["is_direct"] == true;
                    self.members.push(InvitedMember {
                        user: event.state_key,
                        inviter: event.sender,
                        is_direct,
                    });
                }
            }
            "m.room.encryption" if event.state_key.is_empty() => self.encrypted = true,
            "m.room.join_rules" if event.state_key.is_empty() => {
                self.join_rule = JoinRule::read(text("join_rule"));
            }
            _ => {}
        }
    }

    /// All is in.
    ///
    /// # Errors
    ///
    /// When it does not say who invites `own`, or names nobody who can be.
    pub(super) fn finish(self, own: &UserId) -> Result<RoomInvite, RoomRefusal> {
        let mut members = self.members.into_iter();
        let member = members.find(|member| member.user == own.as_str());
        let member = member.ok_or(RoomRefusal::NoInviter)?;
        let inviter = member.inviter.parse();
        Ok(RoomInvite {
            room: self.room,
            inviter: inviter.map_err(|_| RoomRefusal::UnusableUser)?,
            is_direct: member.is_direct,
            encrypted: self.encrypted,
            join_rule: self.join_rule,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "@own:homeserver.test";

    fn read(events: &[&str]) -> Result<RoomInvite, RoomRefusal> {
        let mut room = InvitedRoom::new("!r:b.test".parse().unwrap());
        for event in events {
            room.take(event.as_bytes());
        }
        room.finish(OWN.try_into().unwrap())
    }

    fn member(user: &str, sender: &str, content: &str) -> String {
        format!(
            r#"{{"type":"m.room.member","state_key":"{user}","sender":"{sender}","content":{content}}}"#
        )
    }

    #[test]
    fn who_invites_is_read_from_our_own_membership_and_nothing_else() {
        let inviter = "@ada:b.test";
        let other = member("@x:y.test", "@evil:b.test", r#"{"membership":"invite"}"#);
        let joined = member(OWN, "@evil:b.test", r#"{"membership":"join"}"#);
        let own = member(OWN, inviter, r#"{"membership":"invite","is_direct":true}"#);
        let encryption =
            r#"{"type":"m.room.encryption","state_key":"","sender":"@ada:b.test","content":{}}"#;
        let invite = read(&[&other, &joined, "1", "{}", &own, encryption]).unwrap();
        assert_eq!(invite.inviter.as_str(), inviter);
        assert!(invite.is_direct && invite.encrypted);
        assert_eq!(invite.join_rule, JoinRule::Invite);

        assert_eq!(read(&[&other, &joined]), Err(RoomRefusal::NoInviter));
        let nobody = member(OWN, "@sc_nonsense:b.test", r#"{"membership":"invite"}"#);
        assert_eq!(read(&[&nobody]), Err(RoomRefusal::UnusableUser));
    }

    #[test]
    fn state_of_another_key_says_nothing_and_what_is_no_flag_is_none() {
        let own = member(
            OWN,
            "@a:b.test",
            r#"{"membership":"invite","is_direct":"yes"}"#,
        );
        let elsewhere =
            r#"{"type":"m.room.encryption","state_key":"x","sender":"@a:b.test","content":{}}"#;
        let public = r#"{"type":"m.room.join_rules","state_key":"","sender":"@a:b.test","content":{"join_rule":"public"}}"#;
        let invite = read(&[&own, elsewhere, public]).unwrap();
        assert!(!invite.is_direct && !invite.encrypted);
        assert_eq!(invite.join_rule, JoinRule::Public);
        for (rule, read) in [
            ("knock", JoinRule::Other),
            ("private", JoinRule::Invite),
            ("", JoinRule::Other),
        ] {
            assert_eq!(JoinRule::read(rule), read);
        }
    }

    #[test]
    fn a_crowd_in_an_invitation_takes_no_room() {
        let mut room = InvitedRoom::new("!r:b.test".parse().unwrap());
        for number in 0..1_000 {
            let event = member(
                &format!("@{number}:b.test"),
                "@a:b.test",
                r#"{"membership":"invite"}"#,
            );
            room.take(event.as_bytes());
        }
        assert_eq!(room.members.len(), MAX_MEMBERS);
    }
}
