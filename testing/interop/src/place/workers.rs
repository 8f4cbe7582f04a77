//! A place that has outgrown one process of each kind: Synapse with a worker, and two `securecall-server`, set as
//! `docs/operating.md` says.

use std::{
    fs, io,
    net::{Ipv4Addr, SocketAddr, TcpStream},
};

use super::{error::PlaceError, folder::Place, program::RunningProgram};
use crate::{Synapse, port::free_port};

/// Where its settings are, each behind the sentence that says for which file it is.
const OPERATING: &str = include_str!("../../../../docs/operating.md");

/// What stands in the documentation for ports that have to be free.
const REDIS_PORT: &str = "6379";
const REPLICATION_PORT: &str = "9093";
const WORKER_PORT: &str = "8083";

/// Ports of what comes on top.
#[derive(Clone, Copy, Debug)]
pub(super) struct WorkerPorts {
    redis: u16,
    replication: u16,
    worker: u16,
    server: u16,
}

impl WorkerPorts {
    pub(super) fn free() -> io::Result<Self> {
        Ok(Self {
            redis: free_port()?,
            replication: free_port()?,
            worker: free_port()?,
            server: free_port()?,
        })
    }

    /// Where the worker listens.
    pub(super) fn worker(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.worker).into()
    }

    /// Where the second `securecall-server` listens.
    pub(super) fn server(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.server).into()
    }

    /// What the documentation gives behind this sentence, with these ports.
    fn documented(self, sentence: &str) -> Result<String, PlaceError> {
        let missing = || PlaceError::Settings {
            file: "docs/operating.md".to_owned(),
            wanted: sentence.to_owned(),
        };
        let (_, behind) = OPERATING.split_once(sentence).ok_or_else(missing)?;
        let mut fences = behind.split("```").skip(1);
        let fence = fences.next().ok_or_else(missing)?;
        let (_, text) = fence.split_once('\n').ok_or_else(missing)?;
        Ok(text
            .replace(REDIS_PORT, &self.redis.to_string())
            .replace(REPLICATION_PORT, &self.replication.to_string())
            .replace(WORKER_PORT, &self.worker.to_string()))
    }
}

impl Place {
    /// Changes the settings of Synapse and Caddy so that there can be a worker and a second server.
    pub(super) fn prepare_workers(&self, ports: WorkerPorts) -> Result<(), PlaceError> {
        let secret = self.path("replication_secret");
        fs::write(&secret, "0123456789abcdef0123456789abcdef")?;
        let paths = |text: String| {
            text.replace(
                "/run/credentials/securecall-synapse.service/replication_secret",
                &secret.display().to_string(),
            )
            .replace(
                "/run/credentials/securecall-synapse.service/log.yaml",
                &self.path("synapse/log.yaml").display().to_string(),
            )
        };
        let listener = ports.documented("`synapse/homeserver.yaml`, below `listeners:`")?;
        let file = "synapse/homeserver.yaml";
        self.change(
            file,
            &[("listeners:\n", &format!("listeners:\n{listener}"))],
        )?;
        let more = paths(ports.documented("`synapse/homeserver.yaml`, at its end")?);
        fs::write(self.path(file), format!("{}\n{more}", self.read(file)?))?;
        let worker = paths(ports.documented("`synapse/worker1.yaml`")?);
        fs::write(self.path("synapse/worker1.yaml"), worker)?;

        let to_worker = ports.documented("`caddy/Caddyfile`, before `@matrix`")?;
        let matrix = "\t@matrix path /_matrix/*\n";
        let server = format!("reverse_proxy {}", self.server());
        let both = format!("{server} {}", ports.server());
        self.change(
            "caddy/Caddyfile",
            &[(matrix, &format!("{to_worker}{matrix}")), (&server, &both)],
        )
    }

    /// Starts Redis, through which Synapse's processes tell each other what has changed.
    pub(super) fn start_redis(&self, ports: WorkerPorts) -> Result<RunningProgram, PlaceError> {
        let port = ports.redis.to_string();
        let mut redis = RunningProgram::start(
            &self.path("state"),
            "redis",
            &[
                "redis-server",
                "--bind",
                "127.0.0.1",
                "--port",
                &port,
                "--save",
                "",
            ],
        )?;
        redis.wait_until(|| TcpStream::connect((Ipv4Addr::LOCALHOST, ports.redis)).is_ok())?;
        Ok(redis)
    }

    /// Starts a worker beside a Synapse that runs.
    pub(super) fn start_worker(&self, ports: WorkerPorts) -> Result<RunningProgram, PlaceError> {
        let python = Synapse::python()?.display().to_string();
        let [main, own] = ["synapse/homeserver.yaml", "synapse/worker1.yaml"]
            .map(|name| self.path(name).display().to_string());
        let module = "synapse.app.generic_worker";
        let settings = ["--config-path", &main, "--config-path", &own];
        let mut worker = RunningProgram::start(
            &self.path("state"),
            "synapse-worker1",
            &[&[python.as_str(), "-m", module], &settings[..]].concat(),
        )?;
        worker.wait_for(ports.worker(), "/health")?;
        Ok(worker)
    }

    /// Starts another `securecall-server` of the same settings, on a port of its own.
    pub(super) fn start_second_server(
        &self,
        ports: WorkerPorts,
    ) -> Result<RunningProgram, PlaceError> {
        let (here, there) = (self.server().to_string(), ports.server().to_string());
        let settings = self.changed("server.toml", &[(&here, &there)])?;
        fs::write(self.path("server2.toml"), settings)?;
        self.start_server_with("securecall-server2", "server2.toml", ports.server())
    }
}
