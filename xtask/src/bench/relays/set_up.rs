//! How long a call takes to connect through two relays each, beside one by a TURN server.

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use securecall_interop::network::{Names, Nat};
use securecall_interop::{GhostNetRelays, RelayPlan, RelayRole};

use crate::bench::figure::{Figure, Target, median};
use crate::bench::short_calls::ShortCalls;
use crate::bench::spread::Row;
use crate::bench::world::{Place, World};

/// Calls of each that count; the first pair, which finds everything cold, does not.
const CALLS: usize = 20;
/// What of the time with TURN it may take.
const SHARE: f64 = 1.5;
const RELAY: &str = "relay";
const GHOSTNET: &str = "ghostnet";

/// The relays of a network, each of an operator of its own and far from all others.
const RELAYS: [(&str, RelayRole, Ipv4Addr); 4] = [
    ("entry1", RelayRole::Entry, Ipv4Addr::new(60, 10, 0, 10)),
    ("entry2", RelayRole::Entry, Ipv4Addr::new(61, 10, 0, 10)),
    ("exit1", RelayRole::Exit, Ipv4Addr::new(62, 10, 0, 10)),
    ("exit2", RelayRole::Exit, Ipv4Addr::new(63, 10, 0, 10)),
];

/// Times calls of both kinds in turn, so that a machine that is busy for a while is so for both.
pub(super) fn measure(
    program: &Path,
    relay: &Path,
    directory: &Path,
) -> Result<(Figure, [Row; 2])> {
    println!("making networks: two people behind NATs with a TURN server, and two with relays");
    let world = |route: &str| {
        let directory = directory.join(route);
        fs::create_dir_all(&directory)?;
        World::new(
            Place::BehindNat(Nat::port_restricted()),
            program,
            &directory,
        )
    };
    let with_turn = world(RELAY)?;
    let mut with_relays = world(GHOSTNET)?;
    let _relays = relays(&mut with_relays, relay)?;
    let [turn_logs, relay_logs] = [RELAY, GHOSTNET].map(|route| directory.join(route));
    let by_turn = ShortCalls::start(with_turn.users(), &turn_logs, &["--route", RELAY])?;
    let by_relays = ShortCalls::start(with_relays.users(), &relay_logs, &["--route", GHOSTNET])?;
    let mut times = [const { Vec::new() }; 2];
    for number in 0..=CALLS {
        let mut took = [0.0; 2];
        let both = [(&by_turn, RELAY), (&by_relays, GHOSTNET)];
        for (took, (calls, wanted)) in took.iter_mut().zip(both) {
            let call = calls.call();
            let call = call.with_context(|| format!("call {number} by {wanted} failed"))?;
            let (ms, route) = call.set_up()?;
            ensure!(route == wanted, "a call by {wanted} went {route}");
            *took = ms;
        }
        println!(
            "call {number:>2}: {RELAY} {:.0} ms, {GHOSTNET} {:.0} ms",
            took[0], took[1]
        );
        if number > 0 {
            for (times, took) in times.iter_mut().zip(took) {
                times.push(took);
            }
        }
    }
    let [turn, ghostnet] = times.each_ref().map(|times| median(times));
    let (turn, ghostnet) = turn.zip(ghostnet).context("there were no calls")?;
    let figure = Figure {
        what: format!("`dialing` to `connected`: {GHOSTNET} beside {RELAY}, medians of {CALLS}"),
        target: Target::AtMost(SHARE),
        measured: ghostnet / turn,
        unit: "×",
        digits: 2,
    };
    let [turn, ghostnet] = times;
    let row = |place, program, times| Row {
        place,
        program,
        times,
    };
    let rows = [
        row(RELAY, "coturn, UDP", turn),
        row(GHOSTNET, "securecall-relay, two each", ghostnet),
    ];
    Ok((figure, rows))
}

/// Relays in the internet of a world, whose people know them from now on.
fn relays(world: &mut World, program: &Path) -> Result<GhostNetRelays> {
    let host = |label: &str| world.host(label).map(Arc::new);
    let plan = |(label, role, address): (&str, RelayRole, Ipv4Addr)| {
        let host = host(label)?;
        host.add_routed_address(address)?;
        anyhow::Ok(RelayPlan::at(&host, address.into(), role))
    };
    let plans = RELAYS.into_iter().map(plan).collect::<Result<_>>()?;
    let shop = host("shop")?;
    let relays = GhostNetRelays::start_in(program, plans, &shop)?;
    let mut names = Names::new()?;
    names.add(GhostNetRelays::shop_name(), &shop.addresses())?;
    names.trust(relays.shop_certificate_pem())?;
    let names = Arc::new(names);
    for person in &mut world.people {
        person.user.learn(relays.environment());
        person.user.know(Arc::clone(&names));
    }
    Ok(relays)
}
