//! Standard input and output, which the voice may want for itself.

use securecall_driver::{MicrophoneSpec, SpeakerSpec};

use crate::cli::MediaOptions;
use crate::error::{ErrorKind, Failure};
use crate::output::Output;

/// Refuses standard streams that would be used twice.
///
/// # Errors
///
/// `--json` and audio both on standard output.
pub(crate) fn check_streams(output: Output, media: &MediaOptions) -> Result<Output, Failure> {
    match (&media.speaker, output.is_json()) {
        (Some(SpeakerSpec::Stdout), true) => Err(Failure::new(
            ErrorKind::Usage,
            "--json and --speaker - both want standard output",
        )
        .help("send the voice to a pipe with --speaker raw:PATH")),
        (Some(SpeakerSpec::Stdout), false) => Ok(output.beside_audio()),
        _ => Ok(output),
    }
}

/// The microphone is not standard input.
pub(super) fn input_is_free(media: &MediaOptions) -> bool {
    media.mic != Some(MicrophoneSpec::Stdin)
}

/// No audio goes over standard input and output.
pub(super) fn both_are_free(media: &MediaOptions) -> bool {
    input_is_free(media) && media.speaker != Some(SpeakerSpec::Stdout)
}
