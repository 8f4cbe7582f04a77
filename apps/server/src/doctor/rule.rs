//! A setting, what it should be, and why.

use std::time::Duration;

use serde_json::Value;

use super::finding::{Finding, Place};
use super::settings::{Settings, duration, is_true};
use super::yaml;

/// One setting of a homeserver.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rule {
    /// Its path in the settings.
    pub(super) key: &'static str,
    /// What the homeserver takes where nothing is set, as YAML.
    pub(super) usual: &'static str,
    pub(super) want: Want,
    /// What it keeps otherwise.
    pub(super) keeps: &'static str,
    /// The line, as it stands in our own template.
    pub(super) change: &'static str,
}

/// What a setting should be.
#[derive(Clone, Copy, Debug)]
pub(super) enum Want {
    Off,
    On,
    /// Set, and no longer than this.
    Within(Duration),
    Word(&'static str),
    AtLeast(f64),
    AtMost(f64),
}

impl Want {
    fn is_met(self, value: &Value) -> bool {
        match self {
            Self::Off => !is_true(value),
            Self::On => is_true(value),
            Self::Within(most) => duration(value).is_some_and(|duration| duration <= most),
            Self::Word(word) => value.as_str() == Some(word),
            Self::AtLeast(least) => value.as_f64().is_some_and(|number| number >= least),
            Self::AtMost(most) => value.as_f64().is_some_and(|number| number <= most),
        }
    }
}

impl Rule {
    /// A finding, if the settings do not meet it.
    pub(super) fn check(&self, settings: &Settings) -> Option<Finding> {
        let set = settings.at(self.key);
        let usual = yaml::parse(self.usual).unwrap_or(Value::Null);
        if self.want.is_met(set.unwrap_or(&usual)) {
            return None;
        }
        Some(Finding {
            place: Place::Settings,
            name: self.key.to_owned(),
            found: match set {
                Some(value) => shown(value),
                None => format!("not set, which is {}", self.usual),
            },
            keeps: self.keeps.to_owned(),
            change: self.change.to_owned(),
        })
    }
}

#[cfg(test)]
impl Rule {
    /// Settings that do not meet it.
    pub(super) fn broken(&self) -> String {
        let value = match self.want {
            Want::Off => "true",
            Want::On => "false",
            Want::Within(_) => "5y",
            Want::Word(_) => "other",
            Want::AtLeast(_) => "0",
            Want::AtMost(_) => "100000000",
        };
        let mut text = self.key.replace('.', ": {");
        text.push_str(&format!(": {value}"));
        text.push_str(&"}".repeat(self.key.matches('.').count()));
        text + "\n"
    }
}

/// A value in a line. No rule is about a secret.
pub(super) fn shown(value: &Value) -> String {
    let text = value.to_string();
    let text = value.as_str().unwrap_or(&text);
    let mut short: String = text.chars().filter(|c| !c.is_control()).take(80).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

/// So many hours.
pub(super) const fn hours(count: u64) -> Duration {
    Duration::from_secs(count * 3_600)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn settings(text: &str) -> Settings {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("homeserver.yaml");
        fs::write(&path, text).unwrap();
        Settings::read(&[path]).unwrap()
    }

    const AGE: Rule = Rule {
        key: "user_ips_max_age",
        usual: "28d",
        want: Want::Within(hours(24)),
        keeps: "addresses",
        change: "user_ips_max_age: 1h",
    };

    #[test]
    fn what_is_not_set_is_what_it_usually_is() {
        let finding = AGE.check(&settings("")).unwrap();
        assert_eq!(finding.found, "not set, which is 28d");
        assert!(AGE.check(&settings("user_ips_max_age: 1h")).is_none());
        assert!(AGE.check(&settings("user_ips_max_age: 86400000")).is_none());
        let finding = AGE.check(&settings("user_ips_max_age: 25h")).unwrap();
        assert_eq!(finding.found, "25h");
        // Never, to Synapse.
        assert!(AGE.check(&settings("user_ips_max_age: null")).is_some());
    }

    #[test]
    fn each_want_is_met_by_what_it_says_alone() {
        let met = |want: Want, value: &str| want.is_met(&yaml::parse(value).unwrap());
        assert!(met(Want::Off, "false") && met(Want::Off, "[]") && met(Want::Off, "null"));
        assert!(!met(Want::Off, "true") && !met(Want::Off, "untracked"));
        assert!(met(Want::On, "true") && !met(Want::On, "no"));
        assert!(met(Want::Word("all"), "all") && !met(Want::Word("all"), "invite"));
        assert!(met(Want::AtLeast(1.0), "1") && !met(Want::AtLeast(1.0), "0.2"));
        assert!(met(Want::AtMost(5.0), "5") && !met(Want::AtMost(5.0), "16"));
        assert!(!met(Want::AtMost(5.0), "many") && !met(Want::Within(hours(1)), "soon"));
    }

    #[test]
    fn a_long_value_is_cut_and_control_characters_are_left_out() {
        assert_eq!(shown(&Value::String("a\u{1b}[2Jb".to_owned())), "a[2Jb…");
        assert_eq!(shown(&Value::String("x".repeat(200))).chars().count(), 81);
    }
}
