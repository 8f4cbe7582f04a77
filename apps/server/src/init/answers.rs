//! What the operator has decided: by flags, by answers to questions, or the last time.

use std::io::{self, BufRead, IsTerminal as _, Write};
use std::net::IpAddr;

use clap::ValueEnum;
use securecall_daemon::Failure;
use securecall_ghostnet::HostName;
use serde::{Deserialize, Serialize};

use crate::cli::Init;
use crate::config::HomeserverKind;

/// Where rows are kept.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum DatabaseOption {
    /// Files; for some dozens of users
    Sqlite,
    /// A server; for more
    Postgres,
}

/// What takes connections from outside.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ProxyOption {
    /// Gets its certificates itself
    Caddy,
    /// With certificates of certbot
    Nginx,
}

/// What the files are made for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Answers {
    pub(crate) domain: String,
    pub(crate) homeserver: HomeserverKind,
    pub(crate) database: DatabaseOption,
    pub(crate) proxy: ProxyOption,
    /// What the outside knows this machine by, if it stands behind a NAT, or its relay is an exit.
    pub(crate) address: Option<IpAddr>,
    pub(crate) homeserver_port: u16,
    pub(crate) server_port: u16,
    /// Everything lies in the folder, and nothing in systemd's places.
    pub(crate) lab: bool,
}

impl Answers {
    /// Flags come first, then what was said the last time, then questions, where somebody is there to be asked.
    pub(crate) fn find(options: &Init, earlier: Option<&Self>) -> Result<Self, Failure> {
        let terminal = io::stdin().is_terminal() && io::stderr().is_terminal();
        let mut input = io::stdin().lock();
        let mut asker = terminal.then(|| Asker {
            input: &mut input,
            output: io::stderr(),
        });
        Self::find_with(options, earlier, asker.as_mut())
    }

    fn find_with<R: BufRead, W: Write>(
        options: &Init,
        earlier: Option<&Self>,
        mut asker: Option<&mut Asker<R, W>>,
    ) -> Result<Self, Failure> {
        let domain = options.domain.clone();
        let domain = match domain.or_else(|| earlier.map(|earlier| earlier.domain.clone())) {
            Some(domain) => domain,
            None => ask(asker.as_deref_mut(), "Domain of the Matrix IDs", None)?,
        };
        if let Some(earlier) = earlier
            && earlier.domain != domain
        {
            return Err(Failure::usage(format!(
                "this folder is for {}, and a domain cannot be changed: it is in every Matrix ID",
                earlier.domain
            ))
            .help("another place takes another folder: --config /etc/OTHER/server.toml"));
        }
        if HostName::parse(&domain).is_err() || domain.parse::<IpAddr>().is_ok() {
            return Err(
                Failure::usage(format!("{domain:?} is not the name of a domain"))
                    .help("such as example.org, in lower case"),
            );
        }
        let homeserver = options
            .homeserver
            .or(earlier.map(|earlier| earlier.homeserver));
        let homeserver = match homeserver {
            Some(homeserver) => homeserver,
            None => choose(asker.as_deref_mut(), "Homeserver", &HomeserverKind::Synapse)?,
        };
        let database = options.database.or(earlier.map(|earlier| earlier.database));
        let database = match database {
            Some(database) => database,
            None => choose(asker.as_deref_mut(), "Database", &DatabaseOption::Sqlite)?,
        };
        let proxy = options.proxy.or(earlier.map(|earlier| earlier.proxy));
        let proxy = match proxy {
            Some(proxy) => proxy,
            None => choose(asker, "Reverse proxy", &ProxyOption::Caddy)?,
        };
        let address = options
            .address
            .or(earlier.and_then(|earlier| earlier.address));
        let port =
            |given: Option<u16>, earlier: Option<u16>, usual| given.or(earlier).unwrap_or(usual);
        let homeserver_port = port(
            options.homeserver_port,
            earlier.map(|earlier| earlier.homeserver_port),
            8008,
        );
        let server_port = port(
            options.server_port,
            earlier.map(|earlier| earlier.server_port),
            8480,
        );
        if homeserver_port == server_port {
            return Err(Failure::usage(format!(
                "homeserver and server cannot both have port {server_port}"
            ))
            .help("one of `--homeserver-port` and `--server-port` takes another"));
        }
        Ok(Self {
            domain,
            homeserver,
            database,
            proxy,
            address,
            homeserver_port,
            server_port,
            lab: options.lab || earlier.is_some_and(|earlier| earlier.lab),
        })
    }
}

/// Somebody at a terminal.
struct Asker<R, W> {
    input: R,
    output: W,
}

/// Asks once. Nothing stands for what is usual; without somebody to ask, for that as well, or for a failure.
fn ask<R: BufRead, W: Write>(
    asker: Option<&mut Asker<R, W>>,
    question: &str,
    usual: Option<&str>,
) -> Result<String, Failure> {
    let missing = || {
        Failure::usage(format!("{question}: nobody is there to be asked"))
            .help("say it on the command line: securecall-server init --domain example.org --homeserver synapse")
    };
    let Some(asker) = asker else {
        return usual.map(str::to_owned).ok_or_else(missing);
    };
    let hint = usual.map_or_else(String::new, |usual| format!(" [{usual}]"));
    let failed = |error: io::Error| Failure::machine(format!("the terminal: {error}"));
    write!(asker.output, "{question}{hint}: ").map_err(failed)?;
    asker.output.flush().map_err(failed)?;
    let mut line = String::new();
    asker.input.read_line(&mut line).map_err(failed)?;
    match (line.trim(), usual) {
        ("", Some(usual)) => Ok(usual.to_owned()),
        ("", None) => Err(missing()),
        (answer, _) => Ok(answer.to_owned()),
    }
}

fn choose<T: ValueEnum, R: BufRead, W: Write>(
    asker: Option<&mut Asker<R, W>>,
    question: &str,
    usual: &T,
) -> Result<T, Failure> {
    let word = |value: &T| {
        let value = value.to_possible_value();
        value.map_or_else(String::new, |value| value.get_name().to_owned())
    };
    let words: Vec<String> = T::value_variants().iter().map(word).collect();
    let words = words.join(", ");
    let answer = ask(asker, &format!("{question} ({words})"), Some(&word(usual)))?;
    T::from_str(&answer, false)
        .map_err(|_| Failure::usage(format!("{question}: {answer:?} is none of {words}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(options: &Init, earlier: Option<&Answers>, lines: &str) -> Result<Answers, Failure> {
        let mut said = Vec::new();
        let mut asker = Asker {
            input: lines.as_bytes(),
            output: &mut said,
        };
        Answers::find_with(options, earlier, Some(&mut asker))
    }

    fn unasked(options: &Init, earlier: Option<&Answers>) -> Result<Answers, Failure> {
        Answers::find_with(options, earlier, None::<&mut Asker<&[u8], Vec<u8>>>)
    }

    #[test]
    fn what_no_flag_says_is_asked_and_nothing_stands_for_what_is_usual() {
        let answers = asked(&Init::default(), None, "example.org\ndendrite\n\nnginx\n").unwrap();
        assert_eq!(answers.domain, "example.org");
        assert_eq!(answers.homeserver, HomeserverKind::Dendrite);
        assert_eq!(answers.database, DatabaseOption::Sqlite);
        assert_eq!(answers.proxy, ProxyOption::Nginx);
    }

    #[test]
    fn without_a_terminal_all_but_the_domain_has_a_usual_answer() {
        let refused = unasked(&Init::default(), None).unwrap_err();
        assert!(refused.message.contains("Domain"), "{}", refused.message);
        let options = Init {
            domain: Some("example.org".to_owned()),
            ..Init::default()
        };
        let answers = unasked(&options, None).unwrap();
        assert_eq!(answers.homeserver, HomeserverKind::Synapse);
        assert_eq!(answers.proxy, ProxyOption::Caddy);
    }

    #[test]
    fn what_was_said_the_last_time_need_not_be_said_again() {
        let answers = asked(
            &Init::default(),
            None,
            "example.org\ndendrite\npostgres\nnginx\n",
        )
        .unwrap();
        assert_eq!(unasked(&Init::default(), Some(&answers)).unwrap(), answers);
        let options = Init {
            proxy: Some(ProxyOption::Caddy),
            ..Init::default()
        };
        let changed = unasked(&options, Some(&answers)).unwrap();
        assert_eq!(changed.proxy, ProxyOption::Caddy);
        assert_eq!(changed.database, DatabaseOption::Postgres);
    }

    #[test]
    fn a_folder_keeps_its_domain() {
        let answers = asked(&Init::default(), None, "example.org\n\n\n\n").unwrap();
        let options = Init {
            domain: Some("example.com".to_owned()),
            ..Init::default()
        };
        let refused = unasked(&options, Some(&answers)).unwrap_err();
        assert!(
            refused.message.contains("example.org"),
            "{}",
            refused.message
        );
    }

    #[test]
    fn two_programs_do_not_share_a_port() {
        let options = Init {
            domain: Some("example.org".to_owned()),
            server_port: Some(8008),
            ..Init::default()
        };
        let refused = unasked(&options, None).unwrap_err();
        assert!(refused.message.contains("8008"), "{}", refused.message);
        let options = Init {
            homeserver_port: Some(8009),
            ..options
        };
        assert!(unasked(&options, None).is_ok());
    }

    #[test]
    fn what_is_no_domain_is_refused() {
        for domain in [
            "",
            "Example.org",
            "a b",
            "a\nb",
            "example.org:8448",
            "\"",
            "127.0.0.1",
            "::1",
            "-",
            "<domain>",
        ] {
            let options = Init {
                domain: Some(domain.to_owned()),
                ..Init::default()
            };
            assert!(unasked(&options, None).is_err(), "{domain:?}");
        }
        assert!(asked(&Init::default(), None, "\n").is_err());
        assert!(asked(&Init::default(), None, "example.org\nconduit\n").is_err());
    }
}
