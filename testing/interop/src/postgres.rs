//! A PostgreSQL that a test starts, of Debian's package.

use std::{
    fs,
    io::{self, Write as _},
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::{database_snapshot::DatabaseSnapshot, port::free_port};

/// On a busy machine the first start takes its time.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where Debian has the programs of each major version.
const DEBIAN: &str = "/usr/lib/postgresql";

/// Root may not run it. Debian's package has made this user.
const USER: &str = "postgres";

/// A line for each table with the columns that name its rows, if there are such, then one for each row.
const SNAPSHOT: &str = r"
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SELECT json_build_object('table', c.relname, 'key', (
    SELECT (SELECT json_agg(a.attname) FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum = ANY (i.indkey))
    FROM pg_index i
    WHERE i.indrelid = c.oid AND i.indisunique AND i.indpred IS NULL AND NOT 0 = ANY (i.indkey)
    ORDER BY i.indisprimary DESC, i.indexrelid LIMIT 1))
FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' ORDER BY c.relname;
SELECT format('SELECT json_build_object(''in'', %L::text, ''row'', row_to_json(t)) FROM public.%I t', c.relname, c.relname)
FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' ORDER BY c.relname \gexec
COMMIT;
";

/// A database server on the loopback interface, with an empty database `test`. It ends when the value is dropped, and also when the
/// whole process dies without dropping it.
#[derive(Debug)]
pub struct Postgres {
    data: TempDir,
    programs: PathBuf,
    port: u16,
    process: Option<Child>,
}

impl Postgres {
    /// Starts one and waits until it answers.
    ///
    /// # Errors
    ///
    /// When PostgreSQL is not installed, or does not start.
    pub fn start() -> io::Result<Self> {
        let programs = programs()?;
        // Sockets have short names, and its own user has to get there.
        let data = tempfile::Builder::new()
            .prefix("securecall-pg-")
            .tempdir_in("/tmp")?;
        if is_root() {
            succeed(Command::new("chown").arg(USER).arg(data.path()))?;
        }
        let cluster = data.path().join("data");
        succeed(
            as_user(&programs.join("initdb"))
                .args([
                    "--no-sync",
                    "--auth-local=trust",
                    "--auth-host=scram-sha-256",
                    "--username=test",
                    "--encoding=UTF8",
                    "--locale=C",
                    "-D",
                ])
                .arg(&cluster),
        )?;
        // The user of tests needs no password; all others do, as on a machine of their own.
        let rules = cluster.join("pg_hba.conf");
        let others = fs::read_to_string(&rules)?;
        fs::write(
            &rules,
            format!("host all test 127.0.0.1/32 trust\n{others}"),
        )?;
        let mut postgres = Self {
            data,
            programs,
            port: free_port()?,
            process: None,
        };
        postgres.launch()?;
        succeed(
            as_user(&postgres.programs.join("createdb"))
                .args(["-h", "127.0.0.1", "-U", "test", "-p"])
                .arg(postgres.port.to_string())
                .arg("test"),
        )?;
        Ok(postgres)
    }

    /// `postgresql://…`, with no password.
    #[must_use]
    pub fn url(&self) -> String {
        let port = self.port;
        format!("postgresql://test@{}:{port}/test", Ipv4Addr::LOCALHOST)
    }

    /// The port of the loopback interface at which it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The id of its process, while it runs.
    #[must_use]
    pub fn process_id(&self) -> Option<u32> {
        self.process.as_ref().map(Child::id)
    }

    /// What it has written so far.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.data.path().join("log")).unwrap_or_default()
    }

    /// Runs statements for a user who may do everything, and stops at the first that fails. Gives what they select: a line for each
    /// row, with `|` between its columns.
    ///
    /// # Errors
    ///
    /// When one fails.
    pub fn run(&self, database: &str, statements: &str) -> io::Result<String> {
        let mut psql = Command::new(self.programs.join("psql"))
            .args(["--no-psqlrc", "--quiet", "--no-align", "--tuples-only"])
            .args([
                "--set=ON_ERROR_STOP=1",
                "-h",
                "127.0.0.1",
                "-U",
                "test",
                "-p",
            ])
            .arg(self.port.to_string())
            .arg(database)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        if let Some(mut input) = psql.stdin.take() {
            let statements = statements.to_owned();
            // What it prints is read meanwhile. Who stops at an error reads no further.
            thread::spawn(move || input.write_all(statements.as_bytes()));
        }
        let output = psql.wait_with_output()?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(io::Error::other(format!("psql: {said}")));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// All that a database holds now, seen at one moment.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub fn snapshot(&self, database: &str) -> io::Result<DatabaseSnapshot> {
        let text = self.run(database, SNAPSHOT)?;
        DatabaseSnapshot::from_json_lines(&text).map_err(io::Error::other)
    }

    /// Ends it at once, as a power cut would.
    ///
    /// # Errors
    ///
    /// When the process cannot be ended or waited for.
    pub fn kill(&mut self) -> io::Result<()> {
        let Some(mut child) = self.process.take() else {
            return Ok(());
        };
        // An immediate shutdown ends all its processes without writing anything, and is recovered from like a crash.
        let stopped = succeed(
            as_user(&self.programs.join("pg_ctl"))
                .args(["stop", "--mode=immediate", "-D"])
                .arg(self.data.path().join("data")),
        );
        child.wait()?;
        stopped
    }

    /// Starts it again, on the same port.
    ///
    /// # Errors
    ///
    /// When it does not come up.
    pub fn restart(&mut self) -> io::Result<()> {
        self.kill()?;
        self.launch()
    }

    fn launch(&mut self) -> io::Result<()> {
        let log = fs::File::create(self.data.path().join("log"))?;
        let child = as_user(&self.programs.join("postgres"))
            .arg("-D")
            .arg(self.data.path().join("data"))
            .args(["-h", "127.0.0.1", "-F", "-p"])
            .arg(self.port.to_string())
            .arg("-k")
            .arg(self.data.path().join("data"))
            .stdout(log.try_clone()?)
            .stderr(log)
            .stdin(Stdio::null())
            .spawn()?;
        self.process = Some(child);
        let deadline = Instant::now() + PATIENCE;
        loop {
            let ready = as_user(&self.programs.join("pg_isready"))
                .args(["-q", "-h", "127.0.0.1", "-U", "test", "-p"])
                .arg(self.port.to_string())
                .stdin(Stdio::null())
                .status()?;
            if ready.success() {
                return Ok(());
            }
            if Instant::now() > deadline {
                let said = fs::read_to_string(self.data.path().join("log")).unwrap_or_default();
                return Err(io::Error::other(format!(
                    "PostgreSQL does not answer: {said}"
                )));
            }
            thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Nothing more can be done about a process that will not be ended.
        let _ = self.kill();
    }
}

/// The newest version that is installed.
fn programs() -> io::Result<PathBuf> {
    let missing = || {
        io::Error::new(
            io::ErrorKind::NotFound,
            "PostgreSQL is not installed: `cargo xtask setup`, or apt-get install postgresql",
        )
    };
    let versions = fs::read_dir(DEBIAN).map_err(|_| missing())?;
    versions
        .filter_map(|version| Some(version.ok()?.path().join("bin")))
        .filter(|programs| programs.join("initdb").is_file() && programs.join("postgres").is_file())
        .max()
        .ok_or_else(missing)
}

/// A program as a user that may run PostgreSQL, which dies with us.
fn as_user(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    if is_root() {
        command.args(["--reuid", USER, "--regid", USER, "--clear-groups"]);
    }
    command.args(["--pdeathsig", "INT", "--"]).arg(program);
    // It is not to look into a home that is not its user's.
    command.current_dir("/tmp").env("LC_ALL", "C");
    command
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn succeed(command: &mut Command) -> io::Result<()> {
    let output = command.stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!("{command:?}: {said}")))
}
