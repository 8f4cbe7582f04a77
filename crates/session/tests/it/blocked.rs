//! Whom the user has blocked never rings and is not called; of whom they require more, that holds whatever else is required.

use std::time::Duration;

use securecall_session::{
    AnswerPolicy, CallError, CallOptions, Callee, Contact, Contacts, Event, RefusedReason, Require,
    Route, Rule,
};
use securecall_testkit::{DeviceId, DeviceOptions, Pair, Universe, pair};

fn direct() -> CallOptions {
    CallOptions {
        route: Some(Route::Direct),
        ..CallOptions::default()
    }
}

/// Two people without contacts, who take direct calls of strangers and answer them at once. The first is at an ordinary address.
fn strangers() -> Pair {
    let mut universe = Universe::new(11);
    let (caller_user, callee_user) = (universe.add_user("Ada"), universe.add_user("Bob"));
    universe.set_matrix_id(caller_user, "@ada:example.org");
    let options = DeviceOptions {
        answer: AnswerPolicy::Auto,
        inbound: direct(),
        ..DeviceOptions::default()
    };
    let [caller, callee] =
        [caller_user, callee_user].map(|user| universe.add_device(user, options.clone()));
    Pair {
        universe,
        caller_user,
        callee_user,
        caller,
        callee,
        call: None,
    }
}

/// Blocks the caller, by key or by this account.
fn blocked(pair: &Pair, by_key: bool, matrix_id: &str) -> Rule {
    let identity = pair.universe.identity(pair.caller_user).public();
    Rule {
        identity: by_key.then_some(identity),
        matrix_id: matrix_id.parse().unwrap(),
        blocked: true,
        require: Require::Any,
    }
}

/// The caller as a contact of the callee, at this account.
fn as_contact(pair: &Pair, matrix_id: &str) -> Contact {
    Contact {
        name: "Ada".to_owned(),
        identity: pair.universe.identity(pair.caller_user).public(),
        matrix_id: matrix_id.parse().unwrap(),
    }
}

fn know(pair: &mut Pair, contacts: Contacts) {
    pair.universe.devices[pair.callee]
        .endpoint
        .set_contacts(contacts);
}

fn refused(universe: &Universe, device: DeviceId) -> Vec<u32> {
    let events = universe.devices[device].events.iter();
    let calls = events.filter_map(|event| match event {
        Event::Refused {
            why: RefusedReason::Blocked,
            calls,
            ..
        } => Some(*calls),
        _ => None,
    });
    calls.collect()
}

fn sent_by_callee(pair: &Pair) -> usize {
    let sent = pair.universe.homeserver.sent.iter();
    sent.filter(|it| it.from == pair.callee).count()
}

/// Whether the caller's call rings, or is refused as one of somebody who is blocked.
fn rings(pair: &mut Pair) -> bool {
    let call = pair
        .universe
        .call_with(pair.caller, pair.callee_user, &direct())
        .unwrap();
    pair.universe.run_for(Duration::from_secs(3));
    let rang = pair.universe.incoming(pair.callee).is_some();
    let refused = refused(&pair.universe, pair.callee);
    assert_eq!(refused, if rang { vec![] } else { vec![1] });
    assert!(rang || sent_by_callee(pair) == 0, "nothing is sent");
    pair.universe.hang_up(pair.caller, call);
    rang
}

#[test]
fn whoever_is_blocked_does_not_ring_by_key_or_by_account_contact_or_not() {
    let (here, elsewhere) = ("@ada:example.org", "@ada:other.example");
    for (by_key, matrix_id, rings_here) in [
        // Another account of the same key.
        (true, elsewhere, false),
        (true, here, false),
        // Nobody knew a key.
        (false, here, false),
        (false, elsewhere, true),
    ] {
        let mut pair = strangers();
        let rule = blocked(&pair, by_key, matrix_id);
        know(&mut pair, Contacts::default().with_rules([rule.clone()]));
        assert_eq!(rings(&mut pair), rings_here, "{by_key} {matrix_id}");

        let mut pair = strangers();
        let contacts = Contacts::new([as_contact(&pair, here)]);
        know(&mut pair, contacts.with_rules([rule]));
        assert_eq!(rings(&mut pair), rings_here, "contact {by_key} {matrix_id}");
    }
}

#[test]
fn a_contact_who_is_blocked_by_account_does_not_ring_from_another_account_either() {
    let mut pair = strangers();
    let known_at = "@ada:other.example";
    let rule = blocked(&pair, false, known_at);
    let contacts = Contacts::new([as_contact(&pair, known_at)]);
    know(&mut pair, contacts.with_rules([rule]));
    assert!(!rings(&mut pair));
}

#[test]
fn an_address_that_holds_a_key_blocks_that_key_everywhere() {
    let mut pair = strangers();
    let id =
        securecall_contact::SecureCallId::new(&pair.universe.identity(pair.caller_user).public());
    let rule = blocked(&pair, false, &format!("@sc_{id}:other.example"));
    know(&mut pair, Contacts::default().with_rules([rule]));
    assert!(!rings(&mut pair));
}

#[test]
fn calls_of_somebody_who_is_blocked_are_counted_and_an_old_one_gets_no_answer() {
    let mut pair = pair();
    pair.universe.devices[pair.callee].options.clock_skew_ms = 400_000;
    let address = pair.universe.matrix_id(pair.caller_user).clone();
    let rule = blocked(&pair, true, address.as_str());
    let contacts = Contacts::new([as_contact(&pair, address.as_str())]);
    know(&mut pair, contacts.with_rules([rule]));
    pair.universe.call(pair.caller, pair.callee_user).unwrap();
    pair.universe.run_for(Duration::from_secs(75));
    assert_eq!(refused(&pair.universe, pair.callee), [1, 2]);
    assert_eq!(sent_by_callee(&pair), 0);
    let named = |event: &Event| matches!(event, Event::Refused { peer, .. } if peer.name.as_deref() == Some("Ada"));
    assert!(pair.universe.devices[pair.callee].told(named));
}

#[test]
fn whoever_is_blocked_between_arrival_and_ringing_does_not_ring() {
    let mut pair = strangers();
    pair.universe.devices[pair.callee].sync_unfinished = true;
    pair.universe
        .call_with(pair.caller, pair.callee_user, &direct())
        .unwrap();
    pair.universe.run_for(Duration::from_secs(1));
    let rule = blocked(&pair, true, "@ada:example.org");
    know(&mut pair, Contacts::default().with_rules([rule]));
    pair.universe.finish_sync(pair.callee);
    assert_eq!(pair.universe.incoming(pair.callee), None);
    assert_eq!(refused(&pair.universe, pair.callee), [1]);
    assert_eq!(sent_by_callee(&pair), 0);
}

#[test]
fn whoever_is_blocked_is_not_called_until_that_is_undone() {
    let mut pair = strangers();
    let (here, elsewhere) = ("@ada:example.org", "@ada:other.example");
    for (by_key, matrix_id) in [(true, elsewhere), (true, here), (false, here)] {
        let rule = blocked(&pair, by_key, matrix_id);
        know(&mut pair, Contacts::default().with_rules([rule]));
        let refused = pair
            .universe
            .call_with(pair.callee, pair.caller_user, &direct());
        assert_eq!(refused, Err(CallError::Blocked), "{by_key} {matrix_id}");
    }
    // Also where nobody names the key, and the contacts know it.
    let rule = blocked(&pair, true, elsewhere);
    let contacts = Contacts::new([as_contact(&pair, here)]);
    know(&mut pair, contacts.with_rules([rule]));
    let callee = Callee {
        identity: None,
        matrix_id: here.parse().unwrap(),
    };
    let refused = pair
        .universe
        .call_person(pair.callee, callee, &CallOptions::default());
    assert_eq!(refused, Err(CallError::Blocked));
    assert!(pair.all_empty(), "nothing has happened");
    know(&mut pair, Contacts::default());
    let call = pair
        .universe
        .call_with(pair.callee, pair.caller_user, &direct());
    assert!(call.is_ok());
}

#[test]
fn the_strictest_of_what_is_required_wins() {
    let mut pair = pair();
    let matrix_user = Callee {
        identity: None,
        matrix_id: "@eve:example.org".parse().unwrap(),
    };
    let mut call = |of_eve: Option<Require>, require| {
        let rules = of_eve.map(|require| Rule {
            identity: None,
            matrix_id: matrix_user.matrix_id.clone(),
            blocked: false,
            require,
        });
        let contacts = Contacts::default().with_rules(rules);
        let caller = &mut pair.universe.devices[pair.caller];
        caller.endpoint.set_contacts(contacts);
        let options = CallOptions {
            require,
            ..CallOptions::default()
        };
        let callee = matrix_user.clone();
        pair.universe.call_person(pair.caller, callee, &options)
    };
    // Where the tier is good enough, the next question is for a relay, and there is none.
    let (low, none) = (Err(CallError::TierTooLow), Err(CallError::NoRelay));
    assert_eq!(call(None, Require::Any), none);
    assert_eq!(call(None, Require::SecureCall), low);
    assert_eq!(call(Some(Require::Any), Require::SecureCall), low);
    assert_eq!(call(Some(Require::SecureCall), Require::Any), low);
    assert_eq!(call(Some(Require::Any), Require::Any), none);
}
