//! Settings of Synapse that keep more than they must, or prevent calls. Read in the source of Synapse 1.163 (`synapse/config`).
//!
//! `templates/synapse/homeserver.yaml` is the other side of this table: what it says makes no finding.

use securecall_daemon::Failure;
use serde_json::Value;

use super::finding::{Finding, Place};
use super::rule::{Rule, Want, hours, shown};
use super::settings::{Settings, is_true};
use super::synapse_log;

/// Settings that stand for themselves.
const RULES: &[Rule] = &[
    Rule {
        key: "user_ips_max_age",
        usual: "28d",
        want: Want::Within(hours(24)),
        keeps: "which token came when, from which address, with which program (`user_ips`)",
        change: "user_ips_max_age: 1h",
    },
    Rule {
        key: "redaction_retention_period",
        usual: "7d",
        want: Want::Within(hours(1)),
        keeps: "what was in a redacted event: of a call in a room in clear, addresses of both ends",
        change: "redaction_retention_period: 5m",
    },
    Rule {
        key: "retention.enabled",
        usual: "false",
        want: Want::On,
        keeps: "every event of every room, for ever: who sent what when",
        change: "retention: {enabled: true, default_policy: {max_lifetime: 1d}, allowed_lifetime_max: 1d, purge_jobs: [{interval: 1h}]}",
    },
    Rule {
        key: "retention.default_policy.max_lifetime",
        usual: "null",
        want: Want::Within(hours(7 * 24)),
        keeps: "events of rooms that set no retention of their own",
        change: "retention: {…, default_policy: {max_lifetime: 1d}}",
    },
    Rule {
        key: "retention.allowed_lifetime_max",
        usual: "null",
        want: Want::Within(hours(7 * 24)),
        keeps: "events of rooms that ask for longer",
        change: "retention: {…, allowed_lifetime_max: 1d}",
    },
    Rule {
        key: "forget_rooms_on_leave",
        usual: "false",
        want: Want::On,
        keeps: "rooms that everybody has left, because nobody told the server to forget them",
        change: "forget_rooms_on_leave: true",
    },
    Rule {
        key: "forgotten_room_retention_period",
        usual: "null",
        want: Want::Within(hours(24)),
        keeps: "rooms that everybody has forgotten: who was in them, and when",
        change: "forgotten_room_retention_period: 1h",
    },
    Rule {
        key: "encryption_enabled_by_default_for_room_type",
        usual: "'off'",
        want: Want::Word("all"),
        keeps: "what is said in new rooms, and addresses of calls there, in clear",
        change: "encryption_enabled_by_default_for_room_type: all",
    },
    Rule {
        key: "enable_search",
        usual: "true",
        want: Want::Off,
        keeps: "a second copy of each message in clear (`event_search`)",
        change: "enable_search: false",
    },
    Rule {
        key: "presence.enabled",
        usual: "true",
        want: Want::Off,
        keeps: "who is at the screen, and when last (`presence_stream`), for all who share a room",
        change: "presence: {enabled: false}",
    },
    Rule {
        key: "stats.enabled",
        usual: "true",
        want: Want::Off,
        keeps: "how many events, members and rooms each room and user had (`room_stats_*`, `user_stats_current`)",
        change: "stats: {enabled: false}",
    },
    Rule {
        key: "user_directory.enabled",
        usual: "true",
        want: Want::Off,
        keeps: "a list of people, which every user may search",
        change: "user_directory: {enabled: false}",
    },
    Rule {
        key: "require_auth_for_profile_requests",
        usual: "false",
        want: Want::On,
        keeps: "no secret of whether an account exists: anybody may ask",
        change: "require_auth_for_profile_requests: true",
    },
    Rule {
        key: "enable_3pid_changes",
        usual: "true",
        want: Want::Off,
        keeps: "mail addresses and telephone numbers of accounts (`user_threepids`)",
        change: "enable_3pid_changes: false",
    },
    Rule {
        key: "enable_3pid_lookup",
        usual: "true",
        want: Want::Off,
        keeps: "nothing here, but tells an identity server whom users look for",
        change: "enable_3pid_lookup: false",
    },
    Rule {
        key: "push.include_content",
        usual: "true",
        want: Want::Off,
        keeps: "nothing here, but tells push services who wrote, in which room, and what in clear",
        change: "push: {enabled: false, include_content: false}",
    },
    Rule {
        key: "media_retention.local_media_lifetime",
        usual: "null",
        want: Want::Within(hours(7 * 24)),
        keeps: "every file that a user has sent, for ever",
        change: "media_retention: {local_media_lifetime: 1d, remote_media_lifetime: 1d}",
    },
    Rule {
        key: "media_retention.remote_media_lifetime",
        usual: "null",
        want: Want::Within(hours(7 * 24)),
        keeps: "a copy of every file of another server that a user has seen, for ever",
        change: "media_retention: {local_media_lifetime: 1d, remote_media_lifetime: 1d}",
    },
    Rule {
        key: "delete_stale_devices_after",
        usual: "null",
        want: Want::Within(hours(366 * 24)),
        keeps: "devices that nobody uses, and the sealed messages that wait for them (`device_inbox`)",
        change: "delete_stale_devices_after: 90d",
    },
    Rule {
        key: "url_preview_enabled",
        usual: "false",
        want: Want::Off,
        keeps: "each page that is named in a message in clear, fetched by the server",
        change: "url_preview_enabled: false",
    },
    Rule {
        key: "track_puppeted_user_ips",
        usual: "false",
        want: Want::Off,
        keeps: "addresses of administrators under the names of others",
        change: "track_puppeted_user_ips: false",
    },
    Rule {
        key: "limit_usage_by_mau",
        usual: "false",
        want: Want::Off,
        keeps: "who was here in the last month (`monthly_active_users`)",
        change: "limit_usage_by_mau: false",
    },
    Rule {
        key: "mau_stats_only",
        usual: "false",
        want: Want::Off,
        keeps: "who was here in the last month (`monthly_active_users`)",
        change: "mau_stats_only: false",
    },
    Rule {
        key: "report_stats",
        usual: "false",
        want: Want::Off,
        keeps: "nothing here, but reports figures of this server to matrix.org each day",
        change: "report_stats: false",
    },
    Rule {
        key: "sentry.dsn",
        usual: "null",
        want: Want::Off,
        keeps: "nothing here, but sends errors with names and rooms to somebody else",
        change: "remove `sentry`",
    },
    Rule {
        key: "opentracing.enabled",
        usual: "false",
        want: Want::Off,
        keeps: "a trace of requests with user and path, in the tracing service",
        change: "opentracing: {enabled: false}",
    },
    Rule {
        key: "allow_device_name_lookup_over_federation",
        usual: "false",
        want: Want::Off,
        keeps: "nothing here, but tells other servers what devices are called",
        change: "allow_device_name_lookup_over_federation: false",
    },
    Rule {
        key: "enable_registration",
        usual: "false",
        want: Want::Off,
        keeps: "accounts that no key names: anybody may take any free name, @sc_… among them",
        change: "enable_registration: false",
    },
    Rule {
        key: "allow_guest_access",
        usual: "false",
        want: Want::Off,
        keeps: "guests, whom no key names",
        change: "allow_guest_access: false",
    },
    Rule {
        key: "experimental_features.msc4263_limit_key_queries_to_users_who_share_rooms",
        usual: "false",
        want: Want::Off,
        keeps: "strangers from being called: nobody without a room in common is told their devices' keys",
        change: "experimental_features: {msc4263_limit_key_queries_to_users_who_share_rooms: false}",
    },
    Rule {
        key: "federation.destination_min_retry_interval",
        usual: "10m",
        want: Want::Within(std::time::Duration::from_secs(300)),
        keeps: "users of a server that once did not answer from being called for so long",
        change: "federation: {destination_min_retry_interval: 1m, destination_max_retry_interval: 1h}",
    },
    Rule {
        key: "federation.destination_max_retry_interval",
        usual: "7d",
        want: Want::Within(hours(24)),
        keeps: "users of a server that was down from being called for so long",
        change: "federation: {destination_min_retry_interval: 1m, destination_max_retry_interval: 1h}",
    },
    Rule {
        key: "rc_message.per_second",
        usual: "0.2",
        want: Want::AtLeast(1.0),
        keeps: "calls in rooms from being set up: they have 5 to 15 events within seconds",
        change: "rc_message: {per_second: 5, burst_count: 60}",
    },
];

/// Looks at all of them.
pub(super) fn check(settings: &Settings) -> Result<Vec<Finding>, Failure> {
    let mut findings: Vec<Finding> = RULES
        .iter()
        // Of retention that is off, one finding says enough.
        .filter(|rule| {
            !rule.key.starts_with("retention.")
                || rule.key == "retention.enabled"
                || settings.is_on("retention.enabled")
        })
        .filter_map(|rule| rule.check(settings))
        .collect();
    findings.extend(forwarded_addresses(settings));
    findings.extend(shared_login_limit(settings));
    findings.extend(key_servers(settings));
    findings.extend(purge_jobs(settings));
    findings.extend(turn_names(settings));
    findings.extend(synapse_log::check(settings)?);
    Ok(findings)
}

/// Whether Synapse learns addresses of users from the proxy.
fn forwarded_addresses(settings: &Settings) -> Option<Finding> {
    has_forwarded_addresses(settings).then(|| Finding {
        place: Place::Settings,
        name: "listeners: x_forwarded".to_owned(),
        found: "true".to_owned(),
        keeps: "the address of each device of each user (`user_ips`, `devices`), which the proxy tells"
            .to_owned(),
        change: "listeners: [{…, x_forwarded: false}], with a limit of logins that is for all: rc_login: {address: {per_second: 5, burst_count: 100}}"
            .to_owned(),
    })
}

fn listeners(settings: &Settings) -> &[Value] {
    let listeners = settings.at("listeners").and_then(Value::as_array);
    listeners.map_or(&[], Vec::as_slice)
}

fn has_forwarded_addresses(settings: &Settings) -> bool {
    listeners(settings).iter().any(|listener| {
        // On a socket of files it is the default.
        let usual = listener.get("path").is_some();
        listener.get("x_forwarded").map_or(usual, is_true)
    })
}

/// Where Synapse takes the proxy for the client, its limit by address is one for all.
fn shared_login_limit(settings: &Settings) -> Option<Finding> {
    if has_forwarded_addresses(settings) || listeners(settings).is_empty() {
        return None;
    }
    let rule = Rule {
        key: "rc_login.address.per_second",
        usual: "0.003",
        want: Want::AtLeast(1.0),
        keeps: "users from logging in: all come from the proxy's address and share one limit",
        change: "rc_login: {address: {per_second: 5, burst_count: 100}, …}",
    };
    rule.check(settings)
}

/// Who is asked for the keys of other servers. Not set, it is matrix.org.
fn key_servers(settings: &Settings) -> Option<Finding> {
    let found = match settings.at("trusted_key_servers") {
        None => "not set, which is matrix.org".to_owned(),
        Some(Value::Array(servers)) if servers.is_empty() => return None,
        Some(Value::Array(servers)) => {
            let names = servers
                .iter()
                .filter_map(|server| server.get("server_name"));
            names.map(shown).collect::<Vec<_>>().join(", ")
        }
        Some(other) => shown(other),
    };
    Some(Finding {
        place: Place::Settings,
        name: "trusted_key_servers".to_owned(),
        found,
        keeps: "nothing here, but tells them of every server that this one meets".to_owned(),
        change: "trusted_key_servers: []".to_owned(),
    })
}

/// Retention hides at once and deletes when a job runs: once a day, if nothing is said.
fn purge_jobs(settings: &Settings) -> Option<Finding> {
    if !settings.is_on("retention.enabled") {
        return None;
    }
    let jobs = settings
        .at("retention.purge_jobs")
        .and_then(Value::as_array);
    let is_prompt = jobs.is_some_and(|jobs| {
        jobs.iter().any(|job| {
            let interval = job.get("interval").and_then(super::settings::duration);
            let is_for_all = job.get("shortest_max_lifetime").is_none()
                && job.get("longest_max_lifetime").is_none();
            is_for_all && interval.is_some_and(|interval| interval <= hours(6))
        })
    });
    (!is_prompt).then(|| Finding {
        place: Place::Settings,
        name: "retention.purge_jobs".to_owned(),
        found: "no job that runs for all rooms each few hours".to_owned(),
        keeps: "events whose time is over, hidden and not yet deleted".to_owned(),
        change: "retention: {…, purge_jobs: [{interval: 1h}]}".to_owned(),
    })
}

/// Synapse makes TURN user names of time and Matrix ID.
fn turn_names(settings: &Settings) -> Option<Finding> {
    let has_secret = ["turn_shared_secret", "turn_shared_secret_path"]
        .iter()
        .any(|key| settings.at(key).is_some());
    (has_secret && settings.at("turn_uris").is_some()).then(|| Finding {
        place: Place::Settings,
        name: "turn_shared_secret".to_owned(),
        found: "set".to_owned(),
        keeps: "the Matrix ID in each user name for TURN: the TURN server learns it, and over `turn:` the network"
            .to_owned(),
        change: "remove `turn_*`, and let the proxy lead /_matrix/client/v3/voip/turnServer to securecall-server, whose `[turn]` has the secret"
            .to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn names(text: &str) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("homeserver.yaml");
        fs::write(&path, text).unwrap();
        let settings = Settings::read(&[path]).unwrap();
        let findings = check(&settings).unwrap();
        findings.into_iter().map(|finding| finding.name).collect()
    }

    #[test]
    fn a_synapse_of_which_nothing_is_set_has_more_than_ten_findings() {
        let names = names("server_name: example.org\n");
        assert!(names.len() >= 20, "{names:?}");
        for name in [
            "user_ips_max_age",
            "presence.enabled",
            "trusted_key_servers",
            "log_config",
        ] {
            assert!(names.iter().any(|found| found == name), "{name}: {names:?}");
        }
    }

    #[test]
    fn each_rule_is_found_when_it_is_broken_and_its_own_line_mends_it() {
        for rule in RULES {
            let mut text = rule.broken();
            if rule.key.starts_with("retention.") && rule.key != "retention.enabled" {
                text = text.replace("{", "{enabled: true, ");
            }
            let found = names(&text);
            assert!(
                found.iter().any(|name| name == rule.key),
                "{}: {text}",
                rule.key
            );
            // Lines with … are parts of one that another rule has whole.
            if rule.change.contains('…') || rule.change.starts_with("remove") {
                continue;
            }
            let found = names(rule.change);
            assert!(
                !found.iter().any(|name| name == rule.key),
                "{}",
                rule.change
            );
        }
    }

    #[test]
    fn addresses_that_the_proxy_tells_are_found_on_each_listener() {
        let has = |text: &str| names(text).iter().any(|name| name.starts_with("listeners"));
        assert!(has(
            "listeners: [{port: 1, x_forwarded: false}, {port: 2, x_forwarded: true}]"
        ));
        assert!(has("listeners: [{path: /run/x}]"));
        assert!(!has("listeners: [{port: 1}]"));
        assert!(!has("listeners: [{path: /run/x, x_forwarded: false}]"));
    }

    #[test]
    fn without_addresses_the_limit_of_logins_must_be_for_all() {
        let has = |text: &str| names(text).iter().any(|name| name.starts_with("rc_login"));
        let listener = "listeners: [{port: 1, x_forwarded: false}]\n";
        assert!(has(listener));
        assert!(!has(&format!(
            "{listener}rc_login: {{address: {{per_second: 5}}}}\n"
        )));
        assert!(!has("listeners: [{port: 1, x_forwarded: true}]\n"));
    }

    #[test]
    fn turn_of_synapses_own_and_jobs_that_never_run_are_found() {
        let has = |text: &str, name: &str| names(text).iter().any(|found| found == name);
        let turn = "turn_uris: ['turn:x']\nturn_shared_secret_path: /x\n";
        assert!(has(turn, "turn_shared_secret"));
        assert!(!has(
            "turn_uris: ['turn:x']\nturn_username: a\n",
            "turn_shared_secret"
        ));
        assert!(has("retention: {enabled: true}\n", "retention.purge_jobs"));
        assert!(has(
            "retention: {enabled: true, purge_jobs: [{interval: 1h, longest_max_lifetime: 1h}]}\n",
            "retention.purge_jobs"
        ));
        assert!(!has("trusted_key_servers: []\n", "trusted_key_servers"));
        assert!(has(
            "trusted_key_servers: [{server_name: a.example}]\n",
            "trusted_key_servers"
        ));
    }
}
