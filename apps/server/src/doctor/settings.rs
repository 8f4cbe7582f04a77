//! Settings of a homeserver: its files put together, and asked by path.

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io};

use securecall_daemon::{Failure, file};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::yaml;

/// No file of settings is larger.
const MAX_SIZE: u64 = 4 * 1024 * 1024;

/// What the files say, and where the last of them is.
#[derive(Debug, Default)]
pub(super) struct Settings {
    value: Map<String, Value>,
    folder: PathBuf,
}

impl Settings {
    /// Reads files, and those of folders in the order of their names; as with Synapse, a later file's section takes an earlier one's place.
    pub(super) fn read(paths: &[PathBuf]) -> Result<Self, Failure> {
        let mut settings = Self::default();
        for path in paths {
            if path.is_dir() {
                let files = yaml_files(path).map_err(|error| cannot_read(path, &error))?;
                if files.is_empty() && paths.len() == 1 {
                    return Err(Failure::usage(format!(
                        "{}: no file in this folder ends in .yaml",
                        path.display()
                    )));
                }
                for file in files {
                    settings.add(&file)?;
                }
            } else {
                settings.add(path)?;
            }
        }
        Ok(settings)
    }

    fn add(&mut self, path: &Path) -> Result<(), Failure> {
        match read_yaml(path)? {
            Value::Object(mapping) => self.value.extend(mapping),
            Value::Null => {}
            _ => {
                return Err(Failure::usage(format!(
                    "{}: these are no settings",
                    path.display()
                )));
            }
        }
        path.parent()
            .unwrap_or(Path::new("."))
            .clone_into(&mut self.folder);
        Ok(())
    }

    /// What `a.b.c` is set to. `null` is set to nothing.
    pub(super) fn at(&self, path: &str) -> Option<&Value> {
        let mut names = path.split('.');
        let first = self.value.get(names.next()?)?;
        let value = names.try_fold(first, |value, name| value.get(name))?;
        (!value.is_null()).then_some(value)
    }

    pub(super) fn text(&self, path: &str) -> Option<&str> {
        self.at(path).and_then(Value::as_str)
    }

    pub(super) fn is_on(&self, path: &str) -> bool {
        self.at(path).is_some_and(is_true)
    }

    /// A file that the settings name. What systemd gives to a service is gone with it: then it is beside the settings.
    pub(super) fn file(&self, named: &str) -> PathBuf {
        let path = self.folder.join(named);
        if !path.exists()
            && path.starts_with("/run/credentials")
            && let Some(name) = path.file_name()
        {
            return self.folder.join(name);
        }
        path
    }
}

/// Reads one file.
pub(super) fn read_yaml(path: &Path) -> Result<Value, Failure> {
    let text = read_text(path)?;
    yaml::parse(&text).map_err(|error| Failure::usage(format!("{}: {error}", path.display())))
}

/// Reads a text of bounded size.
pub(super) fn read_text(path: &Path) -> Result<Zeroizing<String>, Failure> {
    file::read_text(path, MAX_SIZE).map_err(|error| cannot_read(path, &error))
}

fn cannot_read(path: &Path, error: &io::Error) -> Failure {
    let failure = Failure::usage(format!("{}: {error}", path.display()));
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            failure.help("run doctor as root, who owns the settings")
        }
        io::ErrorKind::NotFound => failure.help(
            "is it on this machine? `securecall-server doctor --help` says how each is named",
        ),
        _ => failure,
    }
}

fn yaml_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.extension().and_then(|name| name.to_str());
        if matches!(name, Some("yaml" | "yml")) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// As Python and Go take it for a yes.
pub(super) fn is_true(value: &Value) -> bool {
    match value {
        Value::Bool(on) => *on,
        Value::Null => false,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(mapping) => !mapping.is_empty(),
    }
}

/// `28d` of Synapse, `1h30m` of Go; a number is milliseconds.
pub(super) fn duration(value: &Value) -> Option<Duration> {
    if let Some(milliseconds) = value.as_u64() {
        return Some(Duration::from_millis(milliseconds));
    }
    let text = value.as_str()?.trim();
    if let Ok(milliseconds) = text.parse() {
        return Some(Duration::from_millis(milliseconds));
    }
    let mut seconds = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !(c.is_ascii_digit() || c == '.'))?;
        let (number, from) = rest.split_at(digits);
        let letters = from
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(from.len());
        let (unit, after) = from.split_at(letters);
        let unit = match unit {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3_600.0,
            "d" => 86_400.0,
            "w" => 604_800.0,
            "y" => 31_536_000.0,
            _ => return None,
        };
        seconds += number.parse::<f64>().ok()? * unit;
        rest = after;
    }
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn durations_are_read_as_their_programs_read_them() {
        let of = |value: Value| duration(&value).map(|duration| duration.as_secs_f64());
        assert_eq!(of(json!("28d")), Some(2_419_200.0));
        assert_eq!(of(json!("5m")), Some(300.0));
        assert_eq!(of(json!("1h30m")), Some(5_400.0));
        assert_eq!(of(json!("500ms")), Some(0.5));
        assert_eq!(of(json!(300_000)), Some(300.0));
        assert_eq!(of(json!("300000")), Some(300.0));
        for value in [
            json!("soon"),
            json!("1x"),
            json!(""),
            json!(null),
            json!(true),
            json!("d"),
        ] {
            let read = of(value.clone());
            assert!(read.is_none() || value == json!(""), "{value}: {read:?}");
        }
    }

    #[test]
    fn a_later_file_takes_the_place_of_an_earlier_ones_section() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            path
        };
        let first = write(
            "homeserver.yaml",
            "presence: {enabled: true, other: 1}\nstats: {enabled: true}\n",
        );
        let conf = folder.path().join("conf.d");
        fs::create_dir(&conf).unwrap();
        fs::write(conf.join("b.yaml"), "presence: {enabled: false}\n").unwrap();
        fs::write(conf.join("a.yaml"), "presence: {enabled: true}\n").unwrap();
        fs::write(conf.join("c.txt"), "presence: {enabled: true}\n").unwrap();
        let settings = Settings::read(&[first, conf]).unwrap();
        assert!(!settings.is_on("presence.enabled"));
        assert!(settings.at("presence.other").is_none());
        assert!(settings.is_on("stats.enabled"));
        assert!(settings.at("stats.enabled.more").is_none());
    }

    #[test]
    fn what_is_not_there_or_no_mapping_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.yaml");
        assert!(Settings::read(std::slice::from_ref(&path)).is_err());
        fs::write(&path, "- a\n").unwrap();
        assert!(Settings::read(std::slice::from_ref(&path)).is_err());
        fs::write(&path, "# nothing\n").unwrap();
        assert!(Settings::read(&[path]).is_ok());
    }
}
