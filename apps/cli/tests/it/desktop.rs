//! A desktop of the test's own: a terminal and a dialog that write down what they are asked to show.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::command::{Ended, Machine, end};

/// A desktop with nothing in it but what a test puts there. Its terminal and its dialog write down what they are asked to show.
pub(crate) struct Desktop {
    home: TempDir,
}

impl Desktop {
    /// A desktop without a terminal and a dialog.
    pub(crate) fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("bin")).unwrap();
        Self { home }
    }

    /// A place in its home.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// A program that writes down its arguments, one a line, and ends so.
    pub(crate) fn program(&self, name: &str, code: i32) {
        let path = self.path("bin").join(name);
        let asked = self.path(&format!("{name}.asked"));
        let script = format!(
            "#!/bin/sh\nprintf '%s\\n' \"$@\" >> '{}'\nexit {code}\n",
            asked.display()
        );
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// What a program was asked, one argument after the other.
    pub(crate) fn asked(&self, name: &str) -> Vec<String> {
        let text = fs::read_to_string(self.path(&format!("{name}.asked"))).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// A command that runs there.
    pub(crate) fn at<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        // The desktop's own programs first; of the machine's only what xdg-open is made of, and no terminal.
        let path = format!("{}:/usr/bin:/bin", self.path("bin").display());
        command
            .env("PATH", path)
            .env("HOME", self.home.path())
            .env("XDG_DATA_HOME", self.path("data"))
            .env("XDG_CONFIG_HOME", self.path("config"))
            .env("XDG_DATA_DIRS", self.path("none"))
            .env("XDG_CONFIG_DIRS", self.path("none"))
            .env("DISPLAY", ":4711")
            .env_remove("WAYLAND_DISPLAY")
            .env_remove("XDG_CURRENT_DESKTOP")
            .env_remove("DESKTOP_SESSION")
            .stdin(Stdio::null())
    }

    /// Runs the program there.
    pub(crate) fn run(&self, machine: &Machine, arguments: &[&str]) -> Ended {
        end(self.at(&mut machine.command(arguments)))
    }

    /// What a click on a link does.
    pub(crate) fn click(&self, link: &str) -> i32 {
        let mut command = Command::new("xdg-open");
        self.at(&mut command)
            .arg(link)
            .env("SECURECALL_PASSPHRASE", "correct horse")
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command.status().unwrap().code().unwrap()
    }
}
