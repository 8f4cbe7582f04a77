//! `id new`, `id show`, `id restore`.

use securecall_crypto::{IdentitySeed, PhraseError};
use securecall_profile::Identity;
use securecall_profile::phrase_text::{PHRASE_WORDS, words_in};

use crate::cli::IdCommand;
use crate::context::Context;
use crate::error::{ErrorKind, Failure};
use crate::exit_code::ExitCode;
use crate::output::{Event, OutputError};
use crate::prompt;

pub(super) fn run(context: &Context, command: &IdCommand) -> Result<ExitCode, Failure> {
    match command {
        IdCommand::New => new(context),
        IdCommand::Show => show(context),
        IdCommand::Restore => restore(context),
    }
}

fn new(context: &Context) -> Result<ExitCode, Failure> {
    let mut profile = context.open_or_new_profile()?;
    let identity = Identity::random()?;
    let event = Event::Identity {
        id: identity.id().to_string(),
        phrase: Some(identity.seed().phrase().into()),
    };
    let mut is_shown = false;
    let made = profile.change(|content| {
        if let Some(existing) = &content.identity {
            return Err(identity_exists(&existing.id().to_string()));
        }
        // The phrase comes first. An identity whose phrase nobody has seen cannot be restored, so it must not be; a
        // phrase without an identity is good for nothing, and does no harm.
        context.output.event_for_good(&event).map_err(not_shown)?;
        is_shown = true;
        content.identity = Some(identity);
        Ok(())
    });
    match made {
        Ok(()) => Ok(ExitCode::Done),
        Err(failure) if is_shown => Err(failure.help(
            "no identity was made, so the phrase above belongs to none: throw it away, mend what is wrong and try again",
        )),
        Err(failure) => Err(failure),
    }
}

fn not_shown(error: OutputError) -> Failure {
    let reason = Failure::from(error).message;
    Failure::new(
        ErrorKind::StorageFailed,
        format!("the phrase could not be printed, so no identity was made: {reason}"),
    )
    .help("run it where its output can be seen, or goes to a file or a program that keeps it")
}

fn show(context: &Context) -> Result<ExitCode, Failure> {
    let profile = context.open_profile()?;
    let id = profile.identity()?.id().to_string();
    Ok(context.tell(&Event::Identity { id, phrase: None }))
}

fn restore(context: &Context) -> Result<ExitCode, Failure> {
    let phrase = prompt::words("Your phrase", PHRASE_WORDS)?;
    let phrase = words_in(&phrase);
    let identity = Identity::new(IdentitySeed::from_phrase(&phrase).map_err(invalid_phrase)?);
    let id = identity.id();
    let mut profile = context.open_or_new_profile()?;
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
