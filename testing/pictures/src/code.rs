//! A QR code as a surface in the plane, a module being one unit.

use qrcode::{EcLevel, QrCode};
use securecall_contact::{ContactLink, MatrixId, NameLabel, SecureCallId};
use securecall_crypto::IdentityKey;

use crate::{
    canvas::{Color, grey},
    dice::Dice,
};

/// A code with the paper around it, not placed in any picture yet.
#[derive(Clone)]
pub(crate) struct Code {
    pub(crate) text: String,
    width: usize,
    modules: Vec<bool>,
    pub(crate) ink: Color,
    pub(crate) paper: Color,
    /// Modules of paper around the code.
    pub(crate) quiet: f64,
    logo: Option<Logo>,
}

#[derive(Clone, Copy)]
struct Logo {
    /// Half its side, in modules.
    half: f64,
    color: Color,
    rim: bool,
    round: bool,
}

impl Code {
    /// The code of a new contact, black on white.
    pub(crate) fn new(dice: &mut Dice) -> Self {
        let level = dice.pick([EcLevel::M, EcLevel::M, EcLevel::M, EcLevel::Q]);
        Self::of_level(dice, level)
    }

    /// A code with a logo in its middle, which its error correction has to make up for.
    pub(crate) fn with_logo(dice: &mut Dice) -> Self {
        let level = dice.pick([EcLevel::Q, EcLevel::H, EcLevel::H]);
        let mut code = Self::of_level(dice, level);
        // Of the code's area; half of what the level could correct if it hit every block alike.
        let most = if level == EcLevel::H { 0.11 } else { 0.07 };
        let area = dice.between(0.03, most);
        code.logo = Some(Logo {
            half: (area.sqrt() * code.width as f64) / 2.0,
            color: dice.pick([[20, 110, 220], [200, 40, 40], [40, 40, 40], [30, 160, 90]]),
            rim: dice.chance(0.6),
            round: dice.chance(0.5),
        });
        code
    }

    fn of_level(dice: &mut Dice, level: EcLevel) -> Self {
        let text = contact(dice);
        // A contact link is far below what a QR code holds.
        let code = QrCode::with_error_correction_level(&text, level);
        let (width, modules) = code
            .map(|code| {
                let dark = code
                    .to_colors()
                    .into_iter()
                    .map(|c| c == qrcode::Color::Dark);
                (code.width(), dark.collect())
            })
            .unwrap_or_default();
        Self {
            text,
            width,
            modules,
            ink: grey(0),
            paper: grey(255),
            quiet: 4.0,
            logo: None,
        }
    }

    /// Modules on a side.
    pub(crate) fn side(&self) -> f64 {
        self.width as f64
    }

    pub(crate) fn inverted(mut self) -> Self {
        std::mem::swap(&mut self.ink, &mut self.paper);
        self
    }

    /// The colour at a point, counted in modules from the corner of the first module; `None` off the paper.
    pub(crate) fn at(&self, x: f64, y: f64) -> Option<Color> {
        let side = self.side();
        let on_paper = |v: f64| v >= -self.quiet && v < side + self.quiet;
        if !on_paper(x) || !on_paper(y) {
            return None;
        }
        if let Some(logo) = self.logo {
            let (dx, dy) = ((x - side / 2.0).abs(), (y - side / 2.0).abs());
            let distance = if logo.round { dx.hypot(dy) } else { dx.max(dy) };
            if distance < logo.half {
                let rim = logo.rim && distance > logo.half * 0.8;
                return Some(if rim { self.paper } else { logo.color });
            }
        }
        let module = |v: f64| (v >= 0.0 && v < side).then_some(v as usize);
        let dark = match (module(x), module(y)) {
            (Some(column), Some(row)) => self.modules[row * self.width + column],
            _ => false,
        };
        Some(if dark { self.ink } else { self.paper })
    }
}

/// The link of a contact that nobody has: short, or with server and name.
fn contact(dice: &mut Dice) -> String {
    let key = loop {
        let mut bytes = dice.bytes::<32>();
        bytes[31] &= 0x3f;
        if let Ok(key) = IdentityKey::from_bytes(bytes) {
            break key;
        }
    };
    let id = SecureCallId::new(&key);
    let mut link = ContactLink::without_account(id);
    if dice.chance(0.4) {
        let server = dice.pick(["example.org", "matrix.example.net", "chat.a.example:8448"]);
        let made = format!("@sc_{id}:{server}")
            .parse::<MatrixId>()
            .map(|matrix_id| ContactLink::new(id, &matrix_id));
        if let Ok(Ok(with_server)) = made {
            link = with_server;
        }
    }
    if dice.chance(0.4) {
        let name = dice.pick(["Ada", "Ben Müller", "Chloé 🦊", "Working Group Telephony"]);
        link = link.with_name(NameLabel::new(name));
    }
    link.to_string()
}
