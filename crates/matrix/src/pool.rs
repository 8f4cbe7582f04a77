//! Connections to one homeserver that are kept open, and how they come about.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use hyper_util::client::legacy::connect::HttpInfo;
use reqwest::{Request, Response, redirect};
use rustls::{
    ClientConfig,
    client::Resumption,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use rustls_platform_verifier::Verifier;
use tokio::{sync::watch, time::timeout};

use crate::{
    homeserver::Homeserver,
    http_error::HttpError,
    resolver::Resolver,
    server_error::{ServerError, chain},
};

/// How long a connection may take to come up.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection on which nothing has come for so long is asked whether it is alive, by TCP and by HTTP/2. Nobody tells of
/// a NAT that has forgotten it, and no call would arrive over it.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// How often TCP asks, and how long it waits for each answer.
const PROBES: u32 = 3;
const PROBE_INTERVAL: Duration = Duration::from_secs(3);

/// What is not acknowledged for so long ends a connection (RFC 5482). A little less than what probes take: Linux looks at
/// it when the next one is due.
const USER_TIMEOUT: Duration = Duration::from_secs(18);

/// How long HTTP/2 waits for the answer to a ping: as long as TCP does.
const PING_TIMEOUT: Duration = Duration::from_secs(9);

/// Ends of connections that are remembered. A homeserver has an address of each version of IP, or a few.
const MAX_PATHS: usize = 8;

/// What all connections to one homeserver have in common. TLS is set up once: reading the system's certificates takes
/// time.
#[derive(Clone, Debug)]
pub(crate) struct PoolSettings {
    is_loopback: bool,
    /// Where the homeserver is reached by https.
    tls: Option<ClientConfig>,
}

/// Connections that are used until the pool is retired. Requests in flight end with it.
#[derive(Debug)]
pub(crate) struct Pool {
    http: reqwest::Client,
    /// The connections that have answered, without their own ports.
    paths: Mutex<Vec<NetworkPath>>,
    retired: watch::Sender<bool>,
    /// What is tried beside this pool, and takes its place if it is better.
    successor: Mutex<Weak<Pool>>,
}

/// An answer that has begun.
pub(crate) struct AnswerHead {
    /// Whose connection it comes over.
    pub(crate) pool: Arc<Pool>,
    pub(crate) response: Response,
}

/// The ends of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct NetworkPath {
    local: IpAddr,
    remote: SocketAddr,
}

impl PoolSettings {
    pub(crate) fn new(homeserver: &Homeserver) -> Result<Self, ServerError> {
        let tls = homeserver
            .is_encrypted()
            .then(|| tls(homeserver.ca_pem().unwrap_or_default()));
        Ok(Self {
            is_loopback: homeserver.is_loopback(),
            tls: tls.transpose()?,
        })
    }

    /// A pool without a connection.
    pub(crate) fn pool(&self) -> Result<Arc<Pool>, ServerError> {
        let mut builder = reqwest::Client::builder()
            .user_agent("SecureCall")
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(None)
            .tcp_keepalive(KEEP_ALIVE)
            .tcp_keepalive_interval(PROBE_INTERVAL)
            .tcp_keepalive_retries(PROBES)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .http2_keep_alive_timeout(PING_TIMEOUT)
            // What is small on the way must not be large here.
            .no_gzip()
            // A homeserver that sends us elsewhere would be another homeserver.
            .redirect(redirect::Policy::none())
            .dns_resolver(Arc::new(Resolver));
        #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
        {
            builder = builder.tcp_user_timeout(USER_TIMEOUT);
        }
        if self.is_loopback {
            builder = builder.no_proxy();
        }
        builder = match &self.tls {
            Some(tls) => builder.tls_backend_preconfigured(tls.clone()),
            // No certificates are needed here.
            None => builder.tls_certs_only([]),
        };
        let http = builder.build().map_err(|error| internal(&error))?;
        Ok(Arc::new(Pool {
            http,
            paths: Mutex::default(),
            retired: watch::Sender::new(false),
            successor: Mutex::default(),
        }))
    }
}

impl Pool {
    /// Makes a request, whose answer is to begin within `time`.
    pub(crate) async fn ask(
        self: Arc<Self>,
        request: Request,
        time: Duration,
    ) -> Result<AnswerHead, HttpError> {
        let answering = self.while_in_use(timeout(time, self.http.execute(request)));
        let answer = answering.await?;
        let response = answer.map_err(|_| HttpError::TimedOut)??;
        self.note_path(&response);
        Ok(AnswerHead {
            pool: self,
            response,
        })
    }

    /// Does something for as long as the pool is in use.
    pub(crate) async fn while_in_use<T>(
        &self,
        doing: impl Future<Output = T>,
    ) -> Result<T, HttpError> {
        let mut retired = self.retired.subscribe();
        tokio::select! {
            // What has come in counts.
            biased;
            outcome = doing => Ok(outcome),
            // It lives as long as the pool.
            _ = retired.wait_for(|retired| *retired) => Err(HttpError::ConnectionLost),
        }
    }

    /// Whether there is a connection that has answered before, and may have died since.
    pub(crate) fn has_answered(&self) -> bool {
        !lock(&self.paths).is_empty()
    }

    /// Whether connections may be dead now that these addresses are gone and routes may have changed.
    ///
    /// The system routes by a connection's own address, which is the one that it had chosen when the connection was
    /// made. So it is asked what it would choose now: where that is another, the address is gone, or the way out is
    /// another one. No route at all is no reason: it may come back as it was, and there is nothing better.
    pub(crate) fn may_be_dead(&self, gone: &[IpAddr]) -> bool {
        let paths = lock(&self.paths);
        if paths.is_empty() {
            // Connections that are coming up, from no one knows where.
            return !gone.is_empty();
        }
        paths.iter().any(|path| {
            let now = source_towards(path.remote);
            gone.contains(&path.local) || now.is_ok_and(|source| source != path.local)
        })
    }

    /// The pool that is tried beside this one: one for all who have doubts.
    pub(crate) fn successor(&self, settings: &PoolSettings) -> Result<Arc<Self>, ServerError> {
        let mut successor = lock(&self.successor);
        if let Some(successor) = successor.upgrade() {
            return Ok(successor);
        }
        let new = settings.pool()?;
        *successor = Arc::downgrade(&new);
        Ok(new)
    }

    /// Ends what is in flight over its connections, and lets them go.
    pub(crate) fn retire(&self) {
        self.retired.send_replace(true);
    }

    /// The same, and for what is tried beside it.
    pub(crate) fn retire_with_successor(&self) {
        self.retire();
        if let Some(successor) = lock(&self.successor).upgrade() {
            successor.retire();
        }
    }

    fn note_path(&self, response: &Response) {
        let Some(ends) = response.extensions().get::<HttpInfo>() else {
            return;
        };
        let path = NetworkPath {
            local: ends.local_addr().ip(),
            remote: ends.remote_addr(),
        };
        remember(&mut lock(&self.paths), path);
    }
}

/// The oldest makes room.
fn remember(paths: &mut Vec<NetworkPath>, path: NetworkPath) {
    if paths.contains(&path) {
        return;
    }
    if paths.len() == MAX_PATHS {
        paths.remove(0);
    }
    paths.push(path);
}

/// The address from which the system would connect now. Nothing is sent.
fn source_towards(remote: SocketAddr) -> io::Result<IpAddr> {
    let any: IpAddr = match remote {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect(remote)?;
    Ok(socket.local_addr()?.ip())
}

/// The authorities that this machine trusts, and those that are named.
fn tls(named: &str) -> Result<ClientConfig, ServerError> {
    let provider = CryptoProvider::get_default()
        .cloned()
        .unwrap_or_else(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
    let named: Vec<_> = CertificateDer::pem_slice_iter(named.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|error| internal(&error))?;
    let verifier = Verifier::new_with_extra_roots(named, Arc::clone(&provider));
    let verifier = verifier.map_err(|error| internal(&error))?;
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| internal(&error))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    // With TLS 1.2 whoever listens would see by the session that is gone on with who comes from another network. (That rustls goes
    // on with none of TLS 1.2 alone cannot be had: by their numbers it does.) TLS 1.3 takes as many round trips without.
    config.resumption = Resumption::disabled();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn internal(error: &(impl std::error::Error + 'static)) -> ServerError {
    ServerError::Internal {
        reason: chain(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_homeserver_at_many_addresses_is_remembered_at_a_few() {
        let mut paths = Vec::new();
        for port in [1, 1, 2, 3, 4, 5, 6, 7, 8, 9] {
            let remote = (Ipv4Addr::LOCALHOST, port).into();
            let local = Ipv4Addr::LOCALHOST.into();
            remember(&mut paths, NetworkPath { local, remote });
        }
        let ports: Vec<u16> = paths.iter().map(|path| path.remote.port()).collect();
        assert_eq!(ports, [2, 3, 4, 5, 6, 7, 8, 9]);
    }

    /// The first connection of a program counts as well as a kept one.
    #[test]
    fn of_connections_that_are_coming_up_all_are_in_doubt_when_any_address_is_gone() {
        let homeserver = Homeserver::new("http://127.0.0.1:1").unwrap();
        let pool = PoolSettings::new(&homeserver).unwrap().pool().unwrap();
        assert!(pool.may_be_dead(&[Ipv4Addr::new(192, 0, 2, 1).into()]));
        assert!(!pool.may_be_dead(&[]));
    }
}
