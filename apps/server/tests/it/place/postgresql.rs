//! PostgreSQL, with what `init` writes for it, and Synapse's own tables in it.

use std::fs;
use std::process::Command;

use securecall_interop::Synapse;

use super::process::{Diagnosis, Place};

/// Gives statements to psql, and stops at the first that fails.
fn psql(url: &str, sql: &str) {
    use std::io::Write as _;

    let mut child = Command::new("psql")
        .args([
            "--no-psqlrc",
            "--quiet",
            "--set=ON_ERROR_STOP=1",
            "--dbname",
            url,
        ])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("`cargo xtask setup` installs PostgreSQL");
    let mut input = child.stdin.take().unwrap();
    // Whoever stops at an error reads no further.
    let _ = input.write_all(sql.as_bytes());
    drop(input);
    assert!(child.wait().unwrap().success(), "{sql:.200}");
}

/// Synapse's tables, as it makes them on a new database.
fn tables() -> String {
    let python = Synapse::python().unwrap();
    let output = Command::new(python)
        .args([
            "-c",
            "import synapse, os; print(os.path.dirname(synapse.__file__))",
        ])
        .output()
        .unwrap();
    let folder = String::from_utf8(output.stdout).unwrap();
    let schema = std::path::Path::new(folder.trim()).join("storage/schema");
    let mut text = String::new();
    for part in ["common", "main", "state"] {
        let schemas = schema.join(part).join("full_schemas");
        let mut versions: Vec<u32> = fs::read_dir(&schemas)
            .unwrap()
            .filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok())
            .collect();
        versions.sort_unstable();
        let newest = schemas.join(versions.last().unwrap().to_string());
        for name in ["full.sql.postgres", "full.sql"] {
            text.push_str(&fs::read_to_string(newest.join(name)).unwrap_or_default());
        }
    }
    text
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "a database tells other sessions when it likes"
)]
fn the_databases_are_made_and_doctor_reads_them_and_writes_nothing() {
    let place = Place::new(&["--database", "postgres"]);
    let postgres = place.start_postgres().unwrap();
    let port = postgres.port();
    let password = place.read("homeserver_database_password");
    // As Synapse's own user, with the password of the settings.
    let url = format!(
        "postgresql://synapse:{}@127.0.0.1:{port}/synapse",
        password.trim()
    );
    psql(&url, &tables());

    let database = |diagnosis: &Diagnosis| -> Vec<String> {
        assert!(
            diagnosis
                .looked_at()
                .iter()
                .any(|place| place == "database"),
            "{diagnosis:?}"
        );
        let mut names = diagnosis.names();
        names.retain(|name| name.starts_with("database: "));
        names.dedup();
        names
    };
    assert_eq!(database(&place.doctor(&[])), [""; 0]);

    psql(
        &url,
        "INSERT INTO user_ips VALUES ('@sc_a:place.test', 't', 'D', '192.0.2.1', 'x', 1);
         INSERT INTO user_daily_visits VALUES ('@sc_a:place.test', 'D', 1, 'x');
         INSERT INTO open_id_tokens VALUES ('t', 1, '@sc_a:place.test');
         INSERT INTO presence_stream (stream_id, user_id, state) VALUES (1, '@sc_a:place.test', 'online');
         INSERT INTO event_search (event_id, room_id) VALUES ('$a', '!a');
         INSERT INTO cache_invalidation_stream_by_instance VALUES (1, 'master', 'count_e2e_one_time_keys', '{@sc_a:place.test}', 1);",
    );
    postgres
        .run("test", "ALTER SYSTEM SET log_statement = 'all'")
        .unwrap();
    postgres.run("test", "SELECT pg_reload_conf()").unwrap();
    let all = [
        "cache_invalidation_stream_by_instance",
        "event_search",
        "log_statement",
        "open_id_tokens",
        "presence_stream",
        "user_daily_visits",
        "user_ips",
    ];
    let mut found = Vec::new();
    // A new setting reaches other sessions a moment later.
    for _ in 0..100 {
        found = database(&place.doctor(&[]));
        found.sort();
        if found.len() == all.len() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    assert_eq!(found, all.map(|table| format!("database: {table}")));
    // The URL on the command line, which holds a password, is not repeated.
    let wrong = format!("postgresql://synapse:wrong-secret@127.0.0.1:{port}/synapse");
    let diagnosis = place.doctor(&["--database-url", &wrong]);
    assert!(!format!("{diagnosis:?}").contains("wrong-secret"));

    psql(&url, &place.read("forget.sql"));
    let left = database(&place.doctor(&[]));
    assert!(
        !left.iter().any(|name| ["visits", "tokens", "by_instance"]
            .iter()
            .any(|end| name.ends_with(end))),
        "{left:?}"
    );
}
