//! How long a standard Matrix call (tier `matrix`) takes until the other side is heard, beside matrix-js-sdk in Chromium on the same
//! homeservers.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use securecall_interop::{
    Federation, Homeserver, HomeserverKind, HomeserverOptions, JsSdk, JsSdkCallState, JsSdkDevice,
    JsSdkLogin,
};

use super::events::Events;
use super::figure::{Figure, Target, median};
use super::spread::{self, Row};
use super::table;
use crate::call::client::Client;
use crate::call::record::Side;
use crate::call::user::User;

/// Where the section is, in the page of performance.
const MARKS: table::Marks = table::Marks {
    begin: "<!-- cargo xtask bench --write: standard calls begin -->",
    end: "<!-- cargo xtask bench --write: standard calls end -->",
};
/// Calls of each that count; the first pair, which makes rooms and sessions, does not.
const CALLS: usize = 20;
/// What of matrix-js-sdk's time ours may take.
const SHARE: f64 = 0.7;
const PASSWORD: &str = "a password of the bench";
const TONE: [f32; 2] = [440.0, 660.0];

/// Where both people have their accounts.
struct Place<'a> {
    name: &'static str,
    servers: [&'a dyn Homeserver; 2],
}

/// What was measured at a place, in ms.
#[derive(Default)]
struct Times {
    ours: Vec<f64>,
    js_sdk: Vec<f64>,
}

/// Measures, and makes the section of it.
pub(super) fn measure(program: &Path, directory: &Path) -> Result<table::Section> {
    let browser = JsSdk::start()?;
    let one = HomeserverKind::Synapse.start(HomeserverOptions::default())?;
    let two = Federation::start([HomeserverKind::Synapse; 2])?;
    let places = [
        Place {
            name: "one homeserver",
            servers: [&*one, &*one],
        },
        Place {
            name: "two federated homeservers",
            servers: two.servers(),
        },
    ];
    let mut figures = Vec::new();
    let mut rows = Vec::new();
    for (number, place) in places.iter().enumerate() {
        println!("standard Matrix calls, {}", place.name);
        let directory = directory.join(number.to_string());
        let times = at(program, &directory, &browser, place)?;
        let [ours, theirs] = [&times.ours, &times.js_sdk].map(|times| median(times));
        let (ours, theirs) = ours.zip(theirs).context("there were no calls")?;
        figures.push(Figure {
            what: format!(
                "standard Matrix call, {}: `call` to first audio by matrix-js-sdk's, medians of 20",
                place.name
            ),
            target: Target::AtMost(SHARE),
            measured: ours / theirs,
            unit: "×",
            digits: 2,
        });
        for (program, times) in [("SecureCall", times.ours), ("matrix-js-sdk", times.js_sdk)] {
            rows.push(Row {
                place: place.name,
                program,
                times,
            });
        }
    }
    Ok(table::Section {
        marks: &MARKS,
        figures,
        details: spread::markdown("place", &rows)?,
        details_in_columns: spread::columns(&rows)?,
    })
}

/// Calls of both at one place, in turns.
fn at(program: &Path, directory: &Path, browser: &JsSdk, place: &Place<'_>) -> Result<Times> {
    fs::create_dir_all(directory)?;
    let mut ours = Pair::start(program, directory, browser, place)?;
    let theirs = JsPair::start(browser, place)?;
    let mut times = Times::default();
    for number in 0..=CALLS {
        let context = || format!("call {number} failed, {}", place.name);
        let (mine, js) = (
            ours.call().with_context(context)?,
            theirs.call().with_context(context)?,
        );
        println!("call {number:>2}: {mine:.0} ms, matrix-js-sdk {js:.0} ms");
        if number > 0 {
            times.ours.push(mine);
            times.js_sdk.push(js);
        }
    }
    Ok(times)
}

/// Two of ours, of whom neither knows a key of the other.
struct Pair {
    events: Events,
    caller: Client,
    _callee: Client,
    /// Whom to call.
    callee: String,
}

impl Pair {
    fn start(program: &Path, directory: &Path, browser: &JsSdk, place: &Place<'_>) -> Result<Self> {
        let events = Events::new();
        let user = |side: Side| {
            let url = place.servers[side.index()].base_url();
            let matrix_id = browser.register(&url, &format!("our_{}", side.name()), PASSWORD)?;
            let user = User::new(program, &directory.join(side.name()));
            user.log_in(&url, &matrix_id, PASSWORD)?;
            anyhow::Ok((user, matrix_id))
        };
        let (caller, caller_id) = user(Side::Caller)?;
        let (callee, callee_id) = user(Side::Callee)?;
        // Strangers may have a device ring only so often.
        caller.add(&callee_id, "callee")?;
        callee.add(&caller_id, "caller")?;
        let start = |user: &User, side: Side, answer: &str| {
            let arguments = [
                "listen",
                "--answer",
                answer,
                "--require",
                "any",
                "--mic",
                "tone:440",
                "--speaker",
                "null",
            ];
            let log = directory.join(format!("{}.log", side.name()));
            let client = user.start(arguments, side, events.sender(), &log)?;
            events
                .until(side, "ready")
                .with_context(|| format!("its log is {}", log.display()))?;
            anyhow::Ok(client)
        };
        let _callee = start(&callee, Side::Callee, "contacts")?;
        let caller = start(&caller, Side::Caller, "ask")?;
        Ok(Self {
            events,
            caller,
            _callee,
            callee: callee_id,
        })
    }

    /// From the order to the first sample of the other side.
    fn call(&mut self) -> Result<f64> {
        self.caller.order(&format!("call {}", self.callee))?;
        let records = self.events.until(Side::Caller, "first_audio")?;
        let heard = records.last().and_then(|record| record.number("setup_ms"));
        self.caller.order("hangup")?;
        self.events.until(Side::Callee, "ended")?;
        heard.context("no time was told")
    }
}

/// Two devices of matrix-js-sdk, in an encrypted room of theirs.
struct JsPair {
    caller: JsSdkDevice,
    callee: JsSdkDevice,
    room: String,
}

impl JsPair {
    fn start(browser: &JsSdk, place: &Place<'_>) -> Result<Self> {
        let device = |side: Side| {
            let url = place.servers[side.index()].base_url();
            let user = format!("js_{}", side.name());
            browser.register(&url, &user, PASSWORD)?;
            browser.log_in(&JsSdkLogin {
                homeserver: &url,
                user: &user,
                password: PASSWORD,
                hertz: TONE[side.index()],
                force_turn: false,
            })
        };
        let (caller, callee) = (device(Side::Caller)?, device(Side::Callee)?);
        let room = caller.create_direct_room(callee.user_id(), true)?;
        callee.join_invite(caller.user_id())?;
        caller.wait_for_member(&room, callee.user_id())?;
        caller.prepare_to_encrypt(&room)?;
        callee.prepare_to_encrypt(&room)?;
        callee.take_all(true)?;
        Ok(Self {
            caller,
            callee,
            room,
        })
    }

    fn call(&self) -> Result<f64> {
        let call = self
            .caller
            .place_call(&self.room, Some(self.callee.user_id()))?;
        let taken = self.callee.wait_for_call()?;
        call.wait_for(JsSdkCallState::Connected)?;
        call.wait_for_tone(TONE[Side::Callee.index()])?;
        let status = call.status()?;
        let times = status.first_sound_at_ms.zip(status.placed_at_ms);
        let (heard, placed) = times.context("nothing was heard")?;
        call.hang_up()?;
        taken.wait_for(JsSdkCallState::Ended)?;
        Ok(heard - placed)
    }
}
