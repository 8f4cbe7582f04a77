//! Other sizes of a picture.

use crate::canvas::Canvas;

/// The canvas at another width, proportions kept: the mean of what a pixel covers when it gets smaller, bilinear when larger.
pub(crate) fn resize(canvas: &Canvas, width: usize) -> Canvas {
    let factor = canvas.width as f64 / width as f64;
    let height = ((canvas.height as f64 / factor).round() as usize).max(1);
    let mut out = Canvas::new(width, height, [0; 3]);
    let samples = (factor * 1.5).ceil().max(1.0) as usize;
    for y in 0..height {
        for x in 0..width {
            let mut sum = [0.0; 3];
            for row in 0..samples {
                for column in 0..samples {
                    let at = |v: usize, i: usize| {
                        (v as f64 + (i as f64 + 0.5) / samples as f64) * factor
                    };
                    let color = bilinear(canvas, at(x, column), at(y, row));
                    for (sum, value) in sum.iter_mut().zip(color) {
                        *sum += value;
                    }
                }
            }
            let count = (samples * samples) as f32;
            out.pixels[y * width + x] = sum.map(|sum| (sum / count).round() as u8);
        }
    }
    out
}

/// The canvas with every pixel repeated: what a viewer does that does not smooth.
pub(crate) fn enlarge(canvas: &Canvas, times: usize) -> Canvas {
    let mut out = Canvas::new(canvas.width * times, canvas.height * times, [0; 3]);
    for (index, pixel) in out.pixels.iter_mut().enumerate() {
        let (x, y) = (index % out.width / times, index / out.width / times);
        *pixel = canvas.pixels[y * canvas.width + x];
    }
    out
}

/// Without the first columns and rows.
pub(crate) fn crop(canvas: &Canvas, left: usize, top: usize) -> Canvas {
    let mut out = Canvas::new(canvas.width - left, canvas.height - top, [0; 3]);
    for (y, row) in out.pixels.chunks_exact_mut(out.width).enumerate() {
        let from = (y + top) * canvas.width + left;
        row.copy_from_slice(&canvas.pixels[from..from + row.len()]);
    }
    out
}

fn bilinear(canvas: &Canvas, x: f64, y: f64) -> [f32; 3] {
    let (x, y) = ((x - 0.5).max(0.0), (y - 0.5).max(0.0));
    let (left, top) = (x as usize, y as usize);
    let (fx, fy) = ((x - left as f64) as f32, (y - top as f64) as f32);
    let pixel = |x: usize, y: usize| {
        let (x, y) = (x.min(canvas.width - 1), y.min(canvas.height - 1));
        canvas.pixels[y * canvas.width + x].map(f32::from)
    };
    let [a, b, c, d] = [
        pixel(left, top),
        pixel(left + 1, top),
        pixel(left, top + 1),
        pixel(left + 1, top + 1),
    ];
    std::array::from_fn(|i| {
        let upper = a[i] + (b[i] - a[i]) * fx;
        let lower = c[i] + (d[i] - c[i]) * fx;
        upper + (lower - upper) * fy
    })
}
