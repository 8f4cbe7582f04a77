//! Running other programs: said first, judged after.

use std::fmt::Write as _;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context, Result, anyhow, bail};

/// Prints the command line, runs it with our output, and fails if it fails.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let line = line(command);
    println!("$ {line}");
    let status = command
        .status()
        .with_context(|| format!("`{line}` does not start"))?;
    if !status.success() {
        bail!("`{line}` ended with {status}");
    }
    Ok(())
}

/// Like [`run`], and shows each line of stdout to `watch` too. The program sees a pipe in place of a terminal.
pub(crate) fn run_watched(command: &mut Command, mut watch: impl FnMut(&str)) -> Result<()> {
    run_read(command, |printed| {
        println!("{printed}");
        watch(printed);
    })
}

/// Like [`run`], but shows each line of stdout to `read` alone.
pub(crate) fn run_read(command: &mut Command, mut read: impl FnMut(&str)) -> Result<()> {
    let line = line(command);
    println!("$ {line}");
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("`{line}` does not start"))?;
    if let Some(stdout) = child.stdout.take() {
        for printed in BufReader::new(stdout).split(b'\n') {
            let printed = printed.with_context(|| format!("cannot read what `{line}` says"))?;
            read(&String::from_utf8_lossy(&printed));
        }
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("`{line}` ended with {status}");
    }
    Ok(())
}

/// Like [`run`], but prints all that the command says when it has ended, and gives it back with how that went: so several can
/// run at a time, and each can be read.
pub(crate) fn run_whole(command: &mut Command) -> (String, Result<()>) {
    let line = line(command);
    let (said, result) = match said_by(command) {
        Ok((said, status)) if status.success() => (said, Ok(())),
        Ok((said, status)) => (said, Err(anyhow!("`{line}` ended with {status}"))),
        Err(error) => (
            String::new(),
            Err(error).with_context(|| format!("`{line}` does not run")),
        ),
    };
    println!("$ {line}\n{}", said.trim_end());
    (said, result)
}

/// What a command says on both streams, in order, and how it ends.
fn said_by(command: &mut Command) -> Result<(String, ExitStatus)> {
    let (mut reader, writer) = io::pipe()?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer)
        .spawn()?;
    // The command holds our ends to write to, and as long as there is one, there is no end to be read.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut said = Vec::new();
    reader.read_to_end(&mut said)?;
    let status = child.wait()?;
    Ok((String::from_utf8_lossy(&said).into_owned(), status))
}

/// Whether the command starts and succeeds; what it prints is thrown away.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// What the command prints on stdout, trimmed; `None` if it does not start or fails.
pub(crate) fn output(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).output().ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The command as one would type it, with the variables it sets.
pub(crate) fn line(command: &Command) -> String {
    let mut line = String::new();
    for (name, value) in command.get_envs() {
        if let Some(value) = value
            && name != "PATH"
        {
            let value = value.to_string_lossy();
            let _ = write!(line, "{}={} ", name.to_string_lossy(), quoted(&value));
        }
    }
    let program = command.get_program().to_string_lossy();
    // The full path of cargo says nothing.
    let program = program.rsplit('/').next().unwrap_or(&program);
    line.push_str(program);
    for argument in command.get_args() {
        line.push(' ');
        line.push_str(&quoted(&argument.to_string_lossy()));
    }
    line
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_reads_as_one_would_type_it() {
        let mut command = Command::new("/usr/bin/cargo");
        command
            .args(["doc", "--no-deps"])
            .env("RUSTDOCFLAGS", "-D warnings");
        assert_eq!(
            line(&command),
            "RUSTDOCFLAGS='-D warnings' cargo doc --no-deps"
        );
    }

    #[test]
    fn a_failed_command_is_named() {
        let whole = |command: &mut Command| run_whole(command).1;
        for run in [run, whole] {
            let error = run(&mut Command::new("false")).unwrap_err();
            assert!(
                error.to_string().starts_with("`false` ended with"),
                "{error}"
            );
        }
    }

    #[test]
    fn what_is_said_on_both_streams_is_given_back_in_order() {
        let mut command = Command::new("sh");
        let (said, result) = run_whole(command.args(["-c", "echo 1; echo 2 >&2; echo 3"]));
        assert_eq!(said, "1\n2\n3\n");
        result.unwrap();
    }
}
