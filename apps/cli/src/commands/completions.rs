//! `completions SHELL`: a completion script.

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::cli::Cli;
use crate::context::told;
use crate::exit_code::ExitCode;
use crate::output::{Event, Output};

pub(super) fn run(shell: Shell, output: Output) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "securecall", &mut script);
    told(output.event(&Event::Completions {
        script: String::from_utf8_lossy(&script).trim_end().to_owned(),
    }))
}
