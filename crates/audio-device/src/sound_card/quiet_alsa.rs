//! What ALSA says by itself.

/// ALSA writes to standard error by itself, where it would tear a call screen apart. From here on this thread's
/// messages go to a buffer that nobody reads; what matters comes back as an error as well.
pub(super) fn keep_terminal_clean() {
    #[cfg(target_os = "linux")]
    if let Err(error) = alsa::Output::local_error_handler() {
        tracing::debug!(%error, "messages of ALSA may reach the terminal");
    }
}

/// The same for a thread that is not ours: cpal's, in its first callback.
#[derive(Debug, Default)]
pub(super) struct QuietThread {
    is_quiet: bool,
}

impl QuietThread {
    pub(super) fn call_once(&mut self) {
        if !std::mem::replace(&mut self.is_quiet, true) {
            keep_terminal_clean();
        }
    }
}
