//! What people are told of standard Matrix calls: those of tier `matrix`, with other people's apps, in rooms.

use super::words::tier_words;

/// What people are told when nothing says whether such a call rings. Element X has no calls of the kind that every other Matrix app
/// makes (MSC2746).
pub(crate) const NO_SIGN_WORDS: &str = "nobody has answered yet, and nothing says whether it rings there; apps such as Element X cannot take these calls: ask them to use Element Web, Element Desktop, Element Classic or Nheko, or SecureCall";

/// What is said beside whoever is called, or calls, where that is not end-to-end encrypted.
pub(super) fn standard_words(tier: &str) -> String {
    match tier {
        "securecall" => String::new(),
        tier => format!(" ({})", tier_words(tier)),
    }
}

/// What people are told while somebody has to come to a room first.
pub(crate) fn inviting_words(who: &str) -> String {
    format!(
        "{who} is invited to a room for the two of you; it rings once they have accepted that in their app"
    )
}

/// What an end reason means in such a call, where that is something else than in others, and what the person can do.
pub(super) fn standard_reason_words(reason: &str) -> Option<&'static str> {
    Some(match reason {
        "declined" => "they declined the call, or the invitation to the room for it",
        "no_answer" => {
            "nobody answered; apps such as Element X cannot take these calls: ask them to use Element Web, Element Desktop, Element Classic or Nheko, or SecureCall"
        }
        "not_joined" => {
            "they did not come to the room for the call within 2 minutes: ask them to accept the invitation in their app, and call again"
        }
        "unknown" => {
            "there is no such account, or its homeserver does not answer; check the Matrix ID"
        }
        "homeserver_refused" => {
            "the homeserver gave no room for the call, or did not take its messages: it wants you to wait, or they take no invitations of yours; ask them to write to you first"
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::{Event, Peer, reason_words};

    fn ended(tier: &'static str, reason: &'static str) -> String {
        let ended = Event::Ended {
            call_id: "x".to_owned(),
            reason,
            duration_ms: 0,
            tier,
        };
        ended.words(false).unwrap()
    }

    #[test]
    fn an_end_is_said_as_it_is_in_the_calls_tier() {
        for reason in [
            "unknown",
            "homeserver_refused",
            "not_joined",
            "declined",
            "no_answer",
        ] {
            assert_ne!(ended("matrix", reason), ended("securecall", reason));
        }
        assert!(ended("matrix", "no_answer").contains("Element X"));
        assert!(!ended("matrix", "unknown").contains("SecureCall device"));
        assert_eq!(
            reason_words("local_hangup", "matrix"),
            reason_words("local_hangup", "securecall")
        );
    }

    #[test]
    fn a_standard_call_is_said_to_be_one_wherever_it_begins() {
        let peer = || Peer {
            id: None,
            matrix_id: Some("@ada:example.org".to_owned()),
            name: Some("Ada".to_owned()),
            new_address: false,
            verified: false,
            device_id: None,
        };
        let begun = |tier| {
            let call_id = || "x".to_owned();
            [
                Event::Dialing {
                    call_id: call_id(),
                    peer: peer(),
                    tier,
                    startup_ms: 1,
                },
                Event::Incoming {
                    call_id: call_id(),
                    peer: peer(),
                    tier,
                    answered: false,
                    group: None,
                },
            ]
            .map(|event| event.words(false).unwrap())
        };
        let said = "standard Matrix call: your servers and the other app are trusted with keys";
        assert!(begun("matrix").iter().all(|it| it.contains(said)));
        assert!(
            begun("securecall")
                .iter()
                .all(|it| !it.contains("standard"))
        );
    }
}
