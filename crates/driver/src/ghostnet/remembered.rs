//! What outlives the process, as bytes.

use securecall_ghostnet::choice::Guards;
use securecall_ghostnet::directory::DirectoryMark;
use securecall_ghostnet::token::TokenStock;
use zeroize::Zeroizing;

/// The version of the form.
const VERSION: u8 = 1;

/// What is remembered: parts that each know their own form.
#[derive(Debug, Default)]
pub(super) struct Remembered {
    pub(super) guards: Vec<u8>,
    pub(super) stock: Zeroizing<Vec<u8>>,
    /// The last directory that was read: no older one follows it.
    pub(super) mark: Option<DirectoryMark>,
    /// That directory, signed as it was: it serves until there is a newer one.
    pub(super) file: Vec<u8>,
}

impl Remembered {
    /// The parts, each behind its length.
    pub(super) fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mark = self.mark.map_or_else(Vec::new, |mark| {
            [mark.serial.to_be_bytes().as_slice(), &mark.digest].concat()
        });
        let parts = [&self.guards, &*self.stock, &mark, &self.file];
        let length = 1 + parts.iter().map(|part| 4 + part.len()).sum::<usize>();
        let mut bytes = Zeroizing::new(Vec::with_capacity(length));
        bytes.push(VERSION);
        for part in parts {
            // Each has a bound far below.
            bytes.extend_from_slice(&u32::try_from(part.len()).unwrap_or(0).to_be_bytes());
            bytes.extend_from_slice(part);
        }
        bytes
    }

    /// As [`to_bytes`](Self::to_bytes) wrote it; `None` if they are no such bytes.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (&VERSION, mut rest) = bytes.split_first()? else {
            return None;
        };
        let mut part = || -> Option<&[u8]> {
            let (length, behind) = rest.split_first_chunk()?;
            let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
            let (part, behind) = behind.split_at_checked(length)?;
            rest = behind;
            Some(part)
        };
        let guards = part()?.to_vec();
        let stock = Zeroizing::new(part()?.to_vec());
        let mark = match part()? {
            [] => None,
            mark => {
                let (serial, digest) = mark.split_first_chunk()?;
                Some(DirectoryMark {
                    serial: u64::from_be_bytes(*serial),
                    digest: digest.try_into().ok()?,
                })
            }
        };
        let file = part()?.to_vec();
        rest.is_empty().then_some(Self {
            guards,
            stock,
            mark,
            file,
        })
    }

    /// The entries. Where they are lost, others are chosen.
    pub(super) fn guards(&self) -> Guards {
        Guards::from_bytes(&self.guards).unwrap_or_default()
    }

    /// The tokens. Where they are lost, others are bought.
    pub(super) fn stock(&self) -> TokenStock {
        TokenStock::from_bytes(&self.stock).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_is_read_again_and_other_bytes_are_not() {
        let all = Remembered {
            guards: b"guards".to_vec(),
            stock: Zeroizing::new(b"tokens".to_vec()),
            mark: Some(DirectoryMark {
                serial: 7,
                digest: [9; 32],
            }),
            file: b"directory".to_vec(),
        };
        let bytes = all.to_bytes();
        let read = Remembered::from_bytes(&bytes).unwrap();
        assert_eq!(read.guards, all.guards);
        assert_eq!(read.stock, all.stock);
        assert_eq!(read.mark, all.mark);
        assert_eq!(read.file, all.file);
        for short in 0..bytes.len() {
            assert!(Remembered::from_bytes(&bytes[..short]).is_none(), "{short}");
        }
        assert!(Remembered::from_bytes(&[&bytes[..], b"x"].concat()).is_none());
        let nothing = Remembered::default().to_bytes();
        assert_eq!(Remembered::from_bytes(&nothing).unwrap().mark, None);
    }
}
