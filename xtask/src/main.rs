//! The project's chores, run as `cargo xtask NAME`.
//!
//! | name | does |
//! | --- | --- |
//! | `ci` | everything CI checks, cheap steps first |
//! | `test` | installs what the tests need, then runs them all |
//! | `web` | builds the landing page of contact links |
//! | `demo` | an encrypted call between two new users, or several, with a report |
//! | `selfhost` | a server of one's own on this machine, and calls over it |
//! | `bench` | the table of figures in `docs/performance.md` |
//! | `layering` | checks that imports point down only |
//! | `mutants` | changes one guard at a time and sees whether a test notices |
//! | `setup` | installs what the others need |
#![expect(
    clippy::disallowed_methods,
    reason = "chores run on the real clock; no engine lives here"
)]

mod bench;
mod cache;
mod call;
mod ci;
mod demo;
mod failed_tests;
mod features;
mod fuzz;
mod layering;
mod mutants;
#[cfg(target_os = "linux")]
mod selfhost;
mod setup;
mod shell;
mod side_by_side;
mod test_binary;
mod wasm;
mod web;
mod workspace;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::call::stage::Build;
use crate::workspace::Workspace;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The project's chores", version)]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Run everything CI checks, or only the named steps
    Ci {
        /// Steps to run, in CI's order (all of them if none is named)
        steps: Vec<String>,
        /// Name the steps and what each runs
        #[arg(long)]
        list: bool,
    },
    /// Install what the tests need, then run them all
    Test {
        /// Passed on to `cargo test`, which then runs alone
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Build the landing page of contact links into `apps/web/add/dist/`
    Web,
    /// Hold an encrypted call between two new users over a homeserver of our own, and write a report
    Demo {
        /// How long they talk
        #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(3..=600))]
        seconds: u32,
        /// Use a release build (takes minutes the first time)
        #[arg(long)]
        release: bool,
        /// Which way the call takes; through GhostNet, two relays are built and started
        #[arg(long, value_enum, default_value_t = demo::Route::Direct)]
        route: demo::Route,
        /// How many people talk in one call; more than two hold a group call, and speak one after the other
        #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(2..=8))]
        people: u8,
    },
    /// Run a server of one's own with all that stands around it, hold calls over it, and show who saw what
    #[cfg(target_os = "linux")]
    Selfhost(selfhost::Options),
    /// Measure what `docs/performance.md` promises, from release builds
    Bench {
        /// Put the table into `docs/performance.md`
        #[arg(long)]
        write: bool,
        /// Only one part
        #[arg(long)]
        only: Option<bench::Part>,
        /// Measure calls of this `securecall` in place of a release build: another version, say
        #[arg(long)]
        program: Option<PathBuf>,
        /// Measure voice on these networks only
        #[arg(long, conflicts_with = "write")]
        network: Vec<bench::Condition>,
        /// Hold so many calls on each of voice's networks, with other losses each time
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=9))]
        recordings: u8,
    },
    /// Check that imports point down only and that PURE crates are pure
    Layering,
    /// Change one guard of the code at a time and see whether a test notices (not part of CI: whole crates take hours)
    Mutants {
        /// Passed on to `cargo mutants`: `-p CRATE`, `-f FILE`, `--shard 1/20` (a short run if there is none)
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Install what the other chores need (Debian and Ubuntu packages, pinned cargo tools)
    Setup,
}

fn main() -> ExitCode {
    match run(Arguments::parse().chore) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(chore: Chore) -> Result<()> {
    let workspace = Workspace::find()?;
    match chore {
        Chore::Ci { list: true, .. } => {
            ci::list();
            Ok(())
        }
        Chore::Ci { steps, .. } => ci::run(&workspace, &steps),
        Chore::Test { arguments } => ci::test(&workspace, &arguments),
        Chore::Web => web::build(&workspace).map(drop),
        Chore::Demo {
            seconds,
            release,
            route,
            people,
        } => {
            let build = if release { Build::Release } else { Build::Dev };
            match people {
                2 => demo::run(&workspace, seconds, build, route),
                _ if route != demo::Route::Direct => {
                    anyhow::bail!(
                        "a group call is shown over the direct route only: leave out --route, or let two people talk"
                    )
                }
                people => demo::group::run(&workspace, people.into(), seconds, build),
            }
        }
        #[cfg(target_os = "linux")]
        Chore::Selfhost(options) => selfhost::run(&workspace, &options),
        Chore::Bench {
            write,
            only,
            program,
            network,
            recordings,
        } => bench::run(
            &workspace,
            write,
            only,
            program.as_deref(),
            &network,
            recordings,
        ),
        Chore::Layering => layering::check(&workspace),
        Chore::Mutants { arguments } => mutants::run(&workspace, &arguments),
        Chore::Setup => setup::everything(&workspace),
    }
}
