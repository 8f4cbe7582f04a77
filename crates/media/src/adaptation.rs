//! What a sender makes of the peer's reports: how the bytes of its frames are spent, and how many there are.
//!
//! How they are spent follows the reports at once, for nobody sees it ([`loss_protection`]). How many there are shows on the
//! network, so it changes only where an epoch begins, and for reasons of the network alone ([`rate_control`]). Nothing that is
//! said comes in here.
//!
//! One encoder serves all peers of a conversation. What its frames hold at most, and how they are spent, is what the wishes of
//! all paths have in common ([`shared`]).

mod loss_protection;
mod rate_control;
mod shared;

use web_time::Instant;

use self::{loss_protection::LossProtection, rate_control::RateControl};
use crate::{
    opus_codec::{Effort, EncoderSettings},
    voice_frame::FrameSize,
    voice_report::VoiceReport,
};

pub use self::shared::shared_size;

/// What the path to one peer asks of the encoder, or the paths to several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VoiceWish {
    /// The size of the frames of the epoch under way.
    pub size: FrameSize,
    /// See [`EncoderSettings::expected_loss_percent`].
    pub expected_loss_percent: u8,
    /// See [`EncoderSettings::dred_frames`].
    pub dred_frames: u8,
}

impl VoiceWish {
    /// What both ask for: frames that the smaller one has room for, and the greater caution.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            size: self.size.min(other.size),
            expected_loss_percent: self.expected_loss_percent.max(other.expected_loss_percent),
            dred_frames: self.dred_frames.max(other.dred_frames),
        }
    }

    /// The settings for an encoder that works so hard.
    pub fn settings(self, effort: Effort) -> EncoderSettings {
        EncoderSettings {
            frame_bytes: self.size.opus_bytes(),
            expected_loss_percent: self.expected_loss_percent,
            dred_frames: effort.dred_frames(self.dred_frames),
            complexity: effort.encoder_complexity(),
        }
    }
}

/// Follows the reports of one peer.
#[derive(Debug, Default)]
pub struct NetworkAdaptation {
    protection: LossProtection,
    rate: RateControl,
}

impl NetworkAdaptation {
    /// The start of a call: some loss is expected until reports say otherwise.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same for packets that have no room for whole older frames.
    pub(crate) fn without_copies() -> Self {
        Self {
            rate: RateControl::without_copies(),
            ..Self::default()
        }
    }

    /// Takes the newest report of the peer, with every frame of it that comes.
    pub fn handle_report(&mut self, now: Instant, report: VoiceReport) {
        self.protection.handle_report(now, report);
        self.rate.handle_report(now, report);
    }

    /// Decides the size of the frames of an epoch. To be called when its keys are taken into use, and only then.
    pub fn begin_epoch(&mut self, now: Instant) -> FrameSize {
        self.rate.begin_epoch(now)
    }

    /// Lets the epochs to come have frames of at most this size, whatever the path would bear: more would be padding, for the
    /// encoder serves others as well. Frames with a copy are beyond it where loss calls for them.
    pub fn set_ceiling(&mut self, ceiling: FrameSize) {
        self.rate.set_ceiling(ceiling);
    }

    /// What the path would bear in an epoch that began now.
    pub fn next_size(&self) -> FrameSize {
        self.rate.next_size()
    }

    /// What the encoder should do.
    pub fn wish(&self) -> VoiceWish {
        VoiceWish {
            size: self.rate.sent_size(),
            expected_loss_percent: self.protection.expected_loss_percent(),
            dred_frames: self.protection.dred_frames(),
        }
    }

    /// How many frames older the copies should be that larger frames have room for.
    pub fn copy_distance(&self) -> usize {
        self.protection.copy_distance()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_fill_the_frames_of_the_epoch() {
        let adaptation = NetworkAdaptation::new();
        let settings = adaptation.wish().settings(Effort::High);
        assert_eq!(settings.frame_bytes, 78);
        assert!(settings.expected_loss_percent > 0);
        assert_eq!((settings.dred_frames, settings.complexity), (0, 9));
    }

    #[test]
    fn the_wishes_of_two_paths_have_the_smaller_frames_and_the_greater_caution() {
        let wish = |size, expected_loss_percent, dred_frames| VoiceWish {
            size,
            expected_loss_percent,
            dred_frames,
        };
        let (narrow, lossy) = (
            wish(FrameSize::Kbps12, 0, 10),
            wish(FrameSize::Kbps32, 7, 5),
        );
        let both = wish(FrameSize::Kbps12, 7, 10);
        assert_eq!((narrow.and(lossy), lossy.and(narrow)), (both, both));
    }
}
