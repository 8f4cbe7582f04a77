//! `contact share`, `contact add`, `contact list`, `contact remove`.

use securecall_contact::{
    Address, ContactLink, NameLabel, SecureCallId, ShareText, find_addresses,
};

use super::{Context, told};
use crate::cli::ContactCommand;
use crate::error::{ErrorKind, Failure};
use crate::exit_code::ExitCode;
use crate::output::Event;
use crate::profile::{Contact, Content, Profile};
use crate::{prompt, who};

pub(super) fn run(context: &Context, command: ContactCommand) -> Result<ExitCode, Failure> {
    match command {
        ContactCommand::Share { name } => share(context, name.as_deref()),
        ContactCommand::Add { what, name } => add(context, &what, name.as_deref()),
        ContactCommand::List => list(context),
        ContactCommand::Remove { who } => remove(context, &who),
    }
}

fn share(context: &Context, name: Option<&str>) -> Result<ExitCode, Failure> {
    let profile = Profile::open(&context.profile)?;
    let id = profile.identity()?.id();
    let link = match &profile.content().account {
        Some(account) => ContactLink::new(id, &account.matrix_id)?,
        None => {
            context.output.note("note: this profile has no account yet, so nobody can call it: `securecall register`");
            ContactLink::without_account(id)
        }
    };
    let link = link.with_name(name.and_then(NameLabel::new));
    let page_host = context.settings.domain();
    Ok(context.tell(&Event::Link {
        deep_link: link.to_string(),
        https: link.https(&page_host),
        text: ShareText::new(&link, &page_host).to_string(),
    }))
}

fn add(context: &Context, what: &[String], name: Option<&str>) -> Result<ExitCode, Failure> {
    let found = addresses(what)?;
    let name = name.map(given_name).transpose()?;
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
            .map(|address| add_one(content, address, name.as_deref(), &domain))
            .collect::<Result<Vec<_>, _>>()
    })?;
    let results: Result<(), _> = added
        .iter()
        .try_for_each(|contact| context.output.event(&event(contact)));
    Ok(told(results))
}

fn list(context: &Context) -> Result<ExitCode, Failure> {
    let profile = Profile::open(&context.profile)?;
    let contacts = &profile.content().contacts;
    if contacts.is_empty() {
        return Ok(context.tell(&Event::Contacts { count: 0 }));
    }
    Ok(told(contacts.iter().try_for_each(|contact| {
        context.output.event(&event(contact))
    })))
}

fn remove(context: &Context, who: &str) -> Result<ExitCode, Failure> {
    let mut profile = Profile::open(&context.profile)?;
    let domain = context.settings.domain();
    let removed = profile.change(|content| {
        let index = who::contact_index(who, &content.contacts, &domain)?;
        Ok(content.contacts.remove(index))
    })?;
    Ok(context.tell(&event(&removed)))
}

/// The addresses in the arguments: each argument is an address or a text that holds some.
fn addresses(what: &[String]) -> Result<Vec<Address>, Failure> {
    let mut all: Vec<Address> = Vec::new();
    for argument in what {
        let found = match argument.parse::<Address>() {
            Ok(address) => vec![address],
            Err(error) if !argument.trim().contains(char::is_whitespace) => {
                return Err(error.into());
            }
            Err(_) => find_addresses(argument)?,
        };
        if found.is_empty() {
            let message = "there is no contact link, SecureCall ID or Matrix ID in this text";
            return Err(Failure::new(ErrorKind::InvalidLink, message)
                .help("a contact link looks like securecall://contact/…"));
        }
        all.extend(
            found
                .into_iter()
                .filter(|address| !all.contains(address))
                .collect::<Vec<_>>(),
        );
    }
    Ok(all)
}

fn ask_about(found: Vec<Address>, context: &Context) -> Result<Vec<Address>, Failure> {
    let mut wanted = Vec::new();
    for address in found {
        let matrix_id = address.matrix_id(&context.settings.domain());
        let name = address
            .name()
            .map(|name| format!("{name}, "))
            .unwrap_or_default();
        if prompt::confirm(&format!("Add {name}{matrix_id}?"), "name one contact only")? {
            wanted.push(address);
        }
    }
    Ok(wanted)
}

/// Adds one contact, or brings the one with the same key up to date.
fn add_one(
    content: &mut Content,
    address: &Address,
    name: Option<&str>,
    domain: &securecall_contact::ServerName,
) -> Result<Contact, Failure> {
    let matrix_id = address.matrix_id(domain);
    let id = address.securecall_id().copied();
    if id.is_some() && id == content.identity.as_ref().map(crate::profile::Identity::id) {
        return Err(Failure::new(ErrorKind::Usage, "this is your own address")
            .help("share it; add the other's"));
    }
    who::check_known_key(id.as_ref(), &matrix_id, &content.contacts)?;
    let known = content.contacts.iter().position(|contact| match id {
        Some(id) => {
            contact.id == Some(id) || (contact.id.is_none() && contact.matrix_id == matrix_id)
        }
        None => contact.matrix_id == matrix_id,
    });
    if let Some(name) = name {
        check_name_is_free(name, known, &content.contacts)?;
    }
    let Some(index) = known else {
        let name = name.map_or_else(|| free_name(address, &content.contacts), str::to_owned);
        let contact = Contact {
            name,
            id,
            matrix_id,
        };
        content.contacts.push(contact.clone());
        return Ok(contact);
    };
    let contact = &mut content.contacts[index];
    if let Some(name) = name {
        name.clone_into(&mut contact.name);
    }
    contact.id = contact.id.or(id);
    // A bare ID says nothing about the account: it does not move a contact to the default domain.
    if !matches!(address, Address::Id(_)) {
        contact.matrix_id = matrix_id;
    }
    Ok(contact.clone())
}

/// The name from `--name`.
fn given_name(text: &str) -> Result<String, Failure> {
    let unusable = |reason: &str| {
        Failure::new(
            ErrorKind::Usage,
            format!("this cannot be a contact's name: {reason}"),
        )
    };
    let name = NameLabel::new(text).ok_or_else(|| unusable("there is nothing to be seen in it"))?;
    if name.as_str() != text.trim() {
        return Err(
            unusable("it is too long or has characters that cannot be shown")
                .help(format!("this would do: {name}")),
        );
    }
    if is_address(name.as_str()) {
        return Err(unusable("it is an address")
            .help("an address as a name could be mistaken for that address"));
    }
    Ok(name.as_str().to_owned())
}

/// The name the link suggests, else the first 8 characters of the ID, else the Matrix ID's name; with a number if taken.
fn free_name(address: &Address, contacts: &[Contact]) -> String {
    let label = address
        .name()
        .map(|label| label.as_str().to_owned())
        .filter(|label| !is_address(label));
    let base = label.unwrap_or_else(|| match (address.securecall_id(), address) {
        (Some(id), _) => id.short(),
        (None, Address::MatrixId(matrix_id)) => matrix_id.localpart().to_owned(),
        (None, Address::Link(_) | Address::Id(_)) => String::new(),
    });
    let is_free = |name: &str| {
        contacts
            .iter()
            .all(|contact| contact.name.to_lowercase() != name.to_lowercase())
    };
    let numbered = (2..).map(|number| format!("{base} {number}"));
    std::iter::once(base.clone())
        .chain(numbered)
        .find(|name| is_free(name))
        .unwrap_or(base)
}

fn check_name_is_free(
    name: &str,
    except: Option<usize>,
    contacts: &[Contact],
) -> Result<(), Failure> {
    let taken = contacts.iter().enumerate().any(|(index, contact)| {
        Some(index) != except && contact.name.to_lowercase() == name.to_lowercase()
    });
    if taken {
        let message = format!("another contact is called '{name}' already");
        return Err(Failure::new(ErrorKind::NameInUse, message)
            .help("give another name, or remove the other contact first"));
    }
    Ok(())
}

fn is_address(name: &str) -> bool {
    name.starts_with('@') || name.contains("://") || name.parse::<Address>().is_ok()
}

fn event(contact: &Contact) -> Event {
    Event::Contact {
        name: contact.name.clone(),
        id: contact.id.as_ref().map(SecureCallId::to_string),
        matrix_id: contact.matrix_id.to_string(),
        link: contact
            .link()
            .map(|link| link.with_name(NameLabel::new(&contact.name)).to_string()),
        verified: false,
    }
}
