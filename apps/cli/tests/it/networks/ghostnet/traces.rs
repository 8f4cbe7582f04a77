//! Traces of people: addresses and names, as they may stand in packets, files, logs and memory.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

/// How a message of STUN is known (RFC 8489, section 5); it hides addresses by it, too.
const MAGIC_COOKIE: u32 = 0x2112_a442;

/// Bytes that name somebody.
pub(super) struct Traces {
    /// What it is, for people, and the bytes.
    patterns: Vec<(String, Vec<u8>)>,
    /// Which two bytes any of them begins with.
    beginnings: Vec<bool>,
}

impl Traces {
    /// Of these ends of packets, and these names.
    ///
    /// Four bytes may be anything, so an address of IPv4 is looked for in letters, and with its port: as on the wire, as in a
    /// structure of the system or of this language, and as STUN hides it. One of IPv6 is found without.
    pub(super) fn of(ends: &BTreeSet<SocketAddr>, names: &[String]) -> Self {
        let mut patterns = Vec::new();
        for end in ends {
            let text = end.ip().to_string();
            patterns.push((format!("{text} in letters"), text.clone().into_bytes()));
            match end.ip() {
                IpAddr::V6(ip) => patterns.push((text, ip.octets().to_vec())),
                IpAddr::V4(ip) => {
                    let (ip, port) = (ip.octets(), end.port());
                    let hidden_ip = (u32::from_be_bytes(ip) ^ MAGIC_COOKIE).to_be_bytes();
                    let hidden_port = (port ^ (MAGIC_COOKIE >> 16) as u16).to_be_bytes();
                    for port in [port.to_be_bytes(), port.to_le_bytes()] {
                        patterns.push((format!("{end}"), [&ip[..], &port].concat()));
                        patterns.push((format!("{end}"), [&port[..], &ip].concat()));
                    }
                    let hidden = [&hidden_port[..], &hidden_ip].concat();
                    patterns.push((format!("{end} of STUN"), hidden));
                }
            }
        }
        for name in names {
            patterns.push((name.clone(), name.clone().into_bytes()));
        }
        patterns.sort();
        patterns.dedup();
        let mut beginnings = vec![false; 1 << 16];
        for (_, pattern) in &patterns {
            beginnings[beginning(pattern)] = true;
        }
        Self {
            patterns,
            beginnings,
        }
    }

    /// Which of them are in these bytes.
    pub(super) fn within(&self, bytes: &[u8]) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for at in 0..bytes.len().saturating_sub(1) {
            if self.beginnings[beginning(&bytes[at..])] {
                let here = self.patterns.iter();
                let here = here.filter(|(_, pattern)| bytes[at..].starts_with(pattern));
                found.extend(here.map(|(name, _)| name.clone()));
            }
        }
        found
    }

    /// Which of them are in the files of a folder, or in their names.
    pub(super) fn in_folder(&self, folder: &Path) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            found.extend(self.within(path.as_os_str().as_encoded_bytes()));
            found.extend(self.within(&fs::read(&path).unwrap()));
        }
        found
    }

    /// Which of them are in a memory, and where.
    pub(super) fn in_memory(&self, memory: &Memory) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for (place, bytes) in &memory.0 {
            let here = self.within(bytes).into_iter();
            found.extend(here.map(|what| format!("{what} ({place})")));
        }
        found
    }
}

/// What a process can write to: heap, stacks, and all else that is not a program; with what each part is for.
pub(super) struct Memory(Vec<(String, Vec<u8>)>);

impl Memory {
    pub(super) fn of(process: u32) -> Self {
        let maps = fs::read_to_string(format!("/proc/{process}/maps")).unwrap();
        let memory = File::open(format!("/proc/{process}/mem")).unwrap();
        let mut parts = Vec::new();
        for line in maps.lines() {
            let mut fields = line.split_whitespace();
            let (range, rights) = (fields.next().unwrap(), fields.next().unwrap());
            let place = fields.nth(3).unwrap_or("anonymous");
            if !rights.starts_with("rw") {
                continue;
            }
            let (from, to) = range.split_once('-').unwrap();
            let [from, to] = [from, to].map(|end| u64::from_str_radix(end, 16).unwrap());
            let mut bytes = vec![0; usize::try_from(to - from).unwrap()];
            // What was given back meanwhile is not there any more.
            if memory.read_exact_at(&mut bytes, from).is_ok() {
                parts.push((place.to_owned(), bytes));
            }
        }
        let read: usize = parts.iter().map(|(_, bytes)| bytes.len()).sum();
        assert!(read > 1 << 20, "a process has more than {read} bytes");
        Self(parts)
    }
}

/// The first two bytes as a number.
fn beginning(bytes: &[u8]) -> usize {
    usize::from(bytes[0]) << 8 | usize::from(bytes[1])
}

#[test]
fn what_names_somebody_is_found_in_each_of_its_forms_and_nothing_else_is() {
    let ends: BTreeSet<SocketAddr> = ["192.0.2.7:4660", "[2001:db8::7]:9"]
        .map(|end| end.parse().unwrap())
        .into();
    let traces = Traces::of(&ends, &["@ada:test".to_owned()]);
    let found = |bytes: &[u8]| traces.within(&[b"before", bytes, b"behind"].concat()).len();
    assert_eq!(found(&[192, 0, 2, 7, 0x12, 0x34]), 1);
    assert_eq!(found(&[192, 0, 2, 7, 0x34, 0x12]), 1);
    assert_eq!(found(&[0x12, 0x34, 192, 0, 2, 7]), 1);
    assert_eq!(found(&[0x33, 0x26, 0xe1, 0x12, 0xa6, 0x45]), 1);
    assert_eq!(found(b"192.0.2.7"), 1);
    assert_eq!(found(b"@ada:test"), 1);
    let mut ipv6 = vec![0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(found(&ipv6), 0);
    ipv6.push(7);
    assert_eq!(found(&ipv6), 1);
    assert_eq!(found(&[192, 0, 2, 7, 0x12, 0x35]), 0);
    let own = traces.in_memory(&Memory::of(std::process::id()));
    assert!(own.iter().any(|what| what.contains("@ada:test")), "{own:?}");
}
