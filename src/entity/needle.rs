//! Defines what somebody searches for, and whether a text contains it. Does not know where texts
//! are.
//!
//! Texts are compared in one form (NFKC, lower case), and anything of at least one character is
//! found wherever it stands: at the beginning of a word, in its middle, or among the characters of
//! a script that has no spaces.

use super::TextError;
use super::text::fold;

/// What is searched for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needle(String);

impl Needle {
    /// The most code points that can be searched for.
    pub const CODE_POINTS_MAX: usize = 64;

    /// White space around it does not count; `None` if there is nothing else.
    pub fn parse(text: &str) -> Result<Option<Self>, TextError> {
        let text = text.trim();
        if text.chars().count() > Self::CODE_POINTS_MAX {
            return Err(TextError::NeedleLength);
        }
        let folded = fold(text);
        Ok((!folded.is_empty()).then_some(Self(folded)))
    }

    /// Whether a text contains it.
    pub fn is_in(&self, text: &str) -> bool {
        fold(text).contains(&self.0)
    }

    /// The grams that every text that contains it has.
    pub fn grams(&self) -> Vec<u64> {
        let mut grams = Vec::new();
        each_folded_gram(&self.0, |gram| grams.push(gram));
        grams
    }
}

/// Gives a number for each of the short pieces of a text by which a search can be narrowed down:
/// three letters in a row, or, in scripts with thousands of characters, each one and each two in a
/// row.
pub fn each_gram(text: &str, take: impl FnMut(u64)) {
    each_folded_gram(&fold(text), take);
}

fn each_folded_gram(folded: &str, mut take: impl FnMut(u64)) {
    let is_few = |character| character != '\0' && !is_one_of_many(character);
    let number = |character| u64::from(u32::from(character));
    // No text contains a NUL: it stands for what is before the beginning.
    let [mut first, mut second] = ['\0'; 2];
    for character in folded.chars() {
        let last_two = number(second) << 21 | number(character);
        if is_one_of_many(character) {
            take(number(character));
            if is_one_of_many(second) {
                take(last_two);
            }
        } else if is_few(first) && is_few(second) {
            take(number(first) << 42 | last_two);
        }
        (first, second) = (second, character);
    }
}

/// A character of a script that has thousands: Chinese, Japanese, Korean and their neighbours.
fn is_one_of_many(character: char) -> bool {
    character >= '\u{2E80}'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needle(text: &str) -> Needle {
        Needle::parse(text).unwrap().unwrap()
    }

    #[test]
    fn a_text_holds_what_is_in_it_whatever_its_case_or_form() {
        for (text, wanted) in [
            ("Hello World", "o w"),
            ("Hello World", " WORLD "),
            ("漠然たる", "然"),
            ("漠然たる", "漠然"),
            ("ΟΔΥΣΣΕΥΣ", "οδυσσευς"),
            ("cafe\u{301}", "CAFÉ"),
            ("Ｗｉｄｅ", "wide"),
            ("Страна", "стра"),
            ("a😀b", "😀"),
        ] {
            assert!(needle(wanted).is_in(text), "{text} holds {wanted}");
        }
        assert!(!needle("漠漠").is_in("漠然"));
    }

    #[test]
    fn a_text_has_all_grams_of_what_it_holds() {
        for text in ["Hello World, 漠然たる hello", "no\u{a0}break ﬁne e\u{301}", "한국어 text"]
        {
            let characters: Vec<char> = text.chars().collect();
            for start in 0..characters.len() {
                for end in start + 1..=characters.len() {
                    let part: String = characters[start..end].iter().collect();
                    let Some(needle) = Needle::parse(&part).unwrap() else { continue };
                    let mut all = Vec::new();
                    each_gram(text, |gram| all.push(gram));
                    if needle.is_in(text) {
                        assert!(needle.grams().iter().all(|gram| all.contains(gram)), "{part:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_word_is_narrowed_down_by_three_letters_and_chinese_by_one_character() {
        assert_eq!(needle("hello").grams().len(), 3);
        assert_eq!(needle("he").grams().len(), 0);
        assert_eq!(needle("漠").grams().len(), 1);
        assert_eq!(needle("漠然").grams().len(), 3);
    }

    #[test]
    fn nothing_and_too_much_cannot_be_searched_for() {
        assert_eq!(Needle::parse(" \n"), Ok(None));
        assert!(Needle::parse(&"漠".repeat(64)).unwrap().is_some());
        assert_eq!(Needle::parse(&"漠".repeat(65)), Err(TextError::NeedleLength));
    }
}
