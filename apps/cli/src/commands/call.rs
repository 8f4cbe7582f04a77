//! `call WHO`, `call WHO WHO …`, and `call --room ROOM`.

use securecall_matrix::Account;
use securecall_profile::Profile;
use securecall_profile::who::{self, Person};

use crate::calling::{self, Goal, Plan, RoomCall, consent, room_consent};
use crate::cli::{Answer, CallOptions, MediaOptions, RoomOptions};
use crate::context::Context;
use crate::error::Failure;
use crate::exit_code::ExitCode;
use crate::prompt;
use crate::runtime::runtime;

pub(super) fn run(mut context: Context, options: &CallOptions) -> Result<ExitCode, Failure> {
    let media = context.settings.media(&options.media);
    context.output = calling::check_streams(context.output, &media)?;
    let mut profile = context.open_profile()?;
    profile.identity()?;
    // Whom to call is settled before the account is taken for this run alone, and before anything
    // is asked of the network.
    let goal = match (&options.room.room, &options.who[..]) {
        (Some(room), _) => Goal::Room(room_call(&media, room, &options.room)?),
        (None, [who]) => Goal::Call(one(&context, &profile, &media, who)?),
        (None, several) => Goal::Group(group(&context, &profile, &media, several)?),
    };
    let must_ask = match &goal {
        Goal::Call(person) => {
            let missing = consent::is_missing(person, profile.content(), options.media.require);
            missing.then(|| person.clone())
        }
        Goal::Group(_) | Goal::Room(_) | Goal::Listen { .. } => None,
    };
    if let Some(person) = &must_ask
        // Standard input may hold orders, or sound.
        && (context.output.is_json() || !prompt::can_ask())
    {
        return Err(consent::failure(person));
    }
    profile.account()?;
    if let Some(person) = &must_ask {
        ask_for_consent(&mut profile, person)?;
    }
    if let Goal::Room(room_call) = &goal
        && !options.room.yes
        && !context.output.is_json()
        && !prompt::agree(&room_consent::question(room_call), "give `--yes`")?
    {
        return Err(room_consent::failure(room_call));
    }
    let _lock = context.lock_session(&mut profile, "call")?;
    let runtime = runtime()?;
    let result = runtime.block_on(async {
        let account = Account::restore(&profile.account_store()).await?;
        let plan = Plan {
            goal,
            answer: Answer::Ask,
            muted: options.muted,
            media,
            asked: options.media.require,
        };
        calling::run(context, profile, account, plan).await
    });
    // Not waited for: the look-up of a name, or a picture that is being read, cannot be called off
    // and would hold up the end.
    runtime.shutdown_background();
    result
}

/// The one person that is to be called.
fn one(
    context: &Context,
    profile: &Profile,
    media: &MediaOptions,
    who: &str,
) -> Result<Person, Failure> {
    let content = profile.content();
    let person = who::resolve(who, &content.contacts, &context.settings.domain())?;
    calling::callee(&person, media, &calling::known(content))?;
    Ok(person)
}

/// Everybody that is to be called, each as one alone would be.
fn group(
    context: &Context,
    profile: &Profile,
    media: &MediaOptions,
    several: &[String],
) -> Result<Vec<Person>, Failure> {
    let content = profile.content();
    let domain = context.settings.domain();
    let people = several.iter();
    let people = people.map(|who| who::resolve(who, &content.contacts, &domain));
    let people = people.collect::<Result<Vec<_>, _>>()?;
    let own_address = content.account.as_ref().map(|account| &account.matrix_id);
    let people = calling::as_group(people, content.own_id(), own_address)?;
    let known = calling::known(content);
    for person in &people {
        calling::callee(person, media, &known)?;
    }
    Ok(people)
}

/// The room whose group call is wanted.
fn room_call(media: &MediaOptions, room: &str, options: &RoomOptions) -> Result<RoomCall, Failure> {
    let wanted = RoomCall {
        room: room.trim().to_owned(),
        in_clear: options.in_clear,
    };
    room_consent::check(&wanted, media.require)?;
    Ok(wanted)
}

/// Asks once whether a standard Matrix call is good enough, and remembers a yes.
fn ask_for_consent(profile: &mut Profile, person: &Person) -> Result<(), Failure> {
    if !prompt::agree(&consent::question(person), "give `--require any`")? {
        return Err(consent::failure(person));
    }
    profile.change(|content| {
        content.agree_to_standard_calls(person);
        Ok::<_, Failure>(())
    })
}
