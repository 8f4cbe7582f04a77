//! What the two sides say: the synthetic voices of `testing/speech`, repeated until the call is over.

use std::path::Path;

use anyhow::Result;
use securecall_quality::{SAMPLE_RATE, read_wav, write_wav};

use crate::call::conversation::said_by;
use crate::call::record::Side;
use crate::workspace::Workspace;

/// Writes what both sides say in a call of `seconds`, and a little more, so that nobody falls silent before the end.
pub(crate) fn write_both(workspace: &Workspace, seconds: u32, directory: &Path) -> Result<()> {
    let mut sides = Side::BOTH.into_iter();
    sides.try_for_each(|side| write(workspace, side, seconds, &said_by(directory, side)))
}

fn write(workspace: &Workspace, side: Side, seconds: u32, path: &Path) -> Result<()> {
    let speech = match side {
        Side::Caller => "a.wav",
        Side::Callee => "b.wav",
    };
    let speech = read_wav(workspace.root().join("testing/speech").join(speech))?;
    let samples = (u64::from(seconds) + 3) * u64::from(SAMPLE_RATE);
    let said: Vec<f32> = speech
        .iter()
        .copied()
        .cycle()
        .take(usize::try_from(samples)?)
        .collect();
    Ok(write_wav(path, &said)?)
}
