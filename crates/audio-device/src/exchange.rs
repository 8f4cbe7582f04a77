//! Microphones and speakers that give way to another one in use.
//!
//! The new device is opened by whoever wants it, and handed over. From then on each tick goes to both, until the new
//! one runs: then the sound goes over within a tick. A device that cannot start beside the old one gets it out of the
//! way.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use crate::cross_fade::{cross_fade, faded_in, faded_out};
use crate::device::{CardFigures, Device, Microphone, Speaker, TICK_SAMPLES, Tick};
use crate::fault::DeviceFault;

/// So long the old device goes on while the new one starts.
const MAX_TICKS_BESIDE: u32 = 200;

/// A device that starts runs unevenly for a moment.
const STEADY_TICKS: u32 = 20;

/// One that is to take over.
struct Successor<D: ?Sized> {
    device: Box<D>,
    /// Ticks so far.
    ticks: u32,
    /// Ticks without a gap.
    steady: u32,
    failed: Option<DeviceFault>,
}

impl<D: ?Sized> Successor<D> {
    fn of(device: Box<D>) -> Self {
        Self {
            device,
            ticks: 0,
            steady: 0,
            failed: None,
        }
    }

    /// Notes whether it runs, and says whether it does so steadily.
    fn is_steady(&mut self, is_running: bool) -> bool {
        self.steady = if is_running { self.steady + 1 } else { 0 };
        self.steady >= STEADY_TICKS
    }

    /// Notes a tick, and says whether the old device is in the way, or of no use any more.
    fn needs_room(&mut self, fault: Option<DeviceFault>) -> bool {
        self.ticks += 1;
        self.failed = fault;
        self.failed.is_some() || self.ticks > MAX_TICKS_BESIDE
    }
}

/// A device, and the one that follows it.
pub(crate) struct Exchangeable<D: ?Sized> {
    current: Box<D>,
    successors: Receiver<Box<D>>,
    next: Option<Successor<D>>,
    fault: Option<DeviceFault>,
    /// What goes wrong when the old one is finished.
    finished: (Sender<DeviceFault>, Receiver<DeviceFault>),
}

impl<D: ?Sized> Exchangeable<D> {
    /// The second is where successors are handed in.
    pub(crate) fn new(device: Box<D>) -> (Self, Sender<Box<D>>) {
        let (sender, successors) = channel();
        let this = Self {
            current: device,
            successors,
            next: None,
            fault: None,
            finished: channel(),
        };
        (this, sender)
    }

    fn take_successor(&mut self) {
        if let Some(device) = self.successors.try_iter().last() {
            self.next = Some(Successor::of(device));
        }
    }
}

impl<D: Device + ?Sized> Device for Exchangeable<D> {
    fn is_running(&mut self) -> bool {
        self.current.is_running()
    }

    fn take_fault(&mut self) -> Option<DeviceFault> {
        let own = self
            .fault
            .take()
            .or_else(|| self.finished.1.try_recv().ok());
        own.or_else(|| self.current.take_fault())
    }

    fn notice(&self) -> Option<&str> {
        self.current.notice()
    }

    fn take_notice(&mut self) -> Option<String> {
        self.current.take_notice()
    }

    fn delay_ms(&self) -> u32 {
        self.current.delay_ms()
    }

    fn card(&self) -> Option<CardFigures> {
        self.current.card()
    }
}

impl Exchangeable<dyn Microphone> {
    /// Ticks the successor, and lets it take over if it can, or if it cannot do so otherwise.
    fn read_both(&mut self, mut next: Successor<dyn Microphone>, out: &mut Tick) {
        let mut first = [0.0; TICK_SAMPLES];
        next.device.read(&mut first);
        self.current.read(out);
        let is_running = next.device.is_running();
        if next.is_steady(is_running) {
            cross_fade(out, &mut first);
            *out = first;
            self.replace(next.device);
        } else {
            let fault = next.device.take_fault();
            if next.needs_room(fault) {
                self.fault = next.failed;
                *out = faded_out(out);
                self.replace(next.device);
            } else {
                self.next = Some(next);
            }
        }
    }

    fn replace(&mut self, by: Box<dyn Microphone>) {
        let old = std::mem::replace(&mut self.current, by);
        // To close a device may take a while.
        let _ = thread::Builder::new().spawn(move || drop(old));
    }
}

impl Microphone for Exchangeable<dyn Microphone> {
    fn read(&mut self, out: &mut Tick) {
        self.take_successor();
        match self.next.take() {
            None => self.current.read(out),
            Some(next) => self.read_both(next, out),
        }
    }

    fn discard(&mut self) {
        self.take_successor();
        match self.next.take() {
            // Nobody hears the seam.
            Some(next) => self.replace(next.device),
            None => self.current.discard(),
        }
    }
}

impl Exchangeable<dyn Speaker> {
    fn write_both(&mut self, mut next: Successor<dyn Speaker>, samples: &Tick) {
        let is_running = next.device.is_running();
        if next.is_steady(is_running) {
            next.device.write(&faded_in(samples));
            self.current.write(&faded_out(samples));
            return self.replace(next.device);
        }
        next.device.write(&[0.0; TICK_SAMPLES]);
        let fault = next.device.take_fault();
        if next.needs_room(fault) {
            self.fault = next.failed;
            self.current.write(&faded_out(samples));
            self.replace(next.device);
        } else {
            self.current.write(samples);
            self.next = Some(next);
        }
    }

    fn replace(&mut self, by: Box<dyn Speaker>) {
        let mut old = std::mem::replace(&mut self.current, by);
        let faults = self.finished.0.clone();
        // A recording waits for the disk.
        let _ = thread::Builder::new().spawn(move || {
            if let Err(fault) = old.finish() {
                let _ = faults.send(fault);
            }
        });
    }
}

impl Speaker for Exchangeable<dyn Speaker> {
    fn write(&mut self, samples: &Tick) {
        self.take_successor();
        match self.next.take() {
            None => self.current.write(samples),
            Some(next) => self.write_both(next, samples),
        }
    }

    fn move_next(&mut self, earlier: i32) {
        self.current.move_next(earlier);
        if let Some(next) = &mut self.next {
            next.device.move_next(earlier);
        }
    }

    fn finish(&mut self) -> Result<(), DeviceFault> {
        self.current.finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::null::NullMicrophone;

    /// A device that needs some ticks to start, and is as loud as it is told.
    struct Scripted {
        level: f32,
        ticks_to_start: u32,
        is_heard: bool,
        fault: Option<DeviceFault>,
        written: Arc<Mutex<Vec<f32>>>,
    }

    impl Scripted {
        fn new(level: f32, ticks_to_start: u32) -> Self {
            Self {
                level,
                ticks_to_start,
                is_heard: ticks_to_start == 0,
                fault: None,
                written: Arc::default(),
            }
        }
    }

    impl Device for Scripted {
        fn is_running(&mut self) -> bool {
            self.is_heard
        }

        fn take_fault(&mut self) -> Option<DeviceFault> {
            self.fault.take()
        }
    }

    impl Microphone for Scripted {
        fn read(&mut self, out: &mut Tick) {
            self.is_heard = self.ticks_to_start == 0;
            out.fill(if self.is_heard { self.level } else { 0.0 });
            self.ticks_to_start = self.ticks_to_start.saturating_sub(1);
        }
    }

    impl Speaker for Scripted {
        fn write(&mut self, samples: &Tick) {
            match self.ticks_to_start {
                0 => self.written.lock().unwrap().extend(samples),
                _ => self.ticks_to_start -= 1,
            }
            self.is_heard = self.ticks_to_start == 0;
        }

        fn finish(&mut self) -> Result<(), DeviceFault> {
            Err(DeviceFault::OutputClosed)
        }
    }

    fn busy() -> DeviceFault {
        DeviceFault::Interrupted {
            device: "microphone \"USB\"".to_owned(),
            detail: "busy".to_owned(),
        }
    }

    fn heard(microphone: &mut Exchangeable<dyn Microphone>, ticks: u32) -> Vec<f32> {
        let mut all = Vec::new();
        for _ in 0..ticks {
            let mut tick = [9.0; TICK_SAMPLES];
            microphone.read(&mut tick);
            all.extend(tick);
        }
        all
    }

    fn longest_step(samples: &[f32]) -> f32 {
        samples
            .windows(2)
            .map(|pair| (pair[1] - pair[0]).abs())
            .fold(0.0, f32::max)
    }

    #[test]
    fn another_microphone_takes_over_without_a_gap_and_without_a_click() {
        let (mut microphone, successors) =
            Exchangeable::<dyn Microphone>::new(Box::new(Scripted::new(0.5, 0)));
        assert_eq!(heard(&mut microphone, 3), [0.5; 3 * TICK_SAMPLES]);
        successors.send(Box::new(Scripted::new(-0.5, 11))).unwrap();
        let samples = heard(&mut microphone, 40);
        assert_eq!(samples[..30 * TICK_SAMPLES], [0.5; 30 * TICK_SAMPLES]);
        assert_eq!(samples[31 * TICK_SAMPLES..], [-0.5; 9 * TICK_SAMPLES]);
        assert!(longest_step(&samples) < 0.01);
    }

    #[test]
    fn a_microphone_that_is_kept_busy_by_the_old_one_gets_it_out_of_the_way() {
        let (mut microphone, successors) =
            Exchangeable::<dyn Microphone>::new(Box::new(Scripted::new(0.5, 0)));
        let mut next = Scripted::new(-0.5, 30);
        next.fault = Some(busy());
        successors.send(Box::new(next)).unwrap();
        let samples = heard(&mut microphone, 40);
        assert_eq!(microphone.take_fault(), Some(busy()), "the user learns why");
        assert_eq!(samples[TICK_SAMPLES..2 * TICK_SAMPLES], [0.0; TICK_SAMPLES]);
        assert_eq!(samples[39 * TICK_SAMPLES..], [-0.5; TICK_SAMPLES]);
    }

    #[test]
    fn a_microphone_that_never_starts_does_not_keep_the_old_one() {
        let (mut microphone, successors) =
            Exchangeable::<dyn Microphone>::new(Box::new(Scripted::new(0.5, 0)));
        successors
            .send(Box::new(Scripted::new(-0.5, u32::MAX)))
            .unwrap();
        let samples = heard(&mut microphone, MAX_TICKS_BESIDE);
        assert!(samples.iter().all(|sample| *sample == 0.5));
        heard(&mut microphone, 1);
        assert_eq!(heard(&mut microphone, 1), [0.0; TICK_SAMPLES]);
    }

    #[test]
    fn the_last_of_several_wishes_counts_and_nothing_is_kept_while_muted() {
        let (mut microphone, successors) =
            Exchangeable::<dyn Microphone>::new(Box::new(NullMicrophone));
        for level in [0.1, 0.2, 0.3] {
            successors.send(Box::new(Scripted::new(level, 0))).unwrap();
        }
        microphone.discard();
        assert_eq!(heard(&mut microphone, 1), [0.3; TICK_SAMPLES]);
    }

    #[test]
    fn another_speaker_takes_over_within_a_tick_and_the_old_one_is_finished() {
        let (old, new) = (Scripted::new(0.0, 0), Scripted::new(0.0, 5));
        let (before, after) = (Arc::clone(&old.written), Arc::clone(&new.written));
        let (mut speaker, successors) = Exchangeable::<dyn Speaker>::new(Box::new(old));
        speaker.write(&[0.5; TICK_SAMPLES]);
        successors.send(Box::new(new)).unwrap();
        for _ in 0..30 {
            speaker.write(&[0.5; TICK_SAMPLES]);
        }
        let (before, after) = (before.lock().unwrap(), after.lock().unwrap());
        // One before, five until the new one runs, 19 in which it runs silently, and the one that fades.
        assert_eq!(before.len(), 26 * TICK_SAMPLES);
        assert_eq!(after.len(), 25 * TICK_SAMPLES);
        assert_eq!(after[..19 * TICK_SAMPLES], [0.0; 19 * TICK_SAMPLES]);
        let ends_quietly = before.last().unwrap().abs() < 0.01;
        assert!(ends_quietly && longest_step(&before) < 0.01 && longest_step(&after) < 0.01);
        assert_eq!(
            speaker.finished.1.recv(),
            Ok(DeviceFault::OutputClosed),
            "what is wrong with the end of the old one"
        );
    }

    #[test]
    fn a_speaker_that_fails_to_start_takes_over_with_what_it_says() {
        let (mut speaker, successors) =
            Exchangeable::<dyn Speaker>::new(Box::new(Scripted::new(0.0, 0)));
        let mut next = Scripted::new(0.0, 50);
        next.fault = Some(busy());
        successors.send(Box::new(next)).unwrap();
        speaker.write(&[0.5; TICK_SAMPLES]);
        assert_eq!(speaker.take_fault(), Some(busy()));
        assert!(!speaker.is_running());
    }
}
