//! Rows that are there longer than they must be, or that need not be there at all.
//!
//! Tables as Synapse 1.163 and Dendrite 0.15.2 have them. A query counts; it names nobody.

use std::time::Duration;

use securecall_daemon::{Failure, unix_time};

use super::database::Database;
use super::finding::{Finding, Place};
use super::rule::hours;
use crate::config::HomeserverKind;

/// Rows of one table.
struct Record {
    table: &'static str,
    /// Counts them. `$1` is the time before which a row is too old, in milliseconds.
    query: &'static str,
    age: Duration,
    keeps: &'static str,
    change: &'static str,
}

/// Rows whose age does not matter.
const ANY: Duration = Duration::ZERO;

/// The unit that runs `forget.sql` has a timer of an hour.
const FORGET: &str =
    "systemctl enable --now securecall-forget.timer (forget.sql of `securecall-server init`)";

const SYNAPSE: &[Record] = &[
    Record {
        table: "user_ips",
        query: "SELECT COUNT(*) FROM user_ips WHERE last_seen < $1",
        age: hours(26),
        keeps: "which token came when, from which address, with which program",
        change: "user_ips_max_age: 1h",
    },
    Record {
        table: "user_ips",
        query: "SELECT COUNT(*) FROM user_ips WHERE ip NOT LIKE '127.%' AND ip NOT IN ('::1', '') AND $1 > 0",
        age: ANY,
        keeps: "addresses of users",
        change: "listeners: [{…, x_forwarded: false}]",
    },
    Record {
        table: "devices",
        query: "SELECT COUNT(*) FROM devices WHERE ip NOT LIKE '127.%' AND ip NOT IN ('::1', '') AND $1 > 0",
        age: ANY,
        keeps: "the address that each device came from last",
        change: "listeners: [{…, x_forwarded: false}]; then, once: UPDATE devices SET ip = NULL",
    },
    Record {
        table: "devices",
        query: "SELECT COUNT(*) FROM devices WHERE user_agent IS NOT NULL AND user_agent <> '' AND $1 > 0",
        age: ANY,
        keeps: "the program that each device came with last",
        change: "in the proxy: header_up -User-Agent (Caddy), proxy_set_header User-Agent \"\" (nginx); then, once: UPDATE devices SET user_agent = NULL",
    },
    Record {
        table: "user_daily_visits",
        query: "SELECT COUNT(*) FROM user_daily_visits WHERE timestamp < $1",
        age: hours(50),
        keeps: "who was here on which day, for ever; Synapse has no setting for it",
        change: FORGET,
    },
    Record {
        table: "open_id_tokens",
        query: "SELECT COUNT(*) FROM open_id_tokens WHERE ts_valid_until_ms < $1",
        age: hours(3),
        keeps: "who bought relay tokens when, for ever; Synapse has no setting for it",
        change: FORGET,
    },
    Record {
        table: "redactions",
        query: "SELECT COUNT(*) FROM redactions r JOIN events e ON e.event_id = r.redacts WHERE NOT r.have_censored AND r.received_ts < $1",
        age: hours(2),
        keeps: "what was in events that were redacted",
        change: "redaction_retention_period: 5m",
    },
    Record {
        table: "events",
        query: "SELECT COUNT(*) FROM events e WHERE e.state_key IS NULL AND NOT e.outlier AND e.received_ts < $1 AND e.stream_ordering < (SELECT MAX(l.stream_ordering) FROM events l WHERE l.room_id = e.room_id)",
        age: hours(8 * 24),
        keeps: "who sent something when, and what",
        change: "retention: {enabled: true, default_policy: {max_lifetime: 1d}, allowed_lifetime_max: 1d, purge_jobs: [{interval: 1h}]}",
    },
    Record {
        table: "rooms",
        query: "SELECT COUNT(*) FROM rooms r WHERE NOT EXISTS (SELECT 1 FROM local_current_membership m WHERE m.room_id = r.room_id AND m.membership IN ('join', 'invite', 'knock')) AND NOT EXISTS (SELECT 1 FROM events e WHERE e.room_id = r.room_id AND e.received_ts > $1)",
        age: hours(26),
        keeps: "rooms that nobody here is in any more: who was in them, and when",
        change: "forget_rooms_on_leave: true, forgotten_room_retention_period: 1h; those of before: DELETE /_synapse/admin/v2/rooms/<room ID> {\"purge\": true}",
    },
    Record {
        table: "presence_stream",
        query: "SELECT COUNT(*) FROM presence_stream WHERE state <> 'offline' AND $1 > 0",
        age: ANY,
        keeps: "who is at the screen, and when last",
        change: "presence: {enabled: false}; then, once: DELETE FROM presence_stream",
    },
    Record {
        table: "event_search",
        query: "SELECT COUNT(*) FROM event_search WHERE $1 > 0",
        age: ANY,
        keeps: "a second copy of messages in clear",
        change: "enable_search: false; then, once: DELETE FROM event_search",
    },
    Record {
        table: "user_threepids",
        query: "SELECT COUNT(*) FROM user_threepids WHERE $1 > 0",
        age: ANY,
        keeps: "mail addresses and telephone numbers",
        change: "enable_3pid_changes: false; their owners remove those that are there",
    },
    Record {
        table: "pushers",
        query: "SELECT COUNT(*) FROM pushers WHERE $1 > 0",
        age: ANY,
        keeps: "which push service knows which device",
        change: "push: {enabled: false, include_content: false}; then, once: DELETE FROM pushers",
    },
    Record {
        table: "monthly_active_users",
        query: "SELECT COUNT(*) FROM monthly_active_users WHERE $1 > 0",
        age: ANY,
        keeps: "who was here in the last month",
        change: "limit_usage_by_mau: false, mau_stats_only: false; then, once: DELETE FROM monthly_active_users",
    },
    Record {
        table: "device_inbox",
        query: "SELECT COUNT(*) FROM device_inbox i JOIN devices d ON d.user_id = i.user_id AND d.device_id = i.device_id WHERE d.last_seen < $1",
        age: hours(367 * 24),
        keeps: "sealed messages for devices that have not come back for a year",
        change: "delete_stale_devices_after: 90d",
    },
    Record {
        table: "remote_media_cache",
        query: "SELECT COUNT(*) FROM remote_media_cache WHERE COALESCE(last_access_ts, created_ts) < $1",
        age: hours(8 * 24),
        keeps: "copies of files of other servers that users have seen",
        change: "media_retention: {local_media_lifetime: 1d, remote_media_lifetime: 1d}",
    },
    Record {
        table: "local_media_repository_url_cache",
        query: "SELECT COUNT(*) FROM local_media_repository_url_cache WHERE $1 > 0",
        age: ANY,
        keeps: "which pages were named in messages",
        change: "url_preview_enabled: false",
    },
];

const DENDRITE: &[Record] = &[
    Record {
        table: "userapi_devices",
        query: "SELECT COUNT(*) FROM userapi_devices WHERE ip NOT LIKE '127.%' AND ip NOT LIKE '[::1]%' AND ip <> '' AND $1 > 0",
        age: ANY,
        keeps: "the address that each device came from last",
        change: "remove `sync_api.real_ip_header`; then, once: UPDATE userapi_devices SET ip = ''",
    },
    Record {
        table: "userapi_devices",
        query: "SELECT COUNT(*) FROM userapi_devices WHERE user_agent <> '' AND $1 > 0",
        age: ANY,
        keeps: "the program that each device came with last",
        change: "in the proxy: header_up -User-Agent (Caddy), proxy_set_header User-Agent \"\" (nginx); then, once: UPDATE userapi_devices SET user_agent = ''",
    },
    Record {
        table: "userapi_openid_tokens",
        query: "SELECT COUNT(*) FROM userapi_openid_tokens WHERE token_expires_at_ms < $1",
        age: hours(3),
        keeps: "who bought relay tokens when, for ever; Dendrite has no setting for it",
        change: FORGET,
    },
    Record {
        table: "userapi_daily_visits",
        query: "SELECT COUNT(*) FROM userapi_daily_visits WHERE timestamp < $1",
        age: hours(50),
        keeps: "who was here on which day; Dendrite has no setting for it",
        change: FORGET,
    },
    Record {
        table: "userapi_threepids",
        query: "SELECT COUNT(*) FROM userapi_threepids WHERE $1 > 0",
        age: ANY,
        keeps: "mail addresses and telephone numbers",
        change: "their owners remove them",
    },
    Record {
        table: "userapi_pushers",
        query: "SELECT COUNT(*) FROM userapi_pushers WHERE $1 > 0",
        age: ANY,
        keeps: "which push service knows which device",
        change: "their owners remove them",
    },
    Record {
        table: "syncapi_presence",
        query: "SELECT COUNT(*) FROM syncapi_presence WHERE $1 > 0",
        age: ANY,
        keeps: "who is at the screen, and when last",
        change: "global: {presence: {enable_inbound: false, enable_outbound: false}}; then, once: DELETE FROM syncapi_presence",
    },
    Record {
        table: "syncapi_output_room_events",
        query: "SELECT COUNT(DISTINCT room_id) FROM syncapi_output_room_events WHERE (type LIKE 'm.call.%' OR type IN ('m.room.message', 'm.room.encrypted')) AND $1 > 0",
        age: ANY,
        keeps: "rooms with what was said in them, for ever; Dendrite has no retention",
        change: "POST /_dendrite/admin/purgeRoom/<room ID> for each; where calls in rooms matter, take Synapse",
    },
];

/// Settings of PostgreSQL that keep what a homeserver deletes.
const POSTGRES: &[(&str, &str, &str, &str)] = &[
    (
        "log_statement",
        "none",
        "statements with their values in PostgreSQL's log",
        "ALTER SYSTEM SET log_statement = 'none'",
    ),
    (
        "log_min_duration_statement",
        "-1",
        "slow statements with their values in PostgreSQL's log",
        "ALTER SYSTEM SET log_min_duration_statement = -1",
    ),
    (
        "log_min_error_statement",
        "panic",
        "statements that fail, with their values, in PostgreSQL's log",
        "ALTER SYSTEM SET log_min_error_statement = 'panic'",
    ),
    (
        "archive_mode",
        "off",
        "every row that ever was, in the archive of the log of changes",
        "ALTER SYSTEM SET archive_mode = off, or an archive that is deleted after days: see docs/operating.md",
    ),
];

/// Looks at all tables that there are.
pub(super) async fn check(
    kind: HomeserverKind,
    database: &mut Database,
) -> Result<Vec<Finding>, Failure> {
    let records = match kind {
        HomeserverKind::Synapse => SYNAPSE,
        HomeserverKind::Dendrite => DENDRITE,
    };
    let mut findings = Vec::new();
    for record in records {
        let before =
            i64::try_from(now().saturating_sub(record.age).as_millis()).unwrap_or(i64::MAX);
        let count = database.count(record.table, record.query, before).await?;
        if let Some(count @ 1..) = count {
            let rows = if count == 1 { "row" } else { "rows" };
            findings.push(Finding {
                place: Place::Database,
                name: record.table.to_owned(),
                found: format!("{count} {rows}"),
                keeps: record.keeps.to_owned(),
                change: record.change.to_owned(),
            });
        }
    }
    for (name, wanted, keeps, change) in POSTGRES {
        if let Some(found) = database.setting(name).await?
            && found != *wanted
        {
            findings.push(Finding {
                place: Place::Database,
                name: (*name).to_owned(),
                found,
                keeps: (*keeps).to_owned(),
                change: (*change).to_owned(),
            });
        }
    }
    Ok(findings)
}

fn now() -> Duration {
    Duration::from_secs(unix_time().as_secs())
}
