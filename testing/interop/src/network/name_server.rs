//! A name service in a network (RFC 1035), which may make up IPv6 addresses for a network that translates (DNS64, RFC 6147).

use std::{
    collections::BTreeMap,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use super::{Host, NetworkError, namespace::lock, nat64_address};

const PORT: u16 = 53;
/// How long an answer may be kept, in seconds.
const TTL: u32 = 5;
/// How often it looks whether it is still wanted.
const LOOK: Duration = Duration::from_millis(100);

/// The types of records that are known, and the class of all of them.
const TYPE_A: u16 = 1;
const TYPE_AAAA: u16 = 28;
const CLASS_IN: u16 = 1;

/// A response to a standard question, by a server that would ask others; and what is wrong with it.
const ANSWERED: u16 = 0x8180;
const NO_SUCH_NAME: u16 = 3;
/// Where the name of the question stands, as a pointer.
const NAME_OF_QUESTION: u16 = 0xc00c;
const HEADER_LEN: usize = 12;

/// Answers at a host for as long as this value lives.
#[derive(Debug)]
pub struct NameServer {
    names: Names,
    address: IpAddr,
    /// Its end ends the service.
    _wanted: Arc<()>,
}

type Names = Arc<Mutex<BTreeMap<String, Vec<IpAddr>>>>;

/// Whether IPv6 addresses are made up for names that have IPv4 addresses alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Synthesis {
    /// Names have the addresses that they have.
    None,
    /// As in a network whose router translates ([`Segment::nat64`](super::Segment::nat64)).
    Dns64,
}

impl NameServer {
    /// A service that knows no name so far, at the host's first address of IPv6 if it makes up such, else at its first one.
    ///
    /// # Errors
    ///
    /// When the port is not to be had; when the network is torn down.
    pub fn start(host: &Host, synthesis: Synthesis) -> Result<Self, NetworkError> {
        let address = match (synthesis, host.ipv6_address()) {
            (Synthesis::Dns64, Some(ipv6)) => IpAddr::V6(ipv6),
            _ => host.address(),
        };
        let socket = host.udp_socket_at(SocketAddr::new(address, PORT))?;
        socket
            .set_read_timeout(Some(LOOK))
            .map_err(NetworkError::io("a name service"))?;
        let (names, wanted) = (Names::default(), Arc::new(()));
        let (known, unwanted) = (Arc::clone(&names), Arc::downgrade(&wanted));
        thread::spawn(move || {
            while unwanted.strong_count() > 0 {
                // A host that is gone makes errors without a pause.
                if let Err(error) = serve(&socket, &known, synthesis)
                    && !matches!(
                        error.kind(),
                        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                    )
                {
                    thread::sleep(LOOK);
                }
            }
        });
        Ok(Self {
            names,
            address,
            _wanted: wanted,
        })
    }

    /// Where it is asked.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// From now on this name has these addresses.
    pub fn add(&self, name: &str, addresses: &[IpAddr]) {
        lock(&self.names).insert(name.to_ascii_lowercase(), addresses.to_vec());
    }
}

fn serve(socket: &UdpSocket, names: &Names, synthesis: Synthesis) -> io::Result<()> {
    let mut buffer = [0; 512];
    let (length, from) = socket.recv_from(&mut buffer)?;
    let asked = buffer.get(..length).and_then(Question::read);
    if let Some(question) = asked {
        let names = lock(names);
        let found = names.get(&question.name).map(Vec::as_slice);
        let answer = question.answer(found, synthesis);
        drop(names);
        socket.send_to(&answer, from)?;
    }
    Ok(())
}

/// What is asked.
struct Question<'a> {
    id: [u8; 2],
    name: String,
    kind: u16,
    /// As it came, which is how it stands in the answer.
    section: &'a [u8],
}

impl<'a> Question<'a> {
    fn read(message: &'a [u8]) -> Option<Self> {
        let (header, rest) = message.split_at_checked(HEADER_LEN)?;
        let (mut labels, mut left) = (Vec::new(), rest);
        loop {
            let (length, behind) = left.split_first()?;
            let (label, behind) = behind.split_at_checked(usize::from(*length))?;
            left = behind;
            if label.is_empty() {
                break;
            }
            labels.push(String::from_utf8_lossy(label).to_ascii_lowercase());
        }
        let [high, low, _, _, ..] = *left else {
            return None;
        };
        let length = rest.len() - left.len() + 4;
        Some(Self {
            id: header.first_chunk().copied()?,
            name: labels.join("."),
            kind: u16::from_be_bytes([high, low]),
            section: rest.get(..length)?,
        })
    }

    fn answer(&self, found: Option<&[IpAddr]>, synthesis: Synthesis) -> Vec<u8> {
        let known = found.unwrap_or_default();
        let records: Vec<Vec<u8>> = match self.kind {
            TYPE_A => ipv4(known).map(|ip| ip.octets().to_vec()).collect(),
            TYPE_AAAA => aaaa(known, synthesis),
            _ => Vec::new(),
        };
        let flags = ANSWERED | if found.is_some() { 0 } else { NO_SUCH_NAME };
        let mut answer = self.id.to_vec();
        // One question, and no records beside the answers.
        for number in [flags, 1, records.len() as u16, 0, 0] {
            answer.extend(number.to_be_bytes());
        }
        answer.extend(self.section);
        for data in records {
            for number in [NAME_OF_QUESTION, self.kind, CLASS_IN] {
                answer.extend(number.to_be_bytes());
            }
            answer.extend(TTL.to_be_bytes());
            answer.extend((data.len() as u16).to_be_bytes());
            answer.extend(data);
        }
        answer
    }
}

fn ipv4(addresses: &[IpAddr]) -> impl Iterator<Item = Ipv4Addr> {
    addresses.iter().filter_map(|address| match address {
        IpAddr::V4(address) => Some(*address),
        IpAddr::V6(_) => None,
    })
}

/// What is made up is made up only where there is nothing else (RFC 6147, section 5.1.6).
fn aaaa(addresses: &[IpAddr], synthesis: Synthesis) -> Vec<Vec<u8>> {
    let own: Vec<Vec<u8>> = addresses
        .iter()
        .filter_map(|address| match address {
            IpAddr::V6(address) => Some(address.octets().to_vec()),
            IpAddr::V4(_) => None,
        })
        .collect();
    if own.is_empty() && synthesis == Synthesis::Dns64 {
        let made_up = ipv4(addresses).map(nat64_address);
        return made_up.map(|address| address.octets().to_vec()).collect();
    }
    own
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use super::*;

    const QUESTION: &[u8] = b"\x07\x07\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\
        \x04TURN\x07example\x03org\x00\x00\x1c\x00\x01";

    #[test]
    fn an_ipv6_address_is_made_up_where_there_is_none_and_in_such_a_network_alone() {
        let question = Question::read(QUESTION).unwrap();
        assert_eq!(question.name, "turn.example.org");
        let ipv4 = Ipv4Addr::new(203, 0, 113, 5);
        let own = Ipv6Addr::LOCALHOST;
        let made_up = nat64_address(ipv4);
        for (addresses, synthesis, expected) in [
            (vec![ipv4.into()], Synthesis::None, None),
            (vec![ipv4.into()], Synthesis::Dns64, Some(made_up)),
            (vec![ipv4.into(), own.into()], Synthesis::Dns64, Some(own)),
        ] {
            let answer = question.answer(Some(&addresses), synthesis);
            let count = usize::from(expected.is_some());
            assert_eq!(answer[..8], [7, 7, 0x81, 0x80, 0, 1, 0, count as u8]);
            assert_eq!(answer[12..QUESTION.len()], QUESTION[12..]);
            let data = answer.get(QUESTION.len() + 12..).unwrap_or_default();
            assert_eq!(data, expected.map_or(vec![], |it| it.octets().to_vec()));
        }
    }

    #[test]
    fn a_name_that_nobody_has_added_is_no_name_and_half_a_question_is_none() {
        let question = Question::read(QUESTION).unwrap();
        let answer = question.answer(None, Synthesis::Dns64);
        assert_eq!(answer[..8], [7, 7, 0x81, 0x83, 0, 1, 0, 0]);
        for length in 0..QUESTION.len() - 2 {
            assert!(Question::read(&QUESTION[..length]).is_none(), "{length}");
        }
    }
}
