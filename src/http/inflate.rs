//! Unpacks what the build script has packed: pages, for clients that want them plain.
//!
//! Almost every client takes gzip, so the pages are part of the program only in that form. This is
//! DEFLATE (RFC 1951) as simple as can be, a bit at a time; each page is unpacked once. Input that
//! is not DEFLATE at all ends early, and never panics.

/// The content of a gzip file (RFC 1952) whose header has nothing optional in it.
pub(super) fn gunzip(file: &[u8]) -> Vec<u8> {
    let body = file.get(HEADER_BYTES..).unwrap_or_default();
    let length = file.last_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes));
    let mut out = Vec::with_capacity((length as usize).min(LENGTH_MAX));
    let ended = inflate(&mut Bits { bytes: body, bit: 0 }, &mut out);
    debug_assert!(ended.is_some(), "the build script packs what can be unpacked");
    out
}

/// Magic numbers, method, flags, time, level, system.
const HEADER_BYTES: usize = 10;

/// No page claims to be larger.
const LENGTH_MAX: usize = 16 * 1024 * 1024;

/// Bits, starting from the lowest of the first byte.
struct Bits<'a> {
    bytes: &'a [u8],
    bit: usize,
}

impl Bits<'_> {
    fn one(&mut self) -> Option<usize> {
        let byte = self.bytes.get(self.bit / 8)?;
        let bit = byte >> (self.bit % 8) & 1;
        self.bit += 1;
        Some(usize::from(bit))
    }

    /// A number of so many bits, the lowest first.
    fn number(&mut self, bits: u8) -> Option<usize> {
        (0..bits).try_fold(0, |number, place| Some(number | self.one()? << place))
    }

    /// The bytes from the next whole one on.
    fn bytes(&mut self, count: usize) -> Option<&[u8]> {
        let start = self.bit.div_ceil(8);
        self.bit = (start + count) * 8;
        self.bytes.get(start..start + count)
    }
}

/// A Huffman code: how many words there are of each length, and what they mean, in order.
struct Code {
    counts: [usize; WORD_BITS_MAX + 1],
    meanings: Vec<usize>,
}

/// The longest word of a code (section 3.2.7).
const WORD_BITS_MAX: usize = 15;

impl Code {
    /// From the length of the word for each meaning, 0 if it has none (section 3.2.2).
    fn new(lengths: &[u8]) -> Self {
        let mut counts = [0; WORD_BITS_MAX + 1];
        let mut meanings = Vec::new();
        for (bits, count) in counts.iter_mut().enumerate().skip(1) {
            let of_length = |&(_, &length): &(usize, &u8)| usize::from(length) == bits;
            let before = meanings.len();
            meanings.extend(lengths.iter().enumerate().filter(of_length).map(|(it, _)| it));
            *count = meanings.len() - before;
        }
        Self { counts, meanings }
    }

    /// The next word's meaning: longer words are larger numbers than all shorter ones, so it is
    /// found by counting.
    fn read(&self, bits: &mut Bits<'_>) -> Option<usize> {
        let (mut word, mut first, mut index) = (0, 0, 0);
        for count in &self.counts[1..] {
            word |= bits.one()?;
            if word < first + count {
                return self.meanings.get(index + word - first).copied();
            }
            index += count;
            first = (first + count) << 1;
            word <<= 1;
        }
        None
    }
}

/// Unpacks all blocks; `None` if they are not what they should be.
fn inflate(bits: &mut Bits<'_>, out: &mut Vec<u8>) -> Option<()> {
    loop {
        let is_last = bits.one()? == 1;
        match bits.number(2)? {
            0 => {
                let (length, _) = (bits.bytes(2)?.first_chunk().copied()?, bits.bytes(2)?);
                let length = usize::from(u16::from_le_bytes(length));
                out.extend_from_slice(bits.bytes(length)?);
            }
            1 => {
                let (literals, distances) = fixed_codes();
                block(bits, &literals, &distances, out)?;
            }
            2 => {
                let (literals, distances) = read_codes(bits)?;
                block(bits, &literals, &distances, out)?;
            }
            _ => return None,
        }
        if is_last {
            return Some(());
        }
    }
}

/// Section 3.2.5: bytes, and references to bytes that came before.
fn block(bits: &mut Bits<'_>, literals: &Code, distances: &Code, out: &mut Vec<u8>) -> Option<()> {
    loop {
        match literals.read(bits)? {
            END_OF_BLOCK => return Some(()),
            byte @ 0..END_OF_BLOCK => out.push(u8::try_from(byte).ok()?),
            meaning => {
                let (base, extra) = *LENGTHS.get(meaning - END_OF_BLOCK - 1)?;
                let length = usize::from(base) + bits.number(extra)?;
                let (base, extra) = *DISTANCES.get(distances.read(bits)?)?;
                let distance = usize::from(base) + bits.number(extra)?;
                let start = out.len().checked_sub(distance)?;
                // The reference may overlap what it produces.
                for index in start..start + length {
                    out.push(out[index]);
                }
            }
        }
    }
}

const END_OF_BLOCK: usize = 256;

/// Section 3.2.6.
fn fixed_codes() -> (Code, Code) {
    let mut lengths = [8; 288];
    lengths[144..256].fill(9);
    lengths[256..280].fill(7);
    (Code::new(&lengths), Code::new(&[5; 30]))
}

/// Section 3.2.7: codes that are themselves written by a code.
fn read_codes(bits: &mut Bits<'_>) -> Option<(Code, Code)> {
    let (literals, distances) = (bits.number(5)? + 257, bits.number(5)? + 1);
    let count = bits.number(4)? + 4;
    let mut lengths = [0; 19];
    for place in ORDER.iter().take(count) {
        lengths[*place] = u8::try_from(bits.number(3)?).ok()?;
    }
    let code = Code::new(&lengths);
    let mut lengths: Vec<u8> = Vec::new();
    while lengths.len() < literals + distances {
        let (length, times) = match code.read(bits)? {
            16 => (*lengths.last()?, 3 + bits.number(2)?),
            17 => (0, 3 + bits.number(3)?),
            18 => (0, 11 + bits.number(7)?),
            length => (u8::try_from(length).ok()?, 1),
        };
        lengths.extend(std::iter::repeat_n(length, times));
    }
    let (literal_lengths, distance_lengths) = lengths.split_at_checked(literals)?;
    Some((Code::new(literal_lengths), Code::new(distance_lengths)))
}

/// In which order the lengths of the code of codes come.
const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// The least length that a meaning stands for, and how many bits say how much to add to it.
#[rustfmt::skip]
const LENGTHS: [(u16, u8); 29] = [
    (3, 0), (4, 0), (5, 0), (6, 0), (7, 0), (8, 0), (9, 0), (10, 0), (11, 1), (13, 1), (15, 1),
    (17, 1), (19, 2), (23, 2), (27, 2), (31, 2), (35, 3), (43, 3), (51, 3), (59, 3), (67, 4),
    (83, 4), (99, 4), (115, 4), (131, 5), (163, 5), (195, 5), (227, 5), (258, 0),
];

/// The same for distances.
#[rustfmt::skip]
const DISTANCES: [(u16, u8); 30] = [
    (1, 0), (2, 0), (3, 0), (4, 0), (5, 1), (7, 1), (9, 2), (13, 2), (17, 3), (25, 3), (33, 4),
    (49, 4), (65, 5), (97, 5), (129, 6), (193, 6), (257, 7), (385, 7), (513, 8), (769, 8),
    (1025, 9), (1537, 9), (2049, 10), (3073, 10), (4097, 11), (6145, 11), (8193, 12), (12289, 12),
    (16385, 13), (24577, 13),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes of a DEFLATE stream, unpacked; `None` if it is not one.
    fn unpacked(bytes: &[u8]) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        inflate(&mut Bits { bytes, bit: 0 }, &mut out)?;
        Some(out)
    }

    #[test]
    fn stored_and_fixed_blocks_are_unpacked() {
        assert_eq!(unpacked(b"\x01\x05\0\xfa\xffhello").as_deref(), Some(&b"hello"[..]));
        // As zlib packs them: by the fixed code, and by a reference that overlaps itself.
        let hello = [0xcb, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0];
        assert_eq!(unpacked(&hello).as_deref(), Some(&b"hello"[..]));
        assert_eq!(unpacked(&[0x4b, 0x4c, 0x04, 0x02, 0]).as_deref(), Some(&b"aaaaa"[..]));
    }

    #[test]
    fn what_is_no_deflate_ends_and_does_not_panic() {
        assert_eq!(unpacked(b""), None);
        assert_eq!(unpacked(b"\x07"), None);
        assert_eq!(unpacked(b"\x01\x05\0\xfa\xffhell"), None);
        // A reference to before the beginning.
        assert_eq!(unpacked(&[0x03, 0x02]), None);
        let mut state = 1_u32;
        for length in 0..2000 {
            let bytes: Vec<u8> = std::iter::repeat_with(|| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                state.to_le_bytes()[3]
            })
            .take(length % 64)
            .collect();
            let _ = unpacked(&bytes);
        }
    }
}
