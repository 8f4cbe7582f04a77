//! Calls between users of different homeservers, and of a homeserver that is no Synapse.

use std::sync::OnceLock;

use securecall_interop::{Federation, Homeserver, HomeserverKind};

mod calls;
mod dendrite;
mod records;
mod rooms;
#[cfg(unix)]
mod slow;

/// Whose users call whose.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Servers {
    /// Two Synapses.
    Synapses,
    /// From a Synapse to a Dendrite.
    SynapseToDendrite,
    /// From a Dendrite to a Synapse.
    DendriteToSynapse,
    /// Both users are of one Dendrite.
    OneDendrite,
}

impl Servers {
    /// The homeservers of all tests that leave them as they are: the caller's, then the callee's. They end with the test process.
    pub(crate) fn shared(self) -> [&'static dyn Homeserver; 2] {
        static SYNAPSES: OnceLock<Federation> = OnceLock::new();
        static MIXED: OnceLock<Federation> = OnceLock::new();
        let federation = match self {
            Self::Synapses => &SYNAPSES,
            _ => &MIXED,
        };
        self.sides(federation.get_or_init(|| self.start()).servers())
    }

    fn start(self) -> Federation {
        let second = match self {
            Self::Synapses => HomeserverKind::Synapse,
            _ => HomeserverKind::Dendrite,
        };
        Federation::start([HomeserverKind::Synapse, second]).unwrap()
    }

    fn sides(self, [first, second]: [&dyn Homeserver; 2]) -> [&dyn Homeserver; 2] {
        match self {
            Self::Synapses | Self::SynapseToDendrite => [first, second],
            Self::DendriteToSynapse => [second, first],
            Self::OneDendrite => [second, second],
        }
    }
}
