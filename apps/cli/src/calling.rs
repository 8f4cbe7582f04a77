//! Running a client until what was asked for is done: the part that `call` and `listen` share.
//!
//! A [`Run`] joins rooms that know nothing of it: the call that is followed, the people in the profile, the screen, what is
//! told to whom, what is ordered, what is read.

use securecall_driver::{Client, ClientConfig};
use securecall_matrix::Account;
use securecall_profile::Profile;

use crate::alerts::Alerts;
use crate::cli::RequireChoice;
use crate::context::Context;
use crate::error::Failure;
use crate::exit_code::ExitCode;
use crate::screen::ScreenTerminal;

mod burst;
mod clock;
pub(crate) mod consent;
mod ending;
mod followed_call;
mod guests;
mod input;
mod narrator;
mod order;
mod orders_in;
mod people;
mod plan;
mod reading;
pub(crate) mod room_consent;
mod run;
mod shown;
mod signals;
mod standard_streams;
mod teller;

pub(crate) use guests::as_group;
pub(crate) use order::Volume;
pub(crate) use people::known;
pub(crate) use plan::{Goal, Plan, RoomCall, callee};
pub(crate) use standard_streams::check_streams;

use people::People;
use run::Run;
use signals::Signals;

/// What is said of a line that is no order.
#[cfg(test)]
pub(crate) fn order_fault(line: &str) -> Option<Failure> {
    order::Order::parse(line).err()
}

/// Runs a client with the profile's account until the goal is reached, a signal comes, or the account is gone.
///
/// # Errors
///
/// The client could not be started or was signed out; a call could not be placed.
pub(crate) async fn run(
    context: Context,
    profile: Profile,
    account: Account,
    plan: Plan,
) -> Result<ExitCode, Failure> {
    let Context {
        settings,
        output,
        started_at,
        ..
    } = context;
    let with_screen = !output.is_json()
        && standard_streams::both_are_free(&plan.media)
        && ScreenTerminal::is_possible();
    let alerts = settings.alerts(&plan.media);
    let alerts = Alerts::new(alerts, &plan.media.speaker.clone().unwrap_or_default())?;
    // Before the client is started, which may wait for the homeserver: who interrupts that is heard.
    let mut signals = Signals::new()?;
    output.write_behind();
    let mut config = ClientConfig::new(profile.identity()?.key_pair(), profile.replay_memory());
    let ghostnet_memory = profile.ghostnet_memory();
    let people = People::new(profile, settings.domain());
    config.contacts = people.known();
    config.ring = plan::ring_policy(settings.ring());
    config.answer = plan::answer_policy(plan.answer);
    config.inbound = plan::call_options(&plan.media);
    config.audio = plan::audio(&plan.media);
    // Whom nobody may call so need not be heard in rooms, and rooms need not be synced for a call that is sealed.
    config.rooms = match &plan.goal {
        Goal::Call(person) => person.id.is_none() && person.matrix_id.securecall_id().is_none(),
        // Of the room of a group call the client is told when it is joined.
        Goal::Group(_) | Goal::Room(_) => false,
        Goal::Listen { .. } => plan.media.require != Some(RequireChoice::Securecall),
    };
    config.network.reach = settings.reach();
    config.servers = settings.servers()?;
    config.servers.ghostnet = settings.ghostnet(ghostnet_memory)?;
    config.levels = with_screen;
    // Who waits for calls waits for the homeserver as well; who places one wants to know.
    config.waits_for_homeserver = matches!(plan.goal, Goal::Listen { .. });
    config.soon_called = match &plan.goal {
        Goal::Call(person) => vec![person.matrix_id.clone()],
        Goal::Group(people) => people.iter().map(|it| it.matrix_id.clone()).collect(),
        Goal::Room(_) | Goal::Listen { .. } => Vec::new(),
    };
    let client = tokio::select! {
        started = Client::start(config, account) => started?,
        number = signals.next() => return Ok(ExitCode::Signal(number)),
    };
    let mut run = Run::new(
        plan,
        client,
        alerts,
        people,
        output,
        started_at,
        with_screen,
    )?;
    let outcome = run.go(signals).await;
    // Before the outcome is passed on, for an error is told on the terminal as it was.
    run.close();
    outcome
}
