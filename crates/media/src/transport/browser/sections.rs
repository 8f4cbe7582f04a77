//! The lines of a session description, by section (RFC 8866 section 5).

use super::{super::TransportError, MAX_PEER_DESCRIPTION_LEN};

/// The most m-lines that are read. A browser in a group call has some ten.
const MAX_MEDIA_LINES: usize = 32;
/// The longest line: browsers' longest are certificates' fingerprints and lists of formats.
const MAX_LINE_LEN: usize = 1024;
/// The longest word that is repeated in our answer.
const MAX_WORD_LEN: usize = 64;

/// The part before the first m-line, or an m-line with what belongs to it.
#[derive(Debug, Default)]
pub(super) struct Section<'a> {
    /// The m-line's words; none before the first.
    pub(super) media: Vec<&'a str>,
    /// The attributes, name and value; without a colon the value is empty.
    attributes: Vec<(&'a str, &'a str)>,
}

impl<'a> Section<'a> {
    /// The values of all attributes of this name.
    pub(super) fn values(&self, name: &str) -> impl Iterator<Item = &'a str> {
        let named = self.attributes.iter().filter(move |(key, _)| *key == name);
        named.map(|(_, value)| *value)
    }

    /// The value of the first attribute of this name.
    pub(super) fn value(&self, name: &str) -> Option<&'a str> {
        self.values(name).next()
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }
}

/// Reads a description into the section before the m-lines, and those of the m-lines.
pub(super) fn read(sdp: &str) -> Result<(Section<'_>, Vec<Section<'_>>), TransportError> {
    if sdp.len() > MAX_PEER_DESCRIPTION_LEN {
        return Err(TransportError::DescriptionTooLong);
    }
    let mut session = Section::default();
    let mut sections: Vec<Section<'_>> = Vec::new();
    let mut lines = sdp.split(['\r', '\n']).filter(|line| !line.is_empty());
    if lines.next() != Some("v=0") {
        return Err(malformed("it does not begin with v=0"));
    }
    for line in lines {
        if line.len() > MAX_LINE_LEN || line.chars().any(char::is_control) {
            return Err(malformed("a line is too long, or has control characters"));
        }
        let Some((
            kind @ ("a" | "b" | "c" | "e" | "i" | "k" | "m" | "o" | "p" | "r" | "s" | "t" | "u"
            | "z"),
            value,
        )) = line.split_once('=')
        else {
            return Err(malformed("a line is none of session descriptions"));
        };
        match kind {
            "m" => {
                if sections.len() >= MAX_MEDIA_LINES {
                    return Err(malformed("it has too many m-lines"));
                }
                sections.push(media_section(value)?);
            }
            "a" => {
                let attribute = value.split_once(':').unwrap_or((value, ""));
                let section = sections.last_mut().unwrap_or(&mut session);
                section.attributes.push(attribute);
            }
            // Bandwidth, times, names: nothing that we go by.
            _ => {}
        }
    }
    Ok((session, sections))
}

/// `m=audio 9 UDP/TLS/RTP/SAVPF 111 63`: media, port, protocol, and at least one format.
fn media_section(value: &str) -> Result<Section<'_>, TransportError> {
    let media: Vec<&str> = value.split(' ').filter(|word| !word.is_empty()).collect();
    let repeated = media.iter().take(4);
    let are_words = repeated.into_iter().all(|word| is_word(word));
    if media.len() < 4 || !are_words || media[1].parse::<u16>().is_err() {
        return Err(malformed("an m-line cannot be read"));
    }
    Ok(Section {
        media,
        attributes: Vec::new(),
    })
}

/// Whether this can stand in a line of ours as it is.
pub(super) fn is_word(word: &str) -> bool {
    (1..=MAX_WORD_LEN).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_graphic())
}

pub(super) fn malformed(reason: &str) -> TransportError {
    TransportError::Description(reason.to_owned())
}
