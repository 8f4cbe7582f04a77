//! Who is speaking, by what is heard of them.
//!
//! A voice stands out from what is there when nobody speaks. How loud that is, is learnt: it falls at once and rises slowly, so
//! that a fan becomes background within seconds and a sentence does not. Somebody speaks once several ticks together were loud
//! enough, and no more after a pause that is longer than one between words.

use crate::audio::{TICK_SAMPLES, Tick, energy};

/// A voice is louder than the background by so much, in power: 9 dB …
const ABOVE: f32 = 8.0;
/// … and one that is heard to speak is still speaking at 5 dB.
const STILL_ABOVE: f32 = 3.2;
/// And not more quiet than this, in power: −52 dB of full scale.
const QUIETEST: f32 = 6.3e-6;
/// The background rises by so much in a tick: 2 dB a second. Sentences have pauses, in which it is back.
const BACKGROUND_RISE: f32 = 1.004_616;
/// The power is smoothed over some 30 ms.
const SMOOTHING: f32 = 0.3;
/// Ticks that are loud before somebody is said to speak, less those that are not.
const LOUD_TICKS: u32 = 6;
/// Ticks that are not loud until somebody is said to be silent: longer than between two words.
const HANG_OVER: u32 = 45;

/// Tells whether one peer speaks.
#[derive(Debug)]
pub struct Speaking {
    power: f32,
    background: f32,
    speaks: bool,
    /// Loud ticks, while it is silent.
    loud: u32,
    /// Ticks in a row that were not, while it speaks.
    quiet: u32,
}

impl Default for Speaking {
    fn default() -> Self {
        Self {
            power: 0.0,
            background: QUIETEST,
            speaks: false,
            loud: 0,
            quiet: 0,
        }
    }
}

impl Speaking {
    /// Somebody of whom nothing was heard yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes what is heard in 10 ms; returns whether it speaks, when that is news.
    pub fn hear(&mut self, tick: &Tick) -> Option<bool> {
        self.hear_power(power(tick))
    }

    /// Whether it speaks.
    pub const fn speaks(&self) -> bool {
        self.speaks
    }

    fn hear_power(&mut self, power: f32) -> Option<bool> {
        if !power.is_finite() {
            return None;
        }
        self.power += (power - self.power) * SMOOTHING;
        // Nothing that is 9 dB above the lowest background is more quiet than a voice may be.
        self.background = (self.background * BACKGROUND_RISE)
            .min(self.power)
            .max(QUIETEST / ABOVE);
        let was = self.speaks;
        // A click is loud for one tick, and in what is smoothed for many.
        let level = self.power.min(power);
        if was {
            self.listen_for_the_end(level);
        } else {
            self.listen_for_a_beginning(level);
        }
        (was != self.speaks).then_some(self.speaks)
    }

    fn listen_for_a_beginning(&mut self, level: f32) {
        let is_loud = level > self.background * ABOVE;
        self.loud = if is_loud {
            self.loud + 1
        } else {
            self.loud.saturating_sub(1)
        };
        if self.loud >= LOUD_TICKS {
            self.speaks = true;
            self.quiet = 0;
        }
    }

    fn listen_for_the_end(&mut self, level: f32) {
        let is_loud = level > self.background * STILL_ABOVE;
        self.quiet = if is_loud { 0 } else { self.quiet + 1 };
        if self.quiet >= HANG_OVER {
            self.speaks = false;
            self.loud = 0;
        }
    }
}

fn power(tick: &Tick) -> f32 {
    energy(tick) / TICK_SAMPLES as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Noise of this level with the given envelope, in seconds; when somebody began to speak and ended, in ticks.
    struct Heard {
        speaking: Speaking,
        luck: u64,
        ticks: u32,
        news: Vec<(u32, bool)>,
    }

    impl Heard {
        fn new() -> Self {
            Self {
                speaking: Speaking::new(),
                luck: 1,
                ticks: 0,
                news: Vec::new(),
            }
        }

        /// `level` in dB of full scale, tick by tick.
        fn hear(&mut self, ticks: u32, level: impl Fn(u32) -> f32) -> &mut Self {
            for number in 0..ticks {
                let amplitude = 10.0_f32.powf(level(number) / 20.0) * 3.0_f32.sqrt();
                let tick: Tick = std::array::from_fn(|_| {
                    self.luck = self
                        .luck
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1);
                    ((self.luck >> 40) as f32 / (1 << 23) as f32 - 1.0) * amplitude
                });
                if let Some(news) = self.speaking.hear(&tick) {
                    self.news.push((self.ticks, news));
                }
                self.ticks += 1;
            }
            self
        }
    }

    /// Syllables, four a second, with gaps of 60 ms that are as quiet as `floor`, and every two seconds a pause of 250 ms.
    fn speech(loud: f32, floor: f32) -> impl Fn(u32) -> f32 {
        move |tick| {
            let pause = tick % 200 >= 175;
            let gap = tick % 25 >= 19;
            if pause || gap {
                floor
            } else {
                loud - (tick % 19) as f32 / 2.0
            }
        }
    }

    #[test]
    fn sentences_are_one_stretch_each_with_and_without_noise() {
        for (loud, floor) in [
            (-20.0, -100.0),
            (-35.0, -70.0),
            (-20.0, -45.0),
            (-45.0, -80.0),
        ] {
            let mut heard = Heard::new();
            heard
                .hear(300, |_| floor)
                .hear(600, speech(loud, floor))
                .hear(200, |_| floor)
                .hear(600, speech(loud, floor))
                .hear(200, |_| floor);
            let news = &heard.news;
            let said: Vec<_> = news.iter().map(|(_, it)| *it).collect();
            assert_eq!(said, [true, false, true, false], "{loud} {floor}: {news:?}");
            // Begins within 120 ms, ends within 700 ms of the last syllable.
            assert!((300..312).contains(&news[0].0), "{news:?}");
            assert!((900..945).contains(&news[1].0), "{news:?}");
            assert!((1_100..1_112).contains(&news[2].0), "{news:?}");
        }
    }

    #[test]
    fn noise_that_stays_is_nobody() {
        for level in [-60.0, -50.0, -40.0] {
            let mut heard = Heard::new();
            heard.hear(3_000, |tick| level + (tick as f32 * 0.05).sin());
            let last = heard.news.last().map_or(0, |(tick, _)| *tick);
            assert!(heard.news.len() <= 2 && !heard.speaking.speaks(), "{level}");
            // A fan that goes on at once may be taken for somebody, and for as long as it takes to learn that it is none.
            assert!(last < 1_500, "{level}: {:?}", heard.news);
        }
    }

    #[test]
    fn clicks_and_breath_are_nobody() {
        let mut heard = Heard::new();
        let click = |tick: u32| {
            if tick.is_multiple_of(50) {
                -10.0
            } else {
                -80.0
            }
        };
        heard
            .hear(500, click)
            .hear(500, |tick| if tick % 100 < 40 { -56.0 } else { -80.0 });
        assert_eq!(heard.news, []);
    }

    #[test]
    fn digital_silence_and_junk_are_nobody() {
        let mut speaking = Speaking::new();
        for _ in 0..100 {
            assert_eq!(speaking.hear(&[0.0; TICK_SAMPLES]), None);
            assert_eq!(speaking.hear(&[f32::NAN; TICK_SAMPLES]), None);
        }
        // And nobody is deaf after it, however long they listen.
        for _ in 0..60 {
            let voice = [0.1; TICK_SAMPLES];
            assert!((0..100).any(|_| speaking.hear(&voice) == Some(true)));
            let pause = [0.0; TICK_SAMPLES];
            assert!((0..100).any(|_| speaking.hear(&pause) == Some(false)));
        }
    }

    #[test]
    fn a_voice_that_flutters_is_one() {
        let mut heard = Heard::new();
        let flutter = |tick| if tick % 4 < 3 { -20.0 } else { -80.0 };
        heard.hear(100, |_| -80.0).hear(60, flutter);
        assert!(heard.speaking.speaks());
        assert_eq!(heard.news.len(), 1, "{:?}", heard.news);
        // And so is one that begins again, also where it is weak right after it was noticed.
        let again = |tick| if tick % 7 == 6 { -80.0 } else { -20.0 };
        heard.hear(100, |_| -80.0).hear(60, again);
        assert!(heard.speaking.speaks());
        assert_eq!(heard.news.len(), 3, "{:?}", heard.news);
    }

    #[test]
    fn a_click_after_a_voice_is_nobody() {
        for pause in 40..60 {
            let mut heard = Heard::new();
            heard.hear(100, |_| -80.0).hear(100, |_| -20.0);
            heard.hear(pause, |_| -80.0).hear(1, |_| -10.0);
            heard.hear(100, |_| -80.0);
            assert_eq!(heard.news.len(), 2, "{pause}: {:?}", heard.news);
        }
    }

    #[test]
    fn a_long_vowel_is_no_background() {
        let mut heard = Heard::new();
        heard.hear(100, |_| -80.0).hear(300, |_| -44.0);
        assert!(heard.speaking.speaks());
        assert_eq!(heard.news.len(), 1, "{:?}", heard.news);
    }

    #[test]
    fn a_voice_out_of_silence_is_heard_and_one_on_the_edge_does_not_flicker() {
        let mut heard = Heard::new();
        heard.hear(100, |_| -100.0);
        heard.hear(1_000, |tick| {
            -51.0 + 3.0 * (tick as f32 / 20.0).sin() - if tick % 30 > 24 { 20.0 } else { 0.0 }
        });
        assert!(heard.news.len() <= 6, "{:?}", heard.news);
    }
}
