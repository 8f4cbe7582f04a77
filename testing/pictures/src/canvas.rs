//! Pixels in colour, and simple shapes on them.

use crate::dice::Dice;

pub(crate) type Color = [u8; 3];

/// A picture in the making: RGB, row by row.
#[derive(Clone)]
pub(crate) struct Canvas {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) pixels: Vec<Color>,
}

impl Canvas {
    pub(crate) fn new(width: usize, height: usize, color: Color) -> Self {
        Self {
            width,
            height,
            pixels: vec![color; width * height],
        }
    }

    pub(crate) fn set(&mut self, x: i32, y: i32, color: Color) {
        if let (Ok(x), Ok(y)) = (usize::try_from(x), usize::try_from(y))
            && x < self.width
            && y < self.height
        {
            self.pixels[y * self.width + x] = color;
        }
    }

    pub(crate) fn rectangle(&mut self, x: i32, y: i32, width: i32, height: i32, color: Color) {
        self.rounded(x, y, width, height, 0, color);
    }

    /// A rectangle with round corners.
    pub(crate) fn rounded(
        &mut self,
        x: i32,
        y: i32,
        width: i32,
        height: i32,
        radius: i32,
        color: Color,
    ) {
        for row in 0..height {
            // How far the corner cuts into this row.
            let from_edge = (radius - row).max(row - (height - 1 - radius)).max(0);
            let inset = radius
                - f64::from(radius * radius - from_edge * from_edge)
                    .max(0.0)
                    .sqrt() as i32;
            for column in inset..width - inset {
                self.set(x + column, y + row, color);
            }
        }
    }

    pub(crate) fn disc(&mut self, x: i32, y: i32, radius: i32, color: Color) {
        self.rounded(
            x - radius,
            y - radius,
            2 * radius,
            2 * radius,
            radius,
            color,
        );
    }

    /// A line of strokes that look like words of text from afar, `height` pixels high.
    pub(crate) fn words(
        &mut self,
        dice: &mut Dice,
        x: i32,
        y: i32,
        width: i32,
        height: i32,
        color: Color,
    ) {
        let stroke = (height / 8).max(1);
        let letter = (height * 5 / 9).max(2);
        let mut at = 0;
        let mut until_space = dice.whole(2, 8);
        while at + letter <= width {
            if until_space == 0 {
                until_space = dice.whole(2, 8);
            } else {
                until_space -= 1;
                let top = y + if dice.chance(0.3) { 0 } else { height / 3 };
                let bottom = y + height;
                let wide = letter - stroke - 1;
                // Letters are two or three of these strokes.
                for _ in 0..dice.whole(2, 3) {
                    let (dx, dy, w, h) = match dice.whole(0, 4) {
                        0 => (0, 0, stroke, bottom - top),
                        1 => (wide - stroke, 0, stroke, bottom - top),
                        2 => (0, (bottom - top) / 2, wide, stroke),
                        3 => (0, bottom - stroke - top, wide, stroke),
                        _ => (0, 0, wide, stroke),
                    };
                    self.rectangle(x + at + dx, top + dy, w, h, color);
                }
            }
            at += letter;
        }
    }

    /// Every pixel through a function of its place.
    pub(crate) fn map(&mut self, change: impl Fn(f64, f64, Color) -> Color) {
        let (width, height) = (self.width as f64, self.height as f64);
        for (y, row) in self.pixels.chunks_exact_mut(self.width).enumerate() {
            for (x, pixel) in row.iter_mut().enumerate() {
                *pixel = change(x as f64 / width, y as f64 / height, *pixel);
            }
        }
    }
}

/// Between two colours: `share` 0 is the first, 1 the second.
pub(crate) fn mix(a: Color, b: Color, share: f64) -> Color {
    std::array::from_fn(|i| {
        (f64::from(a[i]) + (f64::from(b[i]) - f64::from(a[i])) * share)
            .round()
            .clamp(0.0, 255.0) as u8
    })
}

pub(crate) fn grey(value: i32) -> Color {
    [value.clamp(0, 255) as u8; 3]
}
