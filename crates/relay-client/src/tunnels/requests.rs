//! What relays are asked, and what they answer.

use std::net::SocketAddr;

use h3::ext::Protocol;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use http::{HeaderMap, Method, Request, StatusCode, Uri};
use securecall_relay::masque::{Target, is_true, parse_public_addresses};
use securecall_relay::{Hop, TunnelFailureKind, is_public};

const CAPSULE_PROTOCOL: HeaderName = HeaderName::from_static("capsule-protocol");
const CONNECT_UDP_BIND: HeaderName = HeaderName::from_static("connect-udp-bind");
const PROXY_PUBLIC_ADDRESS: HeaderName = HeaderName::from_static("proxy-public-address");
/// True (RFC 9651 section 3.3.6).
const TRUE: HeaderValue = HeaderValue::from_static("?1");
const HTTPS_PORT: u16 = 443;

/// CONNECT-UDP: by the entry to the exit (RFC 9298 section 3.4), or a bound flow at the exit
/// (draft-ietf-masque-connect-udp-listen). `None` if the relay's name or what it asks for cannot be written in a request.
pub(super) fn connect_udp(hop: &Hop, target: Target) -> Option<Request<()>> {
    let uri = Uri::builder()
        .scheme("https")
        .authority(authority(hop))
        .path_and_query(target.path())
        .build()
        .ok()?;
    let mut request = Request::builder()
        .method(Method::CONNECT)
        .uri(uri)
        .extension(Protocol::CONNECT_UDP)
        .body(())
        .ok()?;
    let fields = request.headers_mut();
    fields.insert(CAPSULE_PROTOCOL, TRUE);
    if target == Target::Any {
        fields.insert(CONNECT_UDP_BIND, TRUE);
    }
    if let Some(authorization) = &hop.authorization {
        let mut value = HeaderValue::from_str(authorization).ok()?;
        // It shows itself to nobody who prints the request.
        value.set_sensitive(true);
        fields.insert(AUTHORIZATION, value);
    }
    Some(request)
}

fn authority(hop: &Hop) -> String {
    let name = match hop.name.contains(':') {
        true => format!("[{}]", hop.name),
        false => hop.name.clone(),
    };
    match hop.address.port() {
        HTTPS_PORT => name,
        port => format!("{name}:{port}"),
    }
}

/// Whether a relay has accepted a request.
pub(super) fn accepted(status: StatusCode) -> Result<(), TunnelFailureKind> {
    match status {
        // RFC 9110 section 9.3.6: any of these.
        status if status.is_success() => Ok(()),
        StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
            Err(TunnelFailureKind::Unauthorized)
        }
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            Err(TunnelFailureKind::Busy)
        }
        status => Err(TunnelFailureKind::Refused(status.as_u16())),
    }
}

/// What the exit has bound. An exit that knows nothing of bound flows leaves its fields out; one that names addresses of a private
/// network would send our packets, and the peer's, there.
pub(super) fn public_addresses(
    fields: &HeaderMap,
    private: bool,
) -> Result<Vec<SocketAddr>, TunnelFailureKind> {
    let is_bound = one_value(fields, &CONNECT_UDP_BIND).is_some_and(|value| is_true(&value));
    let public = one_value(fields, &PROXY_PUBLIC_ADDRESS)
        .and_then(|value| parse_public_addresses(&value).ok())
        .filter(|addresses| !addresses.is_empty());
    let (true, Some(public)) = (is_bound, public) else {
        return Err(TunnelFailureKind::Protocol);
    };
    if !private && !public.iter().copied().all(is_public) {
        return Err(TunnelFailureKind::Protocol);
    }
    Ok(public)
}

/// The value of a field, of which there may be several (RFC 9110 section 5.3).
fn one_value(fields: &HeaderMap, name: &HeaderName) -> Option<String> {
    let values: Option<Vec<&str>> = fields
        .get_all(name)
        .iter()
        .map(|value| value.to_str().ok())
        .collect();
    values
        .filter(|values| !values.is_empty())
        .map(|values| values.join(", "))
}

#[cfg(test)]
mod tests;
