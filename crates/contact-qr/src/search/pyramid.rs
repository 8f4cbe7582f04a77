//! Copies of a picture, each half the size of the one before.

use crate::grey::Grey;

/// Sides below this hold no code: 21 modules and their quiet zone at little more than two pixels.
const SMALLEST: usize = 60;

/// The picture and its smaller copies.
///
/// A finder pattern of any size has five to ten pixels a module in one of them or fewer than five in the first, so that one threshold window
/// fits all; and half-size copies have a quarter of the noise.
#[derive(Debug)]
pub(crate) struct Pyramid(Vec<Layer>);

/// One size of the picture.
#[derive(Debug)]
pub(crate) struct Layer {
    pub(crate) grey: Grey,
    /// Pixels of the layer in one of the picture, across.
    pub(crate) scale: f64,
}

/// Pixels of a picture that is enlarged at most.
const ENLARGED: usize = 1_500_000;

/// Pixels of a copy that is sharpened at most.
const SHARPENED: usize = 2_500_000;

impl Pyramid {
    pub(crate) fn new(grey: Grey) -> Self {
        let mut layers = vec![Layer { grey, scale: 1.0 }];
        while let Some((half, scale)) = layers
            .last()
            .and_then(|layer| Some((layer.grey.half()?, layer.scale / 2.0)))
        {
            if half.width().min(half.height()) < SMALLEST {
                break;
            }
            layers.push(Layer { grey: half, scale });
        }
        Self(layers)
    }

    /// Puts a copy of twice the size on top, for modules of less than two pixels; says whether it did, which it does not for a large
    /// picture.
    pub(crate) fn enlarge(&mut self) -> bool {
        let grey = &self.0[0].grey;
        if grey.width() * grey.height() > ENLARGED {
            return false;
        }
        let Some(double) = grey.double() else {
            return false;
        };
        let layer = Layer {
            grey: double,
            scale: 2.0,
        };
        self.0.insert(0, layer);
        true
    }

    /// Makes the edges of the largest copy steeper, where light rings between dark ones have all but run together; says whether it did.
    pub(crate) fn sharpen(&mut self) -> bool {
        let layer = &mut self.0[0];
        if layer.grey.width() * layer.grey.height() > SHARPENED {
            return false;
        }
        match layer.grey.sharpened(2, 2.0) {
            Some(sharp) => {
                layer.grey = sharp;
                true
            }
            None => false,
        }
    }

    /// From the largest copy to the smallest.
    pub(crate) fn layers(&self) -> &[Layer] {
        &self.0
    }

    /// The smallest layer in which a module of `module` pixels of the picture has at least two and a half.
    pub(crate) fn layer_for(&self, module: f64) -> &Layer {
        let fits = |layer: &&Layer| module * layer.scale >= 2.5;
        self.0.iter().rev().find(fits).unwrap_or(&self.0[0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pyramid(side: usize) -> Pyramid {
        Pyramid::new(Grey::new(side, side, vec![0; side * side]).unwrap())
    }

    #[test]
    fn copies_end_where_no_code_would_fit() {
        let widths = |side| -> Vec<usize> {
            let layers = pyramid(side).0;
            layers.iter().map(|layer| layer.grey.width()).collect()
        };
        assert_eq!(widths(500), [500, 250, 125, 62]);
        assert_eq!(widths(30), [30]);
    }

    #[test]
    fn only_a_small_picture_is_enlarged_and_sharpened() {
        let mut small = pyramid(600);
        assert!(small.enlarge() && small.sharpen());
        assert_eq!(small.layers()[0].scale, 2.0);
        let mut large = pyramid(1_300);
        assert!(!large.enlarge() && large.sharpen());
        assert!(!pyramid(1_600).sharpen());
    }
}
