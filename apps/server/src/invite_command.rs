//! `securecall-server invite`: codes that let people in.

use securecall_contact::enrolment::InvitationCode;
use securecall_daemon::{Failure, Output, unix_time};
use securecall_ghostnet::UnixTime;
use serde_json::json;

use crate::cli::{Cli, InviteCommand, NewInvite};
use crate::config::Config;
use crate::randomness;
use crate::repository::{NewInvitation, Repository};
use crate::server::database_failure;

/// Without what looks like something else: 5 bits each.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// A code has 16 of them: 80 bits.
const CODE: usize = 16;

/// What people call an invitation by has six.
const HANDLE: usize = 6;

const DAY: u64 = 24 * 60 * 60;

pub(crate) async fn run(cli: &Cli, command: &InviteCommand, output: Output) -> Result<(), Failure> {
    let config = Config::load(&cli.global.config)?;
    let repository = Repository::open(&config.database)
        .await
        .map_err(database_failure)?;
    let done = match command {
        InviteCommand::New(options) => add(&config, &repository, options, output).await,
        InviteCommand::List => list(&repository, output).await,
        InviteCommand::Revoke { id } => revoke(&repository, id, output).await,
    };
    repository.close().await;
    done
}

async fn add(
    config: &Config,
    repository: &Repository,
    options: &NewInvite,
    output: Output,
) -> Result<(), Failure> {
    let shown = in_groups(&letters::<CODE>());
    let code: InvitationCode = shown.parse().map_err(Failure::machine)?;
    let id = letters::<HANDLE>();
    let not_after = unix_time().plus(u64::from(options.days) * DAY);
    repository
        .add_invitation(&NewInvitation {
            id: &id,
            code: &code,
            note: &options.note,
            uses: options.uses,
            not_after,
        })
        .await
        .map_err(database_failure)?;
    output.result(
        &json!({
            "type": "invitation",
            "id": id,
            "code": shown,
            "uses": options.uses,
            "not_after": not_after.as_secs(),
        }),
        &format!(
            "{shown}\n  Shown this once. For: securecall register --homeserver {} --token {shown}\n  Invitation {id}, for {}, until {not_after}.",
            config.domain,
            match options.uses {
                1 => "one account".to_owned(),
                uses => format!("{uses} accounts"),
            }
        ),
    );
    Ok(())
}

async fn list(repository: &Repository, output: Output) -> Result<(), Failure> {
    let now: UnixTime = unix_time();
    let invitations = repository.invitations().await.map_err(database_failure)?;
    if invitations.is_empty() {
        output.remark("There is no invitation; `securecall-server invite new` makes one.");
    }
    for invitation in invitations {
        let is_over = invitation.not_after <= now || invitation.used >= invitation.uses;
        output.result(
            &json!({
                "type": "invitation",
                "id": invitation.id,
                "note": invitation.note,
                "uses": invitation.uses,
                "used": invitation.used,
                "not_after": invitation.not_after.as_secs(),
                "over": is_over,
            }),
            &format!(
                "{}  {} of {} used, until {}{}  {}",
                invitation.id,
                invitation.used,
                invitation.uses,
                invitation.not_after,
                if is_over { " (over)" } else { "" },
                invitation.note
            ),
        );
    }
    Ok(())
}

async fn revoke(repository: &Repository, id: &str, output: Output) -> Result<(), Failure> {
    let was_there = repository
        .revoke_invitation(id)
        .await
        .map_err(database_failure)?;
    if !was_there {
        return Err(Failure::usage(format!("there is no invitation {id:?}"))
            .help("`securecall-server invite list` shows what each is called by; the code itself is not kept"));
    }
    output.result(
        &json!({ "type": "invitation", "id": id, "revoked": true }),
        &format!("Invitation {id} lets nobody in any more."),
    );
    Ok(())
}

fn letters<const N: usize>() -> String {
    let bytes: [u8; N] = randomness::bytes();
    let letter = |byte: &u8| char::from(ALPHABET[usize::from(byte % 32)]);
    bytes.iter().map(letter).collect()
}

/// `abcd-efgh-jkmn-pqrs`
fn in_groups(letters: &str) -> String {
    let mut shown = String::new();
    for (index, letter) in letters.chars().enumerate() {
        if index > 0 && index % 4 == 0 {
            shown.push('-');
        }
        shown.push(letter);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_easy_to_read_aloud() {
        let mut letters = ALPHABET.to_vec();
        letters.sort_unstable();
        letters.dedup();
        assert_eq!(
            letters.len(),
            32,
            "each letter stands for 5 bits of its own"
        );
        assert_eq!(in_groups("abcdefgh"), "abcd-efgh");
    }
}
