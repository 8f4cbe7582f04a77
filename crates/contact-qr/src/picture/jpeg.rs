//! JPEG: the luma plane alone, where the file has one.

use zune_jpeg::{
    JpegDecoder,
    zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions},
};

use super::colour::{Backdrop, Decoded, grey_in_place};
use super::limits::{MAX_SIDE, check_size};
use super::seen::{ENDS_EARLY, Look, NOT_AS_THE_FORMAT_SAYS, Seen, damaged};
use crate::{PictureError, grey::Grey};

/// Scans that a picture may come in. Progressive ones have about ten; each costs a pass over the whole picture.
pub(super) const MAX_SCANS: usize = 24;

/// What more of them are.
pub(super) const TOO_MANY_SCANS: &str = "it has too many scans";

/// Looks at the picture, or at as much of it as there is.
pub(super) fn look_at(file: &[u8], look: Look<'_>) -> Result<Seen, PictureError> {
    let survey = Survey::of(file);
    if survey.complete {
        return look_at_whole(file, file.len(), &survey, look);
    }
    // The decoder wants the mark of the end, and fills up what is missing before it.
    let ended = [file, &[0xff, 0xd9]].concat();
    look_at_whole(&ended, file.len() + ended.len(), &survey, look)
}

/// `held` are the bytes of the file and of what was made of it.
fn look_at_whole(
    file: &[u8],
    held: usize,
    survey: &Survey,
    look: Look<'_>,
) -> Result<Seen, PictureError> {
    let options = options();
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(file), options);
    // What is wrong with a file that ends early is most often just that.
    let wrong = || match survey.complete {
        true => damaged(NOT_AS_THE_FORMAT_SAYS),
        false => damaged(ENDS_EARLY),
    };
    decoder.decode_headers().map_err(|_| wrong())?;
    let info = decoder.info().ok_or_else(wrong)?;
    let (width, height) = (usize::from(info.width), usize::from(info.height));
    let luma = matches!(
        decoder.input_colorspace(),
        Some(ColorSpace::YCbCr | ColorSpace::Luma)
    );
    let pixel = if luma { 10 } else { 30 };
    // Only headers are read so far: what is refused here has taken no memory.
    check_size(held, width, height, pixel + survey.tenths_kept())?;
    if survey.scans > MAX_SCANS {
        return Err(damaged(TOO_MANY_SCANS));
    }

    let target = if luma {
        ColorSpace::Luma
    } else {
        ColorSpace::RGB
    };
    decoder.set_options(options.jpeg_set_out_colorspace(target));
    let pixels = decoder.decode().map_err(|_| wrong())?;
    let decoded = if luma {
        Grey::new(width, height, pixels).map(|grey| Decoded {
            grey,
            transparent: false,
        })
    } else {
        grey_in_place::<3>(width, height, pixels, Backdrop::White)
    };
    look(decoded.ok_or_else(wrong)?.grey);
    Ok(Seen {
        transparent: false,
        damage: (!survey.complete).then(|| damaged(ENDS_EARLY)),
    })
}

/// What every JPEG is decoded with.
pub(super) fn options() -> DecoderOptions {
    DecoderOptions::default()
        .set_max_width(MAX_SIDE)
        .set_max_height(MAX_SIDE)
        .set_strict_mode(false)
        .jpeg_set_max_scans(MAX_SCANS)
}

/// What a walk over the markers tells (ITU-T T.81, annex B).
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Survey {
    /// Its frame header is SOF2, 6, 10 or 14: the scans refine one another.
    progressive: bool,
    /// Tenths of a sample that belong to a pixel, of all components together: 30 if colours are not subsampled.
    samples: usize,
    components: u8,
    /// Components in the first scan.
    in_first_scan: u8,
    pub(super) scans: usize,
    /// Ends with the end-of-image marker. Behind it phones add videos and depth maps.
    pub(super) complete: bool,
}

impl Survey {
    pub(super) fn of(file: &[u8]) -> Self {
        let mut survey = Self::default();
        let mut rest = file.get(2..).unwrap_or_default();
        while let Some(at) = rest.iter().position(|byte| *byte == 0xff) {
            rest = &rest[at + 1..];
            match rest {
                [0xd9, ..] => {
                    survey.complete = true;
                    break;
                }
                // Stuffing and restarts in the data of a scan, fill bytes, markers without a segment.
                [0x00 | 0x01 | 0xd0..=0xd8 | 0xff, ..] => {}
                [code, high, low, segment @ ..] => {
                    let length = usize::from(u16::from_be_bytes([*high, *low])).saturating_sub(2);
                    let Some((segment, behind)) = segment.split_at_checked(length) else {
                        break;
                    };
                    survey.note(*code, segment);
                    rest = behind;
                }
                _ => break,
            }
        }
        survey
    }

    fn note(&mut self, code: u8, segment: &[u8]) {
        match code {
            // Huffman tables, extensions and arithmetic conditioning lie among the frame headers.
            0xc4 | 0xc8 | 0xcc => {}
            0xc0..=0xcf if self.components == 0 => {
                self.progressive = matches!(code, 0xc2 | 0xc6 | 0xca | 0xce);
                self.components = segment.get(5).copied().unwrap_or_default();
                let factors = segment.get(6..).unwrap_or_default().chunks_exact(3);
                let factors = factors.map(|component| (component[1] >> 4, component[1] & 15));
                let (across, down) = factors
                    .clone()
                    .fold((1, 1), |most, (h, v)| (most.0.max(h), most.1.max(v)));
                let blocks: usize = factors.map(|(h, v)| usize::from(h) * usize::from(v)).sum();
                self.samples = blocks * 10 / (usize::from(across) * usize::from(down));
                if down > across {
                    // The decoder keeps twice as many rows of these.
                    self.samples *= 2;
                }
            }
            0xda => {
                self.scans += 1;
                if self.scans == 1 {
                    self.in_first_scan = segment.first().copied().unwrap_or_default();
                }
            }
            _ => {}
        }
    }

    /// Tenths of a byte a pixel that the decoder keeps of the whole picture until its last scan: coefficients of two bytes, unless the first
    /// scan has everything.
    pub(super) fn tenths_kept(&self) -> usize {
        if self.progressive || self.in_first_scan != self.components {
            2 * self.samples
        } else {
            0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame header for three components, colours subsampled as 4:2:0; a scan of `components` with stuffing and a restart in it.
    fn file(frame: u8, components: u8, end: &[u8]) -> Vec<u8> {
        let mut file = vec![0xff, 0xd8, 0xff, 0xe0, 0, 4, 0xff, 0xd9];
        file.extend([0xff, frame, 0, 17, 8, 0, 16, 0, 16, 3]);
        file.extend([1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1]);
        file.extend(scan(components));
        file.extend([7, 0xff, 0, 9, 0xff, 0xd0, 5]);
        file.extend(end);
        file
    }

    /// The header of a scan of so many components.
    fn scan(components: u8) -> Vec<u8> {
        let ids = (1..=components).flat_map(|id| [id, 0]);
        let head = [0xff, 0xda, 0, 6 + 2 * components, components];
        head.into_iter().chain(ids).chain([0, 0, 0]).collect()
    }

    #[test]
    fn a_baseline_picture_is_kept_by_rows_and_a_progressive_one_whole() {
        let baseline = Survey::of(&file(0xc0, 3, &[0xff, 0xd9]));
        assert_eq!((baseline.samples, baseline.scans), (15, 1));
        assert_eq!(baseline.tenths_kept(), 0);
        assert_eq!(Survey::of(&file(0xc2, 3, &[])).tenths_kept(), 30);
        assert_eq!(Survey::of(&file(0xc0, 1, &[])).tenths_kept(), 30);
    }

    #[test]
    fn the_end_is_a_marker_of_its_own_and_not_one_in_a_segment() {
        assert!(Survey::of(&file(0xc0, 3, &[0xff, 0xd9])).complete);
        assert!(Survey::of(&file(0xc0, 3, &[0xff, 0xd9, 1, 2, 3])).complete);
        assert!(!Survey::of(&file(0xc0, 3, &[])).complete);
        assert!(!Survey::of(&file(0xc0, 3, &[0xff, 0xff])).complete);
    }

    #[test]
    fn no_bytes_make_the_survey_panic() {
        let whole = file(0xc0, 3, &[0xff, 0xd9]);
        for length in 0..whole.len() {
            assert!(!Survey::of(&whole[..length]).complete);
        }
    }
    /// The same, of so many pixels on each side.
    fn sized(side: u16, mut file: Vec<u8>) -> Vec<u8> {
        let [high, low] = side.to_be_bytes();
        file[13..17].copy_from_slice(&[high, low, high, low]);
        file
    }

    fn refusal(file: &[u8]) -> PictureError {
        look_at(file, &mut |_| false).unwrap_err()
    }

    #[test]
    fn what_a_progressive_picture_keeps_is_counted_before_it_is_decoded() {
        let end = &[0xff, 0xd9];
        let baseline = refusal(&sized(7_000, file(0xc0, 3, end)));
        assert!(matches!(baseline, PictureError::Damaged(_)), "{baseline:?}");
        let progressive = refusal(&sized(7_000, file(0xc2, 3, end)));
        assert!(
            matches!(progressive, PictureError::TooMuchMemory { .. }),
            "{progressive:?}"
        );
    }

    #[test]
    fn a_picture_that_is_no_luma_and_two_colours_takes_three_bytes_a_pixel() {
        // 4:4:4, and said by Adobe's segment to be RGB.
        let adobe = [
            0xff, 0xee, 0, 14, b'A', b'd', b'o', b'b', b'e', 0, 100, 0, 0, 0, 0, 0,
        ];
        let with = |segment: &[u8]| {
            let mut file = sized(4_700, file(0xc2, 3, &[0xff, 0xd9]));
            file[19] = 0x11;
            file.splice(2..2, segment.iter().copied());
            refusal(&file)
        };
        assert!(matches!(with(&[]), PictureError::Damaged(_)));
        let rgb = with(&adobe);
        assert!(matches!(rgb, PictureError::TooMuchMemory { .. }), "{rgb:?}");
    }

    #[test]
    fn the_copy_of_a_picture_that_is_cut_is_counted() {
        let mut cut = sized(5_000, file(0xc2, 3, &[]));
        cut.resize(45_000_000, 0);
        let error = refusal(&cut);
        assert!(
            matches!(error, PictureError::TooMuchMemory { .. }),
            "{error:?}"
        );
        cut.extend([0xff, 0xd9]);
        assert!(matches!(refusal(&cut), PictureError::Damaged(_)));
    }

    #[test]
    fn more_scans_than_any_picture_has_are_refused() {
        let scans = |count: usize| {
            let more = scan(1).repeat(count - 1);
            refusal(&file(0xc2, 3, &[more, vec![0xff, 0xd9]].concat()))
        };
        let too_many = damaged("it has too many scans");
        assert_eq!(scans(MAX_SCANS + 1), too_many);
        assert_ne!(scans(MAX_SCANS), too_many);
    }

    #[test]
    fn what_a_frame_header_says_of_its_components_is_believed_once_and_never_a_panic() {
        // More rows than columns are kept twice.
        let mut tall = file(0xc2, 3, &[]);
        tall[19] = 0x12;
        assert_eq!(Survey::of(&tall).samples, 40);
        // A second frame header counts for nothing.
        let mut twice = file(0xc2, 3, &[]);
        let baseline = file(0xc0, 3, &[])[8..27].to_vec();
        twice.splice(27..27, baseline);
        assert!(Survey::of(&twice).progressive);
        let mut nothing = file(0xc2, 3, &[]);
        for at in [19, 22, 25] {
            nothing[at] = 0;
        }
        assert_eq!(Survey::of(&nothing).samples, 0);
    }
}
