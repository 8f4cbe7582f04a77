//! Settings of coturn that keep records, or let users of it into networks that are not the Internet.

use std::net::IpAddr;
use std::path::Path;

use securecall_daemon::Failure;

use super::finding::{Finding, Place};
use super::settings::read_text;

/// One address of each network that is nobody's on the Internet.
const INSIDE: [&str; 10] = [
    "10.0.0.1",
    "100.64.0.1",
    "127.0.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "192.168.0.1",
    "::1",
    "::ffff:10.0.0.1",
    "fd00::1",
    "fe80::1",
];

/// `key` or `key=value`, one a line.
struct Lines(Vec<(String, String)>);

impl Lines {
    fn parse(text: &str) -> Self {
        let lines = text.lines().map(str::trim);
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        let pairs = lines.map(|line| {
            let (key, value) = line.split_once('=').unwrap_or((line, ""));
            (key.trim().to_owned(), value.trim().to_owned())
        });
        Self(pairs.collect())
    }

    fn has(&self, key: &str) -> bool {
        self.0.iter().any(|(known, _)| known == key)
    }

    fn values<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        let pairs = self.0.iter().filter(move |(known, _)| known == key);
        pairs.map(|(_, value)| value.as_str())
    }
}

/// Looks at a `turnserver.conf`.
pub(super) fn check(path: &Path) -> Result<Vec<Finding>, Failure> {
    Ok(check_lines(&Lines::parse(&read_text(path)?)))
}

fn check_lines(lines: &Lines) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut add = |name: &str, found: &str, keeps: &str, change: &str| {
        findings.push(Finding {
            place: Place::Turn,
            name: name.to_owned(),
            found: found.to_owned(),
            keeps: keeps.to_owned(),
            change: change.to_owned(),
        });
    };
    let file = lines.values("log-file").last();
    if file != Some("/dev/null") {
        add(
            "log-file",
            file.unwrap_or("not set, which is a file in /var/log or /var/tmp"),
            "each session: user name, addresses of both ends, how long",
            "simple-log\nlog-file=/dev/null",
        );
    }
    if file == Some("/dev/null") && !lines.has("simple-log") {
        add(
            "simple-log",
            "not set: a date is put behind the name, and /dev/null is a file like another",
            "each session: user name, addresses of both ends, how long",
            "simple-log",
        );
    }
    if lines.has("syslog") {
        add(
            "syslog",
            "set",
            "each session: user name, addresses of both ends, how long",
            "remove `syslog`",
        );
    }
    if !lines.has("no-stdout-log") {
        add(
            "no-stdout-log",
            "not set",
            "each session in the journal: user name, addresses of both ends, how long",
            "no-stdout-log",
        );
    }
    for key in ["verbose", "Verbose"] {
        if lines.has(key) {
            add(
                key,
                "set",
                "each packet of a set-up",
                &format!("remove `{key}`"),
            );
        }
    }
    for key in [
        "redis-statsdb",
        "redis-userdb",
        "mongo-userdb",
        "prometheus-username-labels",
    ] {
        if lines.has(key) {
            add(
                key,
                "set",
                "sessions by user name, outside of this server",
                &format!("remove `{key}`"),
            );
        }
    }
    if !lines.has("no-cli") {
        add(
            "no-cli",
            "not set",
            "every session ready to be listed, for whoever reaches port 5766 of this machine",
            "no-cli",
        );
    }
    if lines.has("no-auth")
        || !["use-auth-secret", "lt-cred-mech"]
            .iter()
            .any(|key| lines.has(key))
    {
        add(
            "use-auth-secret",
            "not set",
            "nobody out: whoever finds it sends through it",
            "use-auth-secret\nstatic-auth-secret=…",
        );
    }
    let open = inside_networks(lines);
    if !open.is_empty() {
        add(
            "denied-peer-ip",
            &format!("lets users reach {}", open.join(", ")),
            "no user out of this machine's own networks",
            "denied-peer-ip=10.0.0.0-10.255.255.255, and so on: see coturn/turnserver.conf of `securecall-server init`",
        );
    }
    findings
}

/// Which of the inside networks nothing denies.
fn inside_networks(lines: &Lines) -> Vec<&'static str> {
    let denied: Vec<(IpAddr, IpAddr)> = lines
        .values("denied-peer-ip")
        .filter_map(|range| {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            Some((first.trim().parse().ok()?, last.trim().parse().ok()?))
        })
        .collect();
    INSIDE
        .into_iter()
        .filter(|text| {
            let is_denied = text.parse::<IpAddr>().is_ok_and(|address| {
                denied
                    .iter()
                    .any(|(first, last)| (first..=last).contains(&&address))
            });
            !is_denied
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        let findings = check_lines(&Lines::parse(text));
        findings.into_iter().map(|finding| finding.name).collect()
    }

    const OURS: &str = include_str!("../../templates/coturn/turnserver.conf");

    #[test]
    fn ours_makes_no_finding_and_one_of_which_nothing_is_set_five() {
        assert_eq!(names(OURS), [""; 0]);
        let all = [
            "log-file",
            "no-stdout-log",
            "no-cli",
            "use-auth-secret",
            "denied-peer-ip",
        ];
        assert_eq!(names("# nothing\n"), all);
    }

    #[test]
    fn each_line_that_is_missing_or_too_many_is_found() {
        for (from, to, name) in [
            (
                "log-file=/dev/null",
                "log-file=/var/log/turn.log",
                "log-file",
            ),
            ("\nno-stdout-log\n", "\n", "no-stdout-log"),
            ("\nsimple-log\n", "\n", "simple-log"),
            ("\nno-cli\n", "\n", "no-cli"),
            ("\nuse-auth-secret\n", "\n", "use-auth-secret"),
            ("\nfingerprint\n", "\nno-auth\n", "use-auth-secret"),
            ("\nfingerprint\n", "\nsyslog\n", "syslog"),
            ("\nfingerprint\n", "\nverbose\n", "verbose"),
            (
                "\nfingerprint\n",
                "\nredis-statsdb=\"ip=127.0.0.1\"\n",
                "redis-statsdb",
            ),
        ] {
            let text = OURS.replace(from, to);
            assert_ne!(text, OURS, "{from}");
            assert_eq!(names(&text), [name]);
        }
    }

    #[test]
    fn each_network_must_be_denied() {
        for line in OURS
            .lines()
            .filter(|line| line.starts_with("denied-peer-ip="))
        {
            let text = OURS.replace(&format!("{line}\n"), "");
            let open = inside_networks(&Lines::parse(&text));
            let (first, last) = line["denied-peer-ip=".len()..]
                .split_once('-')
                .unwrap_or((&line[15..], &line[15..]));
            let (first, last): (IpAddr, IpAddr) = (first.parse().unwrap(), last.parse().unwrap());
            let wanted = INSIDE.into_iter().filter(|text| {
                let address: IpAddr = text.parse().unwrap();
                (first..=last).contains(&address)
            });
            assert_eq!(open, wanted.collect::<Vec<_>>(), "{line}");
        }
    }
}
