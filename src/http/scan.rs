//! Finds and classifies bytes: the character classes of RFC 9110 section 5.6, and a fast search.
//!
//! Knows nothing of requests. Whatever runs over every byte that a peer sends takes eight at a
//! time, as a word, without any `unsafe`.

/// One bit for each byte of a word: its lowest, and its highest.
const LOW: u64 = u64::from_le_bytes([0x01; 8]);
const HIGH: u64 = u64::from_le_bytes([0x80; 8]);

/// Where `needle` first occurs in `haystack`.
pub(super) fn find(needle: u8, haystack: &[u8]) -> Option<usize> {
    let (words, rest) = haystack.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        // A byte that equals the needle becomes zero, and the first zero borrows into its top bit.
        let word = u64::from_le_bytes(*word) ^ (LOW * u64::from(needle));
        let zeros = word.wrapping_sub(LOW) & !word & HIGH;
        if zeros != 0 {
            return Some(index * 8 + (zeros.trailing_zeros() / 8) as usize);
        }
    }
    rest.iter().position(|&byte| byte == needle).map(|at| words.len() * 8 + at)
}

/// What stands before the first `needle`, and what stands after it.
pub(super) fn cut(haystack: &[u8], needle: u8) -> Option<(&[u8], &[u8])> {
    let (before, rest) = haystack.split_at(find(needle, haystack)?);
    Some((before, &rest[1..]))
}

/// Whether all bytes may stand in a field value: HTAB, SP, VCHAR and obs-text (RFC 9110 section
/// 5.5).
pub(super) fn is_field_value(bytes: &[u8]) -> bool {
    // For a word of only VCHAR and SP no bit is set here: none of its bytes is below SP, and none
    // becomes zero.
    let are_fine = |bytes: &[u8]| bytes.iter().all(|&byte| is_field_value_byte(byte));
    let (words, rest) = bytes.as_chunks::<8>();
    for bytes in words {
        let word = u64::from_le_bytes(*bytes);
        let deleted = word ^ (LOW * 0x7f);
        let unusual = word.wrapping_sub(LOW * 0x20) | deleted.wrapping_sub(LOW) | word;
        if unusual & HIGH != 0 && !are_fine(bytes) {
            return false;
        }
    }
    are_fine(rest)
}

/// Whether `byte` may stand in a field value.
pub(super) const fn is_field_value_byte(byte: u8) -> bool {
    (byte >= b' ' && byte != 0x7f) || byte == b'\t'
}

/// Whether this is a token: a method, a field name, a coding (RFC 9110 section 5.6.2).
pub(super) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && token_length(bytes) == bytes.len()
}

/// How many bytes of a token there are before something else comes.
pub(super) fn token_length(bytes: &[u8]) -> usize {
    bytes.iter().position(|&byte| !TOKEN[usize::from(byte)]).unwrap_or(bytes.len())
}

/// Whether `byte` may stand in a request target and means only itself there: printable ASCII without
/// `"`, `#`, `<`, `>` and `\`, which may not, and without `%`, `+`, `.` and `?`.
pub(super) fn is_plain_in_target(byte: u8) -> bool {
    PLAIN[usize::from(byte)]
}

/// `bytes` without optional white space, SP and HTAB, at either end (RFC 9110 section 5.6.3).
pub(super) fn trim(bytes: &[u8]) -> &[u8] {
    trim_end(trim_start(bytes))
}

/// `bytes` without optional white space before them.
#[expect(clippy::inline_always, reason = "hardly larger than a call")]
#[inline(always)]
pub(super) fn trim_start(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = bytes {
        bytes = rest;
    }
    bytes
}

fn trim_end(mut bytes: &[u8]) -> &[u8] {
    while let [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

/// The elements of a comma-separated list, the empty ones left out (RFC 9110 section 5.6.1.2).
///
/// Only for lists of tokens: a comma inside a quoted string would cut it in two.
pub(super) fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> + Clone {
    value.split(|&byte| byte == b',').map(trim).filter(|element| !element.is_empty())
}

/// What follows the quoted string at the front of `text`, in which a backslash makes the next byte
/// stand for itself (RFC 9110 section 5.6.4); `None` if there is none, or if it does not end.
pub(super) fn after_quoted_string(text: &[u8]) -> Option<&[u8]> {
    let mut text = text.strip_prefix(b"\"")?;
    loop {
        text = match text {
            [b'"', rest @ ..] => return Some(rest),
            [b'\\', escaped, rest @ ..] if is_field_value_byte(*escaped) => rest,
            [b'\\', ..] => return None,
            [byte, rest @ ..] if is_field_value_byte(*byte) => rest,
            _ => return None,
        };
    }
}

/// A number in decimal digits and nothing else; `None` also if it does not fit.
pub(super) fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, &byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

/// The value of one hexadecimal digit.
pub(super) const fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// Letters and digits, and these.
pub(super) const fn class(others: &[u8]) -> [bool; 256] {
    let mut table = [false; 256];
    let mut byte = b'0';
    while byte <= b'z' {
        table[byte as usize] = byte.is_ascii_alphanumeric();
        byte += 1;
    }
    let mut place = 0;
    while place < others.len() {
        table[others[place] as usize] = true;
        place += 1;
    }
    table
}

static TOKEN: [bool; 256] = class(b"!#$%&'*+-.^_`|~");

static PLAIN: [bool; 256] = class(b"!$&'()*,-/:;=@[]^_`{|}~");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn find_agrees_with_position_at_every_place() {
        for length in 0..50 {
            for at in 0..=length {
                let mut haystack = vec![b'.'; length];
                if at < length {
                    haystack[at] = b'\n';
                }
                assert_eq!(find(b'\n', &haystack), haystack.iter().position(|&b| b == b'\n'));
            }
        }
    }

    #[test]
    fn a_control_is_found_at_every_place_among_bytes_of_any_kind() {
        for byte in 0..=u8::MAX {
            for place in 0..20 {
                for around in [b' ', b'~', b'\t', 0xff] {
                    let mut value = [around; 20];
                    value[place] = byte;
                    assert_eq!(is_field_value(&value), is_field_value_byte(byte), "{byte} {place}");
                }
            }
        }
    }

    #[test]
    fn tokens_and_targets_are_made_of_what_they_may_be_made_of() {
        for byte in 0..=u8::MAX {
            let is_delimiter = b"\"(),/:;<=>?@[\\]{}".contains(&byte);
            assert_eq!(is_token(&[byte]), byte.is_ascii_graphic() && !is_delimiter, "{byte}");
            let is_special = b"\"#<>\\%+.?".contains(&byte);
            assert_eq!(is_plain_in_target(byte), byte.is_ascii_graphic() && !is_special, "{byte}");
        }
    }

    #[test]
    fn decimal_takes_digits_only_and_guards_overflow() {
        assert_eq!(decimal(b"18446744073709551615"), Some(u64::MAX));
        for refused in ["", "18446744073709551616", "+1", "-1", "1 ", "0x1", "1_0", "٣"] {
            assert_eq!(decimal(refused.as_bytes()), None, "{refused}");
        }
    }

    #[test]
    fn lists_leave_out_what_is_empty() {
        let elements: Vec<_> = list(b" a ,, b\t,").collect();
        assert_eq!(elements, [b"a", b"b"]);
    }
}
