//! A network that takes nothing for a while: what was said meanwhile is not said late.

use std::time::Duration;

use securecall_relay::{StreamEvent, StreamId, StreamTarget, Urgency};
use securecall_relay_client::Streams;
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpSocket};

/// Each packet of a call, so many bytes.
const PACKET: usize = 1000;

fn target(listener: &TcpListener) -> StreamTarget {
    StreamTarget {
        address: listener.local_addr().unwrap(),
        tls_name: None,
    }
}

#[tokio::test]
async fn a_stream_lives_where_all_of_them_were_made_whoever_orders_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut streams = Streams::new(None);
    // A thread that has no runtime.
    std::thread::scope(|scope| {
        scope.spawn(|| streams.open(StreamId(0), target(&listener)));
    });
    let _accepted = listener.accept().await.unwrap();
    assert_eq!(streams.next().await.event(), StreamEvent::Opened);
}

#[tokio::test]
async fn packets_that_waited_are_dropped_and_requests_are_not() {
    // A server that reads nothing at first and has little room.
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener: TcpListener = socket.listen(1).unwrap();
    let stream = StreamId(0);
    let mut streams = Streams::new(None);
    streams.open(stream, target(&listener));
    let (mut server, _) = listener.accept().await.unwrap();
    assert_eq!(streams.next().await.event(), StreamEvent::Opened);

    // Ten seconds of voice, and a request in the middle of it.
    let mut said = 0;
    for index in 0..500_u32 {
        if index == 250 {
            streams.write(stream, vec![0xff; PACKET], Urgency::Waits);
        }
        streams.write(stream, vec![0; PACKET], Urgency::SoonOrNever);
        said += PACKET;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    streams.close(stream);
    let mut read = Vec::new();
    server.read_to_end(&mut read).await.unwrap();
    assert_eq!(read.len() % PACKET, 0, "every packet is whole");
    let requests = read.chunks(PACKET).filter(|packet| packet[0] == 0xff);
    assert_eq!(requests.count(), 1, "the request was not dropped");
    assert!(
        read.len() < said / 2,
        "{} bytes of {said} came, so most of them late",
        read.len()
    );
}

#[tokio::test]
async fn a_stream_that_its_server_closes_is_told_of_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut streams = Streams::new(None);
    streams.open(StreamId(3), target(&listener));
    let (server, _) = listener.accept().await.unwrap();
    assert_eq!(streams.next().await.event(), StreamEvent::Opened);
    drop(server);
    let news = streams.next().await;
    assert_eq!(
        (news.stream, news.event()),
        (StreamId(3), StreamEvent::Closed)
    );
    assert_eq!(streams.try_next(), None);
    streams.write(StreamId(3), b"nobody reads this".to_vec(), Urgency::Waits);
}

#[tokio::test]
async fn a_server_that_takes_nothing_does_not_hold_a_stream_that_was_closed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let tasks = tokio::runtime::Handle::current().metrics();
    let before = tasks.num_alive_tasks();
    let mut streams = Streams::new(None);
    streams.open(StreamId(0), target(&listener));
    let (_server, _) = listener.accept().await.unwrap();
    assert_eq!(streams.next().await.event(), StreamEvent::Opened);
    // More than both sides' operating systems take without a reader.
    streams.write(StreamId(0), vec![0; 32 << 20], Urgency::Waits);
    tokio::task::yield_now().await;
    streams.close(StreamId(0));
    let ended = async {
        while tasks.num_alive_tasks() > before {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(60), ended).await;
    assert!(in_time.is_ok(), "the stream is still open");
}
