//! How a picture is to be turned: phones write the pixels as the sensor has them, and say beside them which way was up.

/// The tag `Orientation` (TIFF 6.0, section 8; Exif 2.32, 4.6.4 A).
const ORIENTATION: u16 = 0x0112;
/// The type of its value.
const SHORT: u16 = 3;
/// Entries of a directory that are looked at: cameras write a dozen.
const MAX_ENTRIES: usize = 256;

/// How rows and columns of a file lie in the picture, as the tag numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Orientation(u16);

impl Orientation {
    /// As the file has it.
    pub(super) const UPRIGHT: Self = Self(1);

    /// What the camera says of it; upright where it says nothing that makes sense.
    pub(super) fn of(exif: &[u8]) -> Self {
        read(exif).map_or(Self::UPRIGHT, Self)
    }

    /// Width and height of the picture, of those of the file.
    pub(super) const fn size(self, (width, height): (usize, usize)) -> (usize, usize) {
        match self.0 {
            5..=8 => (height, width),
            _ => (width, height),
        }
    }

    /// Where in the file, which has this size, the pixel at `x`, `y` of the picture is.
    pub(super) const fn source(
        self,
        (width, height): (usize, usize),
        (x, y): (usize, usize),
    ) -> (usize, usize) {
        match self.0 {
            2 => (width - 1 - x, y),
            3 => (width - 1 - x, height - 1 - y),
            4 => (x, height - 1 - y),
            5 => (y, x),
            6 => (y, height - 1 - x),
            7 => (width - 1 - y, height - 1 - x),
            8 => (width - 1 - y, x),
            _ => (x, y),
        }
    }
}

/// The tag's value, if it is there and one of the eight.
fn read(exif: &[u8]) -> Option<u16> {
    let is_big = match exif.get(..4)? {
        b"MM\0*" => true,
        b"II*\0" => false,
        _ => return None,
    };
    let short = |at: usize| {
        let bytes = exif.get(at..)?.first_chunk::<2>()?;
        Some(match is_big {
            true => u16::from_be_bytes(*bytes),
            false => u16::from_le_bytes(*bytes),
        })
    };
    let bytes = exif.get(4..)?.first_chunk::<4>()?;
    let directory = match is_big {
        true => u32::from_be_bytes(*bytes),
        false => u32::from_le_bytes(*bytes),
    };
    let directory = usize::try_from(directory).ok()?;
    let entries = usize::from(short(directory)?).min(MAX_ENTRIES);
    let first = directory.checked_add(2)?;
    // Tag, type, count, value: 2, 2, 4 and 4 bytes.
    let mut places = (0..entries).map_while(|entry| first.checked_add(entry * 12));
    let entry = places.find(|at| short(*at) == Some(ORIENTATION))?;
    let is_short = short(entry.checked_add(2)?)? == SHORT;
    let value = short(entry.checked_add(8)?)?;
    (is_short && (1..=8).contains(&value)).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An Exif block with one tag before the one that is looked for.
    fn exif(value: u16, is_big: bool) -> Vec<u8> {
        let short = |value: u16| match is_big {
            true => value.to_be_bytes(),
            false => value.to_le_bytes(),
        };
        let long = |value: u32| match is_big {
            true => value.to_be_bytes(),
            false => value.to_le_bytes(),
        };
        let mut exif = match is_big {
            true => b"MM\0*".to_vec(),
            false => b"II*\0".to_vec(),
        };
        exif.extend(long(8));
        exif.extend(short(2));
        for (tag, value) in [(0x010f, 0), (ORIENTATION, value)] {
            exif.extend(short(tag));
            exif.extend(short(SHORT));
            exif.extend(long(1));
            exif.extend(short(value));
            exif.extend([0, 0]);
        }
        exif
    }

    #[test]
    fn it_is_read_in_both_orders_of_bytes_and_nonsense_is_upright() {
        for is_big in [true, false] {
            for value in 1..=8 {
                assert_eq!(Orientation::of(&exif(value, is_big)), Orientation(value));
            }
            for value in [0, 9, 0x0600] {
                assert_eq!(Orientation::of(&exif(value, is_big)), Orientation::UPRIGHT);
            }
        }
    }

    #[test]
    fn no_block_makes_it_panic() {
        let whole = exif(6, false);
        // The four bytes behind the value's two are not looked at.
        for length in 0..whole.len() - 2 {
            assert_eq!(Orientation::of(&whole[..length]), Orientation::UPRIGHT);
        }
        for far in [u32::MAX, 7, 1 << 31] {
            let mut far_away = whole.clone();
            far_away[4..8].copy_from_slice(&far.to_le_bytes());
            Orientation::of(&far_away);
        }
        let mut long_type = whole;
        long_type[10 + 12 + 2] = 4;
        assert_eq!(Orientation::of(&long_type), Orientation::UPRIGHT);
    }

    #[test]
    fn every_pixel_has_one_place() {
        // As TIFF says where row 0 and column 0 of the file are: a picture of 2 × 3, numbered as the file has it.
        let size = (2, 3);
        for (value, expected) in [
            (1, vec![0, 1, 2, 3, 4, 5]),
            (2, vec![1, 0, 3, 2, 5, 4]),
            (3, vec![5, 4, 3, 2, 1, 0]),
            (4, vec![4, 5, 2, 3, 0, 1]),
            (5, vec![0, 2, 4, 1, 3, 5]),
            (6, vec![4, 2, 0, 5, 3, 1]),
            (7, vec![5, 3, 1, 4, 2, 0]),
            (8, vec![1, 3, 5, 0, 2, 4]),
        ] {
            let orientation = Orientation(value);
            let (width, height) = orientation.size(size);
            let places = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
            let shown: Vec<usize> = places
                .map(|place| {
                    let (x, y) = orientation.source(size, place);
                    y * size.0 + x
                })
                .collect();
            assert_eq!(shown, expected, "{value}");
        }
    }
}
