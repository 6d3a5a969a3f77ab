//! Writes numbers in digits. Each answer holds a dozen of them, and `fmt` takes some hundred instructions
//! for one.

/// Appends a number in decimal digits.
pub fn push_decimal(number: u64, out: &mut Vec<u8>) {
    push(number, 10, 1, out);
}

/// Appends a number in hexadecimal digits, in lower case: so many at least.
pub fn push_hexadecimal(number: u64, width: usize, out: &mut Vec<u8>) {
    push(number, 16, width, out);
}

fn push(mut number: u64, base: u64, width: usize, out: &mut Vec<u8>) {
    let mut digits = [b'0'; 20];
    let mut start = digits.len();
    while number > 0 {
        start -= 1;
        digits[start] = b"0123456789abcdef"[usize::try_from(number % base).unwrap_or(0)];
        number /= base;
    }
    out.extend_from_slice(&digits[start.min(digits.len() - width)..]);
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
    }
}
