//! Whether a click on a contact link opens this program.

use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::check::Check;
use super::names::Name;
use super::{PATIENCE, Stopwatch};
use crate::commands::install_handler::is_installed;

/// Calls do without it, so it is well either way.
pub(crate) async fn link_handler() -> Check {
    let watch = Stopwatch::start();
    let asked = timeout(PATIENCE, spawn_blocking(is_installed)).await;
    let check = match asked {
        Ok(Ok(Ok(true))) => Check::good(
            Name::LinkHandler,
            "links that start with securecall: are opened by this program",
        ),
        Ok(Ok(Ok(false))) => Check::good(
            Name::LinkHandler,
            "links that start with securecall: are not opened by this program",
        )
        .hint("`securecall install-handler` changes that; `securecall open LINK` does without it"),
        Ok(Ok(Err(failure))) => Check::not_checked(Name::LinkHandler, failure.message),
        Ok(Err(_)) | Err(_) => Check::not_checked(Name::LinkHandler, "the desktop does not answer"),
    };
    check.took(watch.took())
}
