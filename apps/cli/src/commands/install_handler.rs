//! `install-handler`: links that start with `securecall:` are opened by this program.
//!
//! The desktop learns it from a desktop entry (Desktop Entry Specification 1.5) with the MIME type
//! `x-scheme-handler/securecall`, made the default by `xdg-mime`.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::context::Context;
use crate::desktop;
use crate::error::{ErrorKind, Failure};
use crate::exit_code::ExitCode;
use crate::output::Event;

/// The name of the entry, as `xdg-mime` wants it.
const ENTRY: &str = "securecall.desktop";
const MIME_TYPE: &str = "x-scheme-handler/securecall";

pub(super) fn run(context: &Context, remove: bool) -> Result<ExitCode, Failure> {
    if cfg!(not(all(unix, not(target_os = "macos")))) {
        return Err(unsupported(
            "only desktops that follow freedesktop.org are supported",
        ));
    }
    let path = data_home()?.join("applications").join(ENTRY);
    if remove {
        uninstall(&path)?;
    } else {
        install(context, &path)?;
    }
    Ok(context.tell(&Event::Handler {
        installed: !remove,
        path: path.display().to_string(),
    }))
}

fn install(context: &Context, path: &Path) -> Result<(), Failure> {
    // Before anything is written: without it nothing would ever lead to the entry.
    let xdg_mime =
        desktop::find("xdg-mime").ok_or_else(|| unsupported("the program xdg-mime is missing"))?;
    let program = env::current_exe().map_err(|error| {
        unsupported(&format!("this program does not know where it is: {error}"))
    })?;
    let entry = entry(&program, &context.profile)?;
    let directory = path.parent().unwrap_or(path);
    fs::create_dir_all(directory).map_err(|error| Failure::storage(directory, &error))?;
    fs::write(path, entry).map_err(|error| Failure::storage(path, &error))?;
    update_database(directory);
    let registered = Command::new(&xdg_mime)
        .args(["default", ENTRY, MIME_TYPE])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    // Asked what came of it, for it succeeds also where another default stays in force.
    let query = Command::new(&xdg_mime)
        .args(["query", "default", MIME_TYPE])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    let is_default = query.is_ok_and(|output| output.stdout.trim_ascii() == ENTRY.as_bytes());
    if registered.is_ok_and(|status| status.success()) && is_default {
        return Ok(());
    }
    Err(unsupported("xdg-mime did not make it the default"))
}

fn uninstall(path: &Path) -> Result<(), Failure> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(Failure::storage(path, &error));
        }
        _ => {}
    }
    let directory = path.parent().unwrap_or(path);
    for list in [
        config_home()?.join("mimeapps.list"),
        directory.join("mimeapps.list"),
    ] {
        forget(&list)?;
    }
    update_database(directory);
    Ok(())
}

/// Takes our entry out of a list of defaults, and leaves everything else in it alone.
fn forget(list: &Path) -> Result<(), Failure> {
    let text = match fs::read_to_string(list) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Failure::storage(list, &error)),
    };
    let kept = without_our_entry(&text);
    if kept == text {
        return Ok(());
    }
    fs::write(list, kept).map_err(|error| Failure::storage(list, &error))
}

fn without_our_entry(text: &str) -> String {
    let mut kept = String::new();
    for line in text.split_inclusive('\n') {
        let ours = line
            .split_once('=')
            .filter(|(key, _)| key.trim() == MIME_TYPE);
        let Some((_, entries)) = ours else {
            kept.push_str(line);
            continue;
        };
        let others: Vec<&str> = entries
            .trim()
            .split(';')
            .filter(|entry| !entry.is_empty() && *entry != ENTRY)
            .collect();
        if !others.is_empty() {
            kept.push_str(&format!("{MIME_TYPE}={};\n", others.join(";")));
        }
    }
    kept
}

/// The desktop entry.
fn entry(program: &Path, profile: &Path) -> Result<String, Failure> {
    Ok(format!(
        "[Desktop Entry]\n\
         Type=Application\n\
         Name=SecureCall\n\
         Comment=Add a SecureCall contact\n\
         Comment[de]=Einen SecureCall-Kontakt hinzufügen\n\
         Exec={} --profile {} open --desktop %u\n\
         Terminal=false\n\
         NoDisplay=true\n\
         MimeType={MIME_TYPE};\n",
        quoted(program)?,
        quoted(profile)?,
    ))
}

/// An argument of `Exec`: in quotes if need be, escaped for them, escaped once more as every text of an entry, and without field codes.
fn quoted(path: &Path) -> Result<String, Failure> {
    let path = std::path::absolute(path).map_err(|error| Failure::storage(path, &error))?;
    let text = path
        .to_str()
        .filter(|text| !text.chars().any(char::is_control))
        .ok_or_else(|| {
            unsupported("a path with control characters or bytes that are no text does not fit into a desktop entry")
        })?;
    // Some desktops do not understand quotes, so there are none where none are needed.
    let is_plain = |character: char| character.is_alphanumeric() || "/._-+:,@".contains(character);
    if text.chars().all(is_plain) {
        return Ok(text.to_owned());
    }
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '`' | '$' => quoted.extend(["\\\\", &character.to_string()]),
            '\\' => quoted.push_str("\\\\\\\\"),
            '%' => quoted.push_str("%%"),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    Ok(quoted)
}

/// Some desktops look into a database that is made of the entries.
fn update_database(directory: &Path) {
    if let Some(program) = desktop::find("update-desktop-database") {
        let _ = Command::new(program)
            .arg(directory)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
    }
}

fn data_home() -> Result<PathBuf, Failure> {
    directory("XDG_DATA_HOME", ".local/share")
}

fn config_home() -> Result<PathBuf, Failure> {
    directory("XDG_CONFIG_HOME", ".config")
}

/// A directory of the XDG Base Directory Specification: relative ones do not count.
fn directory(variable: &str, below_home: &str) -> Result<PathBuf, Failure> {
    let absolute = |name: &str| {
        env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    absolute(variable)
        .or_else(|| absolute("HOME").map(|home| home.join(below_home)))
        .ok_or_else(|| unsupported("there is no home directory"))
}

fn unsupported(reason: &str) -> Failure {
    Failure::new(
        ErrorKind::NoDesktop,
        format!("links cannot be registered with this desktop: {reason}"),
    )
    .help("on Debian and Ubuntu: apt-get install xdg-utils; without it, open links with `securecall open LINK`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_quoted_as_the_specification_asks() {
        let quoted = |path: &str| quoted(Path::new(path)).unwrap();
        assert_eq!(quoted("/usr/bin/securecall"), "/usr/bin/securecall");
        assert_eq!(quoted("/a b/50%/$x"), "\"/a b/50%%/\\\\$x\"");
        assert_eq!(quoted("/q\"\\"), "\"/q\\\\\"\\\\\\\\\"");
    }

    #[test]
    fn other_defaults_stay_when_ours_is_removed() {
        let text = "[Default Applications]\nx-scheme-handler/https=firefox.desktop\n\
                    x-scheme-handler/securecall=securecall.desktop\n[Added Associations]\n\
                    x-scheme-handler/securecall=other.desktop;securecall.desktop;\n";
        assert_eq!(
            without_our_entry(text),
            "[Default Applications]\nx-scheme-handler/https=firefox.desktop\n[Added Associations]\n\
             x-scheme-handler/securecall=other.desktop;\n"
        );
    }
}
