//! Servers under names of their own, each with a certificate, that only the program under test can find.

use std::net::SocketAddr;
use std::process::Stdio;

use securecall_interop::{ConnectProxy, TlsFront, WebServer};
use serde_json::Value;

use crate::command::{Ended, Machine, end, text};

/// What a homeserver answers before there is an account.
pub(crate) const VERSIONS: &str = r#"{"versions":["v1.11"]}"#;
const PASSWORD_LOGIN: &str = r#"{"flows":[{"type":"m.login.password"}]}"#;

/// Names, and the servers that they lead to.
pub(crate) struct WebNames {
    proxy: ConnectProxy,
    fronts: Vec<TlsFront>,
}

impl WebNames {
    /// No name leads anywhere yet.
    pub(crate) fn new() -> Self {
        Self {
            proxy: ConnectProxy::start().unwrap(),
            fronts: Vec::new(),
        }
    }

    /// From now on `https://name` leads to a plain server on this machine, with a certificate for that name.
    pub(crate) fn add(&mut self, name: &str, server: SocketAddr) {
        let front = TlsFront::with_names(server, &[name]).unwrap();
        self.proxy.add(name, front.address());
        self.fronts.push(front);
    }

    /// A web server under a name of its own.
    pub(crate) fn web_server(&mut self, name: &str) -> WebServer {
        let server = WebServer::start().unwrap();
        self.add(name, server.address());
        server
    }

    /// Runs a command that takes `--ca-file` on a machine for which these names exist.
    pub(crate) fn run(&self, machine: &Machine, arguments: &[&str]) -> Ended {
        let authorities: String = self.fronts.iter().map(TlsFront::certificate_pem).collect();
        let authorities = machine.file("authorities.pem", authorities);
        let arguments = [&["--json"], arguments, &["--ca-file", text(&authorities)]].concat();
        let mut command = machine.command(&arguments);
        for name in ["HTTP_PROXY", "ALL_PROXY", "NO_PROXY"] {
            command.env_remove(name).env_remove(name.to_lowercase());
        }
        command
            .env_remove("https_proxy")
            .env("HTTPS_PROXY", self.proxy.url());
        end(command.stdin(Stdio::null()))
    }

    /// The same, and expects its one event.
    #[track_caller]
    pub(crate) fn json(&self, machine: &Machine, arguments: &[&str]) -> Value {
        let ended = self.run(machine, arguments);
        assert_eq!(ended.code, 0, "{arguments:?}: {ended:?}");
        ended.events().remove(0)
    }

    /// The same, and expects an error: exit code and event.
    #[track_caller]
    pub(crate) fn refused(&self, machine: &Machine, arguments: &[&str]) -> (i32, Value) {
        self.run(machine, arguments).error()
    }
}

/// Has a name say where its homeserver is.
pub(crate) fn delegate(name: &WebServer, base_url: &str) {
    well_known(
        name,
        "200 OK",
        &format!(r#"{{"m.homeserver":{{"base_url":"{base_url}"}}}}"#),
    );
}

/// Has a name answer so when it is asked for its homeserver.
pub(crate) fn well_known(name: &WebServer, status: &str, body: &str) {
    name.answer("GET /.well-known/matrix/client", status, body);
}

/// Has a server behave as a homeserver on which the name of whoever registers is taken, and every password is wrong:
/// it sees every password there is to be seen.
pub(crate) fn fish(server: &WebServer) {
    server.answer("GET /_matrix/client/versions", "200 OK", VERSIONS);
    server.answer(
        "POST /_matrix/client/v3/register",
        "400 Bad Request",
        r#"{"errcode":"M_USER_IN_USE","error":"Taken"}"#,
    );
    server.answer("GET /_matrix/client/v3/login", "200 OK", PASSWORD_LOGIN);
    server.answer(
        "POST /_matrix/client/v3/login",
        "403 Forbidden",
        r#"{"errcode":"M_FORBIDDEN","error":"Wrong"}"#,
    );
}

/// Has a server behave as a homeserver that opens a session for whoever it names, and lets it be ended.
pub(crate) fn open_session(server: &WebServer, session: &Value) {
    server.answer("GET /_matrix/client/versions", "200 OK", VERSIONS);
    server.answer(
        "POST /_matrix/client/v3/register",
        "200 OK",
        &session.to_string(),
    );
    server.answer("POST /_matrix/client/v3/logout", "200 OK", "{}");
}

/// Whether anything that came to a server holds a text.
pub(crate) fn has_seen(server: &WebServer, text: &str) -> bool {
    let requests = server.requests();
    requests
        .iter()
        .any(|request| request.line.contains(text) || request.body.contains(text))
}
