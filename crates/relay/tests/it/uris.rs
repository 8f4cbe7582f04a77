//! URIs of servers, as homeservers and config files have them.

use securecall_relay::turn::{Scheme, ServerUri, UriError};

fn parsed(text: &str) -> Option<(Scheme, String, u16)> {
    let uri = ServerUri::parse(text).ok()?;
    Some((uri.scheme, uri.host, uri.port))
}

#[test]
fn uris_of_all_shapes_that_servers_use_are_read() {
    for (text, scheme, host, port) in [
        (
            "stun:stun.example.org",
            Scheme::Stun,
            "stun.example.org",
            3478,
        ),
        (
            "turn:turn.example.org",
            Scheme::TurnUdp,
            "turn.example.org",
            3478,
        ),
        (
            "turn:turn.example.org?transport=udp",
            Scheme::TurnUdp,
            "turn.example.org",
            3478,
        ),
        (
            "turn:turn.example.org:443?transport=tcp",
            Scheme::TurnTcp,
            "turn.example.org",
            443,
        ),
        (
            "turns:turn.example.org?transport=tcp",
            Scheme::TurnTls,
            "turn.example.org",
            5349,
        ),
        (
            "turns:turn.example.org",
            Scheme::TurnTls,
            "turn.example.org",
            5349,
        ),
        (
            "TURN:Turn.Example.ORG?Transport=UDP",
            Scheme::TurnUdp,
            "turn.example.org",
            3478,
        ),
        (
            "turn://turn.example.org:3478",
            Scheme::TurnUdp,
            "turn.example.org",
            3478,
        ),
        (
            "turn:turn.example.org.",
            Scheme::TurnUdp,
            "turn.example.org",
            3478,
        ),
        ("turn:192.0.2.7:3479", Scheme::TurnUdp, "192.0.2.7", 3479),
        ("turn:[2001:db8::7]", Scheme::TurnUdp, "2001:db8::7", 3478),
        (
            "turn:[2001:DB8::7]:99?transport=tcp",
            Scheme::TurnTcp,
            "2001:db8::7",
            99,
        ),
        (
            "turn:turn.example.org?foo=bar&transport=tcp",
            Scheme::TurnTcp,
            "turn.example.org",
            3478,
        ),
        (
            " turn:turn.example.org ",
            Scheme::TurnUdp,
            "turn.example.org",
            3478,
        ),
        (
            "turn:my_turn-1.example.org",
            Scheme::TurnUdp,
            "my_turn-1.example.org",
            3478,
        ),
    ] {
        assert_eq!(
            parsed(text),
            Some((scheme, host.to_owned(), port)),
            "{text}"
        );
        let uri = ServerUri::parse(text).unwrap();
        assert_eq!(ServerUri::parse(&uri.to_string()), Ok(uri), "{text}");
    }
}

#[test]
fn what_names_no_server_is_refused_with_a_reason() {
    let long = format!("turn:{}", "a.".repeat(200));
    for (text, error) in [
        ("", UriError::Scheme),
        ("turn", UriError::Scheme),
        ("turn.example.org:3478", UriError::Scheme),
        ("https://turn.example.org", UriError::Scheme),
        ("stuns:turn.example.org", UriError::Transport),
        ("turns:turn.example.org?transport=udp", UriError::Transport),
        ("turn:turn.example.org?transport=sctp", UriError::Transport),
        (
            "turn:a.example?transport=udp&transport=tcp",
            UriError::Transport,
        ),
        ("stun:a.example?transport=tcp", UriError::Transport),
        ("turn:", UriError::Host),
        ("turn::3478", UriError::Host),
        ("turn:a..b", UriError::Host),
        ("turn:user@host", UriError::Host),
        ("turn:host/path", UriError::Host),
        ("turn:ho st", UriError::Host),
        ("turn:2001:db8::7", UriError::Host),
        ("turn:[2001:db8::7", UriError::Host),
        ("turn:[example.org]", UriError::Host),
        ("turn:m\u{fc}ller.example", UriError::Host),
        ("turn:host:", UriError::Port),
        ("turn:host:0", UriError::Port),
        ("turn:host:65536", UriError::Port),
        ("turn:host:+1", UriError::Port),
        ("turn:host:34a8", UriError::Port),
        ("turn:[::1]3478", UriError::Port),
        (&long, UriError::TooLong),
    ] {
        assert_eq!(ServerUri::parse(text), Err(error), "{text}");
    }
}
