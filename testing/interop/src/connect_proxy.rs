//! An HTTP proxy that knows a few names of its own: what a name service and the way to other machines are elsewhere.

use std::{
    collections::BTreeMap,
    io::{self, BufRead, BufReader, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

/// Takes `CONNECT name:443` and connects to whatever stands for that name on this machine. Other names are not found.
#[derive(Debug)]
pub struct ConnectProxy {
    address: SocketAddr,
    hosts: Arc<Mutex<BTreeMap<String, SocketAddr>>>,
    is_over: Arc<AtomicBool>,
}

impl ConnectProxy {
    /// A proxy that knows no name yet.
    ///
    /// # Errors
    ///
    /// When no socket can be had.
    pub fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let hosts = Arc::new(Mutex::new(BTreeMap::new()));
        let is_over = Arc::new(AtomicBool::new(false));
        let (known, over) = (Arc::clone(&hosts), Arc::clone(&is_over));
        thread::Builder::new()
            .name("connect-proxy".to_owned())
            .spawn(move || {
                for client in listener.incoming() {
                    if over.load(Ordering::SeqCst) {
                        return;
                    }
                    let (Ok(client), known) = (client, Arc::clone(&known)) else {
                        continue;
                    };
                    // A client that goes away needs no answer.
                    thread::spawn(move || carry(&client, &known));
                }
            })?;
        Ok(Self {
            address,
            hosts,
            is_over,
        })
    }

    /// `http://127.0.0.1:port`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on the `https` port of `name` leads to `server`.
    pub fn add(&self, name: &str, server: SocketAddr) {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        hosts.insert(format!("{name}:443"), server);
    }
}

impl Drop for ConnectProxy {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        // Wakes the listener, which then sees that it is over.
        let _ = TcpStream::connect(self.address);
    }
}

fn carry(client: &TcpStream, hosts: &Mutex<BTreeMap<String, SocketAddr>>) -> io::Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let target = line.split(' ').nth(1).unwrap_or_default().to_owned();
    while line != "\r\n" {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
    }
    let known = hosts
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .get(&target)
        .copied();
    let mut client_writer = client.try_clone()?;
    let Some(server) = known else {
        return client_writer.write_all(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n");
    };
    let server = TcpStream::connect(server)?;
    client_writer.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
    let mut server_writer = server.try_clone()?;
    let there = thread::spawn(move || {
        let outcome = io::copy(&mut reader, &mut server_writer);
        let _ = server_writer.shutdown(Shutdown::Write);
        outcome
    });
    let mut server_reader = server;
    io::copy(&mut server_reader, &mut client_writer)?;
    let _ = client_writer.shutdown(Shutdown::Both);
    let _ = there.join();
    Ok(())
}
