//! `securecall-server doctor`: what the homeserver, and what stands around it, keep beyond need.
//!
//! ```text
//!   settings of the homeserver ── rules: what is set, or what is taken where nothing is
//!   its log, its unit            what goes to disk
//!   its database                 rows that should be gone: SQLite or PostgreSQL, only read
//!   its answers                  what anybody may ask
//!   coturn, Caddy, nginx         their logs, and whom they let in
//! ```
//!
//! The templates of `init` make no finding. What could not be looked at is said, too.

use std::path::{Path, PathBuf};

use securecall_daemon::{Failure, FailureKind, Output};
use serde_json::json;
use url::Url;

use crate::cli::{Cli, Doctor};
use crate::config::{Config, HomeserverKind};

mod answers;
mod coturn;
mod database;
mod dendrite;
mod finding;
mod nginx;
mod proxy;
mod records;
mod rule;
mod settings;
mod synapse;
mod synapse_log;
mod yaml;

use database::{Database, Location};
use finding::{Finding, Place};
use settings::Settings;

/// Looks at all, tells of all, and fails if something keeps more than it must.
pub(crate) async fn run(cli: &Cli, options: &Doctor, output: Output) -> Result<(), Failure> {
    let patient = Patient::find(&cli.global.config, options)?;
    let examined = patient.examine().await;
    tell(output, &examined);
    // What is to be changed comes first; of what could not be looked at, the first.
    if !examined.findings.is_empty() {
        return Err(Failure::new(
            FailureKind::Security,
            counted(examined.findings.len()),
        ));
    }
    if let Some((_, failure)) = examined.failures.into_iter().next() {
        return Err(failure);
    }
    if examined.looked_at.is_empty() {
        return Err(
            Failure::usage("nothing was looked at, for nothing was named").help(
                "`--homeserver-config` names the homeserver's settings, `--url` where it is asked",
            ),
        );
    }
    Ok(())
}

/// What is looked at.
struct Patient {
    kind: HomeserverKind,
    domain: Option<String>,
    settings: Vec<PathBuf>,
    unit: Option<PathBuf>,
    database: Option<Location>,
    url: Option<Url>,
    coturn: Option<PathBuf>,
    proxy: Option<PathBuf>,
}

/// What was seen.
#[derive(Default)]
struct Examined {
    findings: Vec<Finding>,
    looked_at: Vec<Place>,
    /// What was named and could not be looked at.
    failures: Vec<(Place, Failure)>,
    /// What nobody named.
    unnamed: Vec<(Place, &'static str)>,
}

impl Patient {
    /// Options come first, then the settings of this server, then what `init` has written beside them.
    fn find(config: &Path, options: &Doctor) -> Result<Self, Failure> {
        let own = match Config::load(config) {
            Ok(own) => Some(own),
            // Any homeserver can be looked at, where there is no server of ours yet.
            Err(_) if options.homeserver.is_some() && !config.exists() => None,
            Err(failure) => return Err(failure),
        };
        let kind = options
            .homeserver
            .or(own.as_ref().map(|own| own.homeserver.kind))
            .ok_or_else(|| Failure::usage("`--homeserver` says which one it is"))?;
        let mut settings = options.homeserver_config.clone();
        if settings.is_empty() {
            let file = own
                .as_ref()
                .and_then(|own| own.homeserver.config_file.clone());
            settings.extend(file);
        }
        let database = match (&options.database_url, &own) {
            (Some(url), _) => Some(Location::of_url(&crate::config::location(
                "--database-url",
                url,
                Path::new("."),
            )?)?),
            (None, Some(own)) => own
                .homeserver
                .database
                .as_ref()
                .map(Location::of_url)
                .transpose()?,
            (None, None) => None,
        };
        let url = match (&options.url, &own) {
            (Some(url), _) => {
                Some(Url::parse(url).map_err(|error| Failure::usage(format!("`--url`: {error}")))?)
            }
            (None, Some(own)) => Some(own.homeserver.url.clone()),
            (None, None) => None,
        };
        // Without settings of ours, what lies in their folder is no part of it.
        let folder = own.as_ref().and_then(|_| config.parent());
        let beside = |names: &[&str]| {
            let paths = names.iter().filter_map(|name| Some(folder?.join(name)));
            paths.into_iter().find(|path| path.exists())
        };
        let unit = match kind {
            HomeserverKind::Synapse => "systemd/securecall-synapse.service",
            HomeserverKind::Dendrite => "systemd/securecall-dendrite.service",
        };
        Ok(Self {
            kind,
            domain: own.as_ref().map(|own| own.domain.to_string()),
            settings,
            unit: options.unit.clone().or_else(|| beside(&[unit])),
            database,
            url,
            coturn: options
                .coturn
                .clone()
                .or_else(|| beside(&["coturn/turnserver.conf"])),
            proxy: options
                .proxy
                .clone()
                .or_else(|| beside(&["caddy/Caddyfile", "nginx/securecall.conf"])),
        })
    }

    async fn examine(&self) -> Examined {
        let mut examined = Examined::default();
        let settings = self.settings(&mut examined);
        self.database(settings.as_ref(), &mut examined).await;
        match &self.url {
            Some(url) => {
                let domain = settings.as_ref().and_then(|settings| self.domain(settings));
                let domain = domain.or_else(|| self.domain.clone());
                let answered = answers::check(self.kind, url, domain.as_deref()).await;
                examined.add(Place::Answers, answered);
            }
            None => examined.unnamed.push((Place::Answers, "--url")),
        }
        match &self.coturn {
            Some(path) => examined.add(Place::Turn, coturn::check(path)),
            None => examined.unnamed.push((Place::Turn, "--coturn")),
        }
        match &self.proxy {
            Some(path) => examined.add(Place::Proxy, proxy::check(path)),
            None => examined.unnamed.push((Place::Proxy, "--proxy")),
        }
        examined.findings.sort_by_key(|finding| finding.place);
        examined
    }

    fn settings(&self, examined: &mut Examined) -> Option<Settings> {
        if self.settings.is_empty() {
            examined
                .unnamed
                .push((Place::Settings, "--homeserver-config"));
            return None;
        }
        let settings = match Settings::read(&self.settings) {
            Ok(settings) => settings,
            Err(failure) => {
                examined.failures.push((Place::Settings, failure));
                return None;
            }
        };
        let checked = match self.kind {
            HomeserverKind::Synapse => synapse::check(&settings),
            HomeserverKind::Dendrite => dendrite::check(&settings, self.unit.as_deref()),
        };
        examined.add(Place::Settings, checked);
        Some(settings)
    }

    async fn database(&self, settings: Option<&Settings>, examined: &mut Examined) {
        let named = settings.and_then(|settings| match self.kind {
            HomeserverKind::Synapse => Location::of_synapse(settings),
            HomeserverKind::Dendrite => Location::of_dendrite(settings),
        });
        let Some(location) = self.database.clone().or(named) else {
            examined.unnamed.push((Place::Database, "--database-url"));
            return;
        };
        let checked = match Database::open(&location).await {
            Ok(mut database) => records::check(self.kind, &mut database).await,
            Err(failure) => Err(failure),
        };
        examined.add(Place::Database, checked);
    }

    fn domain(&self, settings: &Settings) -> Option<String> {
        let key = match self.kind {
            HomeserverKind::Synapse => "server_name",
            HomeserverKind::Dendrite => "global.server_name",
        };
        settings.text(key).map(str::to_owned)
    }
}

impl Examined {
    fn add(&mut self, place: Place, checked: Result<Vec<Finding>, Failure>) {
        match checked {
            Ok(findings) => {
                self.findings.extend(findings);
                self.looked_at.push(place);
            }
            Err(failure) => self.failures.push((place, failure)),
        }
    }
}

fn tell(output: Output, examined: &Examined) {
    for finding in &examined.findings {
        output.result(&finding.json(), &finding.sentence());
    }
    for (place, failure) in &examined.failures {
        let place = place.word();
        output.result(
            &json!({ "type": "unseen", "place": place, "message": failure.message, "help": failure.help }),
            &format!(
                "{place}: could not be looked at: {}{}",
                failure.message,
                failure
                    .help
                    .as_ref()
                    .map_or_else(String::new, |help| format!("\n    help: {help}"))
            ),
        );
    }
    for (place, option) in &examined.unnamed {
        let place = place.word();
        output.result(
            &json!({ "type": "unseen", "place": place, "message": "not named", "help": option }),
            &format!("{place}: not looked at; {option} names it"),
        );
    }
    let looked_at: Vec<&str> = examined
        .looked_at
        .iter()
        .map(|place| place.word())
        .collect();
    let sentence = match (examined.findings.len(), looked_at.as_slice()) {
        (_, []) => "Nothing was looked at.".to_owned(),
        (0, looked_at) => format!(
            "Nothing keeps more than it must, of: {}.",
            looked_at.join(", ")
        ),
        (count, looked_at) => format!("{} in: {}.", counted(count), looked_at.join(", ")),
    };
    output.result(
        &json!({ "type": "summary", "findings": examined.findings.len(), "looked_at": looked_at }),
        &sentence,
    );
}

fn counted(findings: usize) -> String {
    let noun = if findings == 1 { "finding" } else { "findings" };
    format!("{findings} {noun}")
}
