//! A frame of an animated PNG, and how it is laid over what is shown already (PNG, third edition, section 11.3.6).

use png::{BlendOp, DisposeOp, FrameControl};

use super::colour::Backdrop;

/// What is shown at a time, in grey.
pub(super) struct Canvas {
    width: usize,
    pixels: Vec<u8>,
    backdrop: Backdrop,
}

/// A frame as it was decoded: a part of the canvas.
pub(super) struct Frame {
    pub(super) width: usize,
    pub(super) height: usize,
    left: usize,
    top: usize,
    blends: bool,
    disposal: DisposeOp,
    /// Grey values that no backdrop has been seen through.
    pub(super) grey: Vec<u8>,
    pub(super) alpha: Vec<u8>,
}

impl Frame {
    /// A frame in which nothing is decoded yet.
    pub(super) fn new(control: &FrameControl) -> Self {
        let (width, height) = (control.width as usize, control.height as usize);
        let size = width.saturating_mul(height);
        Self {
            width,
            height,
            left: control.x_offset as usize,
            top: control.y_offset as usize,
            blends: control.blend_op == BlendOp::Over,
            disposal: control.dispose_op,
            grey: vec![0; size],
            alpha: vec![0; size],
        }
    }
}

impl Canvas {
    /// A canvas that shows the first frame.
    pub(super) fn new(width: usize, pixels: Vec<u8>, backdrop: Backdrop) -> Self {
        Self {
            width,
            pixels,
            backdrop,
        }
    }

    /// Grey values over the backdrop, row by row.
    pub(super) fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// Shows a frame; gives what was there before.
    pub(super) fn lay(&mut self, frame: &Frame) -> Vec<u8> {
        let before = self.pixels.clone();
        let rows = frame.grey.chunks_exact(frame.width.max(1));
        let alphas = frame.alpha.chunks_exact(frame.width.max(1));
        let backdrop = self.backdrop;
        for (place, (greys, alphas)) in self.rows_of(frame).zip(rows.zip(alphas)) {
            for (pixel, (grey, alpha)) in place.iter_mut().zip(greys.iter().zip(alphas)) {
                *pixel = match frame.blends {
                    true => over(*pixel, *grey, *alpha),
                    false => backdrop.blend(*grey, *alpha),
                };
            }
        }
        before
    }

    /// Takes a frame away as it asks for.
    pub(super) fn dispose(&mut self, frame: &Frame, before: Vec<u8>) {
        match frame.disposal {
            DisposeOp::None => {}
            DisposeOp::Previous => self.pixels = before,
            DisposeOp::Background => {
                let nothing = self.backdrop.blend(0, 0);
                self.rows_of(frame).for_each(|row| row.fill(nothing));
            }
        }
    }

    fn rows_of(&mut self, frame: &Frame) -> impl Iterator<Item = &mut [u8]> {
        let (left, right) = (frame.left, frame.left.saturating_add(frame.width));
        self.pixels
            .chunks_exact_mut(self.width.max(1))
            .skip(frame.top)
            .take(frame.height)
            .map(move |row| {
                let right = right.min(row.len());
                row.get_mut(left..right).unwrap_or_default()
            })
    }
}

fn over(behind: u8, grey: u8, alpha: u8) -> u8 {
    let alpha = u16::from(alpha);
    let mixed = u16::from(grey) * alpha + u16::from(behind) * (255 - alpha);
    // At most 255 · 255 / 255.
    ((mixed + 127) / 255) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(blend_op: BlendOp, dispose_op: DisposeOp, alpha: u8) -> Frame {
        let control = FrameControl {
            width: 2,
            height: 1,
            x_offset: 1,
            y_offset: 1,
            blend_op,
            dispose_op,
            ..FrameControl::default()
        };
        Frame {
            grey: vec![40; 2],
            alpha: vec![alpha; 2],
            ..Frame::new(&control)
        }
    }

    #[test]
    fn a_frame_is_laid_where_it_belongs_and_taken_away_as_it_asks() {
        for (blend, dispose, alpha, shown, left) in [
            (BlendOp::Source, DisposeOp::None, 255, 40, 40),
            (BlendOp::Source, DisposeOp::Previous, 0, 255, 90),
            (BlendOp::Over, DisposeOp::None, 0, 90, 90),
            (BlendOp::Over, DisposeOp::Background, 255, 40, 255),
        ] {
            let mut canvas = Canvas::new(3, vec![90; 6], Backdrop::White);
            let frame = frame(blend, dispose, alpha);
            let before = canvas.lay(&frame);
            assert_eq!(canvas.pixels(), [90, 90, 90, 90, shown, shown]);
            canvas.dispose(&frame, before);
            assert_eq!(canvas.pixels(), [90, 90, 90, 90, left, left]);
        }
    }

    #[test]
    fn a_frame_beyond_the_canvas_is_cut() {
        let mut canvas = Canvas::new(2, vec![90; 2], Backdrop::White);
        canvas.lay(&frame(BlendOp::Source, DisposeOp::None, 255));
        assert_eq!(canvas.pixels(), [90, 90]);
        let mut canvas = Canvas::new(2, vec![90; 4], Backdrop::White);
        canvas.lay(&frame(BlendOp::Source, DisposeOp::None, 255));
        assert_eq!(canvas.pixels(), [90, 90, 90, 40]);
    }
}
