//! The programs of a place, one by one.

use std::{
    fs, io,
    net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket},
    path::PathBuf,
    time::Duration,
};

use rusqlite::Connection;

use super::{error::PlaceError, folder::Place, program::RunningProgram};
use crate::{Dendrite, Postgres, Synapse, coturn::SCHEMA, port::free_port};

/// Ports that Caddy takes, in place of 443 and 80.
#[derive(Clone, Copy, Debug)]
pub struct CaddyPorts {
    /// With TLS.
    pub https: u16,
    /// Without, from where it leads to the other.
    pub http: u16,
}

/// Ports that coturn takes, in place of 3478 and 5349.
#[derive(Clone, Copy, Debug)]
pub struct CoturnPorts {
    /// UDP and TCP.
    pub plain: u16,
    /// TLS.
    pub tls: u16,
}

impl CaddyPorts {
    /// Ports that are free.
    ///
    /// # Errors
    ///
    /// When none are.
    pub fn free() -> io::Result<Self> {
        Ok(Self {
            https: free_port()?,
            http: free_port()?,
        })
    }
}

impl CoturnPorts {
    /// Ports that are free.
    ///
    /// # Errors
    ///
    /// When none are.
    pub fn free() -> io::Result<Self> {
        Ok(Self {
            plain: free_port()?,
            tls: free_port()?,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.plain).into()
    }
}

impl Place {
    /// Starts a PostgreSQL with the databases of the place, made by its own statements, and changes the settings so that they lead to
    /// its port.
    ///
    /// # Errors
    ///
    /// When it is not installed, does not start, or a statement fails.
    pub fn start_postgres(&self) -> Result<Postgres, PlaceError> {
        let postgres = Postgres::start()?;
        postgres.run("test", &self.read("postgres/create.sql")?)?;
        let port = postgres.port();
        let at = format!("@127.0.0.1:{port}/");
        if self.path("dendrite").exists() {
            self.change("dendrite/dendrite.yaml", &[("@localhost/", &at)])?;
        } else {
            let here = format!("    host: 127.0.0.1\n    port: {port}\n");
            self.change(
                "synapse/homeserver.yaml",
                &[("    host: localhost\n", &here)],
            )?;
        }
        self.change("server.toml", &[("@localhost/", &at)])?;
        Ok(postgres)
    }

    /// Starts Synapse, and waits until it answers. The first time on a machine, installs it.
    ///
    /// # Errors
    ///
    /// When it cannot be installed, or does not start.
    pub fn start_synapse(&self) -> Result<RunningProgram, PlaceError> {
        let python = Synapse::python()?.display().to_string();
        let settings = self.text_path("synapse/homeserver.yaml");
        let module = "synapse.app.homeserver";
        let command = [&python, "-m", module, "--config-path", &settings];
        self.start_homeserver("synapse", &command)
    }

    /// Starts Dendrite, and waits until it answers. The first time on a machine, builds it.
    ///
    /// # Errors
    ///
    /// When it cannot be built, or does not start.
    pub fn start_dendrite(&self) -> Result<RunningProgram, PlaceError> {
        let program = Dendrite::program()?.display().to_string();
        let settings = self.text_path("dendrite/dendrite.yaml");
        let address = self.homeserver().to_string();
        let listen = ["-config", &settings, "-http-bind-address", &address];
        self.start_homeserver("dendrite", &[&[program.as_str()], &listen[..]].concat())
    }

    fn start_homeserver(&self, name: &str, command: &[&str]) -> Result<RunningProgram, PlaceError> {
        let mut homeserver = RunningProgram::start(&self.path("state"), name, command)?;
        homeserver.wait_for_homeserver(self.homeserver())?;
        Ok(homeserver)
    }

    /// Starts `securecall-server`, and waits until it answers.
    ///
    /// # Errors
    ///
    /// When it does not start.
    pub fn start_server(&self) -> Result<RunningProgram, PlaceError> {
        self.start_server_with("securecall-server", "server.toml", self.server())
    }

    pub(super) fn start_server_with(
        &self,
        name: &str,
        settings: &str,
        address: SocketAddr,
    ) -> Result<RunningProgram, PlaceError> {
        let command = self.command_with(settings, &["run"]);
        let words: Vec<String> = [command.get_program()]
            .into_iter()
            .chain(command.get_args())
            .map(|word| word.to_string_lossy().into_owned())
            .collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let mut server = RunningProgram::start(&self.path("state"), name, &words)?;
        server.wait_for(address, "/health")?;
        Ok(server)
    }

    /// Starts coturn, and waits until it answers. It lends addresses of this machine, which the settings forbid and loopback takes.
    /// A certificate has to be there: [`certify`](Self::certify).
    ///
    /// # Errors
    ///
    /// When it is not installed, or does not start.
    pub fn start_coturn(&self, ports: CoturnPorts) -> Result<RunningProgram, PlaceError> {
        let CoturnPorts { plain, tls } = ports;
        // Its users' database is nobody's here: not each machine lets others than its own user read it.
        let database = self.path("state/turndb");
        Connection::open(&database)?.execute_batch(&fs::read_to_string(SCHEMA)?)?;
        let changed = self.changed(
            "coturn/turnserver.conf",
            &[
                (
                    "\nlistening-port=3478",
                    &format!(
                        "\nlistening-port={plain}\nlistening-ip=127.0.0.1\nrelay-ip=127.0.0.1"
                    ),
                ),
                (
                    "\ntls-listening-port=5349",
                    &format!("\ntls-listening-port={tls}"),
                ),
            ],
        )?;
        let settings = self.path("state/turnserver.conf");
        fs::write(
            &settings,
            format!(
                "{changed}\nallow-loopback-peers\nallowed-peer-ip=127.0.0.1\nuserdb={}\n",
                database.display()
            ),
        )?;
        let settings = settings.display().to_string();
        let mut coturn = RunningProgram::start(
            &self.path("state"),
            "coturn",
            &["turnserver", "-c", &settings, "--pidfile="],
        )?;
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.set_read_timeout(Some(Duration::from_millis(200)))?;
        let request = *b"\x00\x01\x00\x00\x21\x12\xa4\x42ours is here";
        coturn.wait_until(|| {
            socket.send_to(&request, ports.address()).is_ok() && socket.recv(&mut [0; 512]).is_ok()
        })?;
        Ok(coturn)
    }

    /// Starts Caddy, and waits until it takes connections and has its certificates, which are of [its own authority](Self::authority).
    ///
    /// # Errors
    ///
    /// When it is not installed, or does not start.
    pub fn start_caddy(&self, ports: CaddyPorts) -> Result<RunningProgram, PlaceError> {
        let CaddyPorts { https, http } = ports;
        let own = format!(
            "\tlocal_certs\n\tskip_install_trust\n\tadmin off\n\tdefault_bind 127.0.0.1\n\thttp_port {http}\n\thttps_port {https}\n"
        );
        let changed = self.changed("caddy/Caddyfile", &[("\tcert_issuer acme\n", &own)])?;
        let settings = self.path("state/Caddyfile");
        fs::write(&settings, changed)?;
        let (settings, state) = (settings.display().to_string(), self.text_path("state"));
        let (data, home) = (format!("XDG_DATA_HOME={state}"), format!("HOME={state}"));
        let run = [
            "caddy",
            "run",
            "--adapter",
            "caddyfile",
            "--config",
            &settings,
        ];
        let mut caddy = RunningProgram::start(
            &self.path("state"),
            "caddy",
            &[&["env", &data, &home], &run[..]].concat(),
        )?;
        let certificate = self.turn_certificate();
        caddy.wait_until(|| {
            TcpStream::connect((Ipv4Addr::LOCALHOST, https)).is_ok()
                && certificate.iter().all(|file| file.exists())
        })?;
        Ok(caddy)
    }

    /// The certificate of Caddy's own authority, once it runs.
    #[must_use]
    pub fn authority(&self) -> PathBuf {
        self.path("state/caddy/pki/authorities/local/root.crt")
    }

    /// Where Caddy has the certificate of the TURN server, and its key.
    pub(super) fn turn_certificate(&self) -> [PathBuf; 2] {
        let name = format!("turn.{}", super::DOMAIN);
        ["crt", "key"].map(|kind| {
            self.path(&format!(
                "state/caddy/certificates/local/{name}/{name}.{kind}"
            ))
        })
    }

    fn text_path(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }
}
