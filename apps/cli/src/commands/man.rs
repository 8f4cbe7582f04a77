//! `man`: the manual page, one for all commands.

use std::io;

use clap::{Command, CommandFactory as _};
use clap_mangen::Man;

use crate::cli::Cli;
use crate::context::told;
use crate::error::Failure;
use crate::exit_code::ExitCode;
use crate::output::{Event, Output};

pub(super) fn run(output: Output) -> Result<ExitCode, Failure> {
    let roff = page().map_err(Failure::bug)?;
    Ok(told(output.event(&Event::Manual { roff })))
}

fn page() -> io::Result<String> {
    let mut command = Cli::command();
    command.build();
    let mut roff = Vec::new();
    Man::new(command.clone()).render(&mut roff)?;
    let mut roff = String::from_utf8_lossy(&roff).into_owned();
    describe_subcommands(&command, &mut roff)?;
    Ok(roff)
}

/// Adds what each command takes, the commands of a command after it.
fn describe_subcommands(command: &Command, roff: &mut String) -> io::Result<()> {
    for sub in command.get_subcommands() {
        if sub.has_subcommands() {
            describe_subcommands(sub, roff)?;
            continue;
        }
        let man = Man::new(sub.clone());
        let mut section = Vec::new();
        man.render_synopsis_section(&mut section)?;
        man.render_description_section(&mut section)?;
        man.render_options_section(&mut section)?;
        let name = sub
            .get_bin_name()
            .unwrap_or_else(|| sub.get_name())
            .to_uppercase();
        roff.push_str(&format!(".SH \"{name}\"\n"));
        for line in String::from_utf8_lossy(&section).lines() {
            match line.strip_prefix(".SH ") {
                Some(heading) => roff.push_str(&format!(".SS {heading}\n")),
                None => roff.push_str(&format!("{line}\n")),
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_every_command_and_its_options() {
        let page = page().unwrap();
        for name in [
            "SECURECALL ID NEW",
            "SECURECALL CONTACT ADD",
            "SECURECALL CALL",
            "SECURECALL LISTEN",
        ] {
            assert!(page.contains(&format!(".SH \"{name}\"")), "{name}");
        }
        for option in ["homeserver", "answer", "processing", "duration"] {
            assert!(page.contains(option), "{option}");
        }
    }
}
