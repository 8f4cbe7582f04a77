//! Copies of a picture, each half the size of the one before.

use crate::grey::Grey;

/// Sides below this hold no code: 21 modules and their quiet zone at little more than two pixels.
const SMALLEST: usize = 60;

/// The picture and its smaller copies.
///
/// A finder pattern of any size has five to ten pixels a module in one of them or fewer than five in the first, so that one threshold window
/// fits all; and half-size copies have a quarter of the noise.
#[derive(Debug)]
pub(crate) struct Pyramid(Vec<Grey>);

impl Pyramid {
    pub(crate) fn new(grey: Grey) -> Self {
        let mut layers = vec![grey];
        while let Some(half) = layers.last().and_then(Grey::half) {
            if half.width().min(half.height()) < SMALLEST {
                break;
            }
            layers.push(half);
        }
        Self(layers)
    }

    /// From the picture itself to the smallest copy.
    pub(crate) fn layers(&self) -> &[Grey] {
        &self.0
    }

    /// The layer in which a module of `module` pixels of the picture has two and a half to five, with the factor between its coordinates and those of the picture.
    pub(crate) fn layer_for(&self, module: f64) -> (&Grey, f64) {
        let mut level = 0;
        while module / f64::from(1_u32 << level) > 5.0 && level + 1 < self.0.len() {
            level += 1;
        }
        (&self.0[level], 1.0 / f64::from(1_u32 << level))
    }
}
