//! `open URI`: what a click on a contact link leads to.

use std::ffi::OsString;

use securecall_contact::{Address, ContactLink};

use super::{Context, call, contact::question};
use crate::cli::{CallOptions, OpenOptions};
use crate::contact_book;
use crate::desktop::{self, Asked};
use crate::error::{ErrorKind, Failure};
use crate::exit_code::ExitCode;
use crate::output::Event;
use crate::profile::{Contact, Profile};
use crate::prompt;

pub(super) fn run(context: Context, options: &OpenOptions) -> Result<ExitCode, Failure> {
    let link = read(&options.uri);
    if options.desktop {
        return from_desktop(&context, link);
    }
    let result = link.and_then(|link| at_terminal(&context, &link));
    let contact = match (result, options.pause) {
        (Ok(contact), false) => contact,
        (Err(failure), false) => return Err(failure),
        (result, true) => {
            if let Err(failure) = &result {
                context.output.note(&failure.to_string());
            }
            prompt::visible("Press Enter to close this window")?;
            return Ok(result.map_or_else(|failure| failure.kind.exit_code(), |_| ExitCode::Done));
        }
    };
    match contact {
        Some(contact) if options.call => call::run(
            context,
            &CallOptions {
                who: contact.matrix_id.to_string(),
                media: options.media.clone(),
            },
        ),
        _ => Ok(ExitCode::Done),
    }
}

/// The link, if it is one: whoever wrote it may have hoped that it is taken for an option.
fn read(uri: &str) -> Result<ContactLink, Failure> {
    if uri.trim_start().starts_with('-') {
        return Err(Failure::new(
            ErrorKind::InvalidLink,
            "this is not a contact link: it begins with '-'",
        )
        .help("a contact link looks like securecall://contact/…"));
    }
    Ok(uri.parse::<ContactLink>()?)
}

/// Asks in this terminal. `None` if the person does not want the contact.
fn at_terminal(context: &Context, link: &ContactLink) -> Result<Option<Contact>, Failure> {
    let mut profile = Profile::open(&context.profile)?;
    if let Some(contact) = known(context, &profile, link)? {
        context
            .output
            .note(&format!("{} is in your contacts already", contact.name));
        context.tell(&Event::contact(&contact));
        return Ok(Some(contact));
    }
    context
        .output
        .note(&format!("SecureCall ID: {}", link.id().grouped()));
    let question = question(&Address::Link(link.clone()), context);
    if !prompt::confirm(&question, "add it with `securecall contact add`")? {
        context.output.note("nothing was added");
        return Ok(None);
    }
    let contact = add(context, &mut profile, link)?;
    context.tell(&Event::contact(&contact));
    Ok(Some(contact))
}

/// Asks wherever a person can be asked, and says there how it went.
fn from_desktop(
    context: &Context,
    link: Result<ContactLink, Failure>,
) -> Result<ExitCode, Failure> {
    let told = |failure: Failure| {
        desktop::show_error(&failure.to_string());
        Err(failure)
    };
    let link = match link {
        Ok(link) => link,
        Err(failure) => return told(failure),
    };
    if desktop::run_in_terminal(&arguments(context, &link)) {
        return Ok(ExitCode::Done);
    }
    let ask = || -> Result<String, Failure> {
        let mut profile = Profile::open(&context.profile)?;
        if let Some(contact) = known(context, &profile, &link)? {
            return Ok(format!("{} is in your contacts already.", contact.name));
        }
        let text = format!(
            "{}\n\nSecureCall ID:\n{}",
            question(&Address::Link(link.clone()), context),
            link.id().grouped()
        );
        match desktop::ask(&text) {
            Asked::Yes => Ok(format!("{} was added.", add(context, &mut profile, &link)?.name)),
            Asked::No => Ok("Nothing was added.".to_owned()),
            Asked::Nobody => Err(Failure::new(
                ErrorKind::NeedsTerminal,
                "nobody can be asked whether to add this contact: there is neither a terminal nor a dialog; nothing was added",
            )
            .help("add it with `securecall contact add`, or install a terminal program or zenity")),
        }
    };
    match ask() {
        Ok(said) => {
            desktop::show(&said);
            Ok(ExitCode::Done)
        }
        Err(failure) => told(failure),
    }
}

/// What the terminal is to run: the link as it was understood, not as it came.
fn arguments(context: &Context, link: &ContactLink) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = vec!["--profile".into()];
    arguments.push(context.profile.clone().into_os_string());
    arguments.extend(["open", "--pause"].map(Into::into));
    arguments.push(link.to_string().into());
    arguments
}

/// The contact, if the link says nothing new.
fn known(
    context: &Context,
    profile: &Profile,
    link: &ContactLink,
) -> Result<Option<Contact>, Failure> {
    profile.identity()?;
    let matrix_id = link.matrix_id(&context.settings.domain());
    let mut contacts = profile.content().contacts.iter();
    let known = contacts
        .find(|contact| contact.id.as_ref() == Some(link.id()) && contact.matrix_id == matrix_id);
    Ok(known.cloned())
}

fn add(context: &Context, profile: &mut Profile, link: &ContactLink) -> Result<Contact, Failure> {
    let address = Address::Link(link.clone());
    let domain = context.settings.domain();
    profile.change(|content| contact_book::add(content, &address, None, &domain))
}
