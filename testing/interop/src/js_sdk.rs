//! Devices of [matrix-js-sdk](https://github.com/matrix-org/matrix-js-sdk) 43 in a headless Chromium: what Element Web's calls by
//! MSC2746 are made of.
//!
//! One [`JsSdk`] is one browser, in which each [`JsSdkDevice`] is a page that shares nothing with others: a user, who syncs, with
//! encryption by the Rust cryptography. Its microphone hears a tone of its own, and what it hears in a [`JsSdkCall`] is measured,
//! so that a test knows whose voice it is.
//!
//! ```no_run
//! use securecall_interop::{JsSdk, JsSdkCallState, JsSdkLogin, Synapse, SynapseOptions};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let synapse = Synapse::start(SynapseOptions::default())?;
//! let browser = JsSdk::start()?;
//! let device = |user, hertz| {
//!     browser.register(&synapse.base_url(), user, "password")?;
//!     browser.log_in(&JsSdkLogin {
//!         homeserver: &synapse.base_url(),
//!         user,
//!         password: "password",
//!         hertz,
//!         force_turn: false,
//!     })
//! };
//! let (ada, bo) = (device("ada", 440.0)?, device("bo", 660.0)?);
//! let room = ada.create_direct_room(bo.user_id(), true)?;
//! bo.join_invite(ada.user_id())?;
//! ada.wait_for_member(&room, bo.user_id())?;
//!
//! let outgoing = ada.place_call(&room, None)?;
//! let incoming = bo.wait_for_call()?;
//! incoming.answer(false)?;
//! outgoing.wait_for(JsSdkCallState::Connected)?;
//! outgoing.wait_for_tone(660.0)?;
//! incoming.wait_for_tone(440.0)?;
//! outgoing.hang_up()?;
//! assert_eq!(incoming.wait_for(JsSdkCallState::Ended)?.end_party.as_deref(), Some("remote"));
//! # Ok(())
//! # }
//! ```

mod bundle;
mod call;
mod device;
mod devtools;
mod error;
mod group_call;
mod page;

use std::sync::Arc;

use serde_json::json;

pub use call::{JsSdkCall, JsSdkCallState, JsSdkCallStatus, JsSdkCallStep, JsSdkHeard, JsSdkPath};
pub use device::{JsSdkDevice, JsSdkEvent, JsSdkLogin};
pub use error::JsSdkError;
pub use group_call::{
    JsSdkGroupEvent, JsSdkGroupLeg, JsSdkGroupStatus, JsSdkParticipant, JsSdkWay,
};

use self::{
    bundle::{Bundle, NEWEST, Version, WITH_OLM},
    devtools::DevTools,
    page::Page,
};
use crate::WebServer;
#[cfg(target_os = "linux")]
use crate::network::Host;

const PAGE: &str = r#"<!doctype html><meta charset="utf-8"><title>A device of matrix-js-sdk</title><script type="module" src="/page.js"></script>"#;

/// A browser for devices. It ends when this value and all its devices are dropped, and also when the whole process dies.
#[derive(Debug)]
pub struct JsSdk {
    browser: Arc<DevTools>,
    /// Gives pages their script. A page that is open needs it no more.
    server: WebServer,
}

impl JsSdk {
    /// Starts one. The first time on a machine, builds the page.
    ///
    /// # Errors
    /// When there is no Chromium, or the page cannot be built: nothing is skipped.
    pub fn start() -> Result<Self, JsSdkError> {
        Self::start_version(&NEWEST)
    }

    /// The same with matrix-js-sdk 36.2, the last version that encrypts what group calls say.
    ///
    /// # Errors
    /// As with [`start`](Self::start).
    pub fn start_with_olm() -> Result<Self, JsSdkError> {
        Self::start_version(&WITH_OLM)
    }

    fn start_version(version: &Version) -> Result<Self, JsSdkError> {
        let server = serve(version)?;
        let browser = DevTools::start(|command| Ok(command.spawn()?))?;
        Ok(Self {
            browser: Arc::new(browser),
            server,
        })
    }

    /// The same inside a host of a network, where its calls go by the host's interfaces. Homeservers must be led in there:
    /// [`Host::forward`]. The page comes by the host's loopback interface, so that the microphone may be used.
    ///
    /// # Errors
    /// As with [`start`](Self::start); when the network is torn down.
    #[cfg(target_os = "linux")]
    pub fn start_in(host: &Host) -> Result<Self, JsSdkError> {
        let server = serve(&NEWEST)?;
        host.forward(server.address(), server.address())?;
        let browser = DevTools::start(|command| Ok(host.spawn(command)?))?;
        Ok(Self {
            browser: Arc::new(browser),
            server,
        })
    }

    /// Makes an account at a homeserver that lets everybody; gives its user ID.
    ///
    /// # Errors
    /// When the homeserver refuses.
    pub fn register(
        &self,
        homeserver: &str,
        user: &str,
        password: &str,
    ) -> Result<String, JsSdkError> {
        let parameters = json!({"homeserver": homeserver, "user": user, "password": password});
        self.open()?.ask("register", &parameters)
    }

    /// Makes a new device of a user, and waits until it can be called.
    ///
    /// # Errors
    /// When the homeserver refuses.
    pub fn log_in(&self, login: &JsSdkLogin<'_>) -> Result<JsSdkDevice, JsSdkError> {
        JsSdkDevice::log_in(self.open()?, login)
    }

    /// The browser's process, which all its others descend from.
    #[must_use]
    pub fn process_id(&self) -> u32 {
        self.browser.process_id()
    }

    fn open(&self) -> Result<Page, JsSdkError> {
        Page::open(&self.browser, &format!("{}/", self.server.base_url()))
    }
}

/// Gives pages their script.
fn serve(version: &Version) -> Result<WebServer, JsSdkError> {
    let Bundle { script, wasm } = Bundle::load(version)?;
    let server = WebServer::start()?;
    let files = [
        ("GET / ", "text/html", PAGE.as_bytes()),
        ("GET /page.js ", "text/javascript", &script),
        (
            "GET /pkg/matrix_sdk_crypto_wasm_bg.wasm ",
            "application/wasm",
            &wasm,
        ),
        ("GET /crypto.wasm ", "application/wasm", &wasm),
    ];
    for (what, kind, content) in files {
        let length = content.len();
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
        );
        server.answer_raw(what, [head.as_bytes(), content].concat());
    }
    Ok(server)
}
