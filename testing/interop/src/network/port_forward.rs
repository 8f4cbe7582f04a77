//! A TCP port of a host that leads out of the network: to a server that runs beside it, on the machine.

use std::{
    io,
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    thread,
};

use super::{Host, NetworkError};

impl Host {
    /// From now on connections to `from`, an address of the host, lead to `to`, which is outside of all networks. Gives `from`,
    /// with a free port in place of 0.
    ///
    /// # Errors
    ///
    /// When the port is not to be had; when the network is torn down.
    pub fn forward(&self, from: SocketAddr, to: SocketAddr) -> Result<SocketAddr, NetworkError> {
        let listener = self.enter(|| {
            let listener = TcpListener::bind(from)?;
            io::Result::Ok((listener.local_addr()?, listener))
        })?;
        let (from, listener) = listener.map_err(NetworkError::io(format!("port {from}")))?;
        thread::spawn(move || {
            for inbound in listener.incoming().map_while(Result::ok) {
                // A connection that fails is the client's to notice.
                let _ = carry(&inbound, to);
            }
        });
        Ok(from)
    }
}

fn carry(inbound: &TcpStream, to: SocketAddr) -> io::Result<()> {
    let outbound = TcpStream::connect(to)?;
    for (from, to) in [(inbound, &outbound), (&outbound, inbound)] {
        from.set_nodelay(true)?;
        let (mut from, mut to) = (from.try_clone()?, to.try_clone()?);
        thread::spawn(move || {
            let _ = io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Write);
        });
    }
    Ok(())
}
