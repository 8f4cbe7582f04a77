//! Programs that run others.

use std::process::Command;

/// Lets a command run another one as the last of its arguments, with the settings that it has.
pub fn hand_on(program: &Command, to: &mut Command) {
    to.arg(program.get_program()).args(program.get_args());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => to.env(name, value),
            None => to.env_remove(name),
        };
    }
}
