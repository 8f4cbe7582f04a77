//! What a person has to know before they are in the group call of a room.

use super::plan::RoomCall;
use crate::cli::RequireChoice;
use crate::error::{ErrorKind, Failure};
use crate::output::{IN_CLEAR_WORDS, ROOM_KEEPS_WORDS};

/// Whether this can be the name of a room, and a call in it is allowed.
///
/// # Errors
///
/// It is neither an alias nor an ID; or more protection is required than any such call has.
pub(crate) fn check(room_call: &RoomCall, require: Option<RequireChoice>) -> Result<(), Failure> {
    if require == Some(RequireChoice::Securecall) {
        return Err(Failure::new(
            ErrorKind::TierTooLow,
            "the group call of a room is not end-to-end encrypted between known keys, and that is required of every call",
        )
        .help("call the people by themselves: `securecall call WHO WHO …`"));
    }
    let mut rest = room_call.room.chars();
    if !matches!(rest.next(), Some('#' | '!')) || rest.next().is_none() {
        return Err(no_room(&room_call.room));
    }
    Ok(())
}

/// What is asked.
pub(crate) fn question(room_call: &RoomCall) -> String {
    let RoomCall { room, in_clear } = room_call;
    let in_clear = match in_clear {
        true => format!("\n{IN_CLEAR_WORDS}."),
        false => String::new(),
    };
    format!(
        "A group call in the room {room} is a standard Matrix call with each who is in it: your servers and the other apps are trusted with keys.\n{ROOM_KEEPS_WORDS}.{in_clear}\nBe in it?"
    )
}

/// The person does not want that.
pub(crate) fn failure(room_call: &RoomCall) -> Failure {
    Failure::new(
        ErrorKind::NoSecureCallDevice,
        format!(
            "nobody has agreed to what the room {} keeps of a call",
            room_call.room
        ),
    )
    .help("a call with people whose SecureCall keys are known leaves nothing in any room: `securecall call WHO WHO …`")
}

/// It names no room.
fn no_room(room: &str) -> Failure {
    Failure::new(
        ErrorKind::UnknownRoom,
        format!("this names no room: '{}'", room.escape_debug()),
    )
    .help("a room has an alias, such as #friends:example.org, or an ID, such as !opaque:example.org; in a shell, put it between quotes")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(room: &str, in_clear: bool) -> RoomCall {
        RoomCall {
            room: room.to_owned(),
            in_clear,
        }
    }

    #[test]
    fn what_names_no_room_is_refused_and_so_is_a_room_where_known_keys_are_required() {
        for named in ["#friends:example.org", "!opaque:example.org", "!opaque"] {
            let named = room(named, false);
            check(&named, None).unwrap();
            check(&named, Some(RequireChoice::Any)).unwrap();
            let refused = check(&named, Some(RequireChoice::Securecall)).unwrap_err();
            assert_eq!(refused.kind, ErrorKind::TierTooLow);
        }
        for named in ["", "#", "!", "friends", "@ada:example.org"] {
            let refused = check(&room(named, false), None).unwrap_err();
            assert_eq!(refused.kind, ErrorKind::UnknownRoom, "{named}");
        }
    }

    #[test]
    fn the_question_says_what_is_kept_and_what_is_in_clear() {
        let asked = question(&room("#friends:example.org", false));
        assert!(asked.contains(ROOM_KEEPS_WORDS) && asked.contains("#friends"));
        assert!(!asked.contains(IN_CLEAR_WORDS));
        assert!(question(&room("#friends:example.org", true)).contains(IN_CLEAR_WORDS));
    }
}
