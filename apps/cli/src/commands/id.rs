//! `id new`, `id show`, `id restore`.

use securecall_crypto::{IdentitySeed, PhraseError};
use zeroize::Zeroizing;

use super::Context;
use crate::cli::IdCommand;
use crate::error::{ErrorKind, Failure};
use crate::exit_code::ExitCode;
use crate::output::{Closed, Event};
use crate::profile::{Identity, Profile, fill_random};
use crate::prompt;

/// Words in a phrase.
const PHRASE_WORDS: usize = 24;

pub(super) fn run(context: &Context, command: &IdCommand) -> Result<ExitCode, Failure> {
    match command {
        IdCommand::New => new(context),
        IdCommand::Show => show(context),
        IdCommand::Restore => restore(context),
    }
}

fn new(context: &Context) -> Result<ExitCode, Failure> {
    let mut profile = Profile::open_or_new(&context.profile)?;
    let mut bytes = Zeroizing::new([0; 32]);
    fill_random(&mut *bytes)?;
    let identity = Identity::new(IdentitySeed::from_bytes(*bytes));
    let id = identity.id().to_string();
    let phrase = identity.seed().phrase();
    profile.change(|content| match &content.identity {
        Some(existing) => Err(identity_exists(&existing.id().to_string())),
        None => {
            content.identity = Some(identity);
            Ok(())
        }
    })?;
    let shown = context.output.event(&Event::Identity {
        id,
        phrase: Some(phrase.into()),
    });
    if let Err(Closed) = shown {
        // Nobody has seen the phrase and nobody ever would: an identity that cannot be restored is none.
        profile.change(|content| {
            content.identity = None;
            Ok(())
        })?;
        return Err(Failure::new(
            ErrorKind::StorageFailed,
            "the phrase could not be printed, so no identity was made",
        ));
    }
    Ok(ExitCode::Done)
}

fn show(context: &Context) -> Result<ExitCode, Failure> {
    let profile = Profile::open(&context.profile)?;
    let id = profile.identity()?.id().to_string();
    Ok(context.tell(&Event::Identity { id, phrase: None }))
}

fn restore(context: &Context) -> Result<ExitCode, Failure> {
    let phrase = prompt::words("Your phrase", PHRASE_WORDS)?;
    let identity = Identity::new(IdentitySeed::from_phrase(&phrase).map_err(invalid_phrase)?);
    let id = identity.id();
    let mut profile = Profile::open_or_new(&context.profile)?;
    profile.change(|content| match &content.identity {
        Some(existing) if existing.id() != id => Err(identity_exists(&existing.id().to_string())),
        Some(_) => Ok(()),
        None => {
            content.identity = Some(identity);
            Ok(())
        }
    })?;
    Ok(context.tell(&Event::Identity {
        id: id.to_string(),
        phrase: None,
    }))
}

fn invalid_phrase(error: PhraseError) -> Failure {
    Failure::new(
        ErrorKind::InvalidPhrase,
        format!("this is not the phrase of an identity: {error}"),
    )
    .help(
        "give all 24 words in their order, on standard input or at the prompt; nothing was written",
    )
}

fn identity_exists(id: &str) -> Failure {
    Failure::new(
        ErrorKind::IdentityExists,
        format!("this profile has an identity already: {id}"),
    )
    .help("use another profile with --profile DIR; nothing was changed")
}
