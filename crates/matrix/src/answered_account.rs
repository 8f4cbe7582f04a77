//! Whether the account that a homeserver answers with is the one that was asked for.

use securecall_contact::{DeviceId, MatrixId, ServerName};
use url::{Host, Url};

use crate::{
    Homeserver, LoginError, ServerError, credentials::Credentials, homeserver::is_loopback_name,
    user_id::matrix_id,
};

/// Longest access token, in bytes. It goes with every request; web servers take no headers that are much longer.
const MAX_TOKEN: usize = 4_096;

/// Who was asked for.
#[derive(Clone, Copy)]
pub(crate) enum Asked<'a> {
    /// This very account.
    Account(&'a MatrixId),
    /// The account with this localpart, whatever the homeserver calls itself.
    Localpart(&'a str),
}

impl Asked<'_> {
    /// What the homeserver is told.
    pub(crate) fn user(&self) -> &str {
        match self {
            Self::Account(id) => id.as_str(),
            Self::Localpart(localpart) => localpart,
        }
    }
}

/// Checks everything that a homeserver says about a session it has just opened.
///
/// # Errors
///
/// When the session is not of use, or somebody else's. It should be ended then.
pub(crate) async fn check(
    homeserver: &Homeserver,
    credentials: &Credentials,
    asked: Asked<'_>,
) -> Result<(), LoginError> {
    check_shape(credentials)?;
    let user = &credentials.user_id;
    let other_user = || LoginError::OtherUser {
        expected: asked.user().to_owned(),
        got: user.to_string(),
    };
    match asked {
        Asked::Account(id) if user.as_str() == id.as_str() => Ok(()),
        Asked::Localpart(localpart) if user.localpart() == localpart => {
            let id = matrix_id(user).ok_or_else(other_user)?;
            check_server_name(homeserver, &id).await
        }
        _ => Err(other_user()),
    }
}

/// What a device and its token look like, whosever they are.
fn check_shape(credentials: &Credentials) -> Result<(), ServerError> {
    let not_matrix = |what: &str| ServerError::NotMatrix {
        reason: format!("it answered with {what}"),
    };
    let token = &credentials.access_token;
    let is_token =
        (1..=MAX_TOKEN).contains(&token.len()) && token.bytes().all(|b| b.is_ascii_graphic());
    if matrix_id(&credentials.user_id).is_none() {
        return Err(not_matrix("a user that is not a usable Matrix ID"));
    }
    if credentials.device_id.as_str().parse::<DeviceId>().is_err() {
        return Err(not_matrix("a device ID that cannot be one"));
    }
    if !is_token {
        return Err(not_matrix("an access token that cannot be one"));
    }
    Ok(())
}

/// A new account's server name is the homeserver's to say, within what was asked and what the name itself says.
async fn check_server_name(homeserver: &Homeserver, id: &MatrixId) -> Result<(), LoginError> {
    let answered = id.server_name();
    let found_by = homeserver.found_by();
    let asked = found_by.as_ref().unwrap_or(homeserver);
    if is_of(asked.url(), answered) {
        return Ok(());
    }
    if found_by.is_some() {
        return Err(LoginError::OtherServer {
            asked: asked.shown(),
            homeserver: homeserver.shown(),
            answered: answered.to_string(),
        });
    }
    // The person has named the homeserver itself, and it may have any name, unless the one that it claims says that it
    // lives elsewhere. A name that says nothing, as many do, is believed.
    match homeserver.host_named_by(answered.host()).await {
        Some(host) if Some(host.as_str()) != homeserver.url().host_str() => {
            Err(LoginError::ClaimedServer {
                homeserver: homeserver.shown(),
                id: id.to_string(),
                elsewhere: host,
            })
        }
        _ => Ok(()),
    }
}

/// Whether a server name belongs to an address that was asked: it is its host, or the domain that the host is in. This
/// machine's names belong to nobody, so that a homeserver here may have any.
fn is_of(asked: &Url, answered: &ServerName) -> bool {
    let answered = answered.host().to_ascii_lowercase();
    let is_above = |name: &str| {
        name.strip_suffix(&answered)
            .is_some_and(|rest| rest.ends_with('.'))
            && answered.contains('.')
    };
    match asked.host() {
        Some(Host::Domain(name)) => is_loopback_name(name) || name == answered || is_above(name),
        Some(Host::Ipv4(address)) => address.is_loopback() || address.to_string() == answered,
        Some(Host::Ipv6(address)) => {
            address.to_canonical().is_loopback() || format!("[{address}]") == answered
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_name_belongs_to_its_host_and_to_hosts_below_it() {
        for (asked, answered) in [
            ("https://example.org", "example.org"),
            ("https://example.org", "Example.ORG:8448"),
            ("https://matrix.example.org:8448", "example.org"),
            ("https://a.b.example.org", "example.org"),
            ("https://192.0.2.1", "192.0.2.1:8448"),
            ("https://[2001:db8::1]", "[2001:db8::1]:8448"),
            ("http://127.0.0.1", "anything.test"),
            ("http://a.localhost", "anything.test"),
        ] {
            assert!(
                is_of(&asked.parse().unwrap(), &answered.parse().unwrap()),
                "{asked} {answered}"
            );
        }
        for (asked, answered) in [
            ("https://example.org", "matrix.example.org"),
            ("https://example.org", "org"),
            ("https://notexample.org", "example.org"),
            ("https://example.org.evil.test", "example.org"),
            ("https://evil.test", "example.org"),
            ("https://192.0.2.1", "2.1"),
            ("https://192.0.2.1", "example.org"),
            ("https://evil.test", "localhost"),
            ("https://[2001:db8::1]", "[2001:db8::2]"),
            ("https://[2001:db8::1]", "example.org"),
        ] {
            let Ok(answered) = answered.parse() else {
                continue;
            };
            assert!(
                !is_of(&asked.parse().unwrap(), &answered),
                "{asked} {answered}"
            );
        }
    }

    #[test]
    fn device_and_token_must_look_like_some() {
        let check = |user: &str, device: &str, token: &str| {
            check_shape(&Credentials {
                user_id: user.try_into().unwrap(),
                device_id: device.into(),
                access_token: token.to_owned(),
            })
        };
        let long = |length| "a".repeat(length);
        assert!(check("@a:b.test", "DEVICE", "syt_YQ_-~+/=").is_ok());
        assert!(check("@a:b.test", &long(255), &long(4_096)).is_ok());
        for (user, device, token) in [
            ("@a:b.test", "", "t"),
            ("@a:b.test", &long(256), "t"),
            ("@a:b.test", "DEV ICE", "t"),
            ("@a:b.test", "D\u{1b}[2J", "t"),
            ("@a:b.test", "DÉVICE", "t"),
            ("@a:b.test", "D", ""),
            ("@a:b.test", "D", "t\r\nX-Other: header"),
            ("@a:b.test", "D", &long(4_097)),
            ("@sc_nonsense:b.test", "D", "t"),
        ] {
            assert!(
                check(user, device, token).is_err(),
                "{user} {device} {token}"
            );
        }
    }

    fn credentials(user: &str) -> Credentials {
        Credentials {
            user_id: user.try_into().unwrap(),
            device_id: "D".into(),
            access_token: "t".to_owned(),
        }
    }

    #[tokio::test]
    async fn only_the_account_that_was_asked_for_is_taken() {
        let homeserver = Homeserver::new("http://127.0.0.1:8008").unwrap();
        let own: MatrixId = "@a:b.test".parse().unwrap();
        let (account, localpart) = (Asked::Account(&own), Asked::Localpart("a"));
        for (asked, answered, taken) in [
            (account, "@a:b.test", true),
            (account, "@a:c.test", false),
            (account, "@b:b.test", false),
            (localpart, "@a:b.test", true),
            (localpart, "@a:c.test", true),
            (localpart, "@b:b.test", false),
        ] {
            match check(&homeserver, &credentials(answered), asked).await {
                Ok(()) => assert!(taken, "{answered}"),
                Err(LoginError::OtherUser { got, .. }) => {
                    assert!(!taken && got == answered, "{answered}");
                }
                Err(other) => panic!("{answered}: {other:?}"),
            }
        }
        let mut unusable = credentials("@a:b.test");
        unusable.access_token = String::new();
        assert!(matches!(
            check(&homeserver, &unusable, account).await,
            Err(LoginError::Server(ServerError::NotMatrix { .. }))
        ));
    }

    #[tokio::test]
    async fn where_a_name_has_led_the_account_is_of_that_name() {
        let homeserver = Homeserver::new("https://matrix.hosting.test").unwrap();
        let homeserver = homeserver.with_found_by("https://example.test");
        for (answered, taken) in [
            ("@a:example.test", true),
            ("@a:matrix.hosting.test", false),
            ("@a:hosting.test", false),
            ("@a:evil.test", false),
        ] {
            match check(&homeserver, &credentials(answered), Asked::Localpart("a")).await {
                Ok(()) => assert!(taken, "{answered}"),
                Err(LoginError::OtherServer { .. }) => assert!(!taken, "{answered}"),
                Err(other) => panic!("{answered}: {other:?}"),
            }
        }
    }
}
