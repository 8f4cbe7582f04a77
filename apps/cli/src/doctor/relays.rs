//! STUN and TURN servers: who names them, whether they work, and what they show of the NATs between.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use securecall_driver::probe::{
    NamedBy, NamedServer, UnusableUri, discover_nat, named_servers, probe_server,
};
use securecall_driver::{Network, ServerSources, TlsTrust, TurnScheme};
use securecall_matrix::{Checkup, ServerError, TurnCredentials};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::check::Check;
use super::homeserver::NoHomeserver;
use super::names::Name;
use super::nat::nat;
use super::relay_words::of_probe;
use super::teller::Teller;
use super::{PATIENCE, Stopwatch};
use crate::config::Settings;
use crate::error::{ErrorKind, Failure};

/// Credentials that end so soon do not outlast a long call.
const SHORT_TTL: Duration = Duration::from_secs(600);

/// The checks of all servers for calls.
#[derive(Debug)]
pub(crate) struct Relays {
    /// `None` if they are not valid.
    settings: Option<Settings>,
    /// Comes when the homeserver can be asked, or cannot.
    account: oneshot::Receiver<Result<Arc<Checkup>, NoHomeserver>>,
    teller: Teller,
}

/// What the homeserver says of its servers.
enum Offered {
    /// It is not to be asked.
    NotAsked,
    /// It cannot be asked; why is said by another check.
    Unknown(NoHomeserver),
    /// It does not answer this question.
    Failed(ServerError),
    /// It has some, or none.
    Known(Option<TurnCredentials>),
}

impl Relays {
    /// The servers of the settings, and of a homeserver that may be asked later.
    pub(crate) fn new(
        settings: Option<Settings>,
        account: oneshot::Receiver<Result<Arc<Checkup>, NoHomeserver>>,
        teller: Teller,
    ) -> Self {
        Self {
            settings,
            account,
            teller,
        }
    }

    /// Checks all of it.
    pub(crate) async fn run(self) {
        let Self {
            settings,
            account,
            teller,
        } = self;
        let sources = settings.as_ref().map(Settings::servers);
        let (Some(settings), Some(Ok(sources))) = (settings, sources) else {
            let all = [Name::Relays, Name::Stun, Name::Relay, Name::Nat];
            teller.cannot(
                &all,
                "which servers there are stands in config.toml and its variables, and these are not valid (above)",
            );
            return;
        };
        let network = Network {
            reach: settings.reach(),
            ..Network::default()
        };
        let mut probes = Probes::new(&sources, &network, &teller);
        // The homeserver may take its time; those that the settings name need not wait for it.
        let (by_user, _) = named_servers(&sources, None);
        probes.start(by_user);
        let watch = Stopwatch::start();
        let offered = match sources.homeserver {
            true => ask_homeserver(account).await,
            false => Offered::NotAsked,
        };
        let known = match &offered {
            Offered::Known(known) => known.as_ref(),
            _ => None,
        };
        let (all, unusable) = named_servers(&sources, known);
        let survey = survey(&all, &unusable, &offered, settings.wants_relay());
        teller.tell(survey.took(watch.took()));
        let by_homeserver = all.iter().filter(|it| it.named_by == NamedBy::Homeserver);
        probes.start(by_homeserver.cloned().collect());
        let (report, ()) = tokio::join!(discover_nat(&all, &network), probes.finish());
        teller.tell(nat(&report));
    }
}

async fn ask_homeserver(account: oneshot::Receiver<Result<Arc<Checkup>, NoHomeserver>>) -> Offered {
    let checkup = match account.await {
        Ok(Ok(checkup)) => checkup,
        Ok(Err(why)) => return Offered::Unknown(why),
        Err(_) => return Offered::Unknown("there is no account"),
    };
    match timeout(PATIENCE, checkup.turn_credentials()).await {
        Ok(Ok(offered)) => Offered::Known(offered),
        Ok(Err(error)) => Offered::Failed(error),
        Err(_) => Offered::Failed(ServerError::TimedOut),
    }
}

/// Probes that run.
struct Probes<'a> {
    network: &'a Network,
    trust: Option<TlsTrust>,
    teller: &'a Teller,
    running: JoinSet<()>,
    /// How many were started.
    started: usize,
}

impl<'a> Probes<'a> {
    fn new(sources: &ServerSources, network: &'a Network, teller: &'a Teller) -> Self {
        Self {
            network,
            trust: sources.trust.clone(),
            teller,
            running: JoinSet::new(),
            started: 0,
        }
    }

    /// Each tells itself what comes of it, to stand in the order in which they are named.
    fn start(&mut self, servers: Vec<NamedServer>) {
        for server in servers {
            let place = self.started;
            self.started += 1;
            let (network, trust) = (self.network.clone(), self.trust.clone());
            let teller = self.teller.clone();
            self.running.spawn(async move {
                for probe in probe_server(&server, &network, trust.as_ref()).await {
                    teller.tell_one(of_probe(&probe).at(place));
                }
            });
        }
    }

    async fn finish(mut self) {
        while self.running.join_next().await.is_some() {}
        self.teller.complete(Name::Stun);
        self.teller.complete(Name::Relay);
    }
}

/// Says who names servers, and what that means.
fn survey(
    servers: &[NamedServer],
    unusable: &[UnusableUri],
    offered: &Offered,
    wants_relay: bool,
) -> Check {
    let has_turn = servers.iter().any(is_turn);
    if let Offered::Failed(error) = offered {
        let failure = Failure::from(error.clone());
        let message = format!(
            "the homeserver does not say which it has: {}",
            failure.message
        );
        return Check::bad(
            Name::Relays,
            Failure {
                message: message.into(),
                ..failure
            },
        );
    }
    if let Offered::Unknown(why) = offered
        && servers.is_empty()
    {
        return Check::not_checked(Name::Relays, *why);
    }
    if !has_turn && wants_relay {
        let failure = Failure::new(
            ErrorKind::NoRelay,
            "every call is to go through a relay (`route`), and nobody names a TURN server",
        );
        return Check::bad(Name::Relays, failure.help(OPERATOR));
    }
    let mut message = named_words(servers);
    if let Offered::Unknown(why) = offered {
        message.push_str(&format!("; of the homeserver's nothing is known: {why}"));
    }
    if let Some(left) = lifetime(offered) {
        message.push_str(&format!("; credentials last {}", seconds_words(left)));
    }
    if asks_tls_first(servers, offered) {
        message.push_str(
            "; by relay alone those that are spoken to by TLS go first, and the others only where that is tried in vain: the user name holds your Matrix ID",
        );
    }
    match hint(servers, unusable, offered) {
        Some(hint) => Check::good(Name::Relays, message).hint(hint),
        None => Check::good(Name::Relays, message),
    }
}

fn named_words(servers: &[NamedServer]) -> String {
    let count = |named_by, turn| {
        let fits = |server: &&NamedServer| server.named_by == named_by && is_turn(server) == turn;
        servers.iter().filter(fits).count()
    };
    let part = |count: usize, kind: &str, whose: &str| {
        let plural = if count == 1 { "" } else { "s" };
        (count > 0).then(|| format!("{count} {kind} server{plural} of {whose}"))
    };
    let parts = [
        part(count(NamedBy::Homeserver, true), "TURN", "the homeserver"),
        part(count(NamedBy::Homeserver, false), "STUN", "the homeserver"),
        part(count(NamedBy::User, true), "TURN", "the settings"),
        part(count(NamedBy::User, false), "STUN", "the settings"),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    match parts.is_empty() {
        true => "nobody names one: calls work within one network, and where no NAT is in the way; calls with people who are not contacts are refused".to_owned(),
        false => parts.join(", "),
    }
}

const OPERATOR: &str = "the owner of the homeserver can name a TURN server (docs/networks.md says how), or `turn` in config.toml does";

fn hint(servers: &[NamedServer], unusable: &[UnusableUri], offered: &Offered) -> Option<String> {
    if !servers.iter().any(is_turn) {
        return Some(OPERATOR.to_owned());
    }
    if let Some(UnusableUri { text, error }) = unusable.first() {
        return Some(format!(
            "the homeserver also names '{text}', which is of no use: {error}; tell its owner"
        ));
    }
    let of_homeserver = || {
        servers
            .iter()
            .filter(|it| it.named_by == NamedBy::Homeserver)
    };
    let is_tls = |server: &NamedServer| server.uri.scheme == TurnScheme::TurnTls;
    if let Some(left) = lifetime(offered)
        && left < SHORT_TTL
    {
        return Some(
            "credentials that end so soon may end within a call: the owner of the homeserver can let them last longer (`turn_user_lifetime`)"
                .to_owned(),
        );
    }
    let named_in_plain = of_homeserver().any(is_turn) && !of_homeserver().any(is_tls);
    (named_in_plain && names_us(offered)).then(|| {
        "none of the homeserver's is spoken to by TLS (turns:), and the user name there holds your Matrix ID: this network can read it. The owner of the homeserver can add a turns: URI"
            .to_owned()
    })
}

/// Whether our Matrix ID stands in the user name of the homeserver's servers.
fn names_us(offered: &Offered) -> bool {
    match offered {
        Offered::Known(Some(offered)) => offered.username.contains('@'),
        _ => false,
    }
}

/// Whether it makes a difference, on route `relay`, by what a server is spoken to.
fn asks_tls_first(servers: &[NamedServer], offered: &Offered) -> bool {
    let of_homeserver = |is_tls: bool| {
        servers.iter().any(|server| {
            let tls = server.uri.scheme == TurnScheme::TurnTls;
            server.named_by == NamedBy::Homeserver && is_turn(server) && tls == is_tls
        })
    };
    names_us(offered) && of_homeserver(true) && of_homeserver(false)
}

fn is_turn(server: &NamedServer) -> bool {
    server.uri.scheme != TurnScheme::Stun
}

/// How long the homeserver's credentials are still good for: what it says, or what stands in the user name, if that is
/// sooner (`1700000000:@ada:example.org`, as most homeservers write it).
fn lifetime(offered: &Offered) -> Option<Duration> {
    let Offered::Known(Some(offered)) = offered else {
        return None;
    };
    let until = offered.username.split(':').next();
    let until = until.and_then(|until| until.parse::<u64>().ok());
    let left = until.map(|until| Duration::from_secs(until).saturating_sub(since_1970()));
    Some(left.map_or(offered.ttl, |left| left.min(offered.ttl)))
}

#[expect(
    clippy::disallowed_methods,
    reason = "credentials end at a time of day"
)]
fn since_1970() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

fn seconds_words(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..120 => format!("{seconds} s"),
        // To the nearest: of a day a second is gone when this is said.
        120..7200 => format!("{} min", (seconds + 30) / 60),
        _ => format!("{} h", (seconds + 1800) / 3600),
    }
}

#[cfg(test)]
mod tests {
    use securecall_driver::ServerUri;
    use zeroize::Zeroizing;

    use super::*;
    use crate::exit_code::ExitCode;

    fn offered(uris: &[&str], username: &str, ttl: u64) -> Offered {
        Offered::Known(Some(TurnCredentials {
            uris: uris.iter().map(|uri| (*uri).to_owned()).collect(),
            username: username.to_owned(),
            password: Zeroizing::new("x".to_owned()),
            ttl: Duration::from_secs(ttl),
        }))
    }

    fn told(offered: &Offered, wants_relay: bool) -> (String, Option<String>, ExitCode) {
        let known = match offered {
            Offered::Known(known) => known.as_ref(),
            _ => None,
        };
        let sources = ServerSources {
            stun: vec![ServerUri::parse("stun:stun.example.org").unwrap()],
            ..ServerSources::default()
        };
        let (servers, unusable) = named_servers(&sources, known);
        let check = survey(&servers, &unusable, offered, wants_relay);
        let (message, help) = check.words();
        let help = help.map(|help| help.to_string());
        (message, help, check.exit_code())
    }

    fn hint_of(offered: &Offered) -> String {
        told(offered, false).1.unwrap_or_default()
    }

    #[test]
    fn who_names_servers_is_said_and_for_how_long_they_can_be_used() {
        let day = offered(
            &["turns:a.example", "turn:a.example"],
            "4000000000:@a:b",
            86_400,
        );
        assert_eq!(
            told(&day, true),
            (
                "2 TURN servers of the homeserver, 1 STUN server of the settings; credentials last 24 h; by relay alone those that are spoken to by TLS go first, and the others only where that is tried in vain: the user name holds your Matrix ID"
                    .to_owned(),
                None,
                ExitCode::Done
            )
        );
        assert!(hint_of(&offered(&["turns:a.example"], "x", 599)).contains("within a call"));
        // Whatever the homeserver says besides.
        let over = offered(&["turns:a.example"], "1700000000:@a:b", 86_400);
        assert!(told(&over, false).0.ends_with("credentials last 0 s"));
    }

    #[test]
    fn a_user_name_that_the_network_can_read_is_said() {
        let named = "4000000000:@a:b";
        assert!(hint_of(&offered(&["turn:a.example"], named, 86_400)).contains("turns:"));
        for unknown in [
            offered(&["turn:a.example"], "4000000000:securecall", 86_400),
            offered(&["turn:a.example", "turns:a.example"], named, 86_400),
        ] {
            assert_eq!(hint_of(&unknown), "");
        }
        let odd = offered(&["turns:a.example", "turn:\u{1b}[2J"], named, 86_400);
        assert!(hint_of(&odd).contains("is of no use"));
    }

    #[test]
    fn no_relay_is_an_error_only_where_every_call_needs_one() {
        for offered in [Offered::Known(None), Offered::NotAsked] {
            let (_, hint, code) = told(&offered, false);
            assert_eq!(code, ExitCode::Done);
            assert!(hint.unwrap().contains("docs/networks.md"));
            assert_eq!(told(&offered, true).2, ExitCode::Security);
        }
        let failed = Offered::Failed(ServerError::TimedOut);
        assert_eq!(told(&failed, true).2, ExitCode::Network);
    }
}
