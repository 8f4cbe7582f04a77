//! The last look at a picture before it is drawn.

use ratatui::buffer::Buffer;
use securecall_contact::display_text;

/// Takes out of every cell what is not simply drawn. Texts are made harmless before they are laid out, so that columns
/// are right; this is for the one that was forgotten.
pub(super) fn make_harmless(picture: &mut Buffer) {
    for cell in &mut picture.content {
        let symbol = cell.symbol();
        if symbol.len() == 1 && !symbol.as_bytes()[0].is_ascii_control() {
            continue;
        }
        let harmless = display_text(symbol).replace(['\n', '\t'], " ");
        if harmless.is_empty() {
            cell.set_symbol(" ");
        } else if harmless != symbol {
            cell.set_symbol(&harmless);
        }
    }
}

#[cfg(test)]
mod tests {
    use ratatui::layout::Rect;

    use super::*;

    #[test]
    fn a_cell_holds_one_character_and_few_marks() {
        let mut picture = Buffer::empty(Rect::new(0, 0, 6, 1));
        let pile = format!("a{}", "\u{301}".repeat(100));
        let symbols = [
            pile.as_str(),
            "\u{1b}",
            "山",
            "",
            "e\u{200d}\u{e0041}",
            "\n",
        ];
        for (cell, symbol) in picture.content.iter_mut().zip(symbols) {
            cell.set_symbol(symbol);
        }
        make_harmless(&mut picture);
        let symbols: Vec<&str> = picture.content.iter().map(|cell| cell.symbol()).collect();
        assert_eq!(
            symbols,
            ["a\u{301}\u{301}\u{301}\u{301}", " ", "山", " ", "e", " "]
        );
    }
}
