//! The networks in which calls are measured: two people, at places of one kind, and in the internet a homeserver.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use securecall_interop::network::{Delay, Host, Nat, Network, Segment};
use securecall_interop::{Coturn, CoturnUsers, Synapse, SynapseOptions, TlsFront};
use serde_json::{Value, json};

use crate::call::record::Side;
use crate::call::user::User;

/// How much longer each packet takes between a person and the internet, each way.
const FAR: Delay = Delay {
    least: Duration::from_millis(20),
    jitter: Duration::ZERO,
};
/// One name and password for all.
const TURN_USER: &str = "bench";
/// There is nothing behind it.
const TURN_PASSWORD: &str = "a password of nobody";

/// Where people are.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    /// Each behind a NAT of their own of this kind, with a slow way to the internet, in which there is a TURN server.
    BehindNat(Nat),
    /// In the internet itself, next to each other.
    Internet,
}

/// All that calls need in one network.
pub(super) struct World {
    pub(super) people: [Person; 2],
    internet: Segment,
    coturn: Option<Coturn>,
    _homeserver: Synapse,
    _door: TlsFront,
    /// The last, so that what runs in it is stopped before.
    _network: Network,
}

impl World {
    /// Makes a network in which both people are at such a place, and know each other.
    pub(super) fn new(place: Place, program: &Path, directory: &Path) -> Result<Self> {
        let network = Network::new()?;
        let internet = network.internet();
        let coturn = match place {
            Place::BehindNat(_) => Some(turn_server(&internet)?),
            Place::Internet => None,
        };
        let homeserver = Synapse::start(SynapseOptions::default()).context("no homeserver")?;
        let server = internet.host("homeserver")?;
        let door = TlsFront::with_names(homeserver.address(), &[&server.address().to_string()])?;
        server.forward((server.address(), 443).into(), door.address())?;
        let authority = directory.join("authority.pem");
        fs::write(&authority, door.certificate_pem())?;
        let url = format!("https://{}", server.address());

        let environment = environment(coturn.as_ref());
        let person = |side: Side| -> Result<Person> {
            let host = Arc::new(place.host(&internet, side)?);
            let user = User::new(program, &directory.join(side.name()))
                .at(Arc::clone(&host), environment.clone());
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
            internet,
            coturn,
            _homeserver: homeserver,
            _door: door,
            _network: network,
        })
    }

    /// Both, the caller first.
    pub(super) fn users(&self) -> [&User; 2] {
        self.people.each_ref().map(|person| &person.user)
    }

    /// One more host in the internet.
    pub(super) fn host(&self, label: &str) -> Result<Host> {
        Ok(self.internet.host(label)?)
    }

    /// One more network behind a NAT, as far from the internet as people are.
    pub(super) fn another_home(&self, label: &str, nat: Nat) -> Result<Segment> {
        let home = self.internet.nat(label, nat)?;
        let uplink = home.uplink().context("a NAT without an uplink")?;
        uplink.set_delay(FAR, 1)?;
        Ok(home)
    }

    /// The same servers for an `RTCPeerConnection`.
    pub(super) fn ice_servers(&self) -> Value {
        let Some(coturn) = &self.coturn else {
            return json!([]);
        };
        let address = coturn.address();
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

impl Place {
    /// Where one of the two is.
    fn host(self, internet: &Segment, side: Side) -> Result<Host> {
        let label = format!("{}host", side.name());
        let Self::BehindNat(nat) = self else {
            return Ok(internet.host(&label)?);
        };
        let host = internet.nat(side.name(), nat)?.host(&label)?;
        host.link().set_delay(FAR, 1)?;
        Ok(host)
    }
}

fn turn_server(internet: &Segment) -> Result<Coturn> {
    let users = CoturnUsers::Static {
        username: TURN_USER.to_owned(),
        password: TURN_PASSWORD.to_owned(),
    };
    Ok(Coturn::start_at(internet.host("turn")?, users, &[])?)
}

/// What tells our program of the TURN server, if there is one.
fn environment(coturn: Option<&Coturn>) -> Vec<(&'static str, String)> {
    let Some(coturn) = coturn else {
        return Vec::new();
    };
    vec![
        ("SECURECALL_TURN", format!("turn:{}", coturn.address())),
        ("SECURECALL_TURN_USER", TURN_USER.to_owned()),
        ("SECURECALL_TURN_PASSWORD", TURN_PASSWORD.to_owned()),
    ]
}

/// Somebody, and where they are.
pub(super) struct Person {
    pub(super) host: Arc<Host>,
    pub(super) user: User,
}
