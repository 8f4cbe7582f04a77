//! Caddy and nginx with our settings, before servers that say what they were asked.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::time::Duration;

use reqwest::{Client, Response, StatusCode};
use securecall_interop::free_port;

use super::coturn::certificates;
use super::process::{Place, Running};

const NAMES: [&str; 3] = ["place.test", "matrix.place.test", "turn.place.test"];

/// Answers each request with what was asked, and with the word that it was started with.
fn echo(port: u16, word: &'static str) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            stream
                .set_read_timeout(Some(Duration::from_secs(30)))
                .unwrap();
            let mut asked = Vec::new();
            let mut byte = [0];
            while !asked.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
                asked.push(byte[0]);
            }
            let body = format!("{word}\n{}", String::from_utf8_lossy(&asked).to_lowercase());
            let answer = format!(
                "HTTP/1.1 200 OK\r\nServer: hidden/1.0\r\nReferrer-Policy: origin\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
            let _ = stream.write_all(answer.as_bytes());
        }
    });
}

struct Visitor {
    client: Client,
    port: u16,
}

impl Visitor {
    fn new(port: u16) -> Self {
        // The program installs one of its own; here nobody has.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let builder = NAMES.iter().fold(Client::builder(), |builder, name| {
            builder.resolve(name, address)
        });
        let client = builder
            .tls_danger_accept_invalid_certs(true)
            .user_agent("telltale/1.0")
            .no_proxy()
            .build()
            .unwrap();
        Self { client, port }
    }

    async fn get(&self, host: &str, path: &str, headers: &[(&str, &str)]) -> Response {
        let mut request = self
            .client
            .get(format!("https://{host}:{}{path}", self.port));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap()
    }

    async fn is_answered(&self) -> bool {
        let requests = NAMES.map(|name| {
            self.client
                .get(format!("https://{name}:{}/", self.port))
                .send()
        });
        for request in requests {
            if request.await.is_err() {
                return false;
            }
        }
        true
    }
}

async fn text(response: Response) -> String {
    assert_eq!(response.status(), StatusCode::OK);
    response.text().await.unwrap()
}

/// What either proxy does.
async fn visit(visitor: &Visitor) {
    // The homeserver learns nothing of who asks.
    let liar = [
        ("X-Forwarded-For", "192.0.2.1"),
        ("Forwarded", "for=192.0.2.2"),
        ("X-Real-IP", "192.0.2.3"),
    ];
    let asked = text(
        visitor
            .get("matrix.place.test", "/_matrix/client/v3/sync", &liar)
            .await,
    )
    .await;
    assert!(asked.starts_with("homeserver\n"), "{asked}");
    for word in [
        "192.0.2",
        "127.0.0.1\r\nx-f",
        "telltale",
        "x-forwarded-for",
        "forwarded: ",
    ] {
        assert!(!asked.contains(word), "{word}: {asked}");
    }
    // Federation goes there, the administrator's interface does not.
    let asked = text(
        visitor
            .get("matrix.place.test", "/_matrix/federation/v1/version", &[])
            .await,
    )
    .await;
    assert!(asked.starts_with("homeserver\n"));
    for path in [
        "/_synapse/admin/v1/register",
        "/_dendrite/admin/emptyRooms",
        "/%5Fsynapse/admin/v1/register",
    ] {
        let answer = visitor.get("matrix.place.test", path, &[]).await;
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
    }
    // Enrolment is where the homeserver is, and there too it is told who asks.
    for path in [
        "/.well-known/securecall/server.json",
        "/_securecall/v1/enrolment/challenge",
        "/token-request",
        "/relays.json",
    ] {
        let asked = text(visitor.get("matrix.place.test", path, &liar).await).await;
        assert!(asked.starts_with("server\n"), "{path}: {asked}");
        assert!(asked.contains("x-forwarded-for: 127.0.0.1\r\n"), "{asked}");
    }
    // Profiles are for those who say who they are.
    let profile = "/_matrix/client/v3/profile/@sc_a:place.test";
    let answer = visitor.get("matrix.place.test", profile, &[]).await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    let asked = text(
        visitor
            .get(
                "matrix.place.test",
                profile,
                &[("Authorization", "Bearer x")],
            )
            .await,
    )
    .await;
    assert!(asked.starts_with("homeserver\n"));
    let answer = visitor
        .get(
            "matrix.place.test",
            "/_matrix/client/v3/publicRooms?limit=1",
            &[],
        )
        .await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    // What pages ask beforehand is the homeserver's.
    for path in [profile, "/_matrix/client/v3/voip/turnServer"] {
        let url = format!("https://matrix.place.test:{}{path}", visitor.port);
        let asked = visitor
            .client
            .request(reqwest::Method::OPTIONS, url)
            .send()
            .await
            .unwrap();
        assert!(text(asked).await.starts_with("homeserver\n"), "{path}");
    }
    // TURN credentials come from us.
    for version in ["r0", "v3"] {
        let path = format!("/_matrix/client/{version}/voip/turnServer");
        let asked = text(visitor.get("matrix.place.test", &path, &[]).await).await;
        assert!(asked.starts_with("server\n"), "{path}: {asked}");
    }
    // Our server is told who asks, and by the proxy alone; the page has its headers once.
    let answer = visitor.get("place.test", "/add/", &[]).await;
    for (name, value) in [
        ("content-security-policy", "frame-ancestors 'none'"),
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
        ("strict-transport-security", "max-age=31536000"),
    ] {
        let values: Vec<_> = answer.headers().get_all(name).iter().collect();
        assert_eq!(values, [value], "{name}");
    }
    assert!(!format!("{:?}", answer.headers()).contains("hidden/1.0"));
    let asked = text(answer).await;
    assert!(asked.starts_with("server\n"));
    let asked_as_liar = text(visitor.get("place.test", "/add/", &liar).await).await;
    for asked in [asked, asked_as_liar] {
        assert!(asked.contains("x-forwarded-for: 127.0.0.1\r\n"), "{asked}");
    }
}

/// Runs the proxy, before servers that are there and then before none; gives what it wrote.
fn run(place: &Place, port: u16, start: impl Fn() -> Running) -> String {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let visitor = Visitor::new(port);
    let proxy = start();
    proxy.wait_until(|| runtime.block_on(visitor.is_answered()));
    // Nobody behind it yet: what goes wrong is no reason to write down who asked.
    let answer =
        runtime.block_on(visitor.get("matrix.place.test", "/_matrix/client/v3/sync?secret=1", &[]));
    assert_eq!(answer.status(), StatusCode::BAD_GATEWAY);
    echo(place.homeserver_port, "homeserver");
    echo(place.server_port, "server");
    runtime.block_on(visit(&visitor));
    proxy.said()
}

fn assert_nothing_is_kept(said: &str) {
    for word in [
        "telltale",
        "secret=1",
        "_matrix",
        "192.0.2",
        "remote_ip",
        "client:",
    ] {
        assert!(!said.contains(word), "{word}: {said}");
    }
}

#[test]
fn nginx_tells_the_homeserver_nothing_and_keeps_nothing() {
    let place = Place::new(&["--proxy", "nginx"]);
    certificates(&place, &NAMES);
    let (port, plain) = (free_port().unwrap(), free_port().unwrap());
    let settings = place
        .read("nginx/securecall.conf")
        .replace("    listen [::]:443 ssl http2;\n", "")
        .replace("    listen [::]:80;\n", "")
        .replace(
            "listen 443 ssl http2;",
            &format!("listen 127.0.0.1:{port} ssl http2;"),
        )
        .replace("listen 80;", &format!("listen 127.0.0.1:{plain};"));
    let state = place.path("state");
    let folder = state.display();
    // As Debian's nginx.conf: a log of requests, unless a server says otherwise.
    let whole = format!(
        "daemon off;\nmaster_process off;\nuser root;\npid {folder}/pid;\nerror_log {folder}/error.log;\nevents {{}}\nhttp {{\naccess_log {folder}/access.log;\n\
         client_body_temp_path {folder}/a;\nproxy_temp_path {folder}/b;\nfastcgi_temp_path {folder}/c;\nuwsgi_temp_path {folder}/d;\nscgi_temp_path {folder}/e;\n{settings}\n}}\n"
    );
    let file = state.join("nginx.conf");
    fs::write(&file, whole).unwrap();
    let file = file.display().to_string();
    // Debian's users have no /usr/sbin in their PATH.
    let program = if Path::new("/usr/sbin/nginx").exists() {
        "/usr/sbin/nginx"
    } else {
        "nginx"
    };
    let said = run(&place, port, || {
        Running::start(&state, "nginx", &[program, "-e", "stderr", "-c", &file])
    });
    let logs = ["access.log", "error.log"]
        .map(|name| fs::read_to_string(state.join(name)).unwrap_or_default());
    assert_nothing_is_kept(&format!("{said}{}", logs.concat()));
    assert_eq!(logs[0], "");
}

#[test]
fn caddy_tells_the_homeserver_nothing_and_keeps_nothing() {
    let place = Place::new(&["--proxy", "caddy"]);
    let (port, plain) = (free_port().unwrap(), free_port().unwrap());
    // Certificates of its own in place of an authority's.
    let settings = place.read("caddy/Caddyfile").replace(
        "\tcert_issuer acme\n",
        &format!(
            "\tlocal_certs\n\tskip_install_trust\n\tadmin off\n\tdefault_bind 127.0.0.1\n\thttp_port {plain}\n\thttps_port {port}\n"
        ),
    );
    let state = place.path("state");
    let file = state.join("Caddyfile");
    fs::write(&file, settings).unwrap();
    let file = file.display().to_string();
    let (data, home) = (
        format!("XDG_DATA_HOME={}", state.display()),
        format!("HOME={}", state.display()),
    );
    let said = run(&place, port, || {
        Running::start(
            &state,
            "caddy",
            &[
                "env",
                &data,
                &home,
                "caddy",
                "run",
                "--adapter",
                "caddyfile",
                "--config",
                &file,
            ],
        )
    });
    assert_nothing_is_kept(&said);
}
