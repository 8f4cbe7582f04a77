//! A QR code as a vector picture.

use std::fmt::Write as _;

use crate::QrCode;

impl QrCode {
    /// The code as an SVG picture: one module is one unit, dark on white, quiet zone included, as large as its surroundings let it be.
    ///
    /// It is one path of horizontal runs, with anti-aliasing off, so that no hairline shows between modules.
    #[must_use]
    pub fn to_svg(&self) -> String {
        let width = self.width_with_zone();
        let mut path = String::new();
        for row in 0..width {
            let mut column = 0;
            while column < width {
                let length = (column..width)
                    .take_while(|column| self.is_dark_with_zone(*column, row))
                    .count();
                if length > 0 {
                    // Writing to a string cannot fail.
                    let _ = write!(path, "M{column} {row}h{length}v1h-{length}z");
                }
                column += length.max(1);
            }
        }
        format!(
            r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {width}" shape-rendering="crispEdges"><rect width="{width}" height="{width}" fill="#fff"/><path d="{path}" fill="#000"/></svg>
"##
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_picture_has_one_path_that_covers_the_dark_modules() {
        let code = QrCode::of_text("x").unwrap();
        let svg = code.to_svg();
        assert!(svg.contains(r#"viewBox="0 0 29 29""#));
        assert_eq!(svg.matches("<path").count(), 1);
        // The first run is the upper edge of the finder pattern, inside of the quiet zone.
        assert!(svg.contains(r#"d="M4 4h7v1h-7z"#), "{svg}");
        let dark = (0..21 * 21)
            .filter(|index| code.is_dark(index % 21, index / 21))
            .count();
        let covered: usize = svg
            .split("v1h-")
            .skip(1)
            .filter_map(|rest| rest.split('z').next()?.parse::<usize>().ok())
            .sum();
        assert_eq!(covered, dark);
    }
}
