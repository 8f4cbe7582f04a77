use std::{
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    sync::Arc,
    thread,
};

use reqwest::Method;
use securecall_interop::TlsFront;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::*;

/// What a server of HTTP/2 (RFC 9113) needs for requests without a body: types of frames, and a flag.
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const ACKNOWLEDGED: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// `:status: 200`, which is in the static table of HPACK (RFC 7541, A).
const STATUS_200: u8 = 0x88;

/// Answers every request but the second, in all; and no ping.
struct Http2Server {
    told: UnboundedSender<u8>,
}

impl Http2Server {
    fn start() -> (TlsFront, UnboundedReceiver<u8>) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let front = TlsFront::http2(listener.local_addr().unwrap()).unwrap();
        let (told, frames) = unbounded_channel();
        let server = Arc::new(Self { told });
        let requests = Arc::new(Mutex::new(0));
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let (server, requests) = (Arc::clone(&server), Arc::clone(&requests));
                thread::spawn(move || server.serve(client, &requests));
            }
        });
        (front, frames)
    }

    fn serve(&self, mut client: TcpStream, requests: &Mutex<u32>) -> io::Result<()> {
        client.read_exact(&mut [0; 24])?;
        write_frame(&mut client, SETTINGS, 0, 0, &[])?;
        loop {
            let (kind, flags, stream) = read_frame(&mut client)?;
            let _ = self.told.send(kind);
            match kind {
                SETTINGS if flags & ACKNOWLEDGED == 0 => {
                    write_frame(&mut client, SETTINGS, ACKNOWLEDGED, 0, &[])?;
                }
                HEADERS => {
                    let mut requests = requests.lock().unwrap();
                    *requests += 1;
                    if *requests != 2 {
                        write_frame(&mut client, HEADERS, END_HEADERS, stream, &[STATUS_200])?;
                        write_frame(&mut client, DATA, END_STREAM, stream, b"{}")?;
                    }
                }
                _ => {}
            }
        }
    }
}

/// Gives type, flags and stream.
fn read_frame(client: &mut TcpStream) -> io::Result<(u8, u8, u32)> {
    let mut head = [0; 9];
    client.read_exact(&mut head)?;
    let [a, b, c, kind, flags, stream @ ..] = head;
    let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
    client.read_exact(&mut payload)?;
    Ok((kind, flags, u32::from_be_bytes(stream)))
}

fn write_frame(
    client: &mut TcpStream,
    kind: u8,
    flags: u8,
    stream: u32,
    payload: &[u8],
) -> io::Result<()> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    client.write_all(&frame)
}

/// To TCP the connection is alive: whoever forwards it acknowledges, and nobody is behind it.
#[tokio::test]
async fn a_connection_of_http_2_on_which_no_ping_is_answered_is_given_up() {
    let (front, mut frames) = Http2Server::start();
    let homeserver = Homeserver::new(&front.base_url()).unwrap();
    let homeserver = homeserver.with_ca_pem(front.certificate_pem().to_owned());
    let transport = HttpTransport::new(&homeserver.unwrap()).unwrap();
    let ask = |terms| {
        let request = Request::new(Method::GET, front.base_url().parse().unwrap());
        transport.perform(request, terms, async |answer| Ok(answer.bytes().await?))
    };
    let version = ask(Terms::REPEATABLE).await.unwrap();
    assert_eq!(&version[..], b"{}");
    // What hangs is not over before its own time, and then it is no error.
    let answer = ask(Terms::sync(Duration::from_secs(30))).await.unwrap();
    assert_eq!(&answer[..], b"{}");
    let mut seen = Vec::new();
    while let Ok(kind) = frames.try_recv() {
        seen.push(kind);
    }
    assert!(seen.contains(&PING), "{seen:?}");
}
