//! What a homeserver's database holds, and what a call has added to it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::Path,
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, Row, types::ValueRef};

/// How long a reader waits for the homeserver to finish writing.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// A table, or some columns of it, in which a homeserver may write something without recording a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowed {
    /// The table's name in Synapse's schema, or Dendrite's.
    pub table: &'static str,
    /// The columns that may change in a row that is there; empty: any change, and new rows too.
    pub columns: &'static [&'static str],
    /// Why that is no record of a call.
    pub reason: &'static str,
}

/// Everything that using an account leaves behind, call or no call.
pub const ALLOWED: &[Allowed] = &[
    Allowed {
        table: "user_ips",
        columns: &[],
        reason: "a device's last seen and IP",
    },
    Allowed {
        table: "devices",
        columns: &["last_seen", "ip", "user_agent"],
        reason: "a device's last seen and IP",
    },
    Allowed {
        table: "access_tokens",
        columns: &["last_validated", "used"],
        reason: "a device's last seen",
    },
    Allowed {
        table: "user_daily_visits",
        columns: &[],
        reason: "a device's last seen, by day",
    },
    Allowed {
        table: "monthly_active_users",
        columns: &[],
        reason: "a user's last seen, by month",
    },
    Allowed {
        table: "e2e_one_time_keys_json",
        columns: &[],
        reason: "one-time keys",
    },
    Allowed {
        table: "e2e_fallback_keys_json",
        columns: &[],
        reason: "one-time keys",
    },
    // The server clears away old one-time keys some time after its start, and notes how far it got.
    Allowed {
        table: "scheduled_tasks",
        columns: &["status", "timestamp", "result", "error"],
        reason: "one-time keys: the server's own cleaning",
    },
    Allowed {
        table: "device_max_stream_id",
        columns: &[],
        reason: "stream position",
    },
    Allowed {
        table: "stream_positions",
        columns: &[],
        reason: "stream position",
    },
    Allowed {
        table: "device_lists_changes_converted_stream_position",
        columns: &[],
        reason: "stream position",
    },
    // Two of what is to be pushed, which no call is: they are brought up to date 30 s after a start.
    Allowed {
        table: "event_push_summary_stream_ordering",
        columns: &[],
        reason: "stream position",
    },
    Allowed {
        table: "event_push_summary_last_receipt_stream_id",
        columns: &[],
        reason: "stream position",
    },
    Allowed {
        table: "room_forgetter_stream_pos",
        columns: &[],
        reason: "stream position",
    },
    Allowed {
        table: "stats_incremental_position",
        columns: &[],
        reason: "stream position",
    },
    Allowed {
        table: "user_directory_stream_pos",
        columns: &[],
        reason: "stream position",
    },
    // Dendrite's.
    Allowed {
        table: "userapi_devices",
        columns: &["last_seen_ts", "ip", "user_agent"],
        reason: "a device's last seen and IP",
    },
    Allowed {
        table: "keyserver_one_time_keys",
        columns: &[],
        reason: "one-time keys",
    },
    Allowed {
        table: "keyserver_fallback_keys",
        columns: &[],
        reason: "one-time keys",
    },
    Allowed {
        table: "sqlite_sequence",
        columns: &[],
        reason: "how many rows a table has had",
    },
];

/// All rows of all tables at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DatabaseSnapshot {
    tables: BTreeMap<String, Table>,
}

/// The rows of one table by their key: the primary key, else the columns of a unique index, else everything in the row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Table {
    rows: BTreeMap<Vec<String>, Vec<Columns>>,
}

type Columns = BTreeMap<String, String>;

/// One row that is in the later snapshot and was not like that in the earlier one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The table's name in Synapse's schema, or Dendrite's.
    pub table: String,
    /// The row as it is now, column by column.
    pub row: BTreeMap<String, String>,
    /// The columns that are not as before; `None`: the whole row is new.
    pub changed: Option<BTreeSet<String>>,
    /// Why this is no record of a call, if it is none.
    pub allowed: Option<&'static str>,
}

/// All rows added or changed between two snapshots.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Table by table.
    pub differences: Vec<Difference>,
}

impl DatabaseSnapshot {
    /// Reads a database, whether or not a homeserver is using it. It is not changed, and seen at one moment.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub fn read(path: &Path) -> Result<Self, rusqlite::Error> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        let reading = connection.transaction()?;

        let mut names =
            reading.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")?;
        let names: Vec<String> = names
            .query_map([], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        let mut tables = BTreeMap::new();
        for name in names {
            let table = Table::read(&reading, &name)?;
            tables.insert(name, table);
        }
        Ok(Self { tables })
    }

    /// Reads several databases whose tables have different names; of those that are in more than one, the rows are put together.
    ///
    /// # Errors
    ///
    /// When one cannot be read.
    pub fn read_all(paths: &[impl AsRef<Path>]) -> Result<Self, rusqlite::Error> {
        let mut whole = Self::default();
        for path in paths {
            for (name, table) in Self::read(path.as_ref())?.tables {
                let rows = &mut whole.tables.entry(name).or_default().rows;
                for (key, more) in table.rows {
                    rows.entry(key).or_default().extend(more);
                }
            }
        }
        Ok(whole)
    }

    /// Of lines that each tell of a table with the columns that name its rows, `{"table": …, "key": […]}`, or of a row of one,
    /// `{"in": …, "row": {…}}`.
    #[cfg(target_os = "linux")]
    pub(crate) fn from_json_lines(text: &str) -> serde_json::Result<Self> {
        let mut whole = Self::default();
        let mut keys: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for line in text.lines().filter(|line| !line.is_empty()) {
            match serde_json::from_str(line)? {
                Line::Table { table, key } => {
                    keys.insert(table.clone(), key.unwrap_or_default());
                    whole.tables.insert(table, Table::default());
                }
                Line::Row { table, row } => {
                    let values: Columns = row
                        .into_iter()
                        .map(|(column, value)| (column, text_of(value)))
                        .collect();
                    let key = match keys.get(&table).filter(|key| !key.is_empty()) {
                        Some(columns) => columns
                            .iter()
                            .filter_map(|column| values.get(column).cloned())
                            .collect(),
                        None => values.values().cloned().collect(),
                    };
                    let rows = &mut whole.tables.entry(table).or_default().rows;
                    rows.entry(key).or_default().push(values);
                }
            }
        }
        Ok(whole)
    }

    /// The number of rows in a table; `None` if there is no such table.
    #[must_use]
    pub fn row_count(&self, table: &str) -> Option<usize> {
        self.tables
            .get(table)
            .map(|table| table.rows.values().map(Vec::len).sum())
    }

    /// The rows of `later` that are not in `self`, or not like that.
    #[must_use]
    pub fn compare(&self, later: &Self) -> Report {
        let none = Table::default();
        let differences = later.tables.iter().flat_map(|(name, table)| {
            let earlier = self.tables.get(name).unwrap_or(&none);
            earlier.compare(name, table)
        });
        Report {
            differences: differences.collect(),
        }
    }
}

/// What a line of [`DatabaseSnapshot::from_json_lines`] tells of.
#[cfg(target_os = "linux")]
#[derive(serde::Deserialize)]
#[serde(untagged)]
enum Line {
    Table {
        table: String,
        key: Option<Vec<String>>,
    },
    Row {
        #[serde(rename = "in")]
        table: String,
        row: serde_json::Map<String, serde_json::Value>,
    },
}

#[cfg(target_os = "linux")]
fn text_of(value: serde_json::Value) -> String {
    match value {
        serde_json::Value::Null => "NULL".to_owned(),
        serde_json::Value::String(text) => text,
        other => other.to_string(),
    }
}

impl Table {
    fn read(connection: &Connection, name: &str) -> Result<Self, rusqlite::Error> {
        let quoted = name.replace('"', "\"\"");
        let mut info = connection.prepare(&format!("PRAGMA table_info(\"{quoted}\")"))?;
        let columns: Vec<(String, bool)> = info
            .query_map([], |row| {
                Ok((row.get("name")?, row.get::<_, i64>("pk")? > 0))
            })?
            .collect::<Result<_, _>>()?;
        let key_columns = key_columns(connection, &quoted, &columns)?;

        let mut table = Self::default();
        let mut statement = connection.prepare(&format!("SELECT * FROM \"{quoted}\""))?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let values = read_row(row, &columns)?;
            let key = key_columns
                .iter()
                .filter_map(|column| values.get(column).cloned())
                .collect();
            table.rows.entry(key).or_default().push(values);
        }
        Ok(table)
    }

    fn compare(&self, name: &str, later: &Self) -> Vec<Difference> {
        let mut differences = Vec::new();
        for (key, rows) in &later.rows {
            let before = self.rows.get(key).map(Vec::as_slice).unwrap_or_default();
            for (index, row) in rows.iter().enumerate() {
                // Without a primary key equal rows are counted: one more of them is a new row.
                match before.get(index) {
                    Some(old) if old == row => {}
                    Some(old) => differences.push(Difference::changed(name, old, row)),
                    None => differences.push(Difference::added(name, row)),
                }
            }
        }
        differences
    }
}

impl Difference {
    fn added(table: &str, row: &Columns) -> Self {
        let allowed = ALLOWED
            .iter()
            .find(|allowed| allowed.table == table && allowed.columns.is_empty());
        Self {
            table: table.to_owned(),
            row: row.clone(),
            changed: None,
            allowed: allowed.map(|allowed| allowed.reason),
        }
    }

    fn changed(table: &str, old: &Columns, new: &Columns) -> Self {
        let changed: BTreeSet<String> = new
            .iter()
            .filter(|(column, value)| old.get(*column) != Some(*value))
            .map(|(column, _)| column.clone())
            .collect();
        let covers = |allowed: &&Allowed| {
            allowed.table == table
                && (allowed.columns.is_empty()
                    || changed
                        .iter()
                        .all(|column| allowed.columns.contains(&column.as_str())))
        };
        let allowed = ALLOWED.iter().find(covers).map(|allowed| allowed.reason);
        Self {
            table: table.to_owned(),
            row: new.clone(),
            changed: Some(changed),
            allowed,
        }
    }
}

impl Report {
    /// The rows that are on no list: each of them is a trace of the call.
    pub fn unexplained(&self) -> impl Iterator<Item = &Difference> {
        self.differences
            .iter()
            .filter(|difference| difference.allowed.is_none())
    }

    /// How many rows are on no list.
    #[must_use]
    pub fn unexplained_count(&self) -> usize {
        self.unexplained().count()
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            table,
            row,
            changed,
            allowed,
        } = self;
        let what = if changed.is_some() {
            "changed"
        } else {
            "added"
        };
        write!(f, "{table}: {what}")?;
        for (column, value) in row {
            let mark = if changed
                .as_ref()
                .is_some_and(|changed| changed.contains(column))
            {
                "*"
            } else {
                ""
            };
            let short: String = value.chars().take(60).collect();
            write!(f, " {mark}{column}={short}")?;
        }
        match allowed {
            Some(reason) => write!(f, " ({reason})"),
            None => Ok(()),
        }
    }
}

/// The columns that name a row.
fn key_columns(
    connection: &Connection,
    quoted_table: &str,
    columns: &[(String, bool)],
) -> Result<Vec<String>, rusqlite::Error> {
    let primary: Vec<String> = columns
        .iter()
        .filter(|(_, in_key)| *in_key)
        .map(|(column, _)| column.clone())
        .collect();
    if !primary.is_empty() {
        return Ok(primary);
    }
    let mut indices = connection.prepare(&format!("PRAGMA index_list(\"{quoted_table}\")"))?;
    let unique: Vec<String> = indices
        .query_map([], |row| {
            let whole = row.get::<_, i64>("unique")? == 1 && row.get::<_, i64>("partial")? == 0;
            Ok((row.get("name")?, whole))
        })?
        .filter_map(|index| match index {
            Ok((name, true)) => Some(Ok(name)),
            Ok((_, false)) => None,
            Err(error) => Some(Err(error)),
        })
        .collect::<Result<_, _>>()?;
    for index in unique {
        let quoted = index.replace('"', "\"\"");
        let mut info = connection.prepare(&format!("PRAGMA index_info(\"{quoted}\")"))?;
        // An index over an expression has columns without a name.
        let names: Vec<Option<String>> = info
            .query_map([], |row| row.get("name"))?
            .collect::<Result<_, _>>()?;
        if let Some(names) = names.into_iter().collect::<Option<Vec<_>>>() {
            return Ok(names);
        }
    }
    Ok(columns.iter().map(|(column, _)| column.clone()).collect())
}

fn read_row(row: &Row<'_>, columns: &[(String, bool)]) -> Result<Columns, rusqlite::Error> {
    let mut values = Columns::new();
    for (index, (column, _)) in columns.iter().enumerate() {
        let value = match row.get_ref(index)? {
            ValueRef::Null => "NULL".to_owned(),
            ValueRef::Integer(value) => value.to_string(),
            ValueRef::Real(value) => value.to_string(),
            ValueRef::Text(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            ValueRef::Blob(bytes) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        };
        values.insert(column.clone(), value);
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database() -> (tempfile::TempDir, Connection, std::path::PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("homeserver.db");
        let connection = Connection::open(&path).unwrap();
        connection
            .execute_batch(
                "PRAGMA journal_mode = WAL;
                 CREATE TABLE devices (device_id TEXT PRIMARY KEY, display_name TEXT, last_seen BIGINT);
                 CREATE TABLE events (body TEXT);
                 CREATE TABLE user_ips (ip TEXT);
                 INSERT INTO devices VALUES ('A', 'Device', 1);
                 INSERT INTO events VALUES ('same');",
            )
            .unwrap();
        (directory, connection, path)
    }

    fn changes(batch: &str) -> Report {
        let (_directory, connection, path) = database();
        let before = DatabaseSnapshot::read(&path).unwrap();
        connection.execute_batch(batch).unwrap();
        before.compare(&DatabaseSnapshot::read(&path).unwrap())
    }

    #[test]
    fn nothing_done_is_nothing_found() {
        assert_eq!(changes("SELECT 1"), Report::default());
    }

    #[test]
    fn a_row_added_is_named_even_if_it_equals_another() {
        let report = changes("INSERT INTO events VALUES ('same')");
        assert_eq!(report.unexplained_count(), 1);
        assert_eq!(report.differences[0].to_string(), "events: added body=same");
    }

    #[test]
    fn a_row_changed_is_named_with_the_columns() {
        let report = changes("UPDATE devices SET display_name = 'calls', last_seen = 2");
        assert_eq!(report.unexplained_count(), 1);
        let changed = report.differences[0].changed.clone().unwrap();
        assert_eq!(
            changed.into_iter().collect::<Vec<_>>(),
            ["display_name", "last_seen"]
        );
    }

    #[test]
    fn a_row_is_known_again_by_a_unique_index_where_there_is_no_primary_key() {
        let (_directory, connection, path) = database();
        connection
            .execute_batch(
                "DROP TABLE devices;
                 CREATE TABLE devices (user_id TEXT, device_id TEXT, last_seen BIGINT, UNIQUE (user_id, device_id));
                 INSERT INTO devices VALUES ('u', 'A', 1);",
            )
            .unwrap();
        let before = DatabaseSnapshot::read(&path).unwrap();
        connection
            .execute_batch("UPDATE devices SET last_seen = 2")
            .unwrap();
        let report = before.compare(&DatabaseSnapshot::read(&path).unwrap());
        assert_eq!(report.differences.len(), 1);
        assert_eq!(report.unexplained_count(), 0);
        connection
            .execute_batch("INSERT INTO devices VALUES ('u', 'B', 2)")
            .unwrap();
        let report = before.compare(&DatabaseSnapshot::read(&path).unwrap());
        assert_eq!(report.unexplained_count(), 1);
    }

    #[test]
    fn several_databases_are_read_as_one() {
        let (_first, connection, first) = database();
        let (_second, other, second) = database();
        other
            .execute_batch("DROP TABLE user_ips; CREATE TABLE rooms (id TEXT)")
            .unwrap();
        let both = [first, second];
        let before = DatabaseSnapshot::read_all(&both).unwrap();
        assert_eq!(before.row_count("events"), Some(2));
        assert_eq!(before.row_count("user_ips"), Some(0));
        assert_eq!(before.row_count("rooms"), Some(0));
        connection
            .execute_batch("INSERT INTO events VALUES ('here')")
            .unwrap();
        other
            .execute_batch("INSERT INTO rooms VALUES ('there')")
            .unwrap();
        let report = before.compare(&DatabaseSnapshot::read_all(&both).unwrap());
        let found: Vec<String> = report.unexplained().map(ToString::to_string).collect();
        assert_eq!(found, ["events: added body=here", "rooms: added id=there"]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn rows_told_line_by_line_are_known_again_by_their_key() {
        let told = |last_seen: u32, more: &str| {
            DatabaseSnapshot::from_json_lines(&format!(
                r#"{{"table":"devices","key":["device_id"]}}
{{"table":"events","key":null}}
{{"in":"devices","row":{{"device_id":"A","last_seen":{last_seen},"ip":null}}}}
{{"in":"events","row":{{"body":"same"}}}}
{more}"#
            ))
            .unwrap()
        };
        let before = told(1, "");
        assert_eq!(before.row_count("events"), Some(1));
        assert_eq!(before.compare(&before), Report::default());
        let report = before.compare(&told(2, r#"{"in":"events","row":{"body":"same"}}"#));
        let found: Vec<String> = report.differences.iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            [
                "devices: changed device_id=A ip=NULL *last_seen=2 (a device's last seen and IP)",
                "events: added body=same"
            ]
        );
        assert_eq!(report.unexplained_count(), 1);
    }

    #[test]
    fn what_is_on_the_list_is_shown_but_not_counted() {
        let report =
            changes("UPDATE devices SET last_seen = 2; INSERT INTO user_ips VALUES ('127.0.0.1')");
        assert_eq!(report.differences.len(), 2);
        assert_eq!(report.unexplained_count(), 0);
    }

    #[test]
    fn a_new_device_is_not_a_last_seen() {
        assert_eq!(
            changes("INSERT INTO devices VALUES ('B', 'Device', 1)").unexplained_count(),
            1
        );
    }

    #[test]
    fn a_new_table_counts_row_by_row() {
        let report =
            changes("CREATE TABLE calls (who TEXT); INSERT INTO calls VALUES ('me'), ('you')");
        assert_eq!(report.unexplained_count(), 2);
    }
}
