//! Forgets the connections of a namespace, as the command `conntrack -F` does, which few systems have installed.

use std::io;

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketType, netlink, recv, send, socket};

/// `NFNL_SUBSYS_CTNETLINK` and `IPCTNL_MSG_CT_DELETE`: without a tuple it deletes all that there are.
const DELETE_CONNECTIONS: u16 = (1 << 8) | 2;

/// `NLM_F_REQUEST` and `NLM_F_ACK`.
const ANSWERED_REQUEST: u16 = 1 | 4;

/// Header of netlink, then the one of netfilter: any family, version 0.
const LENGTH: usize = 16 + 4;

/// Where an answer has its error number, zero or negative: behind the header.
const ERROR: std::ops::Range<usize> = 16..20;

/// Forgets all connections of the network namespace that the calling thread is in, and with them their NAT mappings.
pub(super) fn forget_connections() -> io::Result<()> {
    let kernel = socket(
        AddressFamily::NETLINK,
        SocketType::RAW,
        Some(netlink::NETFILTER),
    )?;
    send(&kernel, &request(), SendFlags::empty())?;
    let mut answer = [0; 256];
    let (length, _) = recv(&kernel, &mut answer, RecvFlags::empty())?;
    let error = answer
        .get(..length)
        .and_then(|answer| answer.get(ERROR))
        .and_then(|error| error.try_into().ok())
        .map(i32::from_ne_bytes);
    match error {
        Some(0) => Ok(()),
        Some(error) => Err(io::Error::from_raw_os_error(error.saturating_neg())),
        None => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

fn request() -> Vec<u8> {
    let mut request = Vec::with_capacity(LENGTH);
    request.extend((LENGTH as u32).to_ne_bytes());
    request.extend(DELETE_CONNECTIONS.to_ne_bytes());
    request.extend(ANSWERED_REQUEST.to_ne_bytes());
    request.resize(LENGTH, 0);
    request
}
