//! Two people who have no room call each other at the same time.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::ANY;
use crate::ordinary::{Ordinary, OrdinaryAccount};

/// What follows of a call is done soon after it, not with it.
const PATIENCE: Duration = Duration::from_secs(60);

/// The rooms that an account is in, those that it is invited to, and those that it has with another.
fn rooms(account: &OrdinaryAccount, other: &OrdinaryAccount) -> [Value; 3] {
    let joined = account.ask("GET", "joined_rooms", &Value::Null);
    let synced = account.ask("GET", "sync", &Value::Null);
    let data = synced["account_data"]["events"].as_array().unwrap().iter();
    let direct = data.filter(|it| it["type"] == "m.direct");
    let mut direct = direct.map(|it| it["content"][&other.matrix_id].clone());
    let invited = synced["rooms"]["invite"].as_object();
    let invited: Vec<&String> = invited.into_iter().flat_map(|it| it.keys()).collect();
    [
        joined["joined_rooms"].clone(),
        json!(invited),
        direct.next_back().unwrap_or_default(),
    ]
}

#[expect(clippy::disallowed_methods, reason = "real servers take real time")]
#[test]
fn they_meet_in_one_call_in_one_room_which_both_take_for_theirs_and_nothing_is_left_of_another() {
    for _ in 0..3 {
        let (ada, bo) = (Ordinary::new("ada"), Ordinary::new("bo"));
        let place = |from: &Ordinary, to: &Ordinary| {
            let call = ["call", &to.account.matrix_id];
            from.talk(&[&call[..], &ANY].concat(), "tone:440")
        };
        let (mut of_ada, mut of_bo) = (place(&ada, &bo), place(&bo, &ada));
        for side in [&mut of_ada, &mut of_bo] {
            side.wait_for("first_audio");
            side.wait_for("stats");
        }
        of_ada.order("hangup");
        assert_eq!((of_ada.end().0, of_bo.end().0), (0, 0));
        let give_up_at = Instant::now() + PATIENCE;
        loop {
            let [by_ada, by_bo] = [
                rooms(&ada.account, &bo.account),
                rooms(&bo.account, &ada.account),
            ];
            let [joined, invited, direct] = &by_ada;
            let is_one = joined.as_array().is_some_and(|it| it.len() == 1);
            if is_one && invited == &json!([]) && joined == direct && by_ada == by_bo {
                break;
            }
            assert!(Instant::now() < give_up_at, "{by_ada:?} {by_bo:?}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}
