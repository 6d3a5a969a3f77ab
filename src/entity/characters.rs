//! Sorts Unicode's characters into the few classes that names, labels and the log ask about.
//!
//! Does not know what is made of them. The standard library knows letters and numbers, and
//! `unicode-normalization` knows combining marks; what neither has is written down here from the
//! Unicode Character Database.

use unicode_normalization::char::is_combining_mark;

/// A letter by Unicode's Alphabetic property, without what else that includes: vowel signs, which
/// are marks, enclosed letters, which are symbols (Ⓐ, 🅰), and fillers, which show nothing.
pub(crate) fn is_letter(character: char) -> bool {
    let enclosed = matches!(character, '\u{24B6}'..='\u{24E9}' | '\u{1F130}'..='\u{1F189}');
    let other = enclosed || is_combining_mark(character) || is_invisible(character);
    character.is_alphabetic() && !other
}

/// An accent, vowel sign or other combining mark that changes what is seen.
pub(crate) fn is_visible_mark(character: char) -> bool {
    is_combining_mark(character) && !is_invisible(character)
}

/// A decimal digit of any script (general category Nd): not a fraction, a superscript or a number
/// in a circle.
pub(crate) fn is_digit(character: char) -> bool {
    // Every script has its ten digits side by side.
    let runs_begun = DIGIT_ZEROS.partition_point(|&zero| zero <= character);
    runs_begun > 0 && u32::from(character) - u32::from(DIGIT_ZEROS[runs_begun - 1]) < 10
}

/// Whether a character ends the line or is a control character.
pub(crate) fn breaks_line(character: char) -> bool {
    character.is_control() || matches!(character, '\u{2028}' | '\u{2029}')
}

/// Whether a character overrides, embeds or isolates the direction of what follows it, beyond its
/// own text.
pub(crate) fn turns_direction(character: char) -> bool {
    matches!(character, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// Unicode's `Default_Ignorable_Code_Point`, and the empty Braille cell: they show nothing.
pub(crate) fn is_invisible(character: char) -> bool {
    matches!(character,
        '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}'..='\u{1160}' | '\u{17B4}'..='\u{17B5}'
        | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}'
        | '\u{2060}'..='\u{206F}' | '\u{2800}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}'
        | '\u{FFA0}' | '\u{FFF0}'..='\u{FFF8}' | '\u{1BCA0}'..='\u{1BCA3}'
        | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}')
}

/// The zero of every run of ten digits in Unicode 17, in ascending order.
#[rustfmt::skip]
const DIGIT_ZEROS: [char; 77] = [
    '\u{30}', '\u{660}', '\u{6F0}', '\u{7C0}', '\u{966}', '\u{9E6}', '\u{A66}', '\u{AE6}',
    '\u{B66}', '\u{BE6}', '\u{C66}', '\u{CE6}', '\u{D66}', '\u{DE6}', '\u{E50}', '\u{ED0}',
    '\u{F20}', '\u{1040}', '\u{1090}', '\u{17E0}', '\u{1810}', '\u{1946}', '\u{19D0}', '\u{1A80}',
    '\u{1A90}', '\u{1B50}', '\u{1BB0}', '\u{1C40}', '\u{1C50}', '\u{A620}', '\u{A8D0}', '\u{A900}',
    '\u{A9D0}', '\u{A9F0}', '\u{AA50}', '\u{ABF0}', '\u{FF10}', '\u{104A0}', '\u{10D30}',
    '\u{10D40}', '\u{11066}', '\u{110F0}', '\u{11136}', '\u{111D0}', '\u{112F0}', '\u{11450}',
    '\u{114D0}', '\u{11650}', '\u{116C0}', '\u{116D0}', '\u{116DA}', '\u{11730}', '\u{118E0}',
    '\u{11950}', '\u{11BF0}', '\u{11C50}', '\u{11D50}', '\u{11DA0}', '\u{11DE0}', '\u{11F50}',
    '\u{16130}', '\u{16A60}', '\u{16AC0}', '\u{16B50}', '\u{16D70}', '\u{1CCF0}', '\u{1D7CE}',
    '\u{1D7D8}', '\u{1D7E2}', '\u{1D7EC}', '\u{1D7F6}', '\u{1E140}', '\u{1E2F0}', '\u{1E4F0}',
    '\u{1E5F1}', '\u{1E950}', '\u{1FBF0}',
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_come_in_runs_of_ten_and_are_no_letters() {
        assert!(DIGIT_ZEROS.is_sorted());
        for character in '\0'..=char::MAX {
            if is_digit(character) {
                assert!(character.is_numeric() && !character.is_alphabetic(), "{character:?}");
            }
        }
        assert_eq!(('\0'..=char::MAX).filter(|&character| is_digit(character)).count(), 770);
    }
}
