//! Fields of a bound flow (RFC 9651).

use std::fmt::Write as _;
use std::net::SocketAddr;

use super::codes;

/// The longest list that is read.
const MAX_LIST_LEN: usize = 1024;
/// The most addresses in a list: two of each family.
const MAX_ADDRESSES: usize = 4;

/// Whether the value of `connect-udp-bind` or `capsule-protocol` says yes. Parameters mean nothing; whatever else there
/// is counts as nothing at all, two values for one.
pub fn is_true(value: &str) -> bool {
    let rest = value.trim_matches(' ').strip_prefix(codes::TRUE);
    rest.is_some_and(|rest| skip_parameters(rest) == Some(""))
}

/// The value of `proxy-public-address`.
pub fn write_public_addresses(addresses: &[SocketAddr]) -> String {
    let mut value = String::new();
    for address in addresses {
        let separator = if value.is_empty() { "" } else { ", " };
        let _ = write!(value, "{separator}\"{address}\"");
    }
    value
}

/// The addresses in the value of `proxy-public-address`, where several fields are joined by commas.
///
/// # Errors
/// What is wrong with it: then the whole field is.
pub fn parse_public_addresses(value: &str) -> Result<Vec<SocketAddr>, AddressListError> {
    if value.len() > MAX_LIST_LEN {
        return Err(AddressListError::TooLong);
    }
    let mut addresses = Vec::new();
    let mut rest = value.trim_matches(' ');
    loop {
        let (member, after) = quoted(rest).ok_or(AddressListError::Malformed)?;
        if addresses.len() >= MAX_ADDRESSES {
            return Err(AddressListError::TooMany);
        }
        addresses.push(parse_address(member).ok_or(AddressListError::NoAddress)?);
        rest = skip_parameters(after).ok_or(AddressListError::Malformed)?;
        rest = rest.trim_start_matches([' ', '\t']);
        if rest.is_empty() {
            return Ok(addresses);
        }
        // A comma must have something behind it.
        rest = rest.strip_prefix(',').ok_or(AddressListError::Malformed)?;
        rest = rest.trim_start_matches([' ', '\t']);
    }
}

/// `IP-literal ":" port` or `IPv4address ":" port` (RFC 3986 section 3.2), without a zone.
fn parse_address(text: &str) -> Option<SocketAddr> {
    let (_, port) = text.rsplit_once(':')?;
    let is_port = !port.starts_with('0') && port.bytes().all(|byte| byte.is_ascii_digit());
    if !is_port || text.contains('%') {
        return None;
    }
    text.parse().ok()
}

/// A string and what follows it. No address has a character that would be escaped.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let (inside, rest) = text.strip_prefix('"')?.split_once('"')?;
    (!inside.contains('\\')).then_some((inside, rest))
}

/// What follows the parameters of a member (RFC 9651 section 3.1.2): `;key` or `;key=value`. They mean nothing here, so it is
/// enough to find their end.
fn skip_parameters(mut rest: &str) -> Option<&str> {
    while let Some(parameter) = rest.strip_prefix(';') {
        let parameter = parameter.trim_start_matches(' ');
        let is_of_key =
            |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-.*".contains(c);
        let key_len = parameter.find(|c| !is_of_key(c)).unwrap_or(parameter.len());
        let (key, after) = parameter.split_at(key_len);
        if !key.starts_with(|c: char| c.is_ascii_lowercase() || c == '*') {
            return None;
        }
        rest = match after.strip_prefix('=') {
            None => after,
            Some(value) => skip_value(value)?,
        };
    }
    Some(rest)
}

fn skip_value(value: &str) -> Option<&str> {
    if let Some(string) = value.strip_prefix('"') {
        let mut is_escaped = false;
        let end = string.find(|c| {
            let is_end = c == '"' && !is_escaped;
            is_escaped = c == '\\' && !is_escaped;
            is_end
        })?;
        return Some(&string[end + 1..]);
    }
    let end = value.find([';', ',', ' ', '\t']).unwrap_or(value.len());
    let (bare, rest) = value.split_at(end);
    (!bare.is_empty() && bare.bytes().all(|byte| byte.is_ascii_graphic())).then_some(rest)
}

/// Why a list names no addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum AddressListError {
    /// Longer than a few addresses.
    #[error("a list of addresses that is too long")]
    TooLong,
    /// Not a list of strings.
    #[error("not a list of strings")]
    Malformed,
    /// A string that is no address with a port.
    #[error("not an address with a port")]
    NoAddress,
    /// More than there can be use for.
    #[error("too many addresses")]
    TooMany,
}

#[cfg(test)]
mod tests;
