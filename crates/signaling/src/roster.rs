//! Who is in a conference, as one member says it (`docs/protocol/group.md`).

use std::collections::BTreeSet;

use securecall_contact::SecureCallId;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{ConferenceId, Person};

/// The most people of a conference, oneself included.
pub const MAX_MEMBERS: usize = 8;

/// What an invite says of the conference that it is a leg of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConferenceInvite {
    /// The conference.
    pub conference_id: ConferenceId,
    /// Whether the callee is asked in. If not, it is taken only by somebody who is in that conference already.
    pub rings: bool,
    /// Who is in or invited, as the caller says. It introduces people; it proves nothing.
    pub members: Vec<Person>,
}

/// `tech.stealthx.securecall.roster`: what one member knows itself of the others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roster {
    /// The conference.
    pub conference_id: ConferenceId,
    /// Rises with each roster of a leg. An older one than the last is ignored, for delivery has no order.
    pub number: u32,
    /// The others.
    pub members: Vec<Membership>,
}

/// How one member stands with another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// The other.
    #[serde(flatten)]
    pub person: Person,
    /// Whether there is a leg between them.
    pub state: MembershipState,
    /// Who introduced them, as the member that says this was told. Absent if it invited them itself.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        serialize_with = "write_id",
        deserialize_with = "read_id"
    )]
    pub brought_by: Option<SecureCallId>,
}

/// Whether there is a leg between two members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MembershipState {
    /// A leg that is proven and works.
    Connected,
    /// A leg is being made, or the person rings.
    Calling,
    /// No leg works, and others may know more.
    NoPath,
}

impl ConferenceInvite {
    /// Whether somebody is named twice.
    pub(crate) fn repeats(&self) -> bool {
        repeats(self.members.iter())
    }
}

impl Roster {
    /// Whether somebody is named twice.
    pub(crate) fn repeats(&self) -> bool {
        repeats(self.members.iter().map(|it| &it.person))
    }
}

fn repeats<'a>(mut people: impl Iterator<Item = &'a Person>) -> bool {
    let mut seen = BTreeSet::new();
    !people.all(|person| seen.insert(person.id()))
}

fn write_id<S: Serializer>(id: &Option<SecureCallId>, serializer: S) -> Result<S::Ok, S::Error> {
    id.map(|id| id.to_string()).serialize(serializer)
}

fn read_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SecureCallId>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(|text| SecureCallId::from_canonical(&text))
        .transpose()
        .map_err(serde::de::Error::custom)
}
