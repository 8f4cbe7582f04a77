//! Group calls: how soon all hear all, beside matrix-js-sdk in Chromium on the same homeserver, and what eight members cost.

use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use securecall_interop::{
    JsSdk, JsSdkDevice, JsSdkGroupStatus, JsSdkLogin, Synapse, SynapseOptions,
};

use super::engines::{runs_of, worst};
use super::figure::{Figure, Target, median};
use super::spread::{self, Row};
use super::table;
use crate::call::group::{self, Member, Running, all_hear_all_ms, until_all};
use crate::demo::group::Turns;
use crate::workspace::Workspace;

/// Where the section is, in the page of performance.
const MARKS: table::Marks = table::Marks {
    begin: "<!-- cargo xtask bench --write: group calls begin -->",
    end: "<!-- cargo xtask bench --write: group calls end -->",
};
/// Calls of each that count; the first pair, which makes sessions, does not.
const CALLS: usize = 10;
/// Who talks in those.
const FEW: usize = 3;
/// What of matrix-js-sdk's time ours may take.
const SHARE: f64 = 0.5;
/// Who talks in the one whose cost is counted.
const MANY: usize = 8;
/// How long that is, in seconds.
const LONG: u32 = 32;
/// A leg of a busy machine is there by then.
const PATIENCE: Duration = Duration::from_secs(60);
const PASSWORD: &str = "a password of the bench";

/// Measures, and makes the section of it.
pub(super) fn measure(
    workspace: &Workspace,
    program: &Path,
    directory: &Path,
) -> Result<table::Section> {
    let homeserver = Synapse::start(SynapseOptions::default()).context("no homeserver")?;
    let url = homeserver.base_url();
    let members = group::acquainted(program, &directory.join("profiles"), &url, MANY)?;
    let rows = all_hear_all(&members[..FEW], &url, directory)?;
    let [ours, theirs] = rows.each_ref().map(|row| median(&row.times));
    let (ours, theirs) = ours.zip(theirs).context("there were no calls")?;
    let mut figures = vec![Figure {
        what: format!(
            "{FEW} people in a group call: from the call until all hear all, by matrix-js-sdk's, medians of {CALLS}"
        ),
        target: Target::AtMost(SHARE),
        measured: ours / theirs,
        unit: "×",
        digits: 2,
    }];
    figures.extend(cost(workspace, &members, directory)?);
    figures.push(added_by_the_mixer(workspace)?);
    Ok(table::Section {
        marks: &MARKS,
        figures,
        details: spread::markdown("call", &rows)?,
        details_in_columns: spread::columns(&rows)?,
    })
}

/// How much later a voice is heard in the mix of three than in a call of two, on virtual time.
fn added_by_the_mixer(workspace: &Workspace) -> Result<Figure> {
    let runs = runs_of(workspace, "group_call")?;
    let target = Target::AtMost(1.0);
    Ok(Figure {
        what: format!("{FEW} people in a group call: mouth to ear beyond that of a call of two"),
        target,
        measured: worst(&runs, "added_by_the_mixer_ms", target)?,
        unit: "ms",
        digits: 1,
    })
}

/// Group calls of both in turns, and how long each took, in ms.
fn all_hear_all(members: &[Member], homeserver: &str, directory: &Path) -> Result<[Row; 2]> {
    let browser = JsSdk::start()?;
    let pages = Pages::open(&browser, homeserver)?;
    let mut ours = Ours::start(members, directory)?;
    let mut times = [Vec::new(), Vec::new()];
    for number in 0..=CALLS {
        let context = || format!("group call {number} failed");
        let (mine, js) = (
            ours.call().with_context(context)?,
            pages.call().with_context(context)?,
        );
        println!("group call {number:>2}: {mine:.0} ms, matrix-js-sdk {js:.0} ms");
        if number > 0 {
            times[0].push(mine);
            times[1].push(js);
        }
    }
    let [ours, theirs] = times;
    let row = |program, times| Row {
        place: "3 people, one homeserver",
        program,
        times,
    };
    Ok([row("SecureCall", ours), row("matrix-js-sdk", theirs)])
}

/// What is said and heard by somebody: each has a tone of their own.
fn audio(member: &Member) -> Vec<String> {
    // The name ends in a number.
    let hertz = member
        .name
        .bytes()
        .last()
        .map_or(300, |it| 100 * u32::from(it - b'0') + 300);
    let audio = ["--mic", &format!("tone:{hertz}"), "--speaker", "null"];
    audio.map(str::to_owned).to_vec()
}

/// Of ours, one who calls, and others who listen all the time and answer at once.
struct Ours<'a> {
    members: &'a [Member],
    listening: Vec<Running>,
    directory: &'a Path,
}

impl<'a> Ours<'a> {
    fn start(members: &'a [Member], directory: &'a Path) -> Result<Self> {
        Ok(Self {
            members,
            listening: group::listen(members, audio, directory)?,
            directory,
        })
    }

    /// From `dialing` until the last `first_audio`.
    fn call(&mut self) -> Result<f64> {
        let mut running = vec![group::call_all(self.members, audio, self.directory)?];
        running.append(&mut self.listening);
        let hears_all = |one: &mut Running| {
            let heard = one.records().iter().filter(|it| it.name() == "first_audio");
            heard.count() + 1 >= FEW
        };
        until_all(&mut running, PATIENCE, "voice of all", hears_all)?;
        running[0].order("hangup")?;
        self.listening = running.split_off(1);
        // The others would talk on; whoever is left alone then has no group call any more.
        let first = self.listening.first_mut().context("nobody else is there")?;
        first.order("hangup")?;
        until_all(&mut self.listening, PATIENCE, "end", |one| {
            one.has_told("conference_ended")
        })?;
        let mut records = vec![running[0].take_records()];
        records.extend(self.listening.iter_mut().map(Running::take_records));
        all_hear_all_ms(&records).context("somebody has not heard somebody")
    }
}

/// Devices of matrix-js-sdk, each a page.
struct Pages {
    devices: Vec<JsSdkDevice>,
}

impl Pages {
    fn open(browser: &JsSdk, homeserver: &str) -> Result<Self> {
        let device = |hertz| {
            let user = &format!("js_{hertz}");
            browser.register(homeserver, user, PASSWORD)?;
            browser.log_in(&JsSdkLogin {
                homeserver,
                user,
                password: PASSWORD,
                hertz,
                force_turn: false,
            })
        };
        let devices = [440.0, 550.0, 660.0].map(device);
        let devices = devices.into_iter().collect::<Result<_, _>>()?;
        Ok(Self { devices })
    }

    /// Makes a room with a group call, in which all are, with open microphones. Each call has another: in the same one, who enters again
    /// is sent silence now and then.
    fn prepare(&self) -> Result<String> {
        let [first, others @ ..] = &self.devices[..] else {
            bail!("nobody is there");
        };
        let invitees: Vec<_> = others.iter().map(JsSdkDevice::user_id).collect();
        let room = first.create_group_room(&invitees)?;
        for other in others {
            other.join_invite(first.user_id())?;
        }
        for user in self.devices.iter().map(JsSdkDevice::user_id) {
            self.all(|device| device.wait_for_member(&room, user))?;
        }
        first.create_group_call(&room)?;
        self.all(|device| device.open_group_microphone(&room))?;
        Ok(room)
    }

    /// From the first who enters until the last first sound. All enter at once.
    fn call(&self) -> Result<f64> {
        let room = &self.prepare()?;
        self.all(|device| device.enter_group_call(room))?;
        let known = self.all(|device| device.wait_for_group_voices(room, FEW - 1))?;
        self.all(|device| device.leave_group_call(room))?;
        let entered = known.iter().filter_map(|it| it.entered_at_ms);
        let heard = known.iter().flat_map(first_sounds);
        let [entered, heard] = [entered.reduce(f64::min), heard.reduce(f64::max)];
        let (entered, heard) = entered.zip(heard).context("nobody has entered")?;
        Ok(heard - entered)
    }

    /// Has all do something at the same time.
    fn all<T: Send, E: Send + Into<anyhow::Error>>(
        &self,
        act: impl Fn(&JsSdkDevice) -> Result<T, E> + Sync,
    ) -> Result<Vec<T>> {
        let act = &act;
        thread::scope(|scope| {
            let start = |device| scope.spawn(move || act(device));
            let acting: Vec<_> = self.devices.iter().map(start).collect();
            let ended = acting.into_iter().map(|it| match it.join() {
                Ok(done) => done.map_err(Into::into),
                Err(_) => bail!("a page's thread has panicked"),
            });
            ended.collect()
        })
    }
}

fn first_sounds(known: &JsSdkGroupStatus) -> impl Iterator<Item = f64> {
    known.legs.iter().filter_map(|leg| leg.first_sound_at_ms)
}

/// One call of eight who speak one after the other.
fn cost(workspace: &Workspace, members: &[Member], directory: &Path) -> Result<Vec<Figure>> {
    let names: Vec<&str> = members.iter().map(|member| member.name.as_str()).collect();
    let turns = Turns::of(members.len(), LONG);
    turns.write(workspace, &names, directory)?;
    println!("one group call of {MANY} people, {} s", turns.seconds());
    let call = group::hold(members, directory, turns.seconds(), &mut |_, _| {})?;
    let costs = call.costs.into_iter().collect::<Option<Vec<_>>>();
    let costs = costs.context("what it cost was not measured")?;
    let most = |values: Vec<f64>| values.into_iter().fold(0.0, f64::max);
    Ok(vec![
        Figure {
            what: format!("{MANY} people in a group call: processor of the busiest"),
            target: Target::AtMost(25.0),
            measured: most(costs.iter().map(|cost| cost.processor).collect()),
            unit: "% of a core",
            digits: 1,
        },
        Figure {
            what: format!("{MANY} people in a group call: memory (PSS) of the largest"),
            target: Target::AtMost(45.0),
            measured: most(costs.iter().map(|cost| cost.megabytes).collect()),
            unit: "MB",
            digits: 0,
        },
    ])
}
