//! Real peers for tests and the demo, and the small tools that stand between them and us.
//!
//! * [`Synapse`]: a homeserver of a pinned version in a virtual environment of its own, on a free port of the loopback
//!   interface, which never talks to anybody else and dies with the process that started it;
//! * [`Dendrite`]: another homeserver, built from its Go module of a pinned version, likewise;
//! * [`Homeserver`]: what a test asks of either;
//! * [`Federation`]: two homeservers, of whatever kinds, whose users reach each other;
//! * [`DatabaseSnapshot`]: what a homeserver's databases hold at one moment, and what a call added to it;
//! * [`HostileHomeserver`]: one that answers with anything at all: without end, compressed, cut off;
//! * [`ShownCertificate`]: what a server of TLS shows, taken whatever it is;
//! * [`TlsFront`]: a self-signed `https` door in front of a plain server;
//! * [`WebServer`]: an HTTP server that answers as it is told, and leads the rest to another one;
//! * [`ConnectProxy`]: a way to servers on this machine by names that no name service knows;
//! * [`Coturn`]: a TURN server that operators run, over UDP, TCP and TLS;
//! * [`GhostNetRelays`]: relays of GhostNet as operators run them, with the list that names them and an issuer;
//! * [`LyingRelay`]: one of them that does what it should not;
//! * [`LyingTurn`]: a TURN server that says what is not so, before a real one;
//! * [`Postgres`]: a database server (Linux);
//! * [`Place`]: a server of one's own as `securecall-server init` sets it up, and [`WholePlace`]: all of it (Linux);
//! * [`Daemon`]: a program of this workspace that runs until it is told to end;
//! * [`peak_kib`], [`resident_kib`], [`proportional_kib`]: how much memory a process has (Linux);
//! * [`free_port`], [`free_address`]: where a server may listen that has to be told;
//! * [`MasqueGoRelay`], [`MasqueGoClient`]: both ends of RFC 9298, UDP through HTTP/3, built from a Go module of a pinned version;
//! * [`UdpForwarder`]: a network path that can be cut, healed and filtered without root;
//! * [`Network`](network::Network): hosts behind NATs of all kinds, with loss, delay and roaming, on one machine (Linux, root);
//! * [`Browser`]: a headless Chromium with one page, which does as it is told;
//! * [`JsSdk`]: devices of matrix-js-sdk, which Element is made of, in a headless Chromium;
//! * [`WebrtcbinDevice`]: a Matrix client with GStreamer's media engine and the manners of Nheko or of matrix-dart-sdk;
//! * [`SoundServer`]: a PulseAudio whose sound cards are loops;
//! * [`texts_by_zxing_cpp`]: the QR reader that ours is compared with;
//! * [`speech_scores`]: PESQ and PLCMOS, models of what listeners think of speech;
//! * [`hand_on`]: a command as the arguments of another.
//!
//! None of our own crates is used here, so that these peers cannot share a mistake with the code under test.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]
#![expect(
    clippy::disallowed_methods,
    reason = "waits for real processes and sockets"
)]

mod browser;
mod connect_proxy;
mod coturn;
mod daemon;
mod database_snapshot;
mod dendrite;
mod dendrite_config;
mod federation;
mod ghostnet_relays;
mod go_program;
mod hand_on;
mod homeserver;
mod homeserver_config;
mod hostile_homeserver;
mod http;
mod js_sdk;
mod lying_relay;
mod lying_turn;
mod masque_go;
mod memory;
#[cfg(target_os = "linux")]
pub mod network;
mod pem;
#[cfg(target_os = "linux")]
mod place;
mod port;
#[cfg(target_os = "linux")]
mod postgres;
mod shown_certificate;
#[cfg(unix)]
mod sound_server;
mod speech_scores;
mod synapse;
mod tls_front;
mod udp_forwarder;
mod venv;
mod web_server;
#[cfg(unix)]
mod webrtcbin;
mod zxing_cpp;

pub use browser::{Browser, BrowserError, chromium};
pub use connect_proxy::ConnectProxy;
pub use coturn::{Coturn, CoturnError, CoturnUsers};
pub use daemon::{Daemon, DaemonError};
pub use database_snapshot::{ALLOWED, Allowed, DatabaseSnapshot, Difference, Report};
pub use dendrite::{Dendrite, DendriteError};
pub use federation::Federation;
pub use ghostnet_relays::{GhostNetRelays, GhostNetRelaysError, RelayPlan, RelayRole, TokenIssuer};
pub use go_program::GoError;
pub use hand_on::hand_on;
pub use homeserver::{Homeserver, HomeserverError, HomeserverKind};
pub use homeserver_config::{
    FederationOptions, HomeserverOptions, MessageLimit, Registration, SynapseOptions, TurnServers,
};
pub use hostile_homeserver::{Answer, HostileHomeserver};
pub use js_sdk::{
    JsSdk, JsSdkCall, JsSdkCallState, JsSdkCallStatus, JsSdkCallStep, JsSdkDevice, JsSdkError,
    JsSdkEvent, JsSdkGroupEvent, JsSdkGroupLeg, JsSdkGroupStatus, JsSdkHeard, JsSdkLogin,
    JsSdkParticipant, JsSdkPath, JsSdkWay,
};
pub use lying_relay::{LyingRelay, RelayManner, RelayNotes};
pub use lying_turn::{Lie, LyingTurn, TurnUser};
pub use masque_go::{MasqueGoClient, MasqueGoError, MasqueGoRelay, MasqueGoRequest};
pub use memory::{peak_kib, proportional_kib, resident_kib};
#[cfg(target_os = "linux")]
pub use place::{
    CaddyPorts, CoturnPorts, DOMAIN, Place, PlaceDatabase, PlaceError, PlacePlan, RunningProgram,
    WholePlace,
};
pub use port::{free_address, free_port};
#[cfg(target_os = "linux")]
pub use postgres::Postgres;
pub use shown_certificate::ShownCertificate;
#[cfg(unix)]
pub use sound_server::SoundServer;
pub use speech_scores::{SpeechPair, SpeechScores, speech_scores};
pub use synapse::{Synapse, SynapseError};
pub use tls_front::TlsFront;
pub use udp_forwarder::{Flow, PacketClass, UdpForwarder};
pub use venv::{ScriptError, VenvError};
pub use web_server::{Request, WebServer};
#[cfg(unix)]
pub use webrtcbin::{Certificate, Manner, WebrtcbinDevice, WebrtcbinError};
pub use zxing_cpp::texts_by_zxing_cpp;
