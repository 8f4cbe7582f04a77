use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    thread,
};

use securecall_interop::{ConnectProxy, WebServer};

fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn get(address: SocketAddr, path: &str) -> String {
    ask(address, &format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"))
}

#[test]
fn it_answers_as_it_is_told_and_leads_the_rest_on() {
    let behind = WebServer::start().unwrap();
    behind.answer("POST /b", "200 OK", "from behind");
    let front = WebServer::in_front_of(behind.address()).unwrap();
    front.answer("GET /a", "200 OK", "old");
    front.answer("GET /a", "302 Found\r\nLocation: /b", "new");

    let answer = get(front.address(), "/a");
    assert!(answer.starts_with("HTTP/1.1 302 Found\r\nLocation: /b\r\n"));
    assert!(answer.ends_with("\r\n\r\nnew"), "{answer}");
    let post = "POST /b HTTP/1.1\r\nHost: a\r\ncontent-length: 4\r\n\r\nbody";
    assert!(ask(front.address(), post).ends_with("from behind"));
    assert!(get(front.address(), "/c").starts_with("HTTP/1.1 404 "));
    let (seen, led_on) = (front.requests(), behind.requests());
    assert_eq!((seen.len(), led_on.len()), (3, 2));
    assert_eq!(led_on[0].line, "POST /b HTTP/1.1");
    assert_eq!(
        (&seen[1].body, &led_on[0].body),
        (&"body".into(), &"body".into())
    );
}

#[test]
fn what_is_held_goes_on_when_it_is_released_and_all_else_meanwhile() {
    let server = WebServer::start().unwrap();
    server.answer("GET /", "200 OK", "here");
    server.hold("/held");
    thread::scope(|scope| {
        let held = scope.spawn(|| get(server.address(), "/held"));
        server.wait_for("GET /held").unwrap();
        assert!(get(server.address(), "/other").ends_with("here"));
        assert!(!held.is_finished());
        server.release();
        assert!(held.join().unwrap().ends_with("here"));
    });
}

#[test]
fn a_proxy_leads_to_the_names_it_knows_and_to_no_other() {
    let server = WebServer::start().unwrap();
    server.answer("GET /", "200 OK", "here");
    let proxy = ConnectProxy::start().unwrap();
    proxy.add("known.test", server.address());
    let address = proxy.url().replace("http://", "").parse().unwrap();

    let through =
        "CONNECT known.test:443 HTTP/1.1\r\nHost: known.test:443\r\n\r\nGET / HTTP/1.1\r\n\r\n";
    let answer = ask(address, through);
    assert!(
        answer.starts_with("HTTP/1.1 200 OK\r\n\r\n") && answer.ends_with("here"),
        "{answer}"
    );
    for unknown in ["known.test:80", "unknown.test:443"] {
        let answer = ask(address, &format!("CONNECT {unknown} HTTP/1.1\r\n\r\n"));
        assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
    }
    assert_eq!(server.requests().len(), 1);
}
