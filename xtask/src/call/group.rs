//! A group call from the first process to the last: one who calls all the others, who answer.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::bench::resources::{memory_megabytes, processor_seconds};
use crate::call::client::Client;
use crate::call::interrupt;
use crate::call::record::{Record, Side};
use crate::call::user::User;

/// A first sync and the upload of keys, of several on a busy machine.
const READY_PATIENCE: Duration = Duration::from_secs(180);
/// From dialing to the end of the call, over its length.
const CALL_PATIENCE: Duration = Duration::from_secs(120);

/// One of the people, and what they are called by the others.
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) user: User,
}

/// New users at a homeserver, each of whom has all the others as contacts. The first is the one who calls.
pub(crate) fn acquainted(
    program: &Path,
    profiles: &Path,
    homeserver: &str,
    people: usize,
) -> Result<Vec<Member>> {
    println!("making {people} users, and swapping their contact links");
    let members: Vec<Member> = (1..=people)
        .map(|number| {
            let name = format!("member-{number}");
            let user = User::new(program, &profiles.join(&name));
            let registered = user.register(homeserver, None);
            registered.with_context(|| format!("{name} has no account"))?;
            Ok(Member { name, user })
        })
        .collect::<Result<_>>()?;
    let links = members
        .iter()
        .map(|member| member.user.share_as(&member.name));
    let links: Vec<String> = links.collect::<Result<_>>()?;
    for (own, member) in members.iter().enumerate() {
        let others = links.iter().enumerate().filter(|(other, _)| *other != own);
        member.user.add_all(others.map(|(_, link)| link.as_str()))?;
    }
    Ok(members)
}

/// The file somebody speaks from.
pub(crate) fn said_by(directory: &Path, name: &str) -> PathBuf {
    directory.join(format!("said-by-{name}.wav"))
}

/// The file somebody's speaker is recorded in.
pub(crate) fn heard_by(directory: &Path, name: &str) -> PathBuf {
    directory.join(format!("heard-by-{name}.wav"))
}

/// What was heard of a group call.
pub(crate) struct GroupConversation {
    /// Each one's events, as they came.
    pub(crate) records: Vec<Vec<Record>>,
    /// Exit codes; none where a signal ended the process.
    pub(crate) exit_codes: Vec<Option<i32>>,
    /// What each process has cost, where it could be measured.
    pub(crate) costs: Vec<Option<Cost>>,
}

/// What a process costs in the middle of a call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Cost {
    /// Percent of a core.
    pub(crate) processor: f64,
    /// Proportional set size, where it can be read.
    pub(crate) megabytes: f64,
}

/// Somebody's process.
pub(crate) struct Running {
    client: Client,
    receiver: Receiver<Record>,
    records: Vec<Record>,
}

impl Running {
    /// Starts a command of somebody; its log is in the directory.
    pub(crate) fn start(
        member: &Member,
        arguments: &[String],
        side: Side,
        directory: &Path,
    ) -> Result<Self> {
        let (sender, receiver) = mpsc::channel();
        let log = directory.join(format!("{}.log", member.name));
        let client = member.user.start(arguments, side, sender, &log)?;
        Ok(Self {
            client,
            receiver,
            records: Vec::new(),
        })
    }

    /// What it has told so far.
    pub(crate) fn records(&mut self) -> &[Record] {
        self.records.extend(self.receiver.try_iter());
        &self.records
    }

    /// Whether it has told an event of this name.
    pub(crate) fn has_told(&mut self, name: &str) -> bool {
        self.records().iter().any(|record| record.name() == name)
    }

    /// Forgets what it has told, and gives it.
    pub(crate) fn take_records(&mut self) -> Vec<Record> {
        self.records();
        std::mem::take(&mut self.records)
    }

    /// Orders something.
    pub(crate) fn order(&mut self, line: &str) -> Result<()> {
        self.client.order(line)
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&mut self) -> Result<bool> {
        Ok(self.client.ended()?.is_some())
    }

    /// Its last word.
    fn last_word(&mut self) -> String {
        let last = self.records().last();
        last.map_or_else(|| "nothing".to_owned(), |record| record.event.to_string())
    }
}

/// Waits until something holds of all processes, while none of them ends.
pub(crate) fn until_all(
    running: &mut [Running],
    patience: Duration,
    what: &str,
    mut holds: impl FnMut(&mut Running) -> bool,
) -> Result<()> {
    let deadline = Instant::now() + patience;
    loop {
        if interrupt::came() {
            bail!("interrupted; what was started is stopped");
        }
        let mut missing = None;
        for (place, one) in running.iter_mut().enumerate() {
            if !holds(one) {
                if one.has_ended()? {
                    bail!(
                        "member-{} ended before {what}; it said {}",
                        place + 1,
                        one.last_word()
                    );
                }
                missing = Some(place);
            }
        }
        let Some(place) = missing else {
            return Ok(());
        };
        if Instant::now() > deadline {
            let said = running[place].last_word();
            bail!("no {what} of member-{} in time; it said {said}", place + 1);
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// Has everybody but the first wait for calls. They answer contacts.
pub(crate) fn listen(
    members: &[Member],
    options: impl Fn(&Member) -> Vec<String>,
    directory: &Path,
) -> Result<Vec<Running>> {
    let callees = members.iter().skip(1);
    let mut listening: Vec<Running> = callees
        .map(|member| {
            let mut arguments = ["listen", "--answer", "contacts"]
                .map(str::to_owned)
                .to_vec();
            arguments.extend(options(member));
            Running::start(member, &arguments, Side::Callee, directory)
        })
        .collect::<Result<_>>()?;
    until_all(&mut listening, READY_PATIENCE, "ready", |one| {
        one.has_told("ready")
    })?;
    Ok(listening)
}

/// Has the first call all the others.
pub(crate) fn call_all(
    members: &[Member],
    options: impl Fn(&Member) -> Vec<String>,
    directory: &Path,
) -> Result<Running> {
    let [caller, callees @ ..] = members else {
        bail!("nobody calls");
    };
    let mut arguments = vec!["call".to_owned()];
    arguments.extend(callees.iter().map(|member| member.name.clone()));
    arguments.extend(options(caller));
    Running::start(caller, &arguments, Side::Caller, directory)
}

/// Holds a group call of `seconds`, in which everybody speaks from their file into everybody's recording, and stops all processes
/// whatever happens.
pub(crate) fn hold(
    members: &[Member],
    directory: &Path,
    seconds: u32,
    progress: &mut dyn FnMut(&str, &Record),
) -> Result<GroupConversation> {
    let options = |member: &Member| {
        let path = |path: PathBuf| path.display().to_string();
        vec![
            "--mic".to_owned(),
            path(said_by(directory, &member.name)),
            "--speaker".to_owned(),
            path(heard_by(directory, &member.name)),
            "--duration".to_owned(),
            seconds.to_string(),
        ]
    };
    let once = |member: &Member| {
        let mut options = options(member);
        options.push("--once".to_owned());
        options
    };
    let mut running = listen(members, once, directory)?;
    running.insert(0, call_all(members, options, directory)?);
    let began = Instant::now();
    let patience = CALL_PATIENCE + Duration::from_secs(seconds.into());
    let mut told = vec![0; members.len()];
    let mut meter = Meter::new(seconds);
    loop {
        let mut are_over = true;
        for (place, one) in running.iter_mut().enumerate() {
            for record in &one.records()[told[place]..] {
                progress(&members[place].name, record);
            }
            told[place] = one.records().len();
            are_over &= one.has_ended()?;
        }
        if are_over {
            break;
        }
        meter.look(&mut running);
        if interrupt::came() {
            bail!("interrupted; what was started is stopped");
        }
        if began.elapsed() > patience {
            bail!(
                "the group call did not come to its end; the logs are in {}",
                directory.display()
            );
        }
        thread::sleep(Duration::from_millis(20));
    }
    let mut exit_codes = Vec::new();
    let mut records = Vec::new();
    for mut one in running {
        let status = one.client.wait(CALL_PATIENCE)?;
        exit_codes.push(status.and_then(|status| status.code()));
        records.push(one.take_records());
    }
    Ok(GroupConversation {
        records,
        exit_codes,
        costs: meter.costs(members.len()),
    })
}

/// Counts what all processes cost while everybody is there.
struct Meter {
    /// How long it is counted.
    length: Duration,
    begun: Option<(Instant, Vec<Option<f64>>)>,
    costs: Option<Vec<Option<Cost>>>,
}

impl Meter {
    /// Of a call of so many seconds: its second quarter.
    fn new(seconds: u32) -> Self {
        Self {
            length: Duration::from_secs(u64::from(seconds)) / 4,
            begun: None,
            costs: None,
        }
    }

    fn look(&mut self, running: &mut [Running]) {
        if self.costs.is_some() {
            return;
        }
        let seconds = |running: &[Running]| -> Vec<Option<f64>> {
            let processes = running.iter().map(|one| one.client.id());
            processes.map(processor_seconds).collect()
        };
        let Some((since, begun)) = &self.begun else {
            // Long after the last has come: who has just come is still busy with that.
            let since = running[0]
                .records()
                .iter()
                .rev()
                .find(|it| it.name() == "member_joined");
            let quarter = self.length.as_secs_f64() * 1000.0;
            if since.is_some_and(|it| crate::call::record::unix_ms() - it.at_ms() > quarter) {
                self.begun = Some((Instant::now(), seconds(running)));
            }
            return;
        };
        let wall = since.elapsed();
        if wall >= self.length {
            let now = seconds(running);
            let costs = running.iter().zip(begun.iter().zip(now));
            self.costs = Some(
                costs
                    .map(|(one, (begun, now))| {
                        Some(Cost {
                            processor: (now? - (*begun)?) / wall.as_secs_f64() * 100.0,
                            megabytes: memory_megabytes(one.client.id())?,
                        })
                    })
                    .collect(),
            );
        }
    }

    fn costs(self, count: usize) -> Vec<Option<Cost>> {
        self.costs.unwrap_or_else(|| vec![None; count])
    }
}

/// Milliseconds from the caller's first `dialing` until everybody has heard everybody, by each one's own word; `None` if
/// somebody has not heard somebody.
pub(crate) fn all_hear_all_ms(records: &[Vec<Record>]) -> Option<f64> {
    let dialed = records.first()?.iter().find(|it| it.name() == "dialing")?;
    let others = records.len().checked_sub(1)?;
    let mut last: f64 = 0.0;
    for heard in records {
        let firsts = heard.iter().filter(|record| record.name() == "first_audio");
        let mut by_peer = std::collections::BTreeMap::new();
        for record in firsts {
            let peer = record.event["peer"]["id"].as_str()?.to_owned();
            by_peer.entry(peer).or_insert_with(|| record.at_ms());
        }
        if by_peer.len() < others {
            return None;
        }
        last = by_peer.into_values().fold(last, f64::max);
    }
    Some(last - dialed.at_ms())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(name: &str, at_ms: u64, peer: &str) -> Record {
        let at_ms = 1_790_000_000_000 + at_ms;
        let line = format!(r#"{{"event":"{name}","at_ms":{at_ms},"peer":{{"id":"{peer}"}}}}"#);
        Record::read_now(Side::Caller, &line).unwrap()
    }

    #[test]
    fn all_hear_all_when_the_last_pair_does() {
        let first = |at_ms, peer| record("first_audio", at_ms, peer);
        let mut records = vec![
            vec![
                record("dialing", 100, "b"),
                first(400, "b"),
                first(450, "c"),
            ],
            vec![first(420, "a"), first(700, "c")],
            vec![first(460, "a"), first(650, "b")],
        ];
        assert_eq!(all_hear_all_ms(&records), Some(600.0));
        // Again after a leg was lost: it was the first time that counts.
        records[1].push(first(9000, "a"));
        assert_eq!(all_hear_all_ms(&records), Some(600.0));
        records[2].pop();
        assert_eq!(all_hear_all_ms(&records), None);
    }
}
