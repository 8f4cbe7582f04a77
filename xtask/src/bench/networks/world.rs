//! The networks in which calls are timed: two people, each behind a NAT of their own, whose ways to the internet are slow,
//! and in the internet a homeserver and a TURN server.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use securecall_interop::network::{Delay, Host, Nat, Network};
use securecall_interop::{Coturn, CoturnUsers, Synapse, SynapseOptions, TlsFront};
use serde_json::{Value, json};

use crate::call::record::Side;
use crate::call::user::User;

/// How long each packet takes longer between a person and the internet, each way.
const WAY: Duration = Duration::from_millis(20);
/// One name and password for all.
const TURN_USER: &str = "bench";
/// There is nothing behind it.
const TURN_PASSWORD: &str = "a password of nobody";

/// All that calls need in one network.
pub(super) struct World {
    pub(super) people: [Person; 2],
    /// Where what the pages say of their calls is passed on.
    pub(super) signaling_host: Host,
    coturn: Coturn,
    _homeserver: Synapse,
    _door: TlsFront,
    /// The last, so that what runs in it is stopped before.
    _network: Network,
}

impl World {
    /// Makes a network in which both people are behind NATs of this kind.
    pub(super) fn new(nat: Nat, program: &Path, directory: &Path) -> Result<Self> {
        let network = Network::new()?;
        let internet = network.internet();
        let users = CoturnUsers::Static {
            username: TURN_USER.to_owned(),
            password: TURN_PASSWORD.to_owned(),
        };
        let coturn = Coturn::start_at(internet.host("turn")?, users, &[])?;
        let homeserver = Synapse::start(SynapseOptions::default()).context("no homeserver")?;
        let server = internet.host("homeserver")?;
        let door = TlsFront::with_names(homeserver.address(), &[&server.address().to_string()])?;
        server.forward((server.address(), 443).into(), door.address())?;
        let authority = directory.join("authority.pem");
        fs::write(&authority, door.certificate_pem())?;
        let url = format!("https://{}", server.address());

        let person = |side: Side| -> Result<Person> {
            let home = internet.nat(side.name(), nat)?;
            let host = Arc::new(home.host(&format!("{}host", side.name()))?);
            let delay = Delay {
                least: WAY,
                jitter: Duration::ZERO,
            };
            host.link().set_delay(delay, 1)?;
            let turn = coturn.address();
            let user = User::new(program, &directory.join(side.name())).at(
                Arc::clone(&host),
                vec![
                    ("SECURECALL_TURN", format!("turn:{turn}")),
                    ("SECURECALL_TURN_USER", TURN_USER.to_owned()),
                    ("SECURECALL_TURN_PASSWORD", TURN_PASSWORD.to_owned()),
                ],
            );
            user.register(&url, Some(&authority))?;
            Ok(Person { host, user })
        };
        let [caller, callee] = [person(Side::Caller)?, person(Side::Callee)?];
        caller
            .user
            .add(&callee.user.share()?, Side::Callee.name())?;
        callee
            .user
            .add(&caller.user.share()?, Side::Caller.name())?;
        Ok(Self {
            people: [caller, callee],
            signaling_host: internet.host("signaling")?,
            coturn,
            _homeserver: homeserver,
            _door: door,
            _network: network,
        })
    }

    /// The same servers for an `RTCPeerConnection`.
    pub(super) fn ice_servers(&self) -> Value {
        let address = self.coturn.address();
        json!([
            {"urls": format!("stun:{address}")},
            {
                "urls": format!("turn:{address}?transport=udp"),
                "username": TURN_USER,
                "credential": TURN_PASSWORD,
            },
        ])
    }
}

/// Somebody, and where they are.
pub(super) struct Person {
    pub(super) host: Arc<Host>,
    pub(super) user: User,
}
