//! A chat on a phone, as a screenshot shows it.

use crate::{
    canvas::{Canvas, Color, grey},
    code::Code,
    dice::Dice,
    place::{Place, bounds, square},
};

/// Colours of a chat.
struct Design {
    ground: Color,
    bar: Color,
    theirs: Color,
    mine: Color,
    words: Color,
}

const LIGHT: Design = Design {
    ground: [236, 229, 221],
    bar: [246, 246, 246],
    theirs: [255, 255, 255],
    mine: [217, 253, 211],
    words: [30, 32, 36],
};

const DARK: Design = Design {
    ground: [11, 20, 26],
    bar: [32, 44, 51],
    theirs: [32, 44, 51],
    mine: [0, 92, 75],
    words: [233, 237, 239],
};

/// A screenshot with one picture message for each code, and text messages around them.
pub(crate) fn screenshot(
    dice: &mut Dice,
    width: usize,
    height: usize,
    dark: bool,
    codes: &[Code],
) -> Canvas {
    let design = if dark { DARK } else { LIGHT };
    let mut canvas = Canvas::new(width, height, design.ground);
    let w = width as i32;
    let line = w / 30;
    let mut y = line * 4;
    bar(&mut canvas, dice, &design, line);
    for code in codes {
        let before = if codes.len() == 1 {
            dice.whole(1, 3)
        } else {
            0
        };
        for _ in 0..before {
            y = message(&mut canvas, dice, &design, y, line);
        }
        // What the screen has room for below the bars.
        let room = 0.6 * height as f64 / (codes.len() as f64 * width as f64);
        let share = dice.between(0.28, 0.75).min(room);
        let side = (share * width as f64) as i32;
        let mine = dice.chance(0.5);
        let x = if mine { w - side - line * 2 } else { line * 2 };
        let bubble = if mine { design.mine } else { design.theirs };
        canvas.rounded(x - line / 2, y, side + line, side + line * 3, line, bubble);
        let middle = (
            f64::from(x) + f64::from(side) / 2.0,
            f64::from(y + line / 2) + f64::from(side) / 2.0,
        );
        // The picture message is the whole of the code's picture, quiet zone included.
        let module = f64::from(side) / (code.side() + 2.0 * code.quiet);
        let corners = square(middle, f64::from(side), 0.0);
        let samples = if module > 8.0 { 2 } else { 4 };
        Place::flat(code, middle, module, 0.0).draw(
            &mut canvas,
            code,
            samples,
            bounds(corners, 0.02),
        );
        canvas.words(
            dice,
            x,
            y + side + line,
            side / 2,
            line * 2 / 3,
            design.words,
        );
        y += side + line * 4;
    }
    while y < height as i32 - line * 6 {
        y = message(&mut canvas, dice, &design, y, line);
    }
    canvas.rectangle(0, height as i32 - line * 4, w, line * 4, design.bar);
    canvas.disc(
        w - line * 2,
        height as i32 - line * 2,
        line * 5 / 4,
        [0, 168, 132],
    );
    canvas
}

/// Status bar and title.
fn bar(canvas: &mut Canvas, dice: &mut Dice, design: &Design, line: i32) {
    let width = canvas.width as i32;
    canvas.rectangle(0, 0, width, line * 7 / 2, design.bar);
    canvas.words(dice, line, line / 3, line * 4, line / 2, design.words);
    canvas.words(
        dice,
        width - line * 5,
        line / 3,
        line * 4,
        line / 2,
        design.words,
    );
    canvas.disc(line * 3, line * 9 / 4, line, grey(150));
    canvas.words(dice, line * 5, line * 7 / 4, line * 10, line, design.words);
}

/// A text message; gives where the next begins.
fn message(canvas: &mut Canvas, dice: &mut Dice, design: &Design, y: i32, line: i32) -> i32 {
    let width = canvas.width as i32;
    let lines = dice.whole(1, 4);
    let long = (dice.between(0.3, 0.75) * f64::from(width)) as i32;
    let mine = dice.chance(0.5);
    let x = if mine { width - long - line } else { line };
    let bubble = if mine { design.mine } else { design.theirs };
    let height = lines * line * 3 / 2 + line;
    canvas.rounded(x, y, long, height, line, bubble);
    for number in 0..lines {
        let top = y + line / 2 + number * line * 3 / 2;
        canvas.words(dice, x + line, top, long - 2 * line, line, design.words);
    }
    y + height + line / 2
}
