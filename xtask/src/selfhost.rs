//! `cargo xtask selfhost`: a server of one's own with all that stands around it, as `securecall-server init` sets it up, and calls of
//! two users over it: who has packets with whom, and what is kept of it where.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use securecall_interop::{
    DOMAIN, DatabaseSnapshot, HomeserverKind, PlaceDatabase, PlacePlan, WholePlace,
};

use crate::call::record::Side;
use crate::call::stage::{self, Build, Program};
use crate::call::user::User;
use crate::call::{conversation, interrupt};
use crate::demo::findings::Findings;
use crate::demo::{self, Looking, terminal, voice};
use crate::setup;
use crate::web;
use crate::workspace::Workspace;

/// The ways that a call can take, as settings have them.
const ROUTES: [&str; 3] = ["direct", "relay", "ghostnet"];

/// What a call, or what is done before it, brings about for an hour or two: docs/matrix-privacy.md.
const BESIDES: [(&str, &str); 3] = [
    ("open_id_tokens", BOUGHT),
    ("userapi_openid_tokens", BOUGHT),
    (
        "cache_invalidation_stream_by_instance",
        "one-time keys were asked for or are others: an hourly timer deletes it, see forget.sql",
    ),
];
const BOUGHT: &str = "relay tokens were bought: an hourly timer deletes it, see forget.sql";

/// Options of `cargo xtask selfhost`.
#[derive(clap::Args, Debug)]
pub(crate) struct Options {
    /// Keep rows in files, in place of a PostgreSQL
    #[arg(long)]
    sqlite: bool,
    /// Dendrite in place of Synapse
    #[arg(long)]
    dendrite: bool,
    /// Synapse with a worker, and two of securecall-server: how a place grows
    #[arg(long, conflicts_with_all = ["sqlite", "dendrite"])]
    workers: bool,
    /// Leave it running after the calls, until Ctrl-C
    #[arg(long)]
    keep: bool,
    /// How long each call is
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(3..=600))]
    seconds: u32,
}

impl Options {
    const fn homeserver(&self) -> HomeserverKind {
        if self.dendrite {
            HomeserverKind::Dendrite
        } else {
            HomeserverKind::Synapse
        }
    }

    const fn database(&self) -> PlaceDatabase {
        if self.sqlite {
            PlaceDatabase::Sqlite
        } else {
            PlaceDatabase::Postgres
        }
    }

    /// In words.
    fn described(&self) -> String {
        let homeserver = if self.dendrite { "Dendrite" } else { "Synapse" };
        let database = if self.sqlite { "SQLite" } else { "PostgreSQL" };
        let (worker, servers) = if self.workers {
            (" with a worker", "two of securecall-server")
        } else {
            ("", "securecall-server")
        };
        format!(
            "{homeserver}{worker} on {database}, {servers}, coturn, an entry and an exit of GhostNet, the page of contact links, \
             behind Caddy"
        )
    }
}

/// Runs all of it, and fails, saying why, if anything that a place promises does not hold.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    println!(
        "What is going to happen:\n  \
         1. Whatever is missing on this machine is installed (Debian and Ubuntu packages).\n  \
         2. cargo builds the command, the server and the relay. The first time on a machine: 5 to 15 minutes on two cores.\n  \
         3. securecall-server init writes the settings of all programs, and they start: {}.\n  \
         4. Two users enrol, and call each other: {}.\n",
        options.described(),
        ROUTES.join(", ")
    );
    setup::place()?;
    interrupt::catch();
    let directory = demo::fresh(&workspace.root().join("target/selfhost"))?;
    let programs = [Program::Command, Program::Server, Program::Relay];
    let [program, server_program, relay_program] = Build::Dev.programs(workspace, programs)?;
    let plan = PlacePlan {
        server_program,
        relay_program,
        homeserver: options.homeserver(),
        database: options.database(),
        has_workers: options.workers,
        page: Some(page(workspace)?),
    };
    println!(
        "starting everything (the first time on a machine, installing Synapse takes a minute or two, and building Dendrite some)"
    );
    let place = WholePlace::start(plan).context("the place does not come up")?;
    let held = hold_calls(workspace, options, &place, &program, &directory);
    let logs = write_logs(&place, &directory)?;
    let mut faults = held.with_context(|| format!("logs are in {}", logs.display()))?;
    if options.keep && !interrupt::came() {
        keep(&place, &program);
    }
    drop(place);
    println!("everything is stopped; logs are in {}", logs.display());
    faults.dedup();
    if !faults.is_empty() {
        bail!("the place does not hold: {}", faults.join("; "));
    }
    Ok(())
}

/// The page behind contact links, which is built unless it is there.
fn page(workspace: &Workspace) -> Result<PathBuf> {
    let built = workspace.root().join("apps/web/add/dist/index.html");
    if built.is_file() {
        return Ok(built);
    }
    web::build(workspace)
}

/// Two users enrol, and call each other by each way; gives what does not hold.
fn hold_calls(
    workspace: &Workspace,
    options: &Options,
    place: &WholePlace,
    program: &Path,
    directory: &Path,
) -> Result<Vec<String>> {
    let mut faults = Vec::new();
    if !place.registration_is_closed()? {
        faults.push("the homeserver makes accounts for who asks".to_owned());
    }
    let mut users = stage::acquainted(
        program,
        &directory.join("profiles"),
        DOMAIN,
        &place.environment(),
    )?;
    println!("waiting until the homeserver has set up its database");
    stage::settled(|| Ok(place.homeserver_rows()?))?;
    let enrolled = place.server_rows()?;
    for route in ROUTES {
        println!("\ncalling: {route}");
        let at = demo::fresh(&directory.join(route))?;
        voice::write_both(workspace, options.seconds, &at)?;
        let findings = hold_call(options, place, &mut users, route, &at)?;
        println!("\n{}", terminal::summary(&findings));
        let failed = findings.failed();
        faults.extend(failed.into_iter().map(|fault| format!("{route}: {fault}")));
        faults.extend(met_another(&findings));
    }
    println!("\nwhat is kept elsewhere:");
    tell_rows(&enrolled, &place.server_rows()?);
    faults.extend(named_in_logs(place, &users)?);
    faults.extend(diagnosis(place)?);
    Ok(faults)
}

/// A call by this way, and what there was of it.
fn hold_call(
    options: &Options,
    place: &WholePlace,
    users: &mut [User; 2],
    route: &'static str,
    directory: &Path,
) -> Result<Findings> {
    for user in users.iter_mut() {
        user.learn([("SECURECALL_ROUTE", route.to_owned())]);
    }
    let [caller, callee] = &*users;
    let before = place.homeserver_rows()?;
    let mut looking = Looking::new(place.on_the_way());
    let call = conversation::hold([caller, callee], directory, options.seconds, &mut looking)?;
    let observed = looking.seen();
    let left = demo::left(&before, &place.homeserver_rows()?, &BESIDES);
    let setting = vec![("place".to_owned(), options.described())];
    Findings::of(route, setting, &call, observed, directory, left)
}

/// Whether both had packets with each other, or, in a call by a TURN server, with that alone. In one through relays, the findings say
/// it themselves.
fn met_another(findings: &Findings) -> Option<String> {
    findings.observed.meetings.as_ref().ok()?;
    let is_right = |side: Side| {
        let met = findings.observed.met(side.name());
        match findings.route {
            "direct" => met.contains(side.peer().name()),
            "relay" => met == ["coturn"].into(),
            _ => true,
        }
    };
    let side = Side::BOTH.into_iter().find(|side| !is_right(*side))?;
    let met = findings.observed.met(side.name());
    Some(format!(
        "{}: the {} had packets with {met:?}",
        findings.route,
        side.name()
    ))
}

/// What `securecall-server` has in its database that was not there when both had enrolled.
fn tell_rows(before: &DatabaseSnapshot, after: &DatabaseSnapshot) {
    let left = demo::left(before, after, &[]);
    let rows: Vec<String> = [left.allowed, left.outside].concat();
    if rows.is_empty() {
        println!("  securecall-server  nothing of the calls");
    }
    for row in rows {
        println!("  securecall-server  {row}");
    }
}

/// Nothing that any program writes names either user.
fn named_in_logs(place: &WholePlace, users: &[User; 2]) -> Result<Vec<String>> {
    let names = [users[0].id()?, users[1].id()?];
    let logs = place.logs();
    let told: Vec<&str> = logs.iter().map(|(name, _)| name.as_str()).collect();
    let faults: Vec<String> = logs
        .iter()
        .filter(|(_, log)| names.iter().any(|name| log.contains(name)))
        .map(|(name, _)| format!("the log of {name} names a user"))
        .collect();
    if faults.is_empty() {
        println!(
            "  logs               no user is named in any of {}",
            told.join(", ")
        );
    }
    Ok(faults)
}

/// What `securecall-server doctor` finds.
fn diagnosis(place: &WholePlace) -> Result<Vec<String>> {
    let output = place.place().command(&["doctor"]).output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        println!("  doctor             finds nothing that is kept beyond need");
        return Ok(Vec::new());
    }
    println!("{said}");
    Ok(vec![format!(
        "`securecall-server doctor` ends with {}",
        output.status
    )])
}

/// What all programs have written, in files.
fn write_logs(place: &WholePlace, directory: &Path) -> Result<PathBuf> {
    let logs = directory.join("logs");
    fs::create_dir_all(&logs)?;
    for (name, log) in place.logs() {
        let path = logs.join(format!("{name}.log"));
        fs::write(&path, log).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(logs)
}

/// Leaves it running, and says how it is used, until somebody has enough.
fn keep(place: &WholePlace, program: &Path) {
    println!("\nIt runs, for this machine alone:");
    for (name, address) in place.addresses() {
        println!("  {address:<22} {name}");
    }
    println!("\nIts files are in {}.", place.place().path("").display());
    println!("In another terminal, somebody else who enrols and calls:\n");
    for (name, value) in place.environment() {
        println!("  export {name}='{value}'");
    }
    let program = program.display();
    println!("  {program} --profile /tmp/somebody id new");
    println!("  {program} --profile /tmp/somebody register --homeserver {DOMAIN}");
    println!("\nCtrl-C stops all of it.");
    while !interrupt::came() {
        thread::sleep(Duration::from_millis(100));
    }
}
