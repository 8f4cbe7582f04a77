//! Grey pixels: what every picture becomes before codes are looked for in it.

/// A grey picture; 0 is black, 255 is white.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Grey {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

impl Grey {
    /// A picture of pixels given row by row; `None` if there are not `width * height` of them, or none at all.
    pub(crate) fn new(width: usize, height: usize, pixels: Vec<u8>) -> Option<Self> {
        (width > 0 && height > 0 && width.checked_mul(height) == Some(pixels.len())).then_some(
            Self {
                width,
                height,
                pixels,
            },
        )
    }

    pub(crate) fn width(&self) -> usize {
        self.width
    }

    pub(crate) fn height(&self) -> usize {
        self.height
    }

    pub(crate) fn row(&self, y: usize) -> &[u8] {
        &self.pixels[y * self.width..(y + 1) * self.width]
    }

    /// The grey value at a point between pixels; beyond the edge, that of the edge. The middle of the first pixel is at (0.5, 0.5).
    pub(crate) fn at(&self, x: f64, y: f64) -> f32 {
        // Not a number, from a point at infinity, becomes 0.
        let x = (x - 0.5).clamp(0.0, (self.width - 1) as f64).max(0.0) as f32;
        let y = (y - 0.5).clamp(0.0, (self.height - 1) as f64).max(0.0) as f32;
        let (left, top) = (x as usize, y as usize);
        let (fx, fy) = (x - left as f32, y - top as f32);
        let from = top * self.width + left;
        let right = usize::from(left + 1 < self.width);
        let below = if top + 1 < self.height { self.width } else { 0 };
        let pixel = |offset: usize| f32::from(self.pixels[from + offset]);
        let upper = pixel(0) + (pixel(right) - pixel(0)) * fx;
        let lower = pixel(below) + (pixel(below + right) - pixel(below)) * fx;
        upper + (lower - upper) * fy
    }

    /// A copy at half the size: each pixel is the mean of four. An odd last column or row is dropped.
    pub(crate) fn half(&self) -> Option<Self> {
        let (width, height) = (self.width / 2, self.height / 2);
        let mut pixels = Vec::with_capacity(width * height);
        for y in 0..height {
            let upper = self.row(2 * y).chunks_exact(2);
            let lower = self.row(2 * y + 1).chunks_exact(2);
            pixels.extend(upper.zip(lower).map(|(upper, lower)| {
                let sum = u16::from(upper[0])
                    + u16::from(upper[1])
                    + u16::from(lower[0])
                    + u16::from(lower[1]);
                ((sum + 2) / 4) as u8
            }));
        }
        Self::new(width, height, pixels)
    }

    /// A copy of twice the size, interpolated linearly.
    pub(crate) fn double(&self) -> Option<Self> {
        let (width, height) = (self.width * 2, self.height * 2);
        let mut pixels = Vec::with_capacity(width * height);
        for y in 0..height {
            for x in 0..width {
                let value = self.at((x as f64 + 0.5) / 2.0, (y as f64 + 0.5) / 2.0);
                pixels.push((value + 0.5) as u8);
            }
        }
        Self::new(width, height, pixels)
    }

    /// A copy in which edges are steeper: each pixel moved away from the mean of the square of `reach` pixels around it, by `amount` times
    /// the difference.
    pub(crate) fn sharpened(&self, reach: usize, amount: f32) -> Option<Self> {
        let count = ((2 * reach + 1) * (2 * reach + 1)) as f32;
        let mut pixels = Vec::with_capacity(self.pixels.len());
        for y in 0..self.height {
            for x in 0..self.width {
                let mut sum = 0_u32;
                for dy in 0..=2 * reach {
                    let row = self.row((y + dy).saturating_sub(reach).min(self.height - 1));
                    for dx in 0..=2 * reach {
                        let x = (x + dx).saturating_sub(reach).min(self.width - 1);
                        sum += u32::from(row[x]);
                    }
                }
                let own = f32::from(self.pixels[y * self.width + x]);
                let value = own + amount * (own - sum as f32 / count);
                pixels.push(value.round().clamp(0.0, 255.0) as u8);
            }
        }
        Self::new(self.width, self.height, pixels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp(width: usize, height: usize) -> Grey {
        let pixels = (0..width * height)
            .map(|index| (index * 3 % 251) as u8)
            .collect();
        Grey::new(width, height, pixels).unwrap()
    }

    #[test]
    fn a_picture_has_as_many_pixels_as_its_sides_say() {
        assert!(Grey::new(2, 2, vec![0; 3]).is_none());
        assert!(Grey::new(0, 2, Vec::new()).is_none());
    }

    #[test]
    fn half_the_size_is_the_mean_of_four_and_an_odd_edge_is_dropped() {
        let grey = Grey::new(3, 2, vec![10, 20, 99, 30, 41, 99]).unwrap();
        assert_eq!(grey.half(), Grey::new(1, 1, vec![25]));
        assert_eq!(ramp(1, 8).half(), None);
    }

    #[test]
    fn values_between_pixels_are_interpolated_and_the_edge_goes_on_for_ever() {
        let grey = Grey::new(2, 1, vec![100, 200]).unwrap();
        assert_eq!(grey.at(1.0, 0.5), 150.0);
        for (x, y) in [(-1e9, 0.5), (0.0, f64::INFINITY), (f64::NAN, 0.5)] {
            assert_eq!(grey.at(x, y), 100.0, "{x} {y}");
        }
        assert_eq!(grey.at(1e30, f64::NEG_INFINITY), 200.0);
    }

    #[test]
    fn a_copy_of_twice_the_size_halved_is_nearly_the_picture() {
        let grey = Grey::new(16, 16, (0..=255).collect()).unwrap();
        let back = grey.double().unwrap().half().unwrap();
        for (a, b) in (0..16).map(|y| (grey.row(y), back.row(y))) {
            for (a, b) in a.iter().zip(b) {
                assert!(a.abs_diff(*b) <= 5, "{a} {b}");
            }
        }
    }

    #[test]
    fn sharpening_leaves_flat_ground_alone_and_steepens_edges() {
        let grey = Grey::new(6, 1, vec![100, 100, 100, 150, 150, 150]).unwrap();
        let sharp = grey.sharpened(1, 1.0).unwrap();
        assert_eq!(sharp.row(0), [100, 100, 83, 167, 150, 150]);
    }
}
