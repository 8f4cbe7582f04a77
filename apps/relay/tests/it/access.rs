//! Who gets a flow.

use crate::client::Client;
use crate::daemon::{SECRET, bearer, lab_with};

#[tokio::test]
async fn who_shows_no_secret_or_another_gets_no_flow_and_learns_what_is_asked_for() {
    let daemon = lab_with("").start();
    let mut client = Client::connect(daemon.address()).await;
    let path = securecall_relay::masque::Target::Any.path();
    let bind = ("connect-udp-bind", "?1");
    let longer = format!("Bearer {SECRET}0");
    let shorter = format!("Bearer {}", &SECRET[1..]);
    let basic = format!("Basic {SECRET}");
    for shown in ["Bearer", "Bearer x", "", SECRET, &longer, &shorter, &basic] {
        let answer = client.ask(&path, &[bind, ("authorization", shown)]).await;
        assert_eq!(answer.status(), 401, "{shown}");
        assert_eq!(answer.field("www-authenticate"), "Bearer");
    }
    assert_eq!(client.ask(&path, &[bind]).await.status(), 401);
    let twice = [
        bind,
        ("authorization", &bearer()),
        ("authorization", &bearer()),
    ];
    assert_eq!(client.ask(&path, &twice).await.status(), 401);
    assert_eq!(client.bind().await.status(), 200);
    assert_eq!(daemon.figure("refused_total{status=\"401\"}"), 9);
}

/// Otherwise anybody could ask which relays it knows.
#[tokio::test]
async fn who_shows_nothing_does_not_learn_what_is_allowed() {
    let daemon = lab_with("").start();
    let mut client = Client::connect(daemon.address()).await;
    for target in ["127.0.0.1/9", "198.51.100.7/443"] {
        let path = format!("/.well-known/masque/udp/{target}/");
        assert_eq!(client.ask(&path, &[]).await.status(), 401, "{target}");
    }
}
