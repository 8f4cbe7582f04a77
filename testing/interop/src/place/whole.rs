//! All of a place: homeserver with its database, server, TURN server, relays, and the proxy before them.

use std::{
    fs, io,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use super::{
    error::PlaceError,
    folder::{DOMAIN, Place},
    parts::{CaddyPorts, CoturnPorts},
    program::RunningProgram,
    workers::WorkerPorts,
};
use crate::{
    ConnectProxy, DatabaseSnapshot, GhostNetRelays, HomeserverKind, Postgres, RelayPlan, RelayRole,
    ghostnet_relays::TokenIssuer, http,
};

/// Where rows are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlaceDatabase {
    /// In files.
    Sqlite,
    /// On a server.
    Postgres,
}

/// What a place is to be.
#[derive(Clone, Debug)]
pub struct PlacePlan {
    /// The program `securecall-server`.
    pub server_program: PathBuf,
    /// The program `securecall-relay`.
    pub relay_program: PathBuf,
    /// The homeserver.
    pub homeserver: HomeserverKind,
    /// Where it and `securecall-server` keep their rows.
    pub database: PlaceDatabase,
    /// Whether Synapse has a worker beside it, and `securecall-server` a second one: with PostgreSQL only.
    pub has_workers: bool,
    /// The page behind contact links, if it is built.
    pub page: Option<PathBuf>,
}

/// A place that runs. Everything ends with this value, and also when the whole process dies without dropping it.
#[derive(Debug)]
pub struct WholePlace {
    plan: PlacePlan,
    // In the order in which they end: who depends on others first.
    names: ConnectProxy,
    caddy: RunningProgram,
    server: RunningProgram,
    /// A second server, a worker of Synapse, and Redis between that and Synapse.
    more: Vec<RunningProgram>,
    relays: GhostNetRelays,
    coturn: RunningProgram,
    homeserver: RunningProgram,
    postgres: Option<Postgres>,
    place: Place,
    turn: CoturnPorts,
    web: SocketAddr,
}

impl HomeserverKind {
    /// As `init` has it.
    const fn word(self) -> &'static str {
        match self {
            Self::Synapse => "synapse",
            Self::Dendrite => "dendrite",
        }
    }
}

impl PlaceDatabase {
    /// As `init` has it.
    const fn word(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        }
    }
}

impl WholePlace {
    /// Has `init` write everything, starts everything, and waits until all of it answers.
    ///
    /// # Errors
    ///
    /// When something is not installed, or does not start.
    pub fn start(plan: PlacePlan) -> Result<Self, PlaceError> {
        let place = Place::new(
            &plan.server_program,
            &[
                "--homeserver",
                plan.homeserver.word(),
                "--database",
                plan.database.word(),
                "--proxy",
                "caddy",
            ],
        )?;
        let postgres = match plan.database {
            PlaceDatabase::Sqlite => None,
            PlaceDatabase::Postgres => Some(place.start_postgres()?),
        };
        let workers = plan.has_workers.then(WorkerPorts::free).transpose()?;
        let mut more = Vec::new();
        let homeserver = match plan.homeserver {
            HomeserverKind::Synapse => {
                // A new database is brought up to date step by step, with a pause after each, for the sake of those who wait for rows.
                let file = "synapse/homeserver.yaml";
                let text = place.read(file)?;
                let settings = format!("{text}\nbackground_updates: {{sleep_enabled: false}}\n");
                fs::write(place.path(file), settings)?;
                if let Some(workers) = workers {
                    place.prepare_workers(workers)?;
                    more.insert(0, place.start_redis(workers)?);
                }
                place.start_synapse()?
            }
            HomeserverKind::Dendrite => place.start_dendrite()?,
        };
        if let Some(workers) = workers {
            more.insert(0, place.start_worker(workers)?);
        }
        let ports = CaddyPorts::free()?;
        let caddy = place.start_caddy(ports)?;
        // As systemd gives it to coturn's unit.
        let [certificate, key] = place.turn_certificate();
        place.put_certificates(&fs::read_to_string(certificate)?, &fs::read_to_string(key)?)?;
        let turn = CoturnPorts::free()?;
        let coturn = place.start_coturn(turn)?;
        let relays = relays(&place, &plan)?;
        let server = server(&place, &plan, &relays, turn)?;
        if let Some(workers) = workers {
            more.insert(0, place.start_second_server(workers)?);
        }
        let web = SocketAddr::from((Ipv4Addr::LOCALHOST, ports.https));
        let names = ConnectProxy::start()?;
        for name in [DOMAIN, &format!("matrix.{DOMAIN}")] {
            names.add(name, web);
        }
        Ok(Self {
            plan,
            names,
            caddy,
            server,
            more,
            relays,
            coturn,
            homeserver,
            postgres,
            place,
            turn,
            web,
        })
    }

    /// Its files, and `securecall-server` with its settings.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// What clients find in their environment: the way to the place's names, who vouches for them, and the place's relays.
    #[must_use]
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("HTTPS_PROXY", self.names.url()),
            ("NO_PROXY", String::new()),
            (
                "SSL_CERT_FILE",
                self.place.authority().display().to_string(),
            ),
            ("SECURECALL_LOOPBACK", "allow".to_owned()),
            (
                "SECURECALL_GHOSTNET_DIRECTORY",
                format!("https://{DOMAIN}/relays.json"),
            ),
            ("SECURECALL_GHOSTNET_KEY", self.relays.key().to_owned()),
        ]
    }

    /// Where its programs listen, in words.
    #[must_use]
    pub fn addresses(&self) -> Vec<(String, String)> {
        let here = |name: &str, address: SocketAddr| (name.to_owned(), address.to_string());
        let mut all = vec![
            here(
                &format!("Caddy, https://{DOMAIN} and https://matrix.{DOMAIN}"),
                self.web,
            ),
            here(self.homeserver.name(), self.place.homeserver()),
            here("securecall-server", self.place.server()),
            here("coturn", self.turn.address()),
        ];
        if let Some(postgres) = &self.postgres {
            let address = (Ipv4Addr::LOCALHOST, postgres.port()).into();
            all.push(here("PostgreSQL", address));
        }
        let relays = self.relays.relays();
        all.extend(
            relays.map(|(operator, address)| here(&format!("relay of {operator}"), address)),
        );
        all
    }

    /// Who takes part in calls by UDP, and the process of each.
    #[must_use]
    pub fn on_the_way(&self) -> Vec<(String, u32)> {
        let coturn = self.coturn.process_id();
        let mut all: Vec<(String, u32)> = coturn
            .map(|process| ("coturn".to_owned(), process))
            .into_iter()
            .collect();
        all.extend(self.relays.relays().filter_map(|(operator, _)| {
            Some((operator.to_owned(), self.relays.process_id(operator)?))
        }));
        all
    }

    /// Whether the homeserver makes no account for who asks it for one.
    ///
    /// # Errors
    ///
    /// When it does not answer.
    pub fn registration_is_closed(&self) -> io::Result<bool> {
        // A password that is too short is refused before anything else.
        let wish = r#"{"username":"anybody","password":"long and of nobody","auth":{"type":"m.login.dummy"}}"#;
        let path = "/_matrix/client/v3/register";
        let patience = Duration::from_secs(30);
        let status = http::status(self.place.homeserver(), "POST", path, wish, patience)?;
        Ok(status == 403)
    }

    /// The names of the programs, and all that each has written so far.
    #[must_use]
    pub fn logs(&self) -> Vec<(String, String)> {
        let programs = [&self.homeserver, &self.server, &self.coturn, &self.caddy];
        let programs = programs.into_iter().chain(&self.more);
        let mut all: Vec<(String, String)> = programs
            .map(|program| (program.name().to_owned(), program.said()))
            .collect();
        all.extend(self.relays.relays().map(|(operator, _)| {
            let log = self.relays.log(operator);
            let log = String::from_utf8_lossy(&log).into_owned();
            (operator.to_owned(), log)
        }));
        if let Some(postgres) = &self.postgres {
            all.push(("PostgreSQL".to_owned(), postgres.log()));
        }
        all
    }

    /// All that the homeserver's databases hold now.
    ///
    /// # Errors
    ///
    /// When one cannot be read.
    pub fn homeserver_rows(&self) -> Result<DatabaseSnapshot, PlaceError> {
        let kind = self.plan.homeserver;
        if let Some(postgres) = &self.postgres {
            return Ok(postgres.snapshot(kind.word())?);
        }
        let files = fs::read_dir(self.place.path("state"))?;
        let files: Vec<PathBuf> = files
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|extension| extension == "db"))
            .collect();
        Ok(DatabaseSnapshot::read_all(&files)?)
    }

    /// All that the database of `securecall-server` holds now.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub fn server_rows(&self) -> Result<DatabaseSnapshot, PlaceError> {
        match &self.postgres {
            Some(postgres) => Ok(postgres.snapshot("securecall")?),
            None => Ok(DatabaseSnapshot::read(&self.place.path("server.db"))?),
        }
    }
}

/// An entry and an exit of different operators, which take the tokens of this place.
fn relays(place: &Place, plan: &PlacePlan) -> Result<GhostNetRelays, PlaceError> {
    let key = place.path("issuer.pem").display().to_string();
    let made = place.told(&["issuer-key", &key])?;
    let made = made.first().cloned().unwrap_or_default();
    let issuer = TokenIssuer {
        name: DOMAIN.to_owned(),
        token_key: made["token_key"].as_str().unwrap_or_default().to_owned(),
        not_after: made["not_after"].as_u64().unwrap_or_default(),
    };
    let keys = format!(
        "keys = [{{ file = \"issuer.pem\", not_after = {} }}]",
        issuer.not_after
    );
    place.change(
        "server.toml",
        &[
            ("# [issuer]\n", "[issuer]\n"),
            (&format!("# name = \"{DOMAIN}\"\n"), &format!("name = \"{DOMAIN}\"\n")),
            (
                "# keys = [{ file = \"issuer.pem\", not_before = 1795737600, not_after = 1798761600 }]",
                &keys,
            ),
        ],
    )?;
    let settings = place.read("relay/relay.toml")?;
    let relay = |role, operator: &str| -> io::Result<RelayPlan> {
        Ok(RelayPlan::here(role)?
            .run_by(operator)
            .with_settings(&settings))
    };
    let relays = vec![
        relay(RelayRole::Entry, "entry")?,
        relay(RelayRole::Exit, "exit")?,
    ];
    Ok(GhostNetRelays::start_for(
        &plan.relay_program,
        relays,
        &issuer,
    )?)
}

/// `securecall-server`, with the parts that `init` leaves for later.
fn server(
    place: &Place,
    plan: &PlacePlan,
    relays: &GhostNetRelays,
    turn: CoturnPorts,
) -> Result<RunningProgram, PlaceError> {
    // A name of UDP needs a name service, which loopback has not.
    let uris = format!(
        "uris = [\"turns:turn.{DOMAIN}:5349?transport=tcp\", \"turn:turn.{DOMAIN}:3478?transport=udp\"]"
    );
    let here = format!("uris = [\"turn:{}?transport=udp\"]", turn.address());
    let file = format!("file = {:?}", relays.directory().display().to_string());
    let keys = format!("keys = [\"{}\"]\nlab = true", relays.key());
    place.change(
        "server.toml",
        &[
            (&uris, &here),
            ("# [directory]\n", "[directory]\n"),
            ("# file = \"relays.json\"", &file),
            ("# keys = [\"…\"]", &keys),
        ],
    )?;
    if let Some(page) = &plan.page {
        let text = place.read("server.toml")?;
        let example = "# [page]\n# file = \"/usr/share/securecall-server/add.html\"";
        let wanted = "[page]\nfile = \"/usr/share/securecall-server/add.html\"";
        let own = format!("[page]\nfile = {:?}", page.display().to_string());
        // It is an example where no page is installed.
        let text = text.replace(example, wanted).replace(wanted, &own);
        fs::write(place.path("server.toml"), text)?;
    }
    let mut server = place.start_server()?;
    if plan.page.is_some() {
        server.wait_for(place.server(), "/add/")?;
    }
    Ok(server)
}
