//! The programs of integration tests, as cargo has built them: `cargo test` runs one after another, and most of them mostly wait.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::shell;

/// What tests stand on that talk to real servers, networks and sound cards.
const OF_WAITING: &str = "securecall-interop";

/// The integration tests of one package.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TestBinary {
    package: String,
    /// Where they run, as `cargo test` has it.
    directory: PathBuf,
    program: PathBuf,
    /// Whether they mostly wait, in real time.
    pub(crate) waits: bool,
}

impl TestBinary {
    /// Builds them by this `cargo test`, and gives all, by the names of their packages.
    pub(crate) fn build(cargo_test: &mut Command, metadata: &Value) -> Result<Vec<Self>> {
        let mut binaries = Vec::new();
        cargo_test.args(["--no-run", "--message-format", "json-render-diagnostics"]);
        shell::run_read(cargo_test, |line| {
            binaries.extend(Self::of_message(line, metadata));
        })?;
        if binaries.is_empty() {
            bail!("cargo tells of no integration test");
        }
        binaries.sort();
        Ok(binaries)
    }

    /// The one that cargo tells of in this line, if it does.
    fn of_message(line: &str, metadata: &Value) -> Option<Self> {
        let message: Value = serde_json::from_str(line).ok()?;
        if message["target"]["kind"] != json!(["test"]) {
            return None;
        }
        let program = message["executable"].as_str()?;
        let manifest = Path::new(message["manifest_path"].as_str()?);
        let mut packages = metadata["packages"].as_array()?.iter();
        let package = packages.find(|package| package["id"] == message["package_id"])?;
        let name = package["name"].as_str()?;
        let mut dependencies = package["dependencies"].as_array()?.iter();
        Some(Self {
            package: name.to_owned(),
            directory: manifest.parent()?.to_owned(),
            program: program.into(),
            waits: name == OF_WAITING || dependencies.any(|it| it["name"] == OF_WAITING),
        })
    }

    /// Runs them by a command that begins with this one; gives all that they say.
    pub(crate) fn run(&self, mut begin: Command) -> (String, Result<()>) {
        let Self { package, .. } = self;
        println!("begins: integration tests of {package}");
        begin
            .arg(&self.program)
            .current_dir(&self.directory)
            .env("CARGO_MANIFEST_DIR", &self.directory);
        let (said, result) = shell::run_whole(&mut begin);
        (
            said,
            result.with_context(|| format!("integration tests of {package}")),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata() -> Value {
        let package = |name: &str, dependencies: &[&str]| {
            let dependencies = dependencies.iter().map(|name| json!({"name": name}));
            let dependencies: Vec<_> = dependencies.collect();
            json!({"id": format!("path+{name}"), "name": name, "dependencies": dependencies})
        };
        json!({"packages": [
            package("securecall-cli", &["tokio", OF_WAITING]),
            package("securecall-crypto", &["snow"]),
        ]})
    }

    fn message(package: &str, kind: &str, executable: &Value) -> String {
        json!({
            "reason": "compiler-artifact",
            "package_id": format!("path+{package}"),
            "manifest_path": format!("/checkout/{package}/Cargo.toml"),
            "target": {"kind": [kind], "name": "it"},
            "executable": executable,
        })
        .to_string()
    }

    #[test]
    fn integration_tests_are_told_from_all_else_that_cargo_builds_and_those_that_wait_from_others()
    {
        let of = |line: &str| TestBinary::of_message(line, &metadata());
        let binary = |package: &str, waits| TestBinary {
            package: package.to_owned(),
            directory: format!("/checkout/{package}").into(),
            program: "/target/it-12".into(),
            waits,
        };
        let program = json!("/target/it-12");
        for (package, waits) in [("securecall-cli", true), ("securecall-crypto", false)] {
            let found = of(&message(package, "test", &program));
            assert_eq!(found, Some(binary(package, waits)));
            for kind in ["lib", "bin", "custom-build"] {
                assert_eq!(of(&message(package, kind, &program)), None, "{kind}");
            }
        }
        assert_eq!(of(&message("securecall-cli", "test", &Value::Null)), None);
        assert_eq!(of(r#"{"reason":"build-finished","success":true}"#), None);
        assert_eq!(of("   Compiling securecall-cli"), None);
    }

    #[test]
    fn tests_run_in_the_directory_of_their_package_and_a_failure_says_whose_they_are() {
        let directory = tempfile::tempdir().unwrap();
        let binary = TestBinary {
            package: "securecall-cli".to_owned(),
            directory: directory.path().canonicalize().unwrap(),
            program: "pwd; echo $CARGO_MANIFEST_DIR; exit 101".into(),
            waits: true,
        };
        let mut shell = Command::new("sh");
        shell.arg("-c");
        let (said, result) = binary.run(shell);
        let expected = binary.directory.display();
        assert_eq!(said, format!("{expected}\n{expected}\n"));
        let error = format!("{:#}", result.unwrap_err());
        assert!(error.contains("securecall-cli"), "{error}");
    }
}
