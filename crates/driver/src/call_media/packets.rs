//! What somebody on the network sees of a call.

mod virtual_call;

use std::time::Duration;

use securecall_netem::Conditions;
use securecall_session::Event;

use self::virtual_call::{CALLEE, CALLER, VirtualCall};
use crate::audio_engine::TICK;

/// When and how large the packets with voice were, and how many the data channel had.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    voice: Vec<(Duration, usize)>,
    on_data_channel: usize,
}

impl VirtualCall {
    /// What the network has from one end in the next second, in which something happens.
    fn second(&mut self, from: usize, happens: impl FnOnce(&mut Self)) -> Seen {
        let began = self.now;
        self.packets.clear();
        happens(self);
        self.run_for(began + Duration::from_secs(1) - self.now);
        let packets = || self.packets.iter().filter(|it| it.from == from);
        let voice = packets().filter(|it| it.is_voice());
        Seen {
            voice: voice.map(|it| (it.at - began, it.contents.len())).collect(),
            on_data_channel: packets().filter(|it| it.is_data_channel()).count(),
        }
    }
}

#[test]
fn nobody_on_the_network_sees_that_somebody_is_muted() {
    let mut call = VirtualCall::connected();
    let toggle = |call: &mut VirtualCall| {
        for muted in [true, false, true] {
            call.set_muted(CALLER, muted);
            call.run_for(Duration::from_millis(250));
        }
    };
    let before = call.second(CALLER, |_| {});
    let toggled = call.second(CALLER, toggle);
    assert_eq!(before.voice.len(), 50);
    let sizes = before.voice.iter().map(|(_, size)| *size);
    assert!(sizes.clone().min() == sizes.max());
    assert_eq!(toggled, before);
    assert_eq!(toggled.on_data_channel, 0);
    // Nor does the other side do anything else than before.
    let muted = call.second(CALLEE, |_| {});
    let unmuted = call.second(CALLEE, |call| call.set_muted(CALLER, false));
    assert_eq!(unmuted, muted);
    // The peer knows all the same.
    let told = call.ends[CALLEE].events.iter();
    let told = told.filter_map(|event| match event {
        Event::Muted {
            local: false,
            muted,
            ..
        } => Some(*muted),
        _ => None,
    });
    assert_eq!(told.collect::<Vec<_>>(), [true, false, true, false]);
}

#[test]
fn the_next_rekey_is_seen_on_the_data_channel() {
    // So the test above would see a message there.
    let mut call = VirtualCall::connected();
    call.run_for(Duration::from_secs(6));
    let packets = (0..3).map(|_| call.second(CALLER, |_| {}).on_data_channel);
    assert!(packets.sum::<usize>() > 0);
}

/// What a network does, one after the other, and for how many seconds.
fn weathers() -> [(u64, Conditions); 7] {
    let good = Conditions::default();
    [
        (10, good),
        (40, Conditions { loss: 0.3, ..good }),
        (
            20,
            Conditions {
                jitter: Duration::from_millis(100),
                ..good
            },
        ),
        (10, good),
        (2, Conditions { cut: true, ..good }),
        (18, good),
        // Room for frames of 24 kbit/s, and no more.
        (
            40,
            Conditions {
                rate: Some(7_200),
                queue: Duration::from_millis(300),
                ..good
            },
        ),
    ]
}

#[test]
fn every_packet_of_an_epoch_has_one_size_and_the_call_one_pace_whatever_the_network_does() {
    let mut call = VirtualCall::connected();
    call.packets.clear();
    for end in &mut call.ends {
        end.sealed.clear();
    }
    for (seconds, conditions) in weathers() {
        call.conditions = conditions;
        call.run_for(Duration::from_secs(seconds));
    }
    for index in [CALLER, CALLEE] {
        let of_end = call.packets.iter().filter(|it| it.from == index);
        let voice: Vec<_> = of_end.filter(|it| it.is_voice()).collect();
        let sealed = &call.ends[index].sealed;
        assert_eq!((voice.len(), sealed.len()), (7_000, 7_000));
        for pair in voice.windows(2) {
            assert_eq!(pair[1].at - pair[0].at, 2 * TICK);
        }
        let mut sizes = std::collections::BTreeMap::new();
        for (packet, (epoch, sealed)) in voice.iter().zip(sealed) {
            let size = (*sealed, packet.contents.len());
            assert_eq!(*sizes.entry(*epoch).or_insert(size), size, "epoch {epoch}");
        }
        let sealed: Vec<_> = sizes.values().map(|(sealed, _)| *sealed).collect();
        assert!(sealed.len() >= 14, "{sealed:?}");
        // So something did change: a whole older frame beside each while much was lost, and smaller frames where the path was narrow.
        assert_eq!(sealed[0], 101);
        assert!(sealed.contains(&180), "{sealed:?}");
        assert!(sealed[sealed.len() - 1] < 101, "{sealed:?}");
    }
}
