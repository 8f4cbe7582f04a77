//! What a client asks for, and how it is refused.

use std::net::SocketAddr;

use http::header::AUTHORIZATION;
use http::{Method, Request, Response, StatusCode};
use securecall_daemon::figures::Figure;
use securecall_relay::masque::{Target, codes, is_true};

use crate::access::AccessRefusal;
use crate::figures::Figures;

/// A flow that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// An entry is to forward to this relay.
    Forward(SocketAddr),
    /// An exit is to lend addresses.
    Bind,
}

/// Why there is no flow. What the client learns is a status and a word of RFC 9209, which names no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Not a request for a flow.
    Malformed,
    /// No token, or none that is good.
    Unauthorized,
    /// Not where this relay sends to, or not what it does.
    TargetNotAllowed,
    /// The connection has its share of flows.
    TooManyFlows,
    /// The relay has all the flows it can have, or cannot remember more tokens.
    Full,
    /// The relay is about to stop.
    Draining,
    /// The system gives no socket.
    NoSocket,
}

impl From<AccessRefusal> for Refusal {
    fn from(refusal: AccessRefusal) -> Self {
        match refusal {
            AccessRefusal::Unauthorized => Self::Unauthorized,
            AccessRefusal::Full => Self::Full,
        }
    }
}

impl Refusal {
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::Malformed => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::TargetNotAllowed => StatusCode::FORBIDDEN,
            Self::TooManyFlows => StatusCode::TOO_MANY_REQUESTS,
            Self::Full | Self::Draining | Self::NoSocket => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// As `proxy-status` has it (RFC 9209 section 2.3).
    fn proxy_status(self) -> &'static str {
        match self {
            Self::Malformed => "securecall-relay; error=http_request_error",
            Self::Unauthorized => "securecall-relay; error=http_request_denied",
            Self::TargetNotAllowed => "securecall-relay; error=destination_ip_prohibited",
            Self::TooManyFlows | Self::Full => "securecall-relay; error=connection_limit_reached",
            Self::Draining => "securecall-relay; error=destination_unavailable",
            Self::NoSocket => "securecall-relay; error=proxy_internal_error",
        }
    }

    /// The answer. `challenges` are the values of `www-authenticate`.
    pub(crate) fn response(self, challenges: &[String]) -> Response<()> {
        let mut response = Response::new(());
        *response.status_mut() = self.status();
        let fields = response.headers_mut();
        fields.insert(
            "proxy-status",
            http::HeaderValue::from_static(self.proxy_status()),
        );
        if self == Self::Unauthorized {
            for challenge in challenges {
                if let Ok(value) = challenge.parse() {
                    fields.append(http::header::WWW_AUTHENTICATE, value);
                }
            }
        }
        response
    }

    pub(crate) fn figure(self, figures: &Figures) -> &Figure {
        match self {
            Self::Malformed => &figures.refused_malformed,
            Self::Unauthorized => &figures.refused_unauthorized,
            Self::TargetNotAllowed => &figures.refused_forbidden,
            Self::TooManyFlows => &figures.refused_too_many,
            Self::Full | Self::Draining | Self::NoSocket => &figures.refused_unavailable,
        }
    }
}

/// What a request asks for.
pub(crate) fn read(request: &Request<()>) -> Result<Asked, Refusal> {
    let protocol = request.extensions().get::<h3::ext::Protocol>();
    let is_connect_udp = protocol.is_some_and(|protocol| protocol.as_str() == codes::PROTOCOL);
    if request.method() != Method::CONNECT || !is_connect_udp {
        return Err(Refusal::Malformed);
    }
    let path = request.uri().path_and_query().ok_or(Refusal::Malformed)?;
    match Target::parse(path.as_str()) {
        Ok(Target::Address(relay)) => Ok(Asked::Forward(relay)),
        Ok(Target::Any) if is_set(request, codes::CONNECT_UDP_BIND) => Ok(Asked::Bind),
        // A name is well-formed, and not allowed: whoever resolves it for others tells them what it finds.
        Err(securecall_relay::masque::PathError::Name) => Err(Refusal::TargetNotAllowed),
        Ok(Target::Any) | Err(_) => Err(Refusal::Malformed),
    }
}

fn is_set(request: &Request<()>, field: &str) -> bool {
    let mut values = request.headers().get_all(field).iter();
    let value = values.next().and_then(|value| value.to_str().ok());
    value.is_some_and(is_true) && values.next().is_none()
}

/// The value of `authorization`, if there is exactly one.
pub(crate) fn authorization(request: &Request<()>) -> Option<&str> {
    let mut values = request.headers().get_all(AUTHORIZATION).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

/// The answer to an entry's client.
pub(crate) fn forwarding() -> Response<()> {
    let mut response = Response::new(());
    set(&mut response, codes::CAPSULE_PROTOCOL, codes::TRUE);
    response
}

/// The answer to an exit's client.
pub(crate) fn bound(public: &[SocketAddr]) -> Response<()> {
    let mut response = forwarding();
    set(&mut response, codes::CONNECT_UDP_BIND, codes::TRUE);
    let addresses = securecall_relay::masque::write_public_addresses(public);
    set(&mut response, codes::PROXY_PUBLIC_ADDRESS, &addresses);
    response
}

fn set(response: &mut Response<()>, field: &'static str, value: &str) {
    if let Ok(value) = value.parse() {
        response.headers_mut().insert(field, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(path: &str, bind: &[&str]) -> Request<()> {
        let mut request = Request::connect(format!("https://relay.example{path}"))
            .extension(h3::ext::Protocol::CONNECT_UDP);
        for value in bind {
            request = request.header(codes::CONNECT_UDP_BIND, *value);
        }
        request.body(()).unwrap()
    }

    #[test]
    fn a_flow_is_asked_for_by_an_address_or_by_none() {
        let read = |path, bind| read(&request(path, bind));
        assert_eq!(
            read("/.well-known/masque/udp/192.0.2.1/443/", &[]),
            Ok(Asked::Forward("192.0.2.1:443".parse().unwrap()))
        );
        assert_eq!(
            read("/.well-known/masque/udp/%2A/%2A/", &["?1"]),
            Ok(Asked::Bind)
        );
        assert_eq!(
            read("/.well-known/masque/udp/relay.example/443/", &[]),
            Err(Refusal::TargetNotAllowed)
        );
        for (path, bind) in [
            ("/.well-known/masque/udp/%2A/%2A/", &[][..]),
            ("/.well-known/masque/udp/%2A/%2A/", &["?0"]),
            ("/.well-known/masque/udp/%2A/%2A/", &["?1", "?1"]),
            ("/.well-known/masque/udp/192.0.2.1/443/?x=1", &[]),
            ("/", &[]),
        ] {
            assert_eq!(read(path, bind), Err(Refusal::Malformed), "{path} {bind:?}");
        }
    }

    #[test]
    fn only_connect_udp_is_a_request_for_a_flow() {
        let path = "https://relay.example/.well-known/masque/udp/192.0.2.1/443/";
        let plain = Request::connect(path).body(()).unwrap();
        assert_eq!(read(&plain), Err(Refusal::Malformed));
        let get = Request::get(path)
            .extension(h3::ext::Protocol::CONNECT_UDP)
            .body(())
            .unwrap();
        assert_eq!(read(&get), Err(Refusal::Malformed));
        let other = Request::connect(path)
            .extension(h3::ext::Protocol::WEB_TRANSPORT)
            .body(())
            .unwrap();
        assert_eq!(read(&other), Err(Refusal::Malformed));
    }

    #[test]
    fn refusals_say_nothing_of_addresses_and_challenge_only_who_shows_nothing() {
        let challenges = ["PrivateToken x".to_owned()];
        let response = Refusal::Unauthorized.response(&challenges);
        assert_eq!(response.status(), 401);
        assert_eq!(response.headers()["www-authenticate"], "PrivateToken x");
        let response = Refusal::TargetNotAllowed.response(&challenges);
        assert_eq!(response.status(), 403);
        assert!(!response.headers().contains_key("www-authenticate"));
        assert_eq!(
            response.headers()["proxy-status"],
            "securecall-relay; error=destination_ip_prohibited"
        );
    }
}
