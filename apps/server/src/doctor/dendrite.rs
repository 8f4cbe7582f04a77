//! Settings of Dendrite that keep more than they must, or prevent calls. Read in the source of Dendrite 0.15.2 (`setup/config`).
//!
//! `templates/dendrite/dendrite.yaml` is the other side of this table: what it says makes no finding.

use std::path::Path;
use std::time::Duration;

use securecall_daemon::Failure;
use serde_json::Value;

use super::finding::{Finding, Place};
use super::rule::{Rule, Want, shown};
use super::settings::{Settings, read_text};

const RULES: &[Rule] = &[
    Rule {
        key: "global.trusted_third_party_id_servers",
        usual: "[]",
        want: Want::Off,
        keeps: "nothing here, but takes an identity server's word for who has which mail address",
        change: "global: {trusted_third_party_id_servers: []}",
    },
    Rule {
        key: "global.presence.enable_inbound",
        usual: "false",
        want: Want::Off,
        keeps: "who is at the screen elsewhere, and when last (`syncapi_presence`)",
        change: "global: {presence: {enable_inbound: false, enable_outbound: false}}",
    },
    Rule {
        key: "global.presence.enable_outbound",
        usual: "false",
        want: Want::Off,
        keeps: "nothing here, but tells other servers who is at the screen",
        change: "global: {presence: {enable_inbound: false, enable_outbound: false}}",
    },
    Rule {
        key: "global.report_stats.enabled",
        usual: "false",
        want: Want::Off,
        keeps: "nothing here, but reports figures of this server to matrix.org",
        change: "global: {report_stats: {enabled: false}}",
    },
    Rule {
        key: "global.sentry.enabled",
        usual: "false",
        want: Want::Off,
        keeps: "nothing here, but sends errors with names and rooms to somebody else",
        change: "global: {sentry: {enabled: false}}",
    },
    Rule {
        key: "global.jetstream.in_memory",
        usual: "false",
        want: Want::On,
        keeps: "to-device messages, events and changes of devices in files on their way from part to part",
        change: "global: {jetstream: {in_memory: true}}",
    },
    Rule {
        key: "global.cache.max_age",
        usual: "1h",
        want: Want::Within(Duration::from_secs(1_800)),
        keeps: "in memory, what was read, for longer than anybody asks for it",
        change: "global: {cache: {max_size_estimated: 64mb, max_age: 10m}}",
    },
    Rule {
        key: "client_api.registration_disabled",
        usual: "true",
        want: Want::On,
        keeps: "accounts that no key names: anybody may take any free name, @sc_… among them",
        change: "client_api: {registration_disabled: true}",
    },
    Rule {
        key: "client_api.guests_disabled",
        usual: "false",
        want: Want::On,
        keeps: "guests, whom no key names",
        change: "client_api: {guests_disabled: true}",
    },
    Rule {
        key: "client_api.registration_shared_secret",
        usual: "null",
        want: Want::On,
        keeps: "everybody out: securecall-server makes accounts with it",
        change: "client_api: {registration_shared_secret: \"…\"}",
    },
    Rule {
        key: "federation_api.send_max_retries",
        usual: "16",
        want: Want::AtMost(8.0),
        keeps: "sealed messages for a server that does not answer (`federationsender_queue_edus`), up to 2^16 seconds",
        change: "federation_api: {send_max_retries: 5}",
    },
    Rule {
        key: "federation_api.key_perspectives",
        usual: "[]",
        want: Want::Off,
        keeps: "nothing here, but tells these servers of every server that this one meets",
        change: "federation_api: {key_perspectives: [], prefer_direct_fetch: true}",
    },
    Rule {
        key: "federation_api.prefer_direct_fetch",
        usual: "false",
        want: Want::On,
        keeps: "nothing here, but asks others for a server's keys before that server itself",
        change: "federation_api: {key_perspectives: [], prefer_direct_fetch: true}",
    },
    Rule {
        key: "media_api.max_file_size_bytes",
        usual: "10485760",
        want: Want::AtMost(5_242_880.0),
        keeps: "every file, for ever: Dendrite never deletes one, so let them be small",
        change: "media_api: {max_file_size_bytes: 2097152}",
    },
    Rule {
        key: "sync_api.real_ip_header",
        usual: "null",
        want: Want::Off,
        keeps: "the address of each device of each user (`userapi_devices`), which the proxy tells",
        change: "remove `sync_api.real_ip_header`",
    },
    Rule {
        key: "sync_api.search.enabled",
        usual: "false",
        want: Want::Off,
        keeps: "a second copy of each message in clear, in the search index",
        change: "sync_api: {search: {enabled: false}}",
    },
    Rule {
        key: "user_api.openid_token_lifetime_ms",
        usual: "3600000",
        want: Want::Within(Duration::from_secs(600)),
        keeps: "for longer than a purchase of relay tokens takes, what proves who bought them",
        change: "user_api: {openid_token_lifetime_ms: 120000}",
    },
    Rule {
        key: "tracing.enabled",
        usual: "false",
        want: Want::Off,
        keeps: "a trace of requests, in the tracing service",
        change: "tracing: {enabled: false}",
    },
];

/// Looks at all of them. The unit says where standard output goes.
pub(super) fn check(settings: &Settings, unit: Option<&Path>) -> Result<Vec<Finding>, Failure> {
    let mut findings: Vec<Finding> = RULES
        .iter()
        .filter_map(|rule| rule.check(settings))
        .collect();
    findings.extend(rate_limit(settings));
    findings.extend(turn_names(settings));
    findings.extend(standard_output(unit)?);
    findings.extend(logs(settings));
    Ok(findings)
}

fn rate_limit(settings: &Settings) -> Option<Finding> {
    let enabled = settings.at("client_api.rate_limiting.enabled");
    if enabled.is_some_and(|enabled| !super::settings::is_true(enabled)) {
        return None;
    }
    Rule {
        key: "client_api.rate_limiting.threshold",
        usual: "5",
        want: Want::AtLeast(20.0),
        keeps: "calls from being set up: they take some ten requests of one device within seconds",
        change: "client_api: {rate_limiting: {enabled: true, threshold: 40, cooloff_ms: 500}}",
    }
    .check(settings)
}

/// Dendrite makes TURN user names of time and Matrix ID.
fn turn_names(settings: &Settings) -> Option<Finding> {
    let secret = settings.text("client_api.turn.turn_shared_secret");
    let is_used = secret.is_some_and(|secret| !secret.is_empty())
        && settings.at("client_api.turn.turn_uris").is_some();
    is_used.then(|| Finding {
        place: Place::Settings,
        name: "client_api.turn".to_owned(),
        found: "set".to_owned(),
        keeps: "the Matrix ID in each user name for TURN: the TURN server learns it, and over `turn:` the network"
            .to_owned(),
        change: "remove `client_api.turn`, and let the proxy lead /_matrix/client/v3/voip/turnServer to securecall-server, whose `[turn]` has the secret"
            .to_owned(),
    })
}

/// Dendrite adds a hook of level info for standard output to whatever its settings say (`internal/log_unix.go`).
fn standard_output(unit: Option<&Path>) -> Result<Option<Finding>, Failure> {
    let is_thrown_away = match unit {
        None => false,
        Some(unit) => read_text(unit)?
            .lines()
            .any(|line| line.trim() == "StandardOutput=null"),
    };
    Ok((!is_thrown_away).then(|| Finding {
        place: Place::Log,
        name: "standard output".to_owned(),
        found: match unit {
            None => "no unit of systemd is known that throws it away".to_owned(),
            Some(unit) => format!("{} keeps it", unit.display()),
        },
        keeps: "lines of level info, whatever `logging` says: users, rooms, servers".to_owned(),
        change: "in the unit's [Service]: StandardOutput=null".to_owned(),
    }))
}

fn logs(settings: &Settings) -> Vec<Finding> {
    let hooks = settings.at("logging").and_then(Value::as_array);
    let hooks = hooks.into_iter().flatten();
    let mut findings = Vec::new();
    for hook in hooks {
        let level = hook.get("level").and_then(Value::as_str).unwrap_or("info");
        let kind = hook.get("type").and_then(Value::as_str).unwrap_or_default();
        if !matches!(level, "error" | "fatal" | "panic") {
            findings.push(Finding {
                place: Place::Log,
                name: format!("logging: {kind}"),
                found: shown(&Value::from(level)),
                keeps: "lines with users, rooms and servers".to_owned(),
                change: "logging: [{type: std, level: error}]".to_owned(),
            });
        }
        if kind != "std" {
            findings.push(Finding {
                place: Place::Log,
                name: format!("logging: {kind}"),
                found: hook.get("params").map_or_else(|| "set".to_owned(), shown),
                keeps: "the log on disk or elsewhere, after what it is about is deleted".to_owned(),
                change: "logging: [{type: std, level: error}]".to_owned(),
            });
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn names(text: &str, unit: Option<&str>) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dendrite.yaml");
        fs::write(&path, text).unwrap();
        let unit_path = folder.path().join("dendrite.service");
        fs::write(&unit_path, unit.unwrap_or_default()).unwrap();
        let settings = Settings::read(&[path]).unwrap();
        let findings = check(&settings, unit.map(|_| unit_path.as_path())).unwrap();
        findings.into_iter().map(|finding| finding.name).collect()
    }

    #[test]
    fn each_rule_is_found_when_it_is_broken_and_its_own_line_mends_it() {
        for rule in RULES {
            let text = rule.broken();
            let found = names(&text, None);
            assert!(
                found.iter().any(|name| name == rule.key),
                "{}: {text}",
                rule.key
            );
            if !rule.change.starts_with("remove") {
                let found = names(rule.change, None);
                assert!(
                    !found.iter().any(|name| name == rule.key),
                    "{}",
                    rule.change
                );
            }
        }
    }

    #[test]
    fn standard_output_is_thrown_away_by_the_unit_or_found() {
        let has = |unit| names("", unit).iter().any(|name| name == "standard output");
        assert!(has(None));
        assert!(has(Some("[Service]\nStandardOutput=journal\n")));
        assert!(!has(Some("[Service]\nStandardOutput=null\n")));
    }

    #[test]
    fn logs_on_disk_and_talkative_ones_are_found() {
        let count = |text: &str| {
            let names = names(text, Some("StandardOutput=null"));
            names
                .iter()
                .filter(|name| name.starts_with("logging"))
                .count()
        };
        assert_eq!(count("logging: [{type: std, level: error}]\n"), 0);
        assert_eq!(count("logging: [{type: std, level: info}]\n"), 1);
        assert_eq!(
            count("logging: [{type: file, level: error, params: {path: ./logs}}]\n"),
            1
        );
        assert_eq!(
            count("logging: [{type: file, level: info, params: {path: ./logs}}]\n"),
            2
        );
    }

    #[test]
    fn the_limit_that_nobody_set_is_too_low_for_a_call() {
        let has = |text: &str| {
            names(text, None)
                .iter()
                .any(|name| name.ends_with("threshold"))
        };
        assert!(has(""));
        assert!(has("client_api: {rate_limiting: {threshold: 10}}\n"));
        assert!(!has("client_api: {rate_limiting: {enabled: false}}\n"));
        assert!(!has("client_api: {rate_limiting: {threshold: 20}}\n"));
    }
}
