//! `securecall-server init`: settings of the server and of what stands around it, from templates.

use crate::cli::{Cli, Init};
use crate::failure::Failure;
use crate::output::Output;

/// Writes what is missing, and never over what was edited.
pub(crate) fn run(_cli: &Cli, _options: &Init, _output: Output) -> Result<(), Failure> {
    Err(Failure::usage("`init` writes nothing yet"))
}
