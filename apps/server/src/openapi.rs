//! `securecall-server openapi`: what it answers, for programs.

use securecall_daemon::Output;

/// Kept by hand; a test compares it with the routes.
const OPENAPI: &str = include_str!("../openapi.json");

pub(crate) fn run(output: Output) {
    // It is JSON already, whoever asks.
    output.text(OPENAPI.trim_end());
}

#[cfg(test)]
mod tests {
    use securecall_contact::enrolment::{CHALLENGE_PATH, Refusal, SERVER_DOCUMENT_PATH};
    use securecall_ghostnet::token::ISSUER_DIRECTORY_PATH;
    use serde_json::Value;

    use super::*;
    use crate::{issuer, routes};

    #[test]
    fn it_names_each_route_and_no_other() {
        let document: Value = serde_json::from_str(OPENAPI).unwrap();
        let mut named: Vec<&str> = document["paths"]
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        named.sort_unstable();
        let challenge = format!("{}{CHALLENGE_PATH}", routes::ENROLMENT);
        let mut routes = [
            "/health",
            "/.well-known/matrix/client",
            "/.well-known/matrix/server",
            SERVER_DOCUMENT_PATH,
            routes::ENROLMENT,
            &challenge,
            routes::TURN,
            routes::HOMESERVER_TURN,
            routes::RELAYS,
            ISSUER_DIRECTORY_PATH,
            issuer::REQUEST_PATH,
            "/add/",
        ];
        routes.sort_unstable();
        assert_eq!(named, routes);
    }

    #[test]
    fn it_names_each_refusal() {
        let document: Value = serde_json::from_str(OPENAPI).unwrap();
        let named = &document["components"]["schemas"]["Refusal"]["properties"]["error"]["enum"];
        let refusals = Refusal::ALL.map(Refusal::word);
        assert_eq!(*named, serde_json::json!(refusals));
    }
}
