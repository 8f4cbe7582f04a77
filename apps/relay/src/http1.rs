//! A little of HTTP/1.1, for loopback only: figures, and the issuer of a lab. One request a connection.
//!
//! A relay speaks HTTP/3 to everybody else, and needs no second stack of HTTP in a process that holds both ends of flows.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// The longest head of a request.
const MAX_HEAD: usize = 8 * 1024;

/// The longest body of a request.
const MAX_BODY: usize = 16 * 1024;

/// How long a client may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// How many clients at once.
const MAX_CLIENTS: usize = 32;

/// What was asked.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) content_type: String,
    pub(crate) body: Vec<u8>,
}

/// What is answered.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    pub(crate) body: Vec<u8>,
}

impl Response {
    pub(crate) fn ok(content_type: &'static str, body: Vec<u8>) -> Self {
        Self {
            status: 200,
            content_type,
            body,
        }
    }

    pub(crate) fn error(status: u16, reason: &str) -> Self {
        Self {
            status,
            content_type: "text/plain; charset=utf-8",
            body: format!("{reason}\n").into_bytes(),
        }
    }
}

/// Binds it where nobody but this machine can ask.
pub(crate) async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    if !address.ip().is_loopback() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "not an address of loopback",
        ));
    }
    TcpListener::bind(address).await
}

/// Answers until it is dropped.
pub(crate) async fn serve<F>(listener: TcpListener, answer: F)
where
    F: Fn(Request) -> Response + Clone + Send + Sync + 'static,
{
    let clients = std::sync::Arc::new(tokio::sync::Semaphore::new(MAX_CLIENTS));
    loop {
        let Ok(client) = clients.clone().acquire_owned().await else {
            return;
        };
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors: what holds them lets go of some soon.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let answer = answer.clone();
        tokio::spawn(async move {
            let _ = timeout(PATIENCE, exchange(stream, answer)).await;
            drop(client);
        });
    }
}

async fn exchange<F>(mut stream: TcpStream, answer: F) -> io::Result<()>
where
    F: Fn(Request) -> Response,
{
    let response = match read_request(&mut stream).await {
        Ok(request) => answer(request),
        Err(status) => Response::error(status, "this request is not understood"),
    };
    let head = format!(
        "HTTP/1.1 {} {}\r\ncontent-type: {}\r\ncontent-length: {}\r\ncache-control: no-store\r\nconnection: close\r\n\r\n",
        response.status,
        if response.status == 200 {
            "OK"
        } else {
            "Refused"
        },
        response.content_type,
        response.body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(&response.body).await?;
    stream.shutdown().await
}

async fn read_request(stream: &mut TcpStream) -> Result<Request, u16> {
    let mut bytes = Vec::with_capacity(1024);
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        if bytes.len() > MAX_HEAD {
            return Err(431);
        }
        if stream.read_buf(&mut bytes).await.map_err(|_| 400_u16)? == 0 {
            return Err(400);
        }
    };
    let head = parse_head(&bytes[..end]).ok_or(400_u16)?;
    if head.length > MAX_BODY {
        return Err(413);
    }
    let mut body = bytes.split_off(end + 4);
    while body.len() < head.length {
        if stream.read_buf(&mut body).await.map_err(|_| 400_u16)? == 0 {
            return Err(400);
        }
    }
    body.truncate(head.length);
    Ok(Request {
        method: head.method,
        path: head.path,
        content_type: head.content_type,
        body,
    })
}

struct Head {
    method: String,
    path: String,
    content_type: String,
    length: usize,
}

fn parse_head(bytes: &[u8]) -> Option<Head> {
    let text = std::str::from_utf8(bytes).ok()?;
    let mut lines = text.split("\r\n");
    let mut words = lines.next()?.split(' ');
    let mut head = Head {
        method: words.next()?.to_owned(),
        path: words.next()?.to_owned(),
        content_type: String::new(),
        length: 0,
    };
    let version = words.next()?;
    if !version.starts_with("HTTP/1.") || words.next().is_some() {
        return None;
    }
    for line in lines {
        let (name, value) = line.split_once(':')?;
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "content-type" => value.clone_into(&mut head.content_type),
            "content-length" => head.length = value.parse().ok()?,
            // What is framed otherwise is not read.
            "transfer-encoding" => return None,
            _ => {}
        }
    }
    Some(head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_read_strictly() {
        let head =
            parse_head(b"POST /a HTTP/1.1\r\nContent-Length: 3\r\nContent-Type: text/x").unwrap();
        assert_eq!(
            (head.method.as_str(), head.path.as_str(), head.length),
            ("POST", "/a", 3)
        );
        assert_eq!(head.content_type, "text/x");
        for wrong in [
            "GET /\r\n",
            "GET / HTTP/2",
            "GET / HTTP/1.1 x",
            "GET / HTTP/1.1\r\nno colon",
            "GET / HTTP/1.1\r\ncontent-length: -1",
            "GET / HTTP/1.1\r\ntransfer-encoding: chunked",
            "",
        ] {
            assert!(parse_head(wrong.as_bytes()).is_none(), "{wrong}");
        }
    }
}
