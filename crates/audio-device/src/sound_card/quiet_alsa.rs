//! What ALSA says by itself.

/// ALSA writes to standard error by itself, where it would tear a call screen apart. From here on this thread's
/// messages go to a buffer that nobody reads; what matters comes back as an error as well.
pub(super) fn keep_terminal_clean() {
    #[cfg(target_os = "linux")]
    if let Err(error) = alsa::Output::local_error_handler() {
        tracing::debug!(%error, "messages of ALSA may reach the terminal");
    }
}
