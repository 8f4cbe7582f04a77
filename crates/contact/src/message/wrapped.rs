//! Links inside links: mail gateways, chats and search engines lead through a page of their own, which has the link in its address.

use std::borrow::Cow;

use data_encoding::BASE64URL_NOPAD;
use percent_encoding::percent_decode_str;
use url::form_urlencoded;

use super::piece::starts;

/// The links that a web address could hold, the likeliest first. An address has an end, by [`Extent`](super::span::Extent).
pub(super) fn links_in(link: &str) -> Vec<String> {
    let mut links: Vec<String> = proofpoint(link).into_iter().collect();
    links.extend(link_within(link).map(str::to_owned));
    let page = link.split('#').next().unwrap_or_default();
    if let Some((_, query)) = page.split_once('?') {
        let pairs = form_urlencoded::parse(query.as_bytes());
        links.extend(pairs.filter_map(|(_, value)| link_in(&value)));
    }
    // Some have it in their path, encoded.
    let decoded = percent_decode_str(link).decode_utf8_lossy();
    if let Cow::Owned(decoded) = decoded {
        links.extend(link_within(&decoded).map(str::to_owned));
    }
    links
}

/// From where on a text is a link, if it is one or holds one.
fn link_in(text: &str) -> Option<String> {
    is_link(text)
        .then(|| text.to_owned())
        .or_else(|| link_within(text).map(str::to_owned))
}

/// The first link behind the beginning.
fn link_within(text: &str) -> Option<&str> {
    text.char_indices()
        .skip(1)
        .map(|(at, _)| &text[at..])
        .find(|rest| is_link(rest))
}

/// Whether a text begins with a link that could be a contact's.
pub(super) fn is_link(text: &str) -> bool {
    starts(text, "securecall://") || starts(text, "https://")
}

/// The link in one of Proofpoint's, which have an encoding of their own.
fn proofpoint(link: &str) -> Option<String> {
    if let Some((_, rest)) = link.split_once("/v2/url?u=") {
        let encoded = rest.split('&').next().unwrap_or_default();
        let encoded = encoded.replace('-', "%").replace('_', "/");
        return Some(
            percent_decode_str(&encoded)
                .decode_utf8_lossy()
                .into_owned(),
        );
    }
    // https://urldefense.com/v3/__<link>__;<what the stars stand for>!!…
    let (_, rest) = link.split_once("/v3/__")?;
    let (inner, rest) = rest.split_once("__;")?;
    let replaced = rest.split('!').next().unwrap_or_default();
    let replaced = unpadded_base64(replaced)?;
    Some(with_stars_replaced(inner, &replaced))
}

fn unpadded_base64(text: &str) -> Option<String> {
    let bytes = BASE64URL_NOPAD
        .decode(text.trim_end_matches('=').as_bytes())
        .ok()?;
    String::from_utf8(bytes).ok()
}

/// Each star stands for the next character; two with a letter behind them for as many as the letter says.
fn with_stars_replaced(inner: &str, replaced: &str) -> String {
    let mut characters = replaced.chars();
    let mut out = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(at) = rest.find('*') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let run = rest.strip_prefix('*').and_then(|behind| {
            let letter = behind.bytes().next()?;
            Some((run_length(letter)?, &behind[1..]))
        });
        let count = match run {
            Some((count, behind)) => {
                rest = behind;
                count
            }
            None => 1,
        };
        out.extend(characters.by_ref().take(count));
    }
    out.push_str(rest);
    out
}

fn run_length(letter: u8) -> Option<usize> {
    let place = match letter {
        b'A'..=b'Z' => letter - b'A',
        b'a'..=b'z' => letter - b'a' + 26,
        b'0'..=b'9' => letter - b'0' + 52,
        b'-' => 62,
        b'_' => 63,
        _ => return None,
    };
    Some(usize::from(place) + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_what_was_replaced() {
        assert_eq!(with_stars_replaced("a*b*c", "#?"), "a#b?c");
        assert_eq!(with_stars_replaced("a**Ab*", "##?"), "a##b?");
        assert_eq!(with_stars_replaced("**", ""), "");
        assert_eq!(with_stars_replaced("x***", "é"), "xé");
    }
}
