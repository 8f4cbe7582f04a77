//! As much of HTTP/3 as it takes to ask for a flow (RFC 9114, RFC 9204, RFC 9220, RFC 9297).

/// A control stream and its settings: extended CONNECT, datagrams.
pub(crate) const CONTROL: [u8; 7] = [0x00, 0x04, 0x04, 0x08, 0x01, 0x33, 0x01];

const HEADERS: u64 = 0x01;
/// `:status: 200`, from the static table.
const STATUS_200: u8 = 0xC0 | 25;

/// A request for a flow.
pub(crate) fn request(path: &str, authorization: &str, binds: bool) -> Vec<u8> {
    let mut section = vec![0, 0];
    section.push(0xC0 | 15); // :method: CONNECT
    section.push(0xC0 | 23); // :scheme: https
    section.push(0x50); // :authority
    text(&mut section, 7, 0, "relay.test");
    section.push(0x51); // :path
    text(&mut section, 7, 0, path);
    named(&mut section, ":protocol", "connect-udp");
    named(&mut section, "capsule-protocol", "?1");
    if binds {
        named(&mut section, "connect-udp-bind", "?1");
    }
    named(&mut section, "authorization", authorization);
    let mut frame = Vec::new();
    varint(&mut frame, HEADERS);
    varint(&mut frame, section.len() as u64);
    frame.extend(section);
    frame
}

fn named(section: &mut Vec<u8>, name: &str, value: &str) {
    text(section, 3, 0x20, name);
    text(section, 7, 0, value);
}

/// A string behind its length, a prefixed integer (RFC 7541 section 5.1).
fn text(section: &mut Vec<u8>, bits: u32, pattern: u8, text: &str) {
    let most = (1_usize << bits) - 1;
    if text.len() < most {
        section.push(pattern | text.len() as u8);
    } else {
        section.push(pattern | most as u8);
        let mut rest = text.len() - most;
        while rest >= 0x80 {
            section.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        section.push(rest as u8);
    }
    section.extend(text.as_bytes());
}

/// A frame of type DATA.
pub(crate) fn data(contents: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x00];
    varint(&mut frame, contents.len() as u64);
    frame.extend(contents);
    frame
}

fn varint(bytes: &mut Vec<u8>, value: u64) {
    bytes.extend(securecall_relay::masque::varint::encode(value).as_ref());
}

/// The contents of the DATA frames behind the header of an answer; `None` while that is not there.
pub(crate) fn answer(stream: &[u8]) -> Option<Vec<u8>> {
    let read = securecall_relay::masque::varint::read;
    let (kind, rest) = read(stream)?;
    let (length, rest) = read(rest)?;
    let (section, mut rest) = rest.split_at_checked(length as usize)?;
    assert_eq!(kind, HEADERS, "no answer");
    assert_eq!(section[2], STATUS_200, "refused: {section:?}");
    let mut contents = Vec::new();
    while let Some((_, behind)) = read(rest) {
        let (length, behind) = read(behind)?;
        let (data, behind) = behind.split_at_checked(length as usize)?;
        contents.extend(data);
        rest = behind;
    }
    Some(contents)
}
