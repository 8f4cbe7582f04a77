//! What keeps more than it must.

use serde_json::{Value, json};

/// Where it was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// The homeserver's settings.
    Settings,
    /// What the homeserver writes to its log.
    Log,
    /// The homeserver's database.
    Database,
    /// What the homeserver answers.
    Answers,
    /// coturn.
    Turn,
    /// Caddy or nginx.
    Proxy,
}

impl Place {
    /// What was found here.
    pub(super) fn finding(
        self,
        name: &str,
        found: impl Into<String>,
        keeps: &str,
        change: &str,
    ) -> Finding {
        Finding {
            place: self,
            name: name.to_owned(),
            found: found.into(),
            keeps: keeps.to_owned(),
            change: change.to_owned(),
        }
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Settings => "settings",
            Self::Log => "log",
            Self::Database => "database",
            Self::Answers => "answers",
            Self::Turn => "turn",
            Self::Proxy => "proxy",
        }
    }
}

/// A setting or a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) place: Place,
    /// Its name there.
    pub(super) name: String,
    /// What it is now.
    pub(super) found: String,
    /// What that keeps or tells, or, of a limit, what it prevents.
    pub(super) keeps: String,
    /// The line to change, or the command to give.
    pub(super) change: String,
}

impl Finding {
    pub(super) fn json(&self) -> Value {
        let Self {
            place,
            name,
            found,
            keeps,
            change,
        } = self;
        json!({
            "type": "finding",
            "place": place.word(),
            "name": name,
            "found": found,
            "keeps": keeps,
            "change": change,
        })
    }

    pub(super) fn sentence(&self) -> String {
        let Self {
            place,
            name,
            found,
            keeps,
            change,
        } = self;
        let change = change.replace('\n', "\n            ");
        format!(
            "{}: {name}\n    found:  {found}\n    keeps:  {keeps}\n    change: {change}",
            place.word()
        )
    }
}
