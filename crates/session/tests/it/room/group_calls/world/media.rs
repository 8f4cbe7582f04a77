//! Media engines without sound.

use super::*;

impl World {
    pub(super) fn media(&mut self, who: usize, call: CallHandle, command: MediaCommand) {
        let millis = Duration::from_millis;
        let ours = self.ours.get_mut(&who).unwrap();
        let shown = match &command {
            MediaCommand::CreateOffer { beside, .. } | MediaCommand::AcceptOffer { beside, .. } => {
                format!("{command:?} beside {beside:?}")
            }
            _ => format!("{command:?}"),
        };
        ours.commands.entry(call).or_default().push(shown);
        let own = sdp(&who.to_string(), "sendrecv");
        let reaction = match command {
            MediaCommand::CreateOffer { .. } => {
                ours.open.insert(call);
                Some((millis(1), MediaEvent::LocalOffer { sdp: own }))
            }
            MediaCommand::AcceptOffer { sdp: remote, .. } => {
                ours.open.insert(call);
                ours.remotes.insert(call, index_in(&remote));
                Some((millis(1), MediaEvent::LocalAnswer { sdp: own }))
            }
            MediaCommand::SetAnswer { sdp: remote } => {
                ours.remotes.insert(call, index_in(&remote));
                None
            }
            MediaCommand::Gather => {
                let event = MediaEvent::LocalCandidates {
                    candidates: vec![format!("candidate:1 1 udp 1 192.0.2.{who} 5000 typ host")],
                    complete: true,
                };
                Some((millis(2), event))
            }
            MediaCommand::StartAudio { protection } => {
                if matches!(protection, Protection::Sealed { .. }) {
                    return self.keyed(who, call);
                }
                self.later(self.now + SECOND, Happening::Packet(who, call));
                let route = PathRoute::Direct;
                Some((millis(100), MediaEvent::PathUp { route }))
            }
            MediaCommand::CreateRestartOffer => {
                Some((millis(1), MediaEvent::RestartOffer { sdp: own }))
            }
            MediaCommand::AcceptRestartOffer { .. } => {
                Some((millis(1), MediaEvent::RestartAnswer { sdp: own }))
            }
            MediaCommand::Close => {
                ours.open.remove(&call);
                None
            }
            _ => None,
        };
        if let Some((after, event)) = reaction {
            self.later(self.now + after, Happening::Media(who, call, event));
        }
    }
}

/// Whose description it is; nobody's, if none of this world has made it.
fn index_in(sdp: &str) -> usize {
    let stream = sdp.split("msid:stream-").nth(1);
    let index = stream.and_then(|it| it.split(' ').next()?.parse().ok());
    index.unwrap_or(usize::MAX)
}
