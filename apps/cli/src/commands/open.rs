//! `open URI`: what a click on a contact link leads to.

use std::ffi::OsString;

use securecall_contact::{Address, ContactLink};
use securecall_profile::contact_book::{self, Consent, Draft, Finding};
use securecall_profile::{Contact, Profile};

use super::call;
use super::contact::{agree_to, question, tell};
use crate::cli::{CallOptions, OpenOptions, RoomOptions};
use crate::context::{Context, told};
use crate::desktop::{self, Asked, Yes};
use crate::error::{ErrorKind, Failure};
use crate::exit_code::ExitCode;
use crate::output::Event;
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
            // The window closes with this program: what went wrong has to be said before that, and
            // read.
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
                who: vec![contact.matrix_id.to_string()],
                room: RoomOptions::default(),
                muted: false,
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
    let mut profile = context.open_profile()?;
    let finding = weigh(context, &profile, link)?;
    let is_wanted = match (&finding, finding.change()) {
        (Finding::Same(contact), _) => {
            context
                .output
                .note(&format!("{} is in your contacts already", contact.name));
            let is_blocked = profile.content().has_blocked(contact);
            context.tell(&Event::contact(contact, is_blocked));
            return Ok(Some(contact.clone()));
        }
        (_, Some(_)) if !prompt::can_ask() => {
            contact_book::refuse_unasked(&finding)?;
            return Ok(None);
        }
        (_, Some(change)) => agree_to(&change, &[])?,
        (_, None) => {
            context
                .output
                .note(&format!("SecureCall ID: {}", link.id().grouped()));
            prompt::confirm(
                &question(&finding.after()),
                "add it with `securecall contact add`",
            )?
        }
    };
    if !is_wanted {
        context.output.note("nothing was added or changed");
        return Ok(None);
    }
    let done = add(context, &mut profile, link, &finding)?;
    told(tell(context, profile.content(), &done));
    Ok(Some(done.after()))
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
    // A terminal first: there a person sees all of the address, and can stop to compare it.
    if desktop::run_in_terminal(&arguments(context, &link)) {
        return Ok(ExitCode::Done);
    }
    let ask = || -> Result<String, Failure> {
        let mut profile = context.open_profile()?;
        let finding = weigh(context, &profile, &link)?;
        let (text, yes) = match (&finding, finding.change()) {
            (Finding::Same(contact), _) => {
                return Ok(format!("{} is in your contacts already.", contact.name));
            }
            (_, Some(change)) => (change.text(), Yes::Change),
            (_, None) => {
                let question = question(&finding.after());
                let text = format!("{question}\n\nSecureCall ID:\n{}", link.id().grouped());
                (text, Yes::Add)
            }
        };
        match desktop::ask(&text, yes) {
            Asked::Yes => {
                let done = add(context, &mut profile, &link, &finding)?;
                let added = format!("{} was added.", done.after().name);
                Ok(done.told().unwrap_or(added))
            }
            Asked::No => Ok("Nothing was added or changed.".to_owned()),
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

/// What the link means for the contact list.
fn weigh(context: &Context, profile: &Profile, link: &ContactLink) -> Result<Finding, Failure> {
    profile.identity()?;
    let content = profile.content();
    let draft = Draft::new(
        &content.contacts,
        content.own_id(),
        context.settings.domain(),
    );
    Ok(draft.weigh(&Address::Link(link.clone()), None)?)
}

/// Does what the person was shown.
fn add(
    context: &Context,
    profile: &mut Profile,
    link: &ContactLink,
    shown: &Finding,
) -> Result<Finding, Failure> {
    let address = Address::Link(link.clone());
    let domain = context.settings.domain();
    profile.change(|content| {
        let consent = Consent::To(shown);
        Ok(contact_book::add(
            content, &address, None, &domain, consent,
        )?)
    })
}
