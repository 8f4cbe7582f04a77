//! `contact share`, `add`, `list`, `rename`, `remove`, `verify`, `unverify`.

use std::ffi::OsString;

use securecall_contact::{Address, ContactLink, NameLabel, ShareText};
use securecall_contact_qr::QrCode;

use super::{Context, told};
use crate::cli::{ContactCommand, ShareOptions, VerifyOptions};
use crate::contact_book;
use crate::error::{ErrorKind, Failure};
use crate::exit_code::ExitCode;
use crate::output::{Event, contact_list};
use crate::profile::{Contact, Content, Profile, write_file};
use crate::proof::Proof;
use crate::qr_text::QrText;
use crate::{prompt, sources, who};

pub(super) fn run(context: &Context, command: ContactCommand) -> Result<ExitCode, Failure> {
    match command {
        ContactCommand::Share(options) => share(context, &options),
        ContactCommand::Add { what, name } => add(context, what, name.as_deref()),
        ContactCommand::List => list(context),
        ContactCommand::Rename { who, name } => change(context, &who, |content, index| {
            contact_book::rename(&mut content.contacts, index, &name)
        }),
        ContactCommand::Remove { who } => change(context, &who, |content, index| {
            Ok(content.contacts.remove(index))
        }),
        ContactCommand::Verify(options) => verify(context, &options),
        ContactCommand::Unverify { who } => change(context, &who, |content, index| {
            content.contacts[index].verified = false;
            Ok(content.contacts[index].clone())
        }),
    }
}

fn share(context: &Context, options: &ShareOptions) -> Result<ExitCode, Failure> {
    let profile = Profile::open(&context.profile)?;
    let id = profile.identity()?.id();
    let link = match &profile.content().account {
        Some(account) => ContactLink::new(id, &account.matrix_id)?,
        None => {
            context.output.note("note: this profile has no account yet, so nobody can call it: `securecall register`");
            ContactLink::without_account(id)
        }
    };
    let link = link.with_name(options.name.as_deref().and_then(NameLabel::new));
    let code = QrCode::of_link(&link)?;
    for (path, bytes) in [
        (&options.png, code.to_png()),
        (&options.svg, code.to_svg().into_bytes()),
    ] {
        if let Some(path) = path {
            write_file(path, &bytes)?;
            context
                .output
                .note(&format!("the QR code is in {}", path.display()));
        }
    }
    let page_host = context.settings.domain();
    Ok(context.tell(&Event::Link {
        deep_link: link.to_string(),
        https: link.https(&page_host),
        text: ShareText::new(&link, &page_host).to_string(),
        qr: options
            .qr
            .map(|background| QrText::new(&code, background, context.output.takes_colours())),
    }))
}

fn add(context: &Context, what: Vec<OsString>, name: Option<&str>) -> Result<ExitCode, Failure> {
    let what = if what.is_empty() {
        vec!["-".into()]
    } else {
        what
    };
    let found = sources::addresses(&what, context.output)?;
    let name = name.map(contact_book::given_name).transpose()?;
    if name.is_some() && found.len() != 1 {
        let message = format!(
            "--name goes with exactly one contact, and here are {}",
            found.len()
        );
        return Err(Failure::new(ErrorKind::Usage, message)
            .help("add them one by one, or leave --name out"));
    }
    let mut profile = Profile::open(&context.profile)?;
    profile.identity()?;
    let wanted = if found.len() > 1 && prompt::can_ask() {
        ask_about(found, context)?
    } else {
        found
    };
    let domain = context.settings.domain();
    let added = profile.change(|content| {
        wanted
            .iter()
            .map(|address| contact_book::add(content, address, name.as_deref(), &domain))
            .collect::<Result<Vec<_>, _>>()
    })?;
    let results: Result<(), _> = added
        .iter()
        .try_for_each(|contact| context.output.event(&Event::contact(contact)));
    Ok(told(results))
}

fn list(context: &Context) -> Result<ExitCode, Failure> {
    let profile = Profile::open(&context.profile)?;
    let contacts = &profile.content().contacts;
    if contacts.is_empty() {
        return Ok(context.tell(&Event::Contacts { count: 0 }));
    }
    if context.output.is_terminal() {
        let width = crossterm::terminal::size().map_or(80, |(columns, _)| usize::from(columns));
        return Ok(told(context.output.lines(&contact_list(contacts, width))));
    }
    Ok(told(contacts.iter().try_for_each(|contact| {
        context.output.event(&Event::contact(contact))
    })))
}

/// Changes the contact that is meant, and tells how it is now.
fn change(
    context: &Context,
    who: &str,
    change: impl FnOnce(&mut Content, usize) -> Result<Contact, Failure>,
) -> Result<ExitCode, Failure> {
    let mut profile = Profile::open(&context.profile)?;
    let domain = context.settings.domain();
    let contact = profile.change(|content| {
        let index = who::contact_index(who, &content.contacts, &domain)?;
        change(content, index)
    })?;
    Ok(context.tell(&Event::contact(&contact)))
}

fn verify(context: &Context, options: &VerifyOptions) -> Result<ExitCode, Failure> {
    let proof = match (&options.qr, &options.id) {
        (Some(path), None) => Proof::in_picture(path)?,
        (None, Some(id)) => Proof::typed(id)?,
        (None, None) if prompt::can_ask() => Proof::typed(&prompt::visible(
            "Their SecureCall ID, as they read it aloud",
        )?)?,
        _ => {
            return Err(Failure::new(ErrorKind::Usage, "there is nothing to compare the contact with").help(
                "give --qr FILE with a picture of the QR code that the other person shows you, or --id ID as they read it aloud; \
                 or compare the four safety words during a call and press v",
            ));
        }
    };
    change(context, &options.who, |content, index| {
        proof.verify(&mut content.contacts, index)
    })
}

fn ask_about(found: Vec<Address>, context: &Context) -> Result<Vec<Address>, Failure> {
    let mut wanted = Vec::new();
    for address in found {
        let question = question(&address, context);
        if prompt::confirm(&question, "name one contact only")? {
            wanted.push(address);
        }
    }
    Ok(wanted)
}

/// What somebody is asked before a contact is added.
pub(super) fn question(address: &Address, context: &Context) -> String {
    let matrix_id = address.matrix_id(&context.settings.domain());
    let name = address
        .name()
        .map(|name| format!("{name}, "))
        .unwrap_or_default();
    format!("Add {name}{matrix_id}?")
}
