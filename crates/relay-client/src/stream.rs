//! One stream: opened, read and written by a task of its own.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustls::pki_types::ServerName;
use securecall_relay::{StreamId, StreamTarget};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_rustls::TlsConnector;

use crate::TlsTrust;
use crate::outbox::Outbox;
use crate::stream_news::{News, StreamNews};

/// How long TCP and TLS may take together.
const OPEN_TIMEOUT: Duration = Duration::from_secs(8);
/// How long the last words may take.
const FAREWELL_TIMEOUT: Duration = Duration::from_millis(500);
/// The operating system takes no more than this before it is on its way: what waits there cannot be dropped any more.
const MAX_UNSENT: u32 = 512;
/// Larger than any frame.
const READ_BUFFER: usize = 8 * 1024;

/// Why a stream is not open.
enum Failure {
    Tcp(io::Error),
    Tls(io::Error),
    TimedOut,
}

/// Opens a stream, and reads and writes until one of both sides closes it. `local` becomes the address it leaves from.
pub(crate) async fn run(
    stream: StreamId,
    target: StreamTarget,
    trust: Option<TlsTrust>,
    local: Arc<OnceLock<IpAddr>>,
    outbox: Arc<Outbox>,
    tell: mpsc::Sender<StreamNews>,
) {
    let news = |event| StreamNews { stream, event };
    let end = match open(target, trust, &local).await {
        Ok(opened) => {
            if tell.send(news(News::Opened)).await.is_err() {
                return;
            }
            let (reader, writer) = tokio::io::split(opened);
            tokio::select! {
                () = read(stream, reader, &tell) => News::Closed,
                // Nobody has a use for the stream any more, so nobody waits to hear of its end.
                () = write(writer, &outbox) => return,
            }
        }
        Err(Failure::Tls(error)) => {
            tracing::debug!(%error, "a relay could not prove its name");
            News::TlsFailed
        }
        Err(Failure::Tcp(error)) => {
            tracing::debug!(%error, "no connection to a relay");
            News::Closed
        }
        Err(Failure::TimedOut) => News::Closed,
    };
    // Nobody listens any more once the call is over.
    let _ = tell.send(news(end)).await;
}

/// A stream with or without TLS.
trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

async fn open(
    target: StreamTarget,
    trust: Option<TlsTrust>,
    local: &OnceLock<IpAddr>,
) -> Result<Box<dyn Duplex>, Failure> {
    let StreamTarget { address, tls_name } = target;
    let deadline = Instant::now() + OPEN_TIMEOUT;
    let tcp = timeout_at(deadline, connect(address))
        .await
        .map_err(|_| Failure::TimedOut)?
        .map_err(Failure::Tcp)?;
    local.get_or_init(|| local_ip(&tcp));
    let Some(name) = tls_name else {
        return Ok(Box::new(tcp));
    };
    let refused = |why: &str| Failure::Tls(io::Error::other(why.to_owned()));
    let TlsTrust { streams, .. } = trust.ok_or_else(|| refused("nobody is trusted"))?;
    let name = ServerName::try_from(name).map_err(|_| refused("no name that can be proved"))?;
    let tls = timeout_at(deadline, TlsConnector::from(streams).connect(name, tcp))
        .await
        .map_err(|_| Failure::TimedOut)?
        .map_err(Failure::Tls)?;
    Ok(Box::new(tls))
}

/// The address that a connection leaves from.
fn local_ip(tcp: &TcpStream) -> IpAddr {
    // The system has just chosen it; without one nothing is known to be gone.
    tcp.local_addr()
        .map_or(Ipv4Addr::UNSPECIFIED.into(), |local| local.ip())
}

async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let tcp = TcpStream::connect(address).await?;
    // Frames are small and must not wait for more of them.
    tcp.set_nodelay(true)?;
    // By default some hundred kilobytes may wait unsent: that is half a minute of voice.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    SockRef::from(&tcp).set_tcp_notsent_lowat(MAX_UNSENT)?;
    Ok(tcp)
}

async fn read(
    stream: StreamId,
    mut reader: impl AsyncRead + Unpin,
    tell: &mpsc::Sender<StreamNews>,
) {
    let mut buffer = vec![0; READ_BUFFER];
    while let Ok(len) = reader.read(&mut buffer).await
        && len > 0
    {
        let event = News::Bytes(buffer.get(..len).unwrap_or_default().to_vec());
        if tell.send(StreamNews { stream, event }).await.is_err() {
            return;
        }
    }
}

/// Writes until nothing more is said. A server that takes nothing holds the stream no longer than the last words may take.
async fn write(mut writer: impl AsyncWrite + Unpin, outbox: &Outbox) {
    let patience = async {
        outbox.closed().await;
        sleep(FAREWELL_TIMEOUT).await;
    };
    tokio::select! {
        () = write_all(&mut writer, outbox) => {}
        () = patience => {}
    }
    let _ = timeout(FAREWELL_TIMEOUT, writer.shutdown()).await;
}

async fn write_all(mut writer: impl AsyncWrite + Unpin, outbox: &Outbox) {
    while let Some(bytes) = outbox.next().await {
        // A frame that was begun is finished, or the next could not be told from it.
        let written = async {
            writer.write_all(&bytes).await?;
            writer.flush().await
        };
        if written.await.is_err() {
            // The reader learns of it, too, and tells.
            return std::future::pending().await;
        }
    }
}
