//! `check` of a daemon: all that was looked at, and the worst of it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::{Value, json};

use crate::{Failure, FailureKind, Output, unix_time};

/// A time that is certainly past: this was written then. A clock before it was never set.
const WRITTEN_AT: u64 = 1_795_000_000;

/// What was looked at so far.
#[derive(Debug)]
pub struct Findings(Vec<Finding>);

#[derive(Debug)]
struct Finding {
    name: &'static str,
    result: Result<String, Failure>,
}

impl Findings {
    /// Begins with the settings. Without them there is nothing else to look at, and that is told at once.
    pub fn of_settings<Config>(
        loaded: Result<Config, Failure>,
        output: Output,
    ) -> Result<(Config, Self), Failure> {
        let mut findings = Self(Vec::new());
        match loaded {
            Ok(config) => {
                findings.add("settings", Ok("are understood".to_owned()));
                Ok((config, findings))
            }
            Err(failure) => {
                findings.add("settings", Err(failure.clone()));
                findings.tell(output);
                Err(failure)
            }
        }
    }

    /// One thing that was looked at.
    pub fn add(&mut self, name: &'static str, result: Result<String, Failure>) {
        self.0.push(Finding { name, result });
    }

    /// Tells of all, and fails as the worst does.
    pub fn conclude(self, output: Output) -> Result<(), Failure> {
        self.tell(output);
        self.worst().map_or(Ok(()), Err)
    }

    fn tell(&self, output: Output) {
        for (event, sentence) in self.lines() {
            output.result(&event, &sentence);
        }
    }

    /// The worst is told once more at the end, as why the command fails, and people get its help there.
    fn lines(&self) -> impl Iterator<Item = (Value, String)> {
        let worst = self.worst_index();
        let line = move |(index, Finding { name, result }): (usize, &Finding)| {
            let (mark, told, help) = match result {
                Ok(told) => ("ok  ", told.as_str(), None),
                Err(failure) => ("FAIL", failure.message.as_str(), failure.help.as_deref()),
            };
            let event = json!({ "type": "check", "name": name, "ok": result.is_ok(), "message": told, "help": help });
            let mut sentence = format!("{mark} {name:<12} {told}");
            if let Some(help) = help.filter(|_| Some(index) != worst) {
                sentence.push_str(&format!("\n{:18}help: {help}", ""));
            }
            (event, sentence)
        };
        self.0.iter().enumerate().map(line)
    }

    fn worst_index(&self) -> Option<usize> {
        let failures = self.0.iter().enumerate().filter_map(|(index, found)| {
            let failure = found.result.as_ref().err()?;
            Some((rank(failure.kind), index))
        });
        failures.min().map(|(_, index)| index)
    }

    fn worst(mut self) -> Option<Failure> {
        let index = self.worst_index()?;
        self.0.swap_remove(index).result.err()
    }
}

/// What is to be done first.
fn rank(kind: FailureKind) -> u8 {
    match kind {
        FailureKind::Security => 0,
        FailureKind::Usage => 1,
        FailureKind::Machine => 2,
        FailureKind::Network => 3,
    }
}

/// Whether a file with a secret is kept from the other users of this machine.
pub fn for_owner_only(path: &Path) -> Result<(), Failure> {
    let mode = fs::metadata(path)
        .map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?
        .permissions()
        .mode();
    if mode & 0o007 == 0 {
        return Ok(());
    }
    Err(Failure::new(
        FailureKind::Security,
        format!("{} can be read by anybody on this machine", path.display()),
    )
    .help(format!("chmod 600 {}", path.display())))
}

/// Whether this machine knows what time it is: tokens, directories, challenges and invitations expire.
pub fn clock_is_set() -> Result<String, Failure> {
    if unix_time().as_secs() < WRITTEN_AT {
        return Err(
            Failure::machine("the clock of this machine is years behind")
                .help("set it, and keep it set: timedatectl set-ntp true"),
        );
    }
    Ok("is set".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output() -> Output {
        Output::new(true)
    }

    #[test]
    fn it_fails_as_the_worst_does() {
        let of = |kinds: &[FailureKind]| {
            let (_, mut findings) = Findings::of_settings(Ok(()), output()).unwrap();
            for kind in kinds {
                findings.add("x", Err(Failure::new(*kind, "")));
            }
            findings.conclude(output()).map_err(|failure| failure.kind)
        };
        assert_eq!(of(&[]), Ok(()));
        let mut worst_last = vec![FailureKind::Network];
        for kind in [
            FailureKind::Machine,
            FailureKind::Usage,
            FailureKind::Security,
        ] {
            worst_last.push(kind);
            assert_eq!(of(&worst_last), Err(kind));
        }
        let nothing: Result<(), _> = Err(Failure::usage("none"));
        assert!(Findings::of_settings(nothing, output()).is_err());
    }

    #[test]
    fn what_to_do_is_said_of_each_that_is_wrong() {
        let (_, mut findings) = Findings::of_settings(Ok(()), output()).unwrap();
        let wrong = |what, help: &str| Err(Failure::usage(what).help(help));
        findings.add("first", wrong("x", "mend x"));
        findings.add("second", wrong("y", "mend y"));
        let sentences: Vec<String> = findings.lines().map(|(_, sentence)| sentence).collect();
        assert_eq!(
            sentences,
            [
                "ok   settings     are understood",
                // Its help ends the command.
                "FAIL first        x",
                "FAIL second       y\n                  help: mend y",
            ]
        );
        let helps: Vec<Value> = findings
            .lines()
            .map(|(event, _)| event["help"].clone())
            .collect();
        assert_eq!(helps, [Value::Null, "mend x".into(), "mend y".into()]);
        let failure = findings.conclude(output()).unwrap_err();
        assert_eq!(failure.help.as_deref(), Some("mend x"));
    }

    #[test]
    fn a_secret_is_for_its_owner_or_a_group() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let kind_with = |mode| {
            fs::set_permissions(file.path(), fs::Permissions::from_mode(mode)).unwrap();
            for_owner_only(file.path()).map_err(|failure| failure.kind)
        };
        assert_eq!(kind_with(0o600), Ok(()));
        assert_eq!(kind_with(0o640), Ok(()));
        assert_eq!(kind_with(0o604), Err(FailureKind::Security));
        assert!(for_owner_only(Path::new("/no/such/file")).is_err());
    }
}
