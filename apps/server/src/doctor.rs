//! `securecall-server doctor`: what the homeserver keeps beyond need.

use crate::cli::{Cli, Doctor};
use crate::failure::Failure;
use crate::output::Output;

/// Looks at all, tells of all, and fails if something keeps more than it must.
pub(crate) fn run(_cli: &Cli, _options: &Doctor, _output: Output) -> Result<(), Failure> {
    Err(Failure::usage("`doctor` looks at nothing yet"))
}
