//! The calls that are not over, and what is still told of them.

use std::collections::BTreeMap;

use securecall_session::{CallHandle, ConferenceEvent, Event as CallEvent, NamedCall, WireCallId};

use crate::event::Event;

/// The calls that are not over.
#[derive(Debug, Default)]
pub(crate) struct Calls(BTreeMap<CallHandle, WireCallId>);

impl Calls {
    /// Takes in what the endpoint tells.
    pub(crate) fn follow(&mut self, event: &CallEvent) {
        match event {
            CallEvent::Dialing { call, .. }
            | CallEvent::Incoming { call, .. }
            | CallEvent::Conference {
                event: ConferenceEvent::Leg { call, .. },
                ..
            } => {
                self.0.insert(call.handle, call.id.clone());
            }
            CallEvent::Replaced { call, by } => {
                self.0.remove(&call.handle);
                self.0.insert(by.handle, by.id.clone());
            }
            CallEvent::Ended { call, .. } => {
                self.0.remove(&call.handle);
            }
            _ => {}
        }
    }

    /// The call, unless it is over.
    pub(crate) fn named(&self, call: CallHandle) -> Option<NamedCall> {
        self.0.get(&call).map(|id| NamedCall {
            handle: call,
            id: id.clone(),
        })
    }

    pub(crate) fn is_over(&self, call: CallHandle) -> bool {
        !self.0.contains_key(&call)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them, to be hung up. None is left.
    pub(crate) fn take(&mut self) -> impl Iterator<Item = CallHandle> + use<> {
        std::mem::take(&mut self.0).into_keys()
    }

    /// Whether what the media of a call says is told to the program: how a call is doing is no news once it is over, and its media
    /// learn that a moment later than the program does. What became of a device, or of a recording, is.
    pub(crate) fn tells(&self, call: CallHandle, event: &Event) -> bool {
        match event {
            Event::Stats { .. }
            | Event::Levels { .. }
            | Event::Speaking { .. }
            | Event::Carried { .. } => !self.is_over(call),
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use securecall_session::{CallHandles, EndReason, Peer, Tier};

    use super::*;
    use crate::event::CallStats;

    /// Whether figures of this call are told. Whatever becomes of them, words on its devices are.
    fn tells_figures(calls: &Calls, call: &NamedCall) -> bool {
        let handle = call.handle;
        let notice = Event::Notice {
            call: handle,
            text: "the recording is incomplete".to_owned(),
        };
        assert!(calls.tells(handle, &notice));
        let figures = [
            Event::Stats {
                call: call.clone(),
                stats: CallStats::default(),
            },
            Event::Levels {
                call: handle,
                input: 0.0,
                output: 0.0,
            },
            Event::Speaking {
                call: handle,
                speaking: true,
            },
            Event::Carried {
                call: call.clone(),
                entry: "one".to_owned(),
                exit: "other".to_owned(),
            },
        ];
        let told = figures.map(|event| calls.tells(handle, &event));
        assert_eq!(told, [!calls.is_over(handle); 4]);
        told[0]
    }

    #[test]
    fn how_a_call_is_doing_is_told_until_it_is_over_and_what_became_of_its_devices_afterwards_too()
    {
        let mut handles = CallHandles::default();
        let [given_up, call] = ["one", "other"].map(|id| NamedCall {
            handle: handles.issue(),
            id: WireCallId::parse(id).unwrap(),
        });
        let mut calls = Calls::default();
        assert!(!tells_figures(&calls, &given_up));
        calls.follow(&CallEvent::Dialing {
            call: given_up.clone(),
            peer: Peer {
                id: None,
                matrix_id: "@ada:example.org".parse().unwrap(),
                name: None,
                new_address: false,
                device_id: None,
            },
            tier: Tier::Matrix,
        });
        assert!(tells_figures(&calls, &given_up));
        calls.follow(&CallEvent::Replaced {
            call: given_up.clone(),
            by: call.clone(),
        });
        assert!(!tells_figures(&calls, &given_up));
        assert!(tells_figures(&calls, &call));
        calls.follow(&CallEvent::Ended {
            call: call.clone(),
            reason: EndReason::LocalHangup,
            connected_for: None,
        });
        assert!(!tells_figures(&calls, &call));
        assert!(calls.is_empty());
    }
}
