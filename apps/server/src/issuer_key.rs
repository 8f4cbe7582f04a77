//! `securecall-server issuer-key`: a key that tokens are signed with.

use std::path::Path;

use securecall_daemon::{Failure, Output, file, unix_time};
use securecall_ghostnet::token::IssuerKey;
use securecall_randomness::SystemRandomness;
use serde_json::json;

use crate::cli::Cli;

/// How long tokens of it are to be taken, unless the operator says otherwise.
const DAYS: u64 = 90;

pub(crate) fn run(cli: &Cli, path: &Path, output: Output) -> Result<(), Failure> {
    let made = IssuerKey::generate(&mut SystemRandomness).map_err(Failure::machine)?;
    let pem = made.to_pem().map_err(Failure::machine)?;
    if !file::write_new(path, pem.as_bytes())? {
        return Err(
            Failure::usage(format!("{} is there already", path.display()))
                .help("a key is replaced by a second one, in `issuer.keys`, before the first one's time is over"),
        );
    }
    // Paths in the settings are relative to their folder, not to this one. A unit of systemd reads copies of the settings and of what
    // is named beside them, and may not read the folder itself: what lies in it has to be named without it.
    let path = std::path::absolute(path).map_err(Failure::machine)?;
    let settings = std::path::absolute(&cli.global.config).map_err(Failure::machine)?;
    let folder = settings.parent();
    let named = folder.and_then(|folder| path.strip_prefix(folder).ok());
    let named = named.unwrap_or(&path).display().to_string();
    let now = unix_time();
    let until = now.plus(DAYS * 24 * 60 * 60);
    let public = made.public().to_base64url();
    output.result(
        &json!({
            "type": "issuer_key",
            "file": named,
            "token_key": public,
            "not_before": now.as_secs(),
            "not_after": until.as_secs(),
        }),
        &format!(
            "For server.toml, beside the `name` of the issuer:\n\n[issuer]\nkeys = [{{ file = {named:?}, not_before = {}, not_after = {} }}] # {until}\n\nFor its unit of systemd (systemctl edit securecall-server):\n\n[Service]\nLoadCredential={named}:{}\n\nFor the relay directory: \"token_key\": \"{public}\"",
            now.as_secs(),
            until.as_secs(),
            path.display(),
        ),
    );
    Ok(())
}
