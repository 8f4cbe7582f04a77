//! What light, lenses and sensors do to a picture.

use crate::{
    canvas::{Canvas, Color},
    dice::Dice,
};

/// Gaussian blur, of standard deviation `sigma` pixels.
pub(crate) fn blur(canvas: &mut Canvas, sigma: f64) {
    let radius = (3.0 * sigma).ceil() as i32;
    let weights: Vec<f32> = (-radius..=radius)
        .map(|i| (-f64::from(i * i) / (2.0 * sigma * sigma)).exp() as f32)
        .collect();
    convolve(canvas, &weights, (1, 0));
    convolve(canvas, &weights, (0, 1));
}

/// The blur of a hand that moves by `length` pixels, right or down.
pub(crate) fn shake(canvas: &mut Canvas, length: f64, direction: (i32, i32)) {
    let radius = (length / 2.0).ceil() as i32;
    let weights: Vec<f32> = (-radius..=radius)
        .map(|i| (length / 2.0 + 0.5 - f64::from(i.abs())).clamp(0.0, 1.0) as f32)
        .collect();
    convolve(canvas, &weights, direction);
}

fn convolve(canvas: &mut Canvas, weights: &[f32], (dx, dy): (i32, i32)) {
    let radius = weights.len() as i32 / 2;
    let total: f32 = weights.iter().sum();
    let source = canvas.pixels.clone();
    let (width, height) = (canvas.width as i32, canvas.height as i32);
    for y in 0..height {
        for x in 0..width {
            let mut sum = [0.0_f32; 3];
            for (i, weight) in weights.iter().enumerate() {
                let offset = i as i32 - radius;
                let x = (x + offset * dx).clamp(0, width - 1);
                let y = (y + offset * dy).clamp(0, height - 1);
                let pixel = source[(y * width + x) as usize];
                for (sum, value) in sum.iter_mut().zip(pixel) {
                    *sum += weight * f32::from(value);
                }
            }
            canvas.pixels[(y * width + x) as usize] =
                sum.map(|sum| (sum / total).round().clamp(0.0, 255.0) as u8);
        }
    }
}

/// Noise of a sensor: brightness and colour, of standard deviation `sigma`.
pub(crate) fn noise(canvas: &mut Canvas, dice: &mut Dice, sigma: f64) {
    let sigma = sigma as f32;
    for pixel in &mut canvas.pixels {
        let [all, red] = dice.normals();
        let [green, blue] = dice.normals();
        let color = [red, green, blue];
        *pixel = std::array::from_fn(|i| {
            let value = f32::from(pixel[i]) + sigma * (0.8 * all + 0.6 * color[i]);
            value.round().clamp(0.0, 255.0) as u8
        });
    }
}

/// Single pixels that are black or white.
pub(crate) fn speckle(canvas: &mut Canvas, dice: &mut Dice, share: f64) {
    let count = (share * canvas.pixels.len() as f64) as usize;
    for _ in 0..count {
        let at = (dice.fraction() * canvas.pixels.len() as f64) as usize;
        canvas.pixels[at] = if dice.chance(0.5) { [0; 3] } else { [255; 3] };
    }
}

/// How bright the light is at a place; both coordinates from 0 to 1.
pub(crate) enum Light {
    /// From one brightness to another, in a direction (radians).
    Gradient { from: f64, to: f64, angle: f64 },
    /// A shadow with a soft edge: on one side of a line through `at`.
    Shadow {
        depth: f64,
        at: (f64, f64),
        angle: f64,
        edge: f64,
    },
    /// A lamp: bright at a place, darker away from it.
    Lamp {
        at: (f64, f64),
        reach: f64,
        floor: f64,
    },
    /// A reflection that adds white.
    Glare {
        at: (f64, f64),
        reach: f64,
        strength: f64,
    },
}

impl Light {
    pub(crate) fn shine(&self, canvas: &mut Canvas) {
        canvas.map(|x, y, color| self.on(x, y, color));
    }

    fn on(&self, x: f64, y: f64, color: Color) -> Color {
        let (factor, add) = match *self {
            Self::Gradient { from, to, angle } => {
                let (sin, cos) = angle.sin_cos();
                let along = ((x - 0.5) * cos + (y - 0.5) * sin + 0.7) / 1.4;
                (from + (to - from) * along.clamp(0.0, 1.0), 0.0)
            }
            Self::Shadow {
                depth,
                at,
                angle,
                edge,
            } => {
                let (sin, cos) = angle.sin_cos();
                let along = (x - at.0) * cos + (y - at.1) * sin;
                let share = (along / edge + 0.5).clamp(0.0, 1.0);
                (1.0 - depth * share, 0.0)
            }
            Self::Lamp { at, reach, floor } => {
                let distance = (x - at.0).hypot(y - at.1) / reach;
                (floor + (1.0 - floor) * (-distance * distance).exp(), 0.0)
            }
            Self::Glare {
                at,
                reach,
                strength,
            } => {
                let distance = (x - at.0).hypot(y - at.1) / reach;
                (1.0, 255.0 * strength * (-distance * distance).exp())
            }
        };
        color.map(|value| (f64::from(value) * factor + add).round().clamp(0.0, 255.0) as u8)
    }
}
