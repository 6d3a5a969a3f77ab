//! Writes numbers in digits, and reads what it has written. Each answer holds a dozen of them, and
//! `fmt` takes a few hundred instructions for one. Does not know what the numbers count.

/// Appends a number in decimal digits.
pub fn push_decimal(number: u64, out: &mut Vec<u8>) {
    push::<10>(number, 1, out);
}

/// Appends a number in lower-case hexadecimal digits: at least `width` of them.
pub fn push_hexadecimal(number: u64, width: usize, out: &mut Vec<u8>) {
    push::<16>(number, width, out);
}

/// The bytes in hexadecimal digits, two for each, in lower case.
pub fn hexadecimal(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from(b"0123456789abcdef"[usize::from(value)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn push<const BASE: u64>(mut number: u64, width: usize, out: &mut Vec<u8>) {
    let mut digits = [b'0'; 20];
    let mut start = digits.len();
    while number > 0 {
        start -= 1;
        digits[start] = b"0123456789abcdef"[usize::try_from(number % BASE).unwrap_or(0)];
        number /= BASE;
    }
    out.extend_from_slice(&digits[start.min(digits.len() - width)..]);
}

/// Takes a number in decimal digits off the front of a text, if it is as [`push_decimal`] writes
/// it.
pub fn take_decimal(text: &mut &[u8]) -> Option<u64> {
    take::<10>(text, 1)
}

/// The same for [`push_hexadecimal`].
pub fn take_hexadecimal(text: &mut &[u8], width: usize) -> Option<u64> {
    take::<16>(text, width)
}

fn take<const BASE: u64>(text: &mut &[u8], width: usize) -> Option<u64> {
    let digit = |byte: &u8| match byte {
        b'0'..=b'9' => Some(u64::from(byte - b'0')),
        b'a'..=b'f' if BASE == 16 => Some(u64::from(byte - b'a' + 10)),
        _ => None,
    };
    let (mut number, mut len) = (0_u64, 0);
    while let Some(digit) = text.get(len).and_then(digit) {
        number = number.checked_mul(BASE)?.checked_add(digit)?;
        len += 1;
    }
    // Leading zeros are there only to make up the width.
    let is_plain = len == width || (len > width && text[0] != b'0');
    *text = &text[len..];
    is_plain.then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_in_both_bases() {
        for number in [0, 9, 10, 15, 16, 255, 0xc0_ffee, u64::MAX] {
            let mut out = Vec::new();
            push_decimal(number, &mut out);
            out.push(b' ');
            push_hexadecimal(number, 1, &mut out);
            out.push(b' ');
            push_hexadecimal(number, 8, &mut out);
            let expected = format!("{number} {number:x} {number:08x}");
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
        assert_eq!(hexadecimal(&[0, 9, 0xa0, 0xff]), "0009a0ff");
    }

    #[test]
    fn what_is_written_is_read_back_and_nothing_else() {
        for number in [0, 9, 10, 15, 16, 255, 0xc0_ffee, u64::MAX] {
            let mut out = Vec::new();
            push_decimal(number, &mut out);
            out.push(b'-');
            push_hexadecimal(number, 8, &mut out);
            let mut rest = &out[..];
            assert_eq!(take_decimal(&mut rest), Some(number));
            assert_eq!(rest[0], b'-');
            rest = &rest[1..];
            assert_eq!((take_hexadecimal(&mut rest, 8), rest), (Some(number), &b""[..]));
        }
        for bad in ["", "-", "+1", "01", "00", "18446744073709551616", "a"] {
            assert_eq!(take_decimal(&mut bad.as_bytes()), None, "{bad}");
        }
        for bad in ["1234567", "012345678", "C0FFEE00", "1ffffffffffffffff"] {
            assert_eq!(take_hexadecimal(&mut bad.as_bytes(), 8), None, "{bad}");
        }
    }
}
