//! Whether the service is given what its settings name. Whoever runs `check` as root may read everything; the service may not.
//!
//! systemd gives it copies (`LoadCredential`) under names in a folder of its own, `server.toml` among them: a file beside the settings
//! that the unit does not name is not there for it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use securecall_daemon::Failure;

/// The unit's name, as `init` has it.
const UNIT: &str = "securecall-server.service";

/// Where administrators put units. What is further down is overruled by what is further up.
const UNIT_FOLDERS: [&str; 3] = [
    "/etc/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
];

/// Everybody may go through a folder, or read a file.
const OTHERS_PASS: u32 = 0o001;
const OTHERS_READ: u32 = 0o004;

/// Looks at the unit that runs with these settings, if there is one, for the files as they are named there. `None`: there is none, or it
/// reads the settings where they are.
pub(super) fn check(settings: &Path, files: &[PathBuf]) -> Option<Result<String, Failure>> {
    check_in(&UNIT_FOLDERS.map(Path::new), settings, files)
}

fn check_in(
    folders: &[&Path],
    settings: &Path,
    files: &[PathBuf],
) -> Option<Result<String, Failure>> {
    let given = given(&unit_text(folders)?);
    let settings = fs::canonicalize(settings).ok()?;
    let folder = settings.parent()?;
    let is_of_these = given
        .values()
        .any(|source| fs::canonicalize(source).is_ok_and(|source| source == settings));
    is_of_these.then(|| {
        all_can_be_read(&given, folder, files)
            .map(|()| "is given what the settings name".to_owned())
    })
}

/// The unit and what `systemctl edit` has put beside it.
fn unit_text(folders: &[&Path]) -> Option<String> {
    let mut text = folders
        .iter()
        .find_map(|folder| fs::read_to_string(folder.join(UNIT)).ok())?;
    for folder in folders.iter().rev() {
        let Ok(entries) = fs::read_dir(folder.join(format!("{UNIT}.d"))) else {
            continue;
        };
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        for path in paths {
            if path.extension().is_some_and(|it| it == "conf") {
                text.push('\n');
                text.push_str(&fs::read_to_string(path).unwrap_or_default());
            }
        }
    }
    Some(text)
}

/// The service's files by the names that it has for them.
fn given(unit: &str) -> BTreeMap<String, PathBuf> {
    let mut given = BTreeMap::new();
    for line in unit.lines() {
        let Some((key, value)) = line.trim().split_once('=') else {
            continue;
        };
        if !matches!(key.trim(), "LoadCredential" | "LoadCredentialEncrypted") {
            continue;
        }
        match value.trim().split_once(':') {
            Some((name, source)) => {
                given.insert(name.to_owned(), source.into());
            }
            // An empty one takes back those before it.
            None if value.trim().is_empty() => given.clear(),
            None => {
                given.insert(value.trim().to_owned(), PathBuf::new());
            }
        }
    }
    given
}

fn all_can_be_read(
    given: &BTreeMap<String, PathBuf>,
    folder: &Path,
    files: &[PathBuf],
) -> Result<(), Failure> {
    for file in files {
        if file.is_absolute() {
            by_everybody(file)?;
            continue;
        }
        // The settings are a copy, too: what is named without a folder is looked for beside that.
        let name = file.display();
        if !file.to_str().is_some_and(|name| given.contains_key(name)) {
            return Err(Failure::usage(format!(
                "the settings name \"{name}\", which the unit does not give to the service"
            ))
            .help(format!(
                "systemctl edit {UNIT}: [Service] LoadCredential={name}:{}",
                folder.join(file).display()
            )));
        }
    }
    Ok(())
}

/// Its user exists only while it runs, and owns nothing elsewhere.
fn by_everybody(file: &Path) -> Result<(), Failure> {
    let is_allowed = |path: &Path, bit| {
        fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & bit != 0)
    };
    let is_reachable = file
        .ancestors()
        .skip(1)
        .all(|folder| is_allowed(folder, OTHERS_PASS));
    if is_reachable && is_allowed(file, OTHERS_READ) {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "{}: the service's user cannot read it",
        file.display()
    ))
    .help(format!(
        "name it without a folder, and give it to the service: systemctl edit {UNIT}: [Service] LoadCredential=NAME:{}",
        file.display()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &Path, text: &str, mode: u32) {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn the_unit_and_what_was_edited_say_what_the_service_is_given() {
        let folder = tempfile::tempdir().unwrap();
        let (etc, lib) = (folder.path().join("etc"), folder.path().join("lib"));
        for at in [&etc, &lib] {
            fs::create_dir_all(at.join("securecall-server.service.d")).unwrap();
        }
        let folders = [etc.as_path(), lib.as_path()];
        assert_eq!(unit_text(&folders), None);
        let template = include_str!("../../templates/systemd/securecall-server.service");
        file(&lib.join(UNIT), template, 0o644);
        let names = |text: &str| given(text).into_keys().collect::<Vec<_>>();
        let ours = [
            "registration_secret",
            "secret",
            "server.toml",
            "turn_secret",
        ];
        assert_eq!(names(&unit_text(&folders).unwrap()), ours);
        let beside = etc.join("securecall-server.service.d");
        file(
            &beside.join("override.conf"),
            "[Service]\nLoadCredential=issuer.pem:/etc/securecall-server/issuer.pem\n",
            0o644,
        );
        file(&beside.join("other.txt"), "LoadCredential=x:/x\n", 0o644);
        let text = unit_text(&folders).unwrap();
        assert_eq!(names(&text).len(), 5, "{text}");
        assert_eq!(
            names(
                "LoadCredential=a:/a\nLoadCredential=\nLoadCredential=b\n# LoadCredential=c:/c\n"
            ),
            ["b"]
        );
    }

    #[test]
    fn a_file_that_the_service_is_not_given_is_found_whoever_looks() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
        let given = BTreeMap::from([("secret".to_owned(), folder.join("secret"))]);
        let looked = |files: &[&Path]| {
            let files: Vec<PathBuf> = files.iter().map(|file| file.to_path_buf()).collect();
            all_can_be_read(&given, folder, &files).map_err(|failure| failure.message)
        };
        let secret = Path::new("secret");
        assert_eq!(looked(&[secret]), Ok(()));
        let said = looked(&[secret, Path::new("issuer2.pem")]).unwrap_err();
        assert!(said.contains("issuer2.pem"), "{said}");
        // Named with its folder: for everybody, or not for the service.
        let page = folder.join("page.html");
        file(&page, "", 0o644);
        assert_eq!(looked(&[&page]), Ok(()));
        file(&page, "", 0o640);
        assert!(looked(&[&page]).is_err());
        file(&page, "", 0o644);
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).unwrap();
        assert!(looked(&[&page]).is_err());
        // The service has a copy of it, and does not look for that there.
        let said = looked(&[&folder.join("secret")]).unwrap_err();
        assert!(said.contains("cannot read it"), "{said}");
    }

    #[test]
    fn it_is_looked_at_what_these_settings_name_for_the_unit_that_has_them() {
        let folder = tempfile::tempdir().unwrap();
        let settings = folder.path().join("server.toml");
        file(&settings, "", 0o600);
        let looked = |settings: &Path| {
            let told = check_in(&[folder.path()], settings, &["secret".into()])?;
            Some(told.map_err(|failure| failure.help.unwrap()))
        };
        assert_eq!(looked(&settings), None);
        let unit = format!("LoadCredential=server.toml:{}\n", settings.display());
        file(&folder.path().join(UNIT), &unit, 0o644);
        let help = looked(&settings).unwrap().unwrap_err();
        let line = format!("LoadCredential=secret:{}/secret", folder.path().display());
        assert!(help.ends_with(&line), "{help}");
        file(&folder.path().join(UNIT), &format!("{unit}{line}"), 0o644);
        assert!(looked(&settings).unwrap().is_ok());
        // By whichever way they are named.
        let link = folder.path().join("link.toml");
        std::os::unix::fs::symlink(&settings, &link).unwrap();
        assert!(looked(&link).unwrap().is_ok());
        // Others are not this unit's.
        let others = folder.path().join("others.toml");
        file(&others, "", 0o600);
        assert_eq!(looked(&others), None);
    }
}
