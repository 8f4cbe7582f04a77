//! Who of all that take part in a call has packets with whom: as they are on the loopback interface, and not as it should be.

use std::collections::{BTreeMap, BTreeSet};

/// Packets between two processes, whichever sends. Names are in order.
pub(crate) type Meetings = BTreeMap<[String; 2], usize>;

/// What was observed of a call.
#[derive(Clone, Debug)]
pub(crate) struct Observation {
    /// Who has met whom; why that is not known where it is not.
    pub(crate) meetings: Result<Meetings, String>,
    /// Whose ports these were.
    pub(crate) owners: BTreeMap<u16, String>,
}

impl Observation {
    /// Those with whom somebody has had packets.
    pub(crate) fn met(&self, name: &str) -> BTreeSet<&str> {
        let meetings = self.meetings.iter().flatten();
        let pairs = meetings.filter_map(|([one, other], _)| {
            let met = if one == name { other } else { one };
            (one == name || other == name).then_some(met.as_str())
        });
        pairs.collect()
    }

    /// In words: a line for each pair.
    pub(crate) fn lines(&self) -> Vec<(String, String)> {
        match &self.meetings {
            Ok(meetings) => meetings
                .iter()
                .map(|([one, other], packets)| {
                    (format!("{one} and {other}"), format!("{packets} packets"))
                })
                .collect(),
            Err(why) => {
                let sockets = self.owners.iter();
                let sockets: Vec<String> = sockets
                    .map(|(port, owner)| format!("{owner} has port {port}"))
                    .collect();
                let known = if sockets.is_empty() {
                    "nothing".to_owned()
                } else {
                    sockets.join(", ")
                };
                vec![(
                    "packets".to_owned(),
                    format!(
                        "not observed ({why}); as root they are. What can be seen without: {known}"
                    ),
                )]
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) use elsewhere::Lookout;
#[cfg(target_os = "linux")]
pub(crate) use linux::Lookout;

#[cfg(not(target_os = "linux"))]
mod elsewhere {
    use super::Observation;

    /// Sees nothing: here nobody says whose a port is.
    pub(crate) struct Lookout;

    impl Lookout {
        pub(crate) fn new() -> Self {
            Self
        }

        pub(crate) fn look(&mut self, _: &[(String, u32)]) {}

        pub(crate) fn over(self) -> Observation {
            Observation {
                meetings: Err("only on Linux".to_owned()),
                owners: Default::default(),
            }
        }
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::collections::{BTreeMap, BTreeSet};
    use std::fs;
    use std::time::{Duration, Instant};

    use securecall_interop::network::Capture;

    use super::{Meetings, Observation};

    /// How often it is looked whose sockets there are. None is used for less than a second.
    const LOOK_EVERY: Duration = Duration::from_millis(100);

    /// Looks on while a call runs.
    pub(crate) struct Lookout {
        capture: Result<Capture, String>,
        owners: BTreeMap<u16, String>,
        looked_at: Option<Instant>,
    }

    impl Lookout {
        /// From now on.
        pub(crate) fn new() -> Self {
            Self {
                capture: Capture::of_loopback().map_err(|error| error.to_string()),
                owners: BTreeMap::new(),
                looked_at: None,
            }
        }

        /// Notes which sockets these processes have by UDP.
        pub(crate) fn look(&mut self, processes: &[(String, u32)]) {
            let now = Instant::now();
            if self.looked_at.is_some_and(|at| now < at + LOOK_EVERY) {
                return;
            }
            self.looked_at = Some(now);
            let ports = ports_by_inode();
            for (name, process) in processes {
                for inode in sockets_of(*process) {
                    if let Some(port) = ports.get(&inode) {
                        self.owners.insert(*port, name.clone());
                    }
                }
            }
        }

        /// What there was.
        pub(crate) fn over(self) -> Observation {
            let owners = self.owners;
            let meetings = self.capture.and_then(|capture| {
                let packets = capture.stop().map_err(|error| error.to_string())?;
                let mut meetings = Meetings::new();
                for packet in packets {
                    let ends =
                        [packet.source, packet.destination].map(|end| owners.get(&end.port()));
                    // What has no part in the call is not ours to count.
                    if let [Some(one), Some(other)] = ends {
                        let mut pair = [one.clone(), other.clone()];
                        pair.sort();
                        *meetings.entry(pair).or_default() += 1;
                    }
                }
                // Each was there as it left and as it came.
                meetings
                    .values_mut()
                    .for_each(|count| *count = count.div_ceil(2));
                Ok(meetings)
            });
            Observation { meetings, owners }
        }
    }

    /// The sockets of a process; none if it has ended.
    fn sockets_of(process: u32) -> BTreeSet<u64> {
        let entries = fs::read_dir(format!("/proc/{process}/fd"));
        let links = entries.into_iter().flatten().flatten();
        let links = links.filter_map(|entry| fs::read_link(entry.path()).ok());
        links
            .filter_map(|link| {
                let inode = link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?;
                inode.parse().ok()
            })
            .collect()
    }

    /// The ports of all sockets of UDP.
    fn ports_by_inode() -> BTreeMap<u64, u16> {
        let tables = ["/proc/net/udp", "/proc/net/udp6"].map(fs::read_to_string);
        let tables: String = tables.into_iter().flatten().collect();
        tables.lines().filter_map(port_and_inode).collect()
    }

    /// A line of the table: the local address is the second field, the inode the tenth.
    fn port_and_inode(line: &str) -> Option<(u64, u16)> {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (_, port) = fields.get(1)?.rsplit_once(':')?;
        let inode = fields.get(9)?.parse().ok()?;
        Some((inode, u16::from_str_radix(port, 16).ok()?))
    }

    #[cfg(test)]
    mod tests {
        use std::net::UdpSocket;

        use super::*;

        #[test]
        fn whose_a_socket_is_and_what_it_sends_is_seen_where_one_may_look() {
            let mut lookout = Lookout::new();
            let [one, other] = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
            lookout.look(&[("this".to_owned(), std::process::id())]);
            for _ in 0..3 {
                one.send_to(b"hello", other.local_addr().unwrap()).unwrap();
                other.recv_from(&mut [0; 9]).unwrap();
            }
            let seen = lookout.over();
            for socket in [&one, &other] {
                let port = socket.local_addr().unwrap().port();
                assert_eq!(seen.owners.get(&port).map(String::as_str), Some("this"));
            }
            // The tests of CI run as root; elsewhere it is said why not.
            match &seen.meetings {
                Ok(_) => assert_eq!(seen.met("this"), ["this"].into()),
                Err(why) => assert!(why.contains("raw socket"), "{why}"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_is_told_and_what_was_not_is_too() {
        let pair = |one: &str, other: &str| [one.to_owned(), other.to_owned()];
        let seen = Observation {
            meetings: Ok([(pair("a", "b"), 7), (pair("b", "c"), 9)].into()),
            owners: BTreeMap::new(),
        };
        assert_eq!(seen.met("b"), ["a", "c"].into());
        assert_eq!(seen.met("a"), ["b"].into());
        assert_eq!(seen.lines().len(), 2);
        let unseen = Observation {
            meetings: Err("no permission".to_owned()),
            owners: [(443, "the entry".to_owned())].into(),
        };
        let said = &unseen.lines()[0].1;
        assert!(
            said.contains("no permission") && said.contains("443"),
            "{said}"
        );
    }
}
