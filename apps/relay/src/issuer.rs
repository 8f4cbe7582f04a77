//! `securecall-relay issuer`: sells tokens to whoever asks on this machine, for nothing. For a lab: an issuer that others can reach has
//! to know who asks, and stands beside a homeserver.

use std::path::Path;
use std::sync::Arc;

use securecall_daemon::{Failure, Output, StopSignals, file, unix_time};
use securecall_ghostnet::IssuerName;
use securecall_ghostnet::token::{
    ISSUER_DIRECTORY_MEDIA_TYPE, ISSUER_DIRECTORY_PATH, IssueError, IssuerDirectory,
    IssuerDirectoryKey, IssuerKey, TOKEN_REQUEST_MEDIA_TYPE, TOKEN_RESPONSE_MEDIA_TYPE,
    TokenRequest,
};
use securecall_randomness::SystemRandomness;
use serde_json::json;

use crate::cli::Issuer;
use crate::http1::{self, Request, Response};

/// Where tokens are asked for.
const REQUEST_PATH: &str = "/token-request";

/// More than a key of 2048 bits takes.
const MAX_PEM: u64 = 16 * 1024;

/// Issues until a signal says otherwise.
pub(crate) async fn run(options: &Issuer, output: Output) -> Result<(), Failure> {
    IssuerName::parse(&options.name)
        .map_err(|error| Failure::usage(format!("`--name`: {error}")))?;
    if !options.listen.ip().is_loopback() {
        return Err(Failure::usage(format!(
            "`--listen`: {} is not an address of loopback",
            options.listen
        ))
        .help("an issuer of a lab is for this machine alone: 127.0.0.1:8787"));
    }
    let key = Arc::new(key(&options.key)?);
    let listener = http1::bind(options.listen).await.map_err(|error| {
        Failure::machine(format!("{} cannot be bound: {error}", options.listen))
            .help("`--listen` takes another port: 127.0.0.1:8788")
    })?;
    let now = unix_time();
    let until = now.plus(u64::from(options.days) * 24 * 60 * 60);
    let public = key.public().to_base64url();
    output.result(
        &json!({
            "type": "ready",
            "issuer": options.name,
            "token_key": public,
            "not_before": now.as_secs(),
            "not_after": until.as_secs(),
        }),
        &format!(
            "Tokens are issued. For the settings of relays:\n\n[[access.issuers]]\nname = \"{}\"\nkey = \"{public}\"\nnot_after = {} # {until}\n",
            options.name,
            until.as_secs()
        ),
    );
    let serving = http1::serve(listener, move |request| answer(&key, &request));
    let mut stop = StopSignals::new()?;
    tokio::select! {
        () = serving => {}
        () = stop.recv() => {}
    }
    Ok(())
}

/// Reads the key, or makes one where there is none.
fn key(path: &Path) -> Result<IssuerKey, Failure> {
    let failed = |error: &dyn std::fmt::Display| {
        Failure::usage(format!("{}: {error}", path.display()))
            .help("`--key` names a key that was made here, or a file that is not there yet")
    };
    if !path.exists() {
        let made = IssuerKey::generate(&mut SystemRandomness).map_err(|error| failed(&error))?;
        let pem = made.to_pem().map_err(|error| failed(&error))?;
        file::write_new(path, pem.as_bytes())?;
        return Ok(made);
    }
    let pem = file::read_text(path, MAX_PEM).map_err(|error| failed(&error))?;
    IssuerKey::from_pem(&pem).map_err(|error| failed(&error))
}

fn answer(key: &IssuerKey, request: &Request) -> Response {
    match (request.method.as_str(), request.path.as_str()) {
        ("GET", ISSUER_DIRECTORY_PATH) => {
            let directory = IssuerDirectory {
                request_uri: REQUEST_PATH.to_owned(),
                keys: vec![IssuerDirectoryKey {
                    key: key.public().clone(),
                    not_before: None,
                }],
            };
            Response::ok(ISSUER_DIRECTORY_MEDIA_TYPE, directory.to_json())
        }
        ("POST", REQUEST_PATH) => issue(key, request),
        _ => Response::error(404, "nothing is here"),
    }
}

/// Statuses as RFC 9578 section 5.2 has them.
fn issue(key: &IssuerKey, request: &Request) -> Response {
    if request.content_type != TOKEN_REQUEST_MEDIA_TYPE {
        return Response::error(415, "not a request for a token");
    }
    let asked = match TokenRequest::from_bytes(&request.body) {
        Ok(asked) => asked,
        Err(error) => return Response::error(400, &error.to_string()),
    };
    match key.issue(&asked) {
        Ok(response) => Response::ok(TOKEN_RESPONSE_MEDIA_TYPE, response.to_bytes()),
        Err(error @ IssueError::Fault) => Response::error(500, &error.to_string()),
        Err(error) => Response::error(422, &error.to_string()),
    }
}
