//! `contact share`, `add`, `list`, `show`, `rename`, `remove`, `verify`, `unverify`, `block`, `unblock`, `require`.

use std::fs;
use std::io;
use std::path::Path;

use securecall_contact::{
    Address, ContactLink, Doubt, FoundAddress, NameLabel, SecureCallId, ShareText,
};
use securecall_contact_qr::QrCode;
use securecall_profile::contact_book::{self, ChangeQuestion, Consent, Draft, Finding};
use securecall_profile::who::{self, Person};
use securecall_profile::{Contact, Content, Proof, Requirement};

use crate::cli::{AddOptions, ContactCommand, ContactRequire, ShareOptions, VerifyOptions};
use crate::context::{Context, told};
use crate::error::{ErrorKind, Failure};
use crate::exit_code::ExitCode;
use crate::output::{Event, OutputError, contact_list};
use crate::prompt;
use crate::qr_text::QrText;

mod arguments;

pub(super) fn run(context: &Context, command: ContactCommand) -> Result<ExitCode, Failure> {
    match command {
        ContactCommand::Share(options) => share(context, &options),
        ContactCommand::Add(options) => add(context, &options),
        ContactCommand::List => list(context),
        ContactCommand::Rename { who, name } => change(context, &who, |content, index| {
            Ok(contact_book::rename(&mut content.contacts, index, &name)?)
        }),
        ContactCommand::Remove { who } => change(context, &who, |content, index| {
            let removed = content.contacts.remove(index);
            if content.has_blocked(&removed) {
                context
                    .output
                    .note(&format!("note: {} stays blocked", removed.name));
            }
            Ok(removed)
        }),
        ContactCommand::Verify(options) => verify(context, &options),
        ContactCommand::Unverify { who } => change(context, &who, |content, index| {
            content.contacts[index].verified = false;
            Ok(content.contacts[index].clone())
        }),
        ContactCommand::Show { who } => {
            let profile = context.open_profile()?;
            let content = profile.content();
            let domain = context.settings.domain();
            let person = who::resolve(&who, &content.contacts, &domain)?;
            Ok(context.tell(&shown(content, &person)))
        }
        ContactCommand::Block { who } => {
            decide(context, &who, |content, person| Ok(content.block(person)?))
        }
        ContactCommand::Unblock { who } => decide(context, &who, |content, person| {
            content.unblock(person);
            Ok(())
        }),
        ContactCommand::Require { who, least } => change(context, &who, |content, index| {
            content.contacts[index].require = match least {
                ContactRequire::Securecall => Some(Requirement::SecureCall),
                ContactRequire::Any => Some(Requirement::Any),
                ContactRequire::Default => None,
            };
            Ok(content.contacts[index].clone())
        }),
    }
}

fn share(context: &Context, options: &ShareOptions) -> Result<ExitCode, Failure> {
    let profile = context.open_profile()?;
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
    // Told last: who reads it finds the files written.
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

fn add(context: &Context, options: &AddOptions) -> Result<ExitCode, Failure> {
    let standard_input = ["-".into()];
    let what = match options.what.as_slice() {
        [] => &standard_input,
        what => what,
    };
    let found = arguments::addresses(what, context.output)?;
    let name = options.name.as_deref();
    let name = name.map(contact_book::given_name).transpose()?;
    // Before the profile is opened: nobody is to type a passphrase for what is refused anyhow.
    if name.is_some() && found.len() != 1 {
        let message = format!(
            "--name goes with exactly one contact, and here are {}",
            found.len()
        );
        return Err(Failure::new(ErrorKind::Usage, message)
            .help("add them one by one, or leave --name out"));
    }
    let mut profile = context.open_profile()?;
    profile.identity()?;
    let domain = context.settings.domain();
    let unasked = match options.change_address {
        true => Consent::AddressChanges,
        false => Consent::Nothing,
    };
    // Asked before the profile is locked for the change, for people take their time. What they have
    // agreed to goes along, and counts only if it still is what would be done.
    let wanted: Vec<(Address, Option<Finding>)> = if prompt::can_ask() {
        let content = profile.content();
        let draft = Draft::new(&content.contacts, content.own_id(), domain.clone());
        ask_about(found, name.as_deref(), draft, options)?
    } else {
        if !options.uncertain {
            found.iter().try_for_each(check_certain)?;
        }
        let addresses = found.into_iter().map(|found| found.address);
        addresses.map(|address| (address, None)).collect()
    };
    // One change for all: if one of them is refused, none is added.
    let done = profile.change(|content| {
        wanted
            .iter()
            .map(|(address, shown)| {
                let consent = shown.as_ref().map_or(unasked, Consent::To);
                Ok(contact_book::add(
                    content,
                    address,
                    name.as_deref(),
                    &domain,
                    consent,
                )?)
            })
            .collect::<Result<Vec<_>, Failure>>()
    })?;
    Ok(told(done.iter().try_for_each(|finding| {
        tell(context, profile.content(), finding)
    })))
}

/// Tells what was done, and of somebody known what has changed.
pub(super) fn tell(
    context: &Context,
    content: &Content,
    finding: &Finding,
) -> Result<(), OutputError> {
    if let Some(told) = finding.told() {
        context.output.note(&format!("note: {told}"));
    }
    let is_blocked = content.has_blocked(&finding.after());
    context.output.event(&Event::found(finding, is_blocked))
}

fn list(context: &Context) -> Result<ExitCode, Failure> {
    let profile = context.open_profile()?;
    let content = profile.content();
    if content.contacts.is_empty() {
        // On a terminal there is nothing to see of it.
        let told = context.tell(&Event::Contacts { count: 0 });
        if told != ExitCode::Done {
            return Ok(told);
        }
    }
    let contacts = content.contacts.iter();
    let contacts = contacts.map(|it| (it, content.has_blocked(it)));
    let others = content.blocked_others();
    if context.output.is_terminal() {
        if content.contacts.is_empty() && content.blocked.is_empty() {
            return Ok(ExitCode::Done);
        }
        let width = crossterm::terminal::size().map_or(80, |(columns, _)| usize::from(columns));
        let lines = contact_list(contacts, others, width);
        return Ok(told(context.output.lines(&lines)));
    }
    let contacts = contacts.map(|(contact, is_blocked)| Event::contact(contact, is_blocked));
    let others = others.map(|it| Event::Person {
        id: it.id.as_ref().map(SecureCallId::to_string),
        matrix_id: it.matrix_id.to_string(),
        blocked: true,
    });
    Ok(told(
        contacts
            .chain(others)
            .try_for_each(|event| context.output.event(&event)),
    ))
}

/// Decides something about somebody, contact or not, and tells how it is now.
fn decide(
    context: &Context,
    who: &str,
    decide: impl FnOnce(&mut Content, &Person) -> Result<(), Failure>,
) -> Result<ExitCode, Failure> {
    let mut profile = context.open_profile()?;
    let domain = context.settings.domain();
    let person = profile.change(|content| -> Result<Person, Failure> {
        let person = who::resolve(who, &content.contacts, &domain)?;
        decide(content, &person)?;
        Ok(person)
    })?;
    Ok(context.tell(&shown(profile.content(), &person)))
}

/// A contact, or somebody else.
fn shown(content: &Content, person: &Person) -> Event {
    let is_person = |it: &&Contact| match person.id {
        Some(_) => it.id == person.id,
        None => it.matrix_id == person.matrix_id,
    };
    match content.contacts.iter().find(is_person) {
        Some(contact) => Event::contact(contact, content.has_blocked(contact)),
        None => Event::Person {
            id: person.id.as_ref().map(SecureCallId::to_string),
            matrix_id: person.matrix_id.to_string(),
            blocked: content.is_blocked(person.id.as_ref(), &person.matrix_id),
        },
    }
}

/// Changes the contact that is meant, and tells how it is now.
fn change(
    context: &Context,
    who: &str,
    change: impl FnOnce(&mut Content, usize) -> Result<Contact, Failure>,
) -> Result<ExitCode, Failure> {
    let mut profile = context.open_profile()?;
    let domain = context.settings.domain();
    let contact = profile.change(|content| {
        let index = who::contact_index(who, &content.contacts, &domain)?;
        change(content, index)
    })?;
    let is_blocked = profile.content().has_blocked(&contact);
    Ok(context.tell(&Event::contact(&contact, is_blocked)))
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
        Ok(proof.verify(&mut content.contacts, index)?)
    })
}

/// What is wanted of what was found, with what the person was shown.
fn ask_about(
    found: Vec<FoundAddress>,
    name: Option<&str>,
    mut draft: Draft,
    options: &AddOptions,
) -> Result<Vec<(Address, Option<Finding>)>, Failure> {
    let are_several = found.len() > 1;
    let mut wanted = Vec::new();
    for FoundAddress { address, doubts } in found {
        let finding = draft.weigh(&address, name)?;
        let doubt = doubts.first().filter(|_| !options.uncertain);
        let is_wanted = match (&finding, finding.change()) {
            // Nothing would change, so there is nothing to ask.
            (Finding::Same(_), _) => true,
            (Finding::AddressChange { .. }, Some(_))
                if options.change_address && doubt.is_none() =>
            {
                true
            }
            (_, Some(change)) => agree_to(&change, &doubts)?,
            (_, None) if doubt.is_some() => {
                let question = format!("{}\n{}", careful(&doubts), question(&finding.after()));
                prompt::agree(&question, "name one contact only")?
            }
            (_, None) if are_several => {
                prompt::confirm(&question(&finding.after()), "name one contact only")?
            }
            (_, None) => true,
        };
        if is_wanted {
            // The next is weighed against the list as this one leaves it: one message may name a
            // person twice.
            draft.take(&finding);
            wanted.push((address, Some(finding)));
        }
    }
    Ok(wanted)
}

/// Refuses what could have been meant in another way than it was read.
fn check_certain(found: &FoundAddress) -> Result<(), Failure> {
    if found.doubts.is_empty() {
        return Ok(());
    }
    let read = match &found.address {
        Address::Link(link) => link.to_string(),
        Address::MatrixId(matrix_id) => matrix_id.to_string(),
        Address::Id(id) => id.to_string(),
    };
    Err(Failure::new(
        ErrorKind::NeedsTerminal,
        format!(
            "nobody was asked whether this was meant, so nothing was added: {read}. {}",
            careful(&found.doubts)
        ),
    )
    .help("look at it; then add it at a terminal, or the link alone, or with --uncertain"))
}

fn careful(doubts: &[Doubt]) -> String {
    let doubts: Vec<&str> = doubts.iter().map(|doubt| doubt.description()).collect();
    format!("Careful: {}.", doubts.join("; "))
}

/// Shows what would change of somebody known, and asks.
pub(super) fn agree_to(change: &ChangeQuestion, doubts: &[Doubt]) -> Result<bool, Failure> {
    let careful = match doubts {
        [] => String::new(),
        doubts => format!("{}\n", careful(doubts)),
    };
    let question = format!("{careful}{}", change.text());
    prompt::agree(&question, "run it at a terminal")
}

/// What somebody is asked before a contact is added.
pub(super) fn question(contact: &Contact) -> String {
    format!("Add {}, {}?", contact.name, contact.matrix_id)
}

/// Writes a file that the user named, as a whole.
fn write_file(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    fs::write(path, bytes).map_err(|error| match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Failure::storage(path, &error),
        _ => Failure::new(
            ErrorKind::InvalidFile,
            format!("{} cannot be written: {error}", path.display()),
        )
        .help("name a file that can be written"),
    })
}
