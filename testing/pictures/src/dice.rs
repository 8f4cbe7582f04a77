//! Seeded chance.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng as _, SeedableRng as _};

/// Random numbers in the forms the recipes need.
pub(crate) struct Dice(ChaCha8Rng);

impl Dice {
    pub(crate) fn new(seed: u64, kind: &str, number: usize) -> Self {
        // FNV-1a over the kind's name: another kind gets other numbers, whatever its place in the list.
        let kind = kind.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        bytes[8..16].copy_from_slice(&kind.to_le_bytes());
        bytes[16..24].copy_from_slice(&(number as u64).to_le_bytes());
        Self(ChaCha8Rng::from_seed(bytes))
    }

    /// Uniform, from 0 to below 1.
    pub(crate) fn fraction(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(crate) fn between(&mut self, from: f64, to: f64) -> f64 {
        from + (to - from) * self.fraction()
    }

    /// Whole numbers, both ends included.
    pub(crate) fn whole(&mut self, from: i32, to: i32) -> i32 {
        (f64::from(from) + self.fraction() * f64::from(to - from + 1)).floor() as i32
    }

    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        self.fraction() < probability
    }

    pub(crate) fn pick<T: Copy, const N: usize>(&mut self, from: [T; N]) -> T {
        from[(self.fraction() * N as f64) as usize]
    }

    pub(crate) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.fill_bytes(&mut bytes);
        bytes
    }

    /// Two nearly normal numbers of variance 1 (each a sum of four bytes), for noise on many pixels.
    pub(crate) fn normals(&mut self) -> [f32; 2] {
        let word = self.0.next_u64().to_le_bytes();
        let normal = |bytes: &[u8]| {
            let sum: u16 = bytes.iter().map(|byte| u16::from(*byte)).sum();
            // Four uniform bytes have mean 510 and standard deviation 147.8.
            (f32::from(sum) - 510.0) / 147.8
        };
        [normal(&word[..4]), normal(&word[4..])]
    }
}
