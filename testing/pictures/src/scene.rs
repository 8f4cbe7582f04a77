//! What lies around a code in a photo.

use crate::{
    canvas::{Canvas, Color, grey, mix},
    dice::Dice,
    optics::Light,
};

/// A table, a wall, a poster: large soft surfaces, some edges, some print.
pub(crate) fn photo(dice: &mut Dice, width: usize, height: usize) -> Canvas {
    let base = dice.pick([
        [150, 120, 90],
        [185, 180, 170],
        [90, 95, 105],
        [200, 205, 210],
    ]);
    let mut canvas = Canvas::new(width, height, base);
    let scale = width.min(height) as f64;
    grain(&mut canvas, dice, base);
    for _ in 0..dice.whole(4, 10) {
        let color = mix(base, any_color(dice), dice.between(0.2, 0.8));
        let x = dice.between(-0.1, 1.0) * width as f64;
        let y = dice.between(-0.1, 1.0) * height as f64;
        let (w, h) = (
            dice.between(0.05, 0.4) * scale,
            dice.between(0.05, 0.4) * scale,
        );
        if dice.chance(0.4) {
            canvas.disc(x as i32, y as i32, (w / 2.0) as i32, color);
        } else {
            canvas.rounded(
                x as i32,
                y as i32,
                w as i32,
                h as i32,
                (w.min(h) / 12.0) as i32,
                color,
            );
        }
    }
    for _ in 0..dice.whole(3, 14) {
        let size = (dice.between(0.008, 0.03) * scale) as i32;
        let x = (dice.between(0.0, 0.7) * width as f64) as i32;
        let y = (dice.fraction() * height as f64) as i32;
        let color = if dice.chance(0.7) {
            grey(40)
        } else {
            grey(230)
        };
        let long = (dice.between(0.1, 0.4) * width as f64) as i32;
        canvas.words(dice, x, y, long, size.max(6), color);
    }
    Light::Gradient {
        from: dice.between(0.75, 1.05),
        to: dice.between(0.75, 1.05),
        angle: dice.between(0.0, 6.3),
    }
    .shine(&mut canvas);
    canvas
}

/// The grain of wood or cloth: two waves across the picture.
fn grain(canvas: &mut Canvas, dice: &mut Dice, base: Color) {
    let (a, b) = (dice.between(20.0, 90.0), dice.between(5.0, 30.0));
    let depth = dice.between(0.02, 0.1);
    canvas.map(|x, y, _| {
        let wave = (y * a + (x * b).sin() * 2.0).sin() + (x * a * 0.7 + y * b).sin() * 0.5;
        mix(base, grey(0), depth * (wave + 1.5) / 3.0)
    });
}

fn any_color(dice: &mut Dice) -> Color {
    dice.bytes::<3>()
}
