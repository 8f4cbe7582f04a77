//! `account show`, `account name`, `account avatar`: what others are shown of the account. None of them takes the account for itself:
//! they work beside a `listen`.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use securecall_contact_qr::{MAX_FILE_BYTES, PictureError, avatar};
use securecall_matrix::{ProfileEditor, check_display_name};

use crate::cli::AccountCommand;
use crate::context::Context;
use crate::error::{ErrorKind, Failure};
use crate::exit_code::ExitCode;
use crate::output::Event;
use crate::runtime::runtime;

/// What is to be done.
enum Change {
    None,
    /// Removed by an empty one.
    Name(String),
    Avatar(Vec<u8>),
    NoAvatar,
}

pub(super) fn run(context: &Context, command: AccountCommand) -> Result<ExitCode, Failure> {
    // What is wrong with the arguments is told before a passphrase is asked for.
    let change = change(command)?;
    let profile = context.open_profile()?;
    let matrix_id = profile.account()?.matrix_id.to_string();
    let what = match change {
        Change::Name(ref name) if !name.is_empty() => Some("name"),
        Change::Avatar(_) => Some("picture"),
        _ => None,
    };
    if let Some(what) = what {
        context.output.note(&format!(
            "note: the {what} is public: your homeserver has it, and whoever knows {matrix_id} can have it, too"
        ));
    }
    let store = profile.account_store();
    let runtime = runtime()?;
    // The account's store can be let go of only inside the runtime.
    let _inside = runtime.enter();
    let shown = runtime.block_on(async {
        let editor = ProfileEditor::open(&store).await?;
        match change {
            Change::None => {}
            Change::Name(name) => editor.set_display_name(&name).await?,
            Change::Avatar(picture) => {
                let address = editor.upload_png(&picture).await?;
                editor.set_avatar(&address).await?;
            }
            Change::NoAvatar => editor.set_avatar("").await?,
        }
        // As the homeserver has it now, not as it was meant.
        Ok::<_, Failure>(editor.own_profile().await?)
    })?;
    Ok(context.tell(&Event::PublicProfile {
        matrix_id,
        display_name: shown.display_name,
        avatar: shown.avatar,
    }))
}

fn change(command: AccountCommand) -> Result<Change, Failure> {
    Ok(match command {
        AccountCommand::Show
        | AccountCommand::Name {
            name: None,
            clear: false,
        }
        | AccountCommand::Avatar {
            picture: None,
            clear: false,
        } => Change::None,
        AccountCommand::Name { name: None, .. } => Change::Name(String::new()),
        AccountCommand::Name {
            name: Some(name), ..
        } => Change::Name(checked(&name)?),
        AccountCommand::Avatar {
            picture: Some(path),
            ..
        } => Change::Avatar(picture(&path)?),
        AccountCommand::Avatar { picture: None, .. } => Change::NoAvatar,
    })
}

fn checked(name: &str) -> Result<String, Failure> {
    let name = name.trim();
    if name.is_empty() {
        return Err(Failure::new(ErrorKind::Usage, "this name is empty")
            .help("`securecall account name --clear` removes the name"));
    }
    check_display_name(name)?;
    Ok(name.to_owned())
}

/// The picture as it is shown to others.
fn picture(path: &Path) -> Result<Vec<u8>, Failure> {
    let shown = path.display();
    let bytes = read(path).map_err(|error| {
        let message = match error.kind() {
            io::ErrorKind::NotFound => format!("there is no file {shown}"),
            io::ErrorKind::IsADirectory => format!("{shown} is a directory, not a file"),
            _ => format!("{shown} cannot be read: {error}"),
        };
        Failure::new(ErrorKind::InvalidFile, message).help(A_PICTURE)
    })?;
    avatar(&bytes).map_err(|error| {
        let help = match &error {
            PictureError::TooLarge { .. }
            | PictureError::FileTooLarge
            | PictureError::TooMuchMemory { .. } => "make it smaller, or cut out a part of it",
            PictureError::Damaged(_) => {
                "get the picture anew, or save it again with another program"
            }
            _ => A_PICTURE,
        };
        Failure::new(ErrorKind::InvalidPicture, format!("{shown}: {error}")).help(help)
    })
}

const A_PICTURE: &str = "name a PNG, JPEG or WebP picture";

fn read(path: &Path) -> io::Result<Vec<u8>> {
    if path.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    let mut bytes = Vec::new();
    // One byte more than is taken: so much is enough to refuse it.
    File::open(path)?
        .take(MAX_FILE_BYTES as u64 + 1)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}
