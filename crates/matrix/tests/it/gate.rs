//! A homeserver whose answers to some requests are replaced on the way.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

/// Answers requests whose path contains some text itself, and leads all others to a homeserver.
pub(crate) struct Gate {
    address: SocketAddr,
    shut: Arc<Mutex<Option<(&'static str, &'static str)>>>,
}

impl Gate {
    pub(crate) fn in_front_of(homeserver: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shut = Arc::new(Mutex::new(None));
        let rule = shut.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let rule = rule.clone();
                thread::spawn(move || {
                    // A client that has gone away needs no answer.
                    let _ = serve(stream?, homeserver, &rule);
                    std::io::Result::Ok(())
                });
            }
        });
        Self { address, shut }
    }

    pub(crate) fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on requests whose path contains `path` are answered with `answer`: status line and JSON body.
    pub(crate) fn shut(&self, path: &'static str, answer: &'static str) {
        *self.shut.lock().unwrap() = Some((path, answer));
    }

    pub(crate) fn open(&self) {
        *self.shut.lock().unwrap() = None;
    }
}

fn serve(
    mut client: TcpStream,
    homeserver: SocketAddr,
    rule: &Mutex<Option<(&'static str, &'static str)>>,
) -> std::io::Result<()> {
    let mut request = Vec::new();
    let mut buffer = [0; 16384];
    let head_end = loop {
        let read = client.read(&mut buffer)?;
        if read == 0 {
            return Ok(());
        }
        request.extend_from_slice(&buffer[..read]);
        if let Some(at) = request.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
    };
    let head = String::from_utf8_lossy(&request[..head_end]).into_owned();
    let length: usize = head
        .lines()
        .filter_map(|line| line.split_once(": "))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .map_or(0, |(_, value)| value.trim().parse().unwrap());
    while request.len() < head_end + length {
        let read = client.read(&mut buffer)?;
        request.extend_from_slice(&buffer[..read]);
    }

    let path = head.lines().next().unwrap_or_default();
    let rule = *rule.lock().unwrap();
    if let Some((_, answer)) = rule.filter(|(shut, _)| path.contains(shut)) {
        let (status, body) = answer.split_once('\n').unwrap();
        return write!(
            client,
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
    }
    let mut server = TcpStream::connect(homeserver)?;
    let first_line = head.find("\r\n").unwrap() + 2;
    server.write_all(&request[..first_line])?;
    server.write_all(b"Connection: close\r\n")?;
    server.write_all(&request[first_line..])?;
    std::io::copy(&mut server, &mut client)?;
    Ok(())
}
