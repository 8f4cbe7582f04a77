//! How the pictures of each kind are made.

use std::f64::consts::{PI, TAU};

use crate::{
    canvas::{Canvas, grey, mix},
    chat,
    code::Code,
    dice::Dice,
    file::{Format, encode, through_jpeg},
    kind::Kind,
    optics::{Light, blur, noise, shake, speckle},
    picture::Picture,
    place::{self, Place, Point},
    resize::{crop, enlarge, resize},
    scene,
};

/// Sides of phone screens.
const SCREENS: [(usize, usize); 4] = [(1080, 2400), (1170, 2532), (720, 1600), (1284, 2778)];

pub(crate) fn make(kind: Kind, seed: u64, number: usize) -> Picture {
    let dice = &mut Dice::new(seed, kind.name(), number);
    let (canvas, format, codes) = match kind {
        Kind::ScreenshotLight => screenshot(dice, false),
        Kind::ScreenshotDark => screenshot(dice, true),
        Kind::ScaledDown => scaled_down(dice),
        Kind::ScaledUp => scaled_up(dice),
        Kind::Rotated => rotated(dice),
        Kind::Perspective => perspective(dice),
        Kind::Blurred => blurred(dice),
        Kind::Recompressed => recompressed(dice),
        Kind::WebP => webp(dice),
        Kind::Inverted => inverted(dice),
        Kind::LowContrast => low_contrast(dice),
        Kind::Shaded => shaded(dice),
        Kind::Logo => logo(dice),
        Kind::PhotoLarge => photo(dice, 1_000.0, 1_750.0),
        Kind::PhotoSmall => photo(dice, 130.0, 380.0),
        Kind::Noisy => noisy(dice),
        Kind::Several => several(dice),
        Kind::Everything => everything(dice),
    };
    let ending = format.ending();
    Picture {
        kind,
        name: format!("{seed}-{kind}-{number}.{ending}"),
        pixels: canvas.pixels.len(),
        file: encode(&canvas, format),
        texts: codes.into_iter().map(|code| code.text).collect(),
    }
}

/// A screenshot of a chat in which nobody sent a code.
pub(crate) fn screenshot_without_code(seed: u64, number: usize) -> Picture {
    let dice = &mut Dice::new(seed, "screenshot-without-code", number);
    let (width, height) = dice.pick(SCREENS);
    let dark = dice.chance(0.5);
    let canvas = chat::screenshot(dice, width, height, dark, &[]);
    Picture {
        kind: if dark {
            Kind::ScreenshotDark
        } else {
            Kind::ScreenshotLight
        },
        name: format!("{seed}-no-code-screenshot-{number}.png"),
        pixels: canvas.pixels.len(),
        file: encode(&canvas, Format::Png),
        texts: Vec::new(),
    }
}

/// A photo of 12 megapixels of something else.
pub(crate) fn photo_without_code(seed: u64, number: usize) -> Picture {
    let dice = &mut Dice::new(seed, "photo-without-code", number);
    let mut canvas = scene::photo(dice, 4032, 3024);
    blur(&mut canvas, dice.between(0.8, 1.5));
    let sigma = dice.between(3.0, 12.0);
    noise(&mut canvas, dice, sigma);
    Picture {
        kind: Kind::PhotoLarge,
        name: format!("{seed}-no-code-photo-{number}.jpg"),
        pixels: canvas.pixels.len(),
        file: encode(&canvas, Format::Jpeg(dice.whole(75, 93) as u8)),
        texts: Vec::new(),
    }
}

type Made = (Canvas, Format, Vec<Code>);

fn screenshot(dice: &mut Dice, dark: bool) -> Made {
    let mut code = Code::new(dice);
    code.quiet = dice.pick([4.0, 4.0, 2.0, 1.0]);
    if dark && dice.chance(0.4) {
        code = code.inverted();
    }
    let (width, height) = dice.pick(SCREENS);
    let codes = vec![code];
    let mut canvas = chat::screenshot(dice, width, height, dark, &codes);
    // A screenshot is often sent on, and then scaled down and compressed.
    if dice.chance(0.5) {
        let smaller = dice.between(0.2, 0.5) * width as f64;
        canvas = resize(&canvas, smaller as usize);
        return (canvas, Format::Jpeg(dice.whole(30, 75) as u8), codes);
    }
    (canvas, Format::Png, codes)
}

fn scaled_down(dice: &mut Dice) -> Made {
    let mut code = Code::new(dice);
    code.quiet = dice.pick([4.0, 2.0]);
    let (module, samples) = if dice.chance(0.3) {
        (dice.between(1.7, 2.7), 1)
    } else {
        (dice.between(1.3, 2.2), 4)
    };
    let canvas = on_plain(dice, &code, module, 0.0, samples);
    (canvas, picture_format(dice), vec![code])
}

fn scaled_up(dice: &mut Dice) -> Made {
    let code = Code::new(dice);
    let small = dice.between(1.8, 4.0);
    let canvas = on_plain(dice, &code, small, 0.0, 4);
    let times = dice.between(5.0, 14.0);
    let canvas = if dice.chance(0.5) {
        enlarge(&canvas, times as usize)
    } else {
        resize(&canvas, (times * canvas.width as f64) as usize)
    };
    (canvas, picture_format(dice), vec![code])
}

fn rotated(dice: &mut Dice) -> Made {
    let code = Code::new(dice);
    let module = dice.between(1.5, 4.5);
    let angle = dice.between(0.0, TAU);
    let canvas = on_plain(dice, &code, module, angle, 4);
    (canvas, picture_format(dice), vec![code])
}

fn perspective(dice: &mut Dice) -> Made {
    let code = Code::new(dice);
    let (width, height) = (1000, 900);
    let mut canvas = scene::photo(dice, width, height);
    let side = dice.between(220.0, 480.0);
    let corners = tilted(dice, (500.0, 450.0), side, 1.2);
    draw(&mut canvas, &code, corners, 3);
    blur(&mut canvas, dice.between(0.5, 1.0));
    (canvas, picture_format(dice), vec![code])
}

fn blurred(dice: &mut Dice) -> Made {
    let code = Code::new(dice);
    let module = dice.between(4.0, 9.0);
    let angle = dice.between(-0.2, 0.2);
    let mut canvas = on_plain(dice, &code, module, angle, 3);
    if dice.chance(0.7) {
        blur(&mut canvas, module * dice.between(0.35, 0.6));
    } else {
        let direction = dice.pick([(1, 0), (0, 1), (1, 1)]);
        shake(&mut canvas, module * dice.between(0.8, 1.5), direction);
    }
    let sigma = dice.between(0.5, 2.0);
    noise(&mut canvas, dice, sigma);
    (canvas, Format::Jpeg(dice.whole(70, 92) as u8), vec![code])
}

fn recompressed(dice: &mut Dice) -> Made {
    let code = Code::new(dice);
    let module = dice.between(1.9, 4.0);
    let mut canvas = on_plain(dice, &code, module, 0.0, 4);
    for _ in 0..dice.whole(1, 3) {
        through_jpeg(&mut canvas, dice.whole(4, 20) as u8);
        // Cut a little, so that the next blocks lie elsewhere.
        canvas = crop(
            &canvas,
            dice.whole(0, 5) as usize,
            dice.whole(0, 5) as usize,
        );
    }
    (canvas, Format::Jpeg(dice.whole(4, 20) as u8), vec![code])
}

fn webp(dice: &mut Dice) -> Made {
    let code = Code::new(dice);
    let module = dice.between(4.0, 8.0);
    let angle = dice.between(-0.1, 0.1);
    let mut canvas = on_plain(dice, &code, module, angle, 3);
    through_jpeg(&mut canvas, dice.whole(20, 60) as u8);
    let width = canvas.width as f64 * dice.between(0.2, 0.5);
    canvas = resize(&canvas, width as usize);
    (canvas, Format::WebP, vec![code])
}

fn inverted(dice: &mut Dice) -> Made {
    let mut code = Code::new(dice);
    code.ink = dice.pick([[255; 3], [230, 230, 240], [180, 220, 255], [250, 210, 120]]);
    code.paper = dice.pick([[0; 3], [24, 24, 28], [10, 40, 80], [60, 10, 60]]);
    let module = dice.between(1.8, 6.0);
    let angle = if dice.chance(0.5) {
        0.0
    } else {
        dice.between(-PI, PI)
    };
    let mut canvas = on_plain(dice, &code, module, angle, 3);
    if dice.chance(0.5) {
        blur(&mut canvas, module * dice.between(0.2, 0.5));
        noise(&mut canvas, dice, 6.0);
    }
    (canvas, picture_format(dice), vec![code])
}

fn low_contrast(dice: &mut Dice) -> Made {
    let mut code = Code::new(dice);
    let base = dice.whole(40, 200);
    let step = dice.whole(8, 30);
    code.ink = grey(base);
    code.paper = grey(base + step);
    let module = dice.between(3.5, 8.0);
    let angle = dice.between(-0.3, 0.3);
    let mut canvas = on_plain(dice, &code, module, angle, 3);
    let sigma = dice.between(0.2, 0.12 * f64::from(step));
    noise(&mut canvas, dice, sigma);
    (canvas, Format::Jpeg(dice.whole(80, 95) as u8), vec![code])
}

fn shaded(dice: &mut Dice) -> Made {
    let code = Code::new(dice);
    let module = dice.between(4.0, 9.0);
    let angle = dice.between(-0.4, 0.4);
    let mut canvas = on_plain(dice, &code, module, angle, 3);
    let middle = (dice.between(0.2, 0.8), dice.between(0.2, 0.8));
    Light::Gradient {
        from: dice.between(0.08, 0.35),
        to: dice.between(0.7, 1.0),
        angle: dice.between(0.0, TAU),
    }
    .shine(&mut canvas);
    match dice.whole(0, 2) {
        0 => Light::Shadow {
            depth: dice.between(0.4, 0.75),
            at: middle,
            angle: dice.between(0.0, TAU),
            edge: dice.between(0.02, 0.2),
        },
        1 => Light::Lamp {
            at: middle,
            reach: dice.between(0.25, 0.5),
            floor: dice.between(0.1, 0.3),
        },
        _ => Light::Glare {
            at: middle,
            reach: dice.between(0.1, 0.3),
            strength: dice.between(0.3, 0.7),
        },
    }
    .shine(&mut canvas);
    blur(&mut canvas, dice.between(0.4, 1.0));
    noise(&mut canvas, dice, 2.0);
    (canvas, Format::Jpeg(dice.whole(75, 92) as u8), vec![code])
}

fn logo(dice: &mut Dice) -> Made {
    let code = Code::with_logo(dice);
    let module = dice.between(2.2, 7.0);
    let angle = if dice.chance(0.5) {
        0.0
    } else {
        dice.between(-PI, PI)
    };
    let canvas = on_plain(dice, &code, module, angle, 3);
    (canvas, picture_format(dice), vec![code])
}

/// 12 megapixels, the code's side between `smallest` and `largest` pixels.
fn photo(dice: &mut Dice, smallest: f64, largest: f64) -> Made {
    let code = Code::new(dice);
    let (width, height) = dice.pick([(4000, 3000), (3000, 4000), (4032, 3024)]);
    let mut canvas = scene::photo(dice, width, height);
    let side = dice.between(smallest, largest);
    let place = |dice: &mut Dice, length: usize| {
        let free = (length as f64 - side * 1.7).max(0.0);
        length as f64 / 2.0 + dice.between(-0.5, 0.5) * free
    };
    let middle = (place(dice, width), place(dice, height));
    let corners = tilted(dice, middle, side, 0.7);
    draw(
        &mut canvas,
        &code,
        corners,
        if side > 1000.0 { 2 } else { 3 },
    );
    let module = side / code.side();
    blur(
        &mut canvas,
        (module * dice.between(0.15, 0.5)).clamp(0.8, 12.0),
    );
    let sigma = dice.between(3.0, 12.0);
    noise(&mut canvas, dice, sigma);
    (canvas, Format::Jpeg(dice.whole(60, 93) as u8), vec![code])
}

fn noisy(dice: &mut Dice) -> Made {
    let code = Code::new(dice);
    let module = dice.between(4.0, 8.0);
    let angle = dice.between(-0.4, 0.4);
    let mut canvas = on_plain(dice, &code, module, angle, 3);
    canvas.map(|_, _, color| mix(color, grey(110), 0.25));
    if dice.chance(0.3) {
        let share = dice.between(0.03, 0.12);
        speckle(&mut canvas, dice, share);
    } else {
        let sigma = dice.between(25.0, 65.0);
        noise(&mut canvas, dice, sigma);
    }
    let quality = dice.whole(60, 90) as u8;
    (
        canvas,
        dice.pick([Format::Png, Format::Jpeg(quality)]),
        vec![code],
    )
}

fn several(dice: &mut Dice) -> Made {
    let count = dice.whole(2, 6) as usize;
    let codes: Vec<Code> = (0..count).map(|_| Code::new(dice)).collect();
    if count <= 3 && dice.chance(0.4) {
        let dark = dice.chance(0.5);
        let canvas = chat::screenshot(dice, 1080, 2400, dark, &codes);
        return (canvas, Format::Png, codes);
    }
    let cell = 360.0;
    let mut canvas = scene::photo(dice, (3.0 * cell) as usize, (2.0 * cell) as usize);
    for (index, code) in codes.iter().enumerate() {
        let middle = (
            (index % 3) as f64 * cell + cell / 2.0,
            (index / 3) as f64 * cell + cell / 2.0,
        );
        // The diagonal of code and quiet zone stays inside of the cell.
        let side = dice.between(95.0, 205.0);
        let corners = tilted(dice, middle, side, 0.6);
        draw(&mut canvas, code, corners, 4);
    }
    blur(&mut canvas, dice.between(0.4, 0.8));
    (canvas, picture_format(dice), codes)
}

fn everything(dice: &mut Dice) -> Made {
    let code = Code::new(dice);
    let (width, height) = (1280, 960);
    let mut canvas = scene::photo(dice, width, height);
    let side = dice.between(200.0, 560.0);
    let corners = tilted(dice, (640.0, 480.0), side, 0.85);
    draw(&mut canvas, &code, corners, 3);
    Light::Gradient {
        from: dice.between(0.35, 0.7),
        to: dice.between(0.8, 1.1),
        angle: dice.between(0.0, TAU),
    }
    .shine(&mut canvas);
    if dice.chance(0.5) {
        Light::Shadow {
            depth: dice.between(0.3, 0.6),
            at: (dice.between(0.35, 0.65), dice.between(0.35, 0.65)),
            angle: dice.between(0.0, TAU),
            edge: dice.between(0.01, 0.1),
        }
        .shine(&mut canvas);
    }
    let module = side / code.side();
    blur(&mut canvas, module * dice.between(0.15, 0.5));
    let sigma = dice.between(2.0, 8.0);
    noise(&mut canvas, dice, sigma);
    through_jpeg(&mut canvas, dice.whole(40, 80) as u8);
    (canvas, Format::Jpeg(dice.whole(35, 75) as u8), vec![code])
}

/// A code on one colour that is a little larger than itself.
fn on_plain(dice: &mut Dice, code: &Code, module: f64, angle: f64, samples: usize) -> Canvas {
    let side = (code.side() + 2.0 * code.quiet) * module;
    let turned = side * (angle.sin().abs() + angle.cos().abs());
    let margin = dice.between(4.0, 60.0);
    let length = (turned + 2.0 * margin).ceil() as usize;
    let ground = dice.pick([code.paper, code.paper, mix(code.paper, grey(128), 0.3)]);
    let mut canvas = Canvas::new(length, length, ground);
    let middle = length as f64 / 2.0 + dice.between(0.0, 1.0);
    let place = Place::flat(code, (middle, middle), module, angle);
    let all = [0.0, 0.0, length as f64, length as f64];
    place.draw(&mut canvas, code, samples, all);
    canvas
}

fn draw(canvas: &mut Canvas, code: &Code, corners: [Point; 4], samples: usize) {
    let around = (code.quiet + 1.0) / code.side() * 1.6;
    Place::of_corners(code.side(), corners).draw(
        canvas,
        code,
        samples,
        place::bounds(corners, around),
    );
}

/// Seen by a camera from any side, up to `most` (radians) away from straight above.
fn tilted(dice: &mut Dice, middle: Point, side: f64, most: f64) -> [Point; 4] {
    let angle = dice.between(0.0, TAU);
    let tilt = most * dice.between(0.3, 1.0);
    let towards = dice.between(0.0, TAU);
    place::tilted(
        middle,
        side,
        angle,
        tilt * towards.cos(),
        tilt * towards.sin(),
        dice.between(1.8, 4.0),
    )
}

fn picture_format(dice: &mut Dice) -> Format {
    let quality = dice.whole(55, 92) as u8;
    dice.pick([
        Format::Png,
        Format::Jpeg(quality),
        Format::Jpeg(quality),
        Format::WebP,
    ])
}
