//! Where a code lies in a picture: projective maps between its plane and the pixels.

use crate::{
    canvas::{Canvas, Color},
    code::Code,
};

pub(crate) type Point = (f64, f64);

/// A projective map from pixels to modules.
#[derive(Clone, Copy)]
pub(crate) struct Place([f64; 9]);

impl Place {
    /// The map under which the corners of the unit-side square (top left, top right, bottom right, bottom left; here of side `side`)
    /// are seen at `corners`.
    pub(crate) fn of_corners(side: f64, corners: [Point; 4]) -> Self {
        // Heckbert's square to quadrilateral, then the adjugate.
        let [(x0, y0), (x1, y1), (x2, y2), (x3, y3)] = corners;
        let (dx1, dx2, dx3) = (x1 - x2, x3 - x2, x0 - x1 + x2 - x3);
        let (dy1, dy2, dy3) = (y1 - y2, y3 - y2, y0 - y1 + y2 - y3);
        let determinant = dx1 * dy2 - dx2 * dy1;
        let g = (dx3 * dy2 - dx2 * dy3) / determinant;
        let h = (dx1 * dy3 - dx3 * dy1) / determinant;
        let [a, b, c] = [x1 - x0 + g * x1, x3 - x0 + h * x3, x0];
        let [d, e, f] = [y1 - y0 + g * y1, y3 - y0 + h * y3, y0];
        let mut inverse = [
            e - f * h,
            c * h - b,
            b * f - c * e,
            f * g - d,
            a - c * g,
            c * d - a * f,
            d * h - e * g,
            b * g - a * h,
            a * e - b * d,
        ];
        for value in &mut inverse[..6] {
            *value *= side;
        }
        Self(inverse)
    }

    /// Upright or turned by `angle` (radians) around its middle, which lies at `middle`; `module` pixels a module.
    pub(crate) fn flat(code: &Code, middle: Point, module: f64, angle: f64) -> Self {
        Self::of_corners(code.side(), square(middle, code.side() * module, angle))
    }

    fn module(&self, (x, y): Point) -> Option<Point> {
        let m = &self.0;
        let w = m[6] * x + m[7] * y + m[8];
        let x_ = (m[0] * x + m[1] * y + m[2]) / w;
        let y_ = (m[3] * x + m[4] * y + m[5]) / w;
        (x_.is_finite() && y_.is_finite()).then_some((x_, y_))
    }

    /// Draws the code with its paper, each pixel the mean of `samples`² points; within `bounds` (left, top, right, bottom).
    pub(crate) fn draw(&self, canvas: &mut Canvas, code: &Code, samples: usize, bounds: [f64; 4]) {
        let clip = |value: f64, most: usize| value.clamp(0.0, most as f64) as usize;
        let [left, right] = [bounds[0], bounds[2]].map(|x| clip(x, canvas.width));
        let [top, bottom] = [bounds[1], bounds[3]].map(|y| clip(y, canvas.height));
        for y in top..bottom {
            for x in left..right {
                let behind = canvas.pixels[y * canvas.width + x];
                canvas.pixels[y * canvas.width + x] = self.pixel(code, x, y, samples, behind);
            }
        }
    }

    fn pixel(&self, code: &Code, x: usize, y: usize, samples: usize, behind: Color) -> Color {
        let mut sum = [0_u32; 3];
        for row in 0..samples {
            for column in 0..samples {
                let at = |v: usize, i: usize| v as f64 + (i as f64 + 0.5) / samples as f64;
                let color = self
                    .module((at(x, column), at(y, row)))
                    .and_then(|(u, v)| code.at(u, v))
                    .unwrap_or(behind);
                for (sum, value) in sum.iter_mut().zip(color) {
                    *sum += u32::from(value);
                }
            }
        }
        let count = (samples * samples) as u32;
        sum.map(|sum| ((sum + count / 2) / count) as u8)
    }
}

/// The corners of a square around `middle`, turned by `angle`.
pub(crate) fn square(middle: Point, side: f64, angle: f64) -> [Point; 4] {
    let (sin, cos) = angle.sin_cos();
    let half = side / 2.0;
    [(-half, -half), (half, -half), (half, half), (-half, half)]
        .map(|(x, y)| (middle.0 + x * cos - y * sin, middle.1 + x * sin + y * cos))
}

/// The square seen by a camera: turned in its plane by `angle`, then away by `yaw` and `pitch` (radians), from a distance of
/// `distance` times its side.
pub(crate) fn tilted(
    middle: Point,
    side: f64,
    angle: f64,
    yaw: f64,
    pitch: f64,
    distance: f64,
) -> [Point; 4] {
    square((0.0, 0.0), 1.0, angle).map(|(x, y)| {
        let (x, z) = (x * yaw.cos(), x * yaw.sin());
        let (y, z) = (
            y * pitch.cos() - z * pitch.sin(),
            y * pitch.sin() + z * pitch.cos(),
        );
        let scale = distance / (distance + z) * side;
        (middle.0 + x * scale, middle.1 + y * scale)
    })
}

/// What encloses the corners with `margin` times the size around.
pub(crate) fn bounds(corners: [Point; 4], margin: f64) -> [f64; 4] {
    let fold =
        |f: fn(f64, f64) -> f64, values: [f64; 4]| values.into_iter().reduce(f).unwrap_or(0.0);
    let (x, y) = (corners.map(|p| p.0), corners.map(|p| p.1));
    let [left, right] = [fold(f64::min, x), fold(f64::max, x)];
    let [top, bottom] = [fold(f64::min, y), fold(f64::max, y)];
    let margin = margin * (right - left).max(bottom - top);
    [left - margin, top - margin, right + margin, bottom + margin]
}
