//! `securecall-server init`: settings of the server and of what stands around it, from templates.
//!
//! ```text
//!   flags, questions ──► answers ──┐
//!   folder: secrets ───────────────┴──► templates ──► files: new, renewed, or left alone because somebody edited them
//! ```

use securecall_daemon::{Failure, Output};
use serde_json::json;

use crate::cli::{Cli, Init};

mod answers;
mod files;
mod folder;
mod record;
mod secrets;
mod template;

use answers::Answers;
pub(crate) use answers::{DatabaseOption, ProxyOption};
use folder::{Folder, Outcome};
use record::Record;
use secrets::Secrets;

/// Writes what is missing, renews what is as it was written, and leaves alone what was edited.
pub(crate) fn run(cli: &Cli, options: &Init, output: Output) -> Result<(), Failure> {
    let folder = Folder::of_settings(&cli.global.config)?;
    let mut record = Record::read(&folder)?;
    let answers = Answers::find(options, record.answers.as_ref())?;
    folder.make()?;
    let secrets = Secrets::find_or_make(&folder)?;
    let mut outcomes = Vec::new();
    for file in files::all(&answers, &secrets, &folder) {
        let outcome = folder.put(&file, &mut record)?;
        outcomes.push((file.path, outcome));
    }
    record.answers = Some(answers);
    // Last: what is not recorded counts as edited, which loses nothing.
    record.write(&folder)?;
    tell(output, &folder, &outcomes);
    Ok(())
}

fn tell(output: Output, folder: &Folder, outcomes: &[(&'static str, Outcome)]) {
    for (path, outcome) in outcomes {
        let path = folder.path(path);
        let path = path.display();
        output.result(
            &json!({ "type": "file", "path": path.to_string(), "state": outcome.word() }),
            &format!("{:<8} {path}{}", outcome.word(), outcome.remark()),
        );
    }
    let edited = outcomes
        .iter()
        .filter(|(_, outcome)| *outcome == Outcome::Edited);
    let edited = edited.count();
    let next = if edited == 0 {
        "Next: docs/self-hosting.md, from \"Put them in place\" on.".to_owned()
    } else {
        format!("{edited} of them were edited: compare each with the .new beside it.")
    };
    output.result(
        &json!({ "type": "initialized", "folder": folder.path("").display().to_string(), "edited": edited }),
        &next,
    );
}
