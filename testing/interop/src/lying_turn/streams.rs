//! The same over TCP.

use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::{Fate, Liar, Lie};

/// Between two bytes of an answer that never ends.
const SLOW: Duration = Duration::from_secs(1);

pub(super) fn serve(liar: &Arc<Liar>, listener: &TcpListener) {
    for client in listener.incoming() {
        if liar.is_over() {
            return;
        }
        let (Ok(client), liar) = (client, Arc::clone(liar)) else {
            continue;
        };
        // A connection that fails is the client's to notice.
        thread::spawn(move || carry(&liar, client));
    }
}

fn carry(liar: &Arc<Liar>, mut client: TcpStream) -> io::Result<()> {
    let server = TcpStream::connect(liar.upstream)?;
    let (mut back, mut front) = (server.try_clone()?, client.try_clone()?);
    let of_server = Arc::clone(liar);
    thread::spawn(move || -> io::Result<()> {
        while let Some(frame) = read_frame(&mut back)? {
            for frame in of_server.hear_server(&frame) {
                front.write_all(&frame)?;
            }
        }
        front.shutdown(std::net::Shutdown::Both)
    });
    let mut server = server;
    while let Some(frame) = read_frame(&mut client)? {
        if *liar.lie() == Lie::SlowLoris {
            return dribble(liar, &mut client, &frame);
        }
        match liar.hear_client(&frame) {
            Fate::Forwarded => server.write_all(&frame)?,
            Fate::Answered(answer) => client.write_all(&answer)?,
            Fate::Dropped => {}
        }
    }
    server.shutdown(std::net::Shutdown::Both)
}

/// Begins an answer of 4,000 bytes, which a client might wait for.
fn dribble(liar: &Liar, client: &mut TcpStream, request: &[u8]) -> io::Result<()> {
    let mut answer = vec![0; 4000];
    answer[..20].copy_from_slice(&request[..20]);
    answer[0] |= 0x01;
    answer[2..4].copy_from_slice(&3980_u16.to_be_bytes());
    for byte in answer {
        if liar.is_over() {
            break;
        }
        client.write_all(&[byte])?;
        thread::sleep(SLOW);
    }
    Ok(())
}

/// A message or channel data with its padding; `None` at the end.
fn read_frame(stream: &mut TcpStream) -> io::Result<Option<Vec<u8>>> {
    let mut head = [0; 4];
    match stream.read_exact(&mut head) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
    let rest = match head[0] {
        0x00..=0x3f => 16 + length,
        _ => length.next_multiple_of(4),
    };
    let mut frame = head.to_vec();
    frame.resize(4 + rest, 0);
    stream.read_exact(&mut frame[4..])?;
    Ok(Some(frame))
}
