//! The lines of a session description (SDP), as tolerant a reader as any takes them.

/// The lines. Whatever some reader takes for the end of one is one, so that no line hides in another.
pub(crate) fn lines(sdp: &str) -> impl Iterator<Item = &str> {
    sdp.split(['\r', '\n'])
}

/// Whether a line is an attribute of this name, however it is spelt.
pub(crate) fn is_attribute(line: &str, name: &str) -> bool {
    let Some((kind, attribute)) = line.trim_start().split_once('=') else {
        return false;
    };
    let key = attribute.split(':').next().unwrap_or_default();
    kind.trim_end() == "a" && key.trim().eq_ignore_ascii_case(name)
}
