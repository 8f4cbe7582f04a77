//! Silence in, nothing out.

use crate::device::{Device, Microphone, Speaker, Tick};

/// A microphone that hears nothing.
#[derive(Debug)]
pub(crate) struct NullMicrophone;

impl Device for NullMicrophone {}

impl Microphone for NullMicrophone {
    fn read(&mut self, out: &mut Tick) {
        out.fill(0.0);
    }
}

/// A speaker that nobody hears.
#[derive(Debug)]
pub(crate) struct NullSpeaker;

impl Device for NullSpeaker {}

impl Speaker for NullSpeaker {
    fn write(&mut self, _samples: &Tick) {}
}
