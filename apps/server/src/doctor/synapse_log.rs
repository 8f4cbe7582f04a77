//! What Synapse writes to its log: a configuration of Python's `logging`.

use securecall_daemon::Failure;
use serde_json::Value;

use super::finding::{Finding, Place};
use super::rule::shown;
use super::settings::{Settings, read_yaml};

/// Python's levels, the talkative first.
const LEVELS: [&str; 5] = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"];

/// One line a request: address, user, method, path.
const ACCESS: &str = "synapse.access";

/// Looks at the log's settings.
pub(super) fn check(settings: &Settings) -> Result<Vec<Finding>, Failure> {
    let Some(file) = settings.text("log_config") else {
        return Ok(vec![Finding {
            place: Place::Log,
            name: "log_config".to_owned(),
            found: "not set, which is everything from INFO on, to standard output".to_owned(),
            keeps: "each request: address, user, path; who was called is among it".to_owned(),
            change: "log_config: a file like synapse/log.yaml of `securecall-server init`"
                .to_owned(),
        }]);
    };
    let log = read_yaml(&settings.file(file))?;
    let mut findings = Vec::new();
    let access = level_of(&log, ACCESS);
    if talks(access) {
        findings.push(Finding {
            place: Place::Log,
            name: ACCESS.to_owned(),
            found: access.to_owned(),
            keeps: "a line for each request: address, user, path".to_owned(),
            change: "loggers: {synapse.access: {level: ERROR}}".to_owned(),
        });
    }
    let root = level_of(&log, "");
    if !matches!(root, "ERROR" | "CRITICAL") {
        findings.push(Finding {
            place: Place::Log,
            name: "root".to_owned(),
            found: root.to_owned(),
            keeps:
                "what Synapse does, with users, rooms and servers; at WARNING, who could not log in"
                    .to_owned(),
            change: "root: {level: ERROR, …}".to_owned(),
        });
    }
    if level_of(&log, "synapse.storage.SQL") == "DEBUG" {
        findings.push(Finding {
            place: Place::Log,
            name: "synapse.storage.SQL".to_owned(),
            found: "DEBUG".to_owned(),
            keeps: "every statement with its values, tokens among them".to_owned(),
            change: "loggers: {synapse.storage.SQL: {level: ERROR}}".to_owned(),
        });
    }
    findings.extend(files(&log));
    Ok(findings)
}

/// A logger's level: its own, or that of the nearest above it.
fn level_of<'a>(log: &'a Value, name: &str) -> &'a str {
    let loggers = log.get("loggers");
    let mut name = name;
    loop {
        if name.is_empty() {
            let root = log.get("root").and_then(|root| root.get("level"));
            // Python's root has it.
            return root.and_then(Value::as_str).unwrap_or("WARNING");
        }
        let level = loggers
            .and_then(|loggers| loggers.get(name))
            .and_then(|logger| logger.get("level"))
            .and_then(Value::as_str);
        if let Some(level) = level {
            return level;
        }
        name = name.rsplit_once('.').map_or("", |(above, _)| above);
    }
}

/// Whether a level lets ordinary lines through. One that is not known is taken for the worst.
fn talks(level: &str) -> bool {
    let rank = LEVELS.iter().position(|known| *known == level);
    rank.is_none_or(|rank| rank <= 1)
}

/// Logs on disk outlive what they are about.
fn files(log: &Value) -> Vec<Finding> {
    let handlers = log.get("handlers").and_then(Value::as_object);
    let handlers = handlers.into_iter().flatten();
    handlers
        .filter_map(|(name, handler)| {
            let file = handler.get("filename")?;
            (file.as_str() != Some("/dev/null")).then(|| Finding {
                place: Place::Log,
                name: format!("handlers.{name}"),
                found: format!("to {}", shown(file)),
                keeps: "the log on disk, after what it is about is deleted".to_owned(),
                change: "handlers: {console: {class: logging.StreamHandler}}, with a journal in memory: see systemd/journald.conf".to_owned(),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn names(log: &str) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("log.yaml"), log).unwrap();
        let path = folder.path().join("homeserver.yaml");
        fs::write(&path, "log_config: log.yaml\n").unwrap();
        let settings = Settings::read(&[path]).unwrap();
        let findings = check(&settings).unwrap();
        findings.into_iter().map(|finding| finding.name).collect()
    }

    #[test]
    fn synapses_own_log_makes_three_findings() {
        let log = "root: {level: INFO, handlers: [file]}\nloggers: {synapse.storage.SQL: {level: INFO}}\n\
                   handlers: {file: {class: logging.handlers.TimedRotatingFileHandler, filename: /x}}\n";
        assert_eq!(names(log), ["synapse.access", "root", "handlers.file"]);
    }

    #[test]
    fn ours_makes_none() {
        assert!(names(include_str!("../../templates/synapse/log.yaml")).is_empty());
    }

    #[test]
    fn a_level_holds_for_what_is_below_it_until_that_has_its_own() {
        assert_eq!(
            names("root: {level: ERROR}\nloggers: {synapse: {level: INFO}}\n"),
            ["synapse.access"]
        );
        let log = "root: {level: ERROR}\nloggers: {synapse: {level: INFO}, synapse.access: {level: ERROR}}\n";
        assert!(names(log).is_empty());
        assert_eq!(
            names("root: {level: DEBUG}\n"),
            ["synapse.access", "root", "synapse.storage.SQL"]
        );
        assert_eq!(names("root: {level: LOUD}\n"), ["synapse.access", "root"]);
        assert_eq!(names("root: {level: WARNING}\n"), ["root"]);
    }
}
