//! Turns what people type into the few kinds of text that the rest works with: names, passwords,
//! messages.
//!
//! Whoever holds a `UserName` knows that it is valid: `parse` is the only way to make one, and
//! nobody checks it again. Knows nothing of accounts or JSON. Rules:
//! 1. Lengths are counted after normalising, in code points, as the web service's contract counts
//!    them; a message's in bytes, as they are stored.
//! 2. What is shown beside other people's text must not disguise itself: no invisible names,
//!    nothing that turns the direction of what follows. A message may hold anything but NUL.
//! 3. An error tells the person who typed it what would be right.

use std::fmt;

use unicode_normalization::UnicodeNormalization;

use crate::entity::Needle;
use crate::entity::characters::{
    breaks_line, is_digit, is_invisible, is_letter, is_visible_mark, turns_direction,
};

/// The name by which an account is known and logs in, in NFC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserName(String);

impl UserName {
    /// The most code points a name may have.
    pub const CODE_POINTS_MAX: usize = 32;

    /// Letters, combining marks and digits of any script, `_`, `-` and `.`, beginning with a letter
    /// or digit.
    pub fn parse(text: &str) -> Result<Self, TextError> {
        let name: String = text.nfc().collect();
        if !(1..=Self::CODE_POINTS_MAX).contains(&name.chars().count()) {
            return Err(TextError::NameLength);
        }
        check_name(&name)?;
        // Some letters stand for things that no name may contain: U+FDFA is one for four words.
        check_name(&fold(&name))?;
        Ok(Self(name))
    }

    /// The name as it is shown and stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What is unique among accounts: two names that differ only in case or in form have one key.
    pub fn key(&self) -> String {
        fold(&self.0)
    }
}

fn check_name(name: &str) -> Result<(), TextError> {
    let first = name.chars().next().ok_or(TextError::NameLength)?;
    match name.chars().find(|&character| !is_in_names(character)) {
        Some(character) => Err(TextError::NameCharacter(character)),
        None if is_letter(first) || is_digit(first) => Ok(()),
        None => Err(TextError::NameStart),
    }
}

fn is_in_names(character: char) -> bool {
    is_letter(character)
        || is_digit(character)
        || matches!(character, '_' | '-' | '.')
        || is_visible_mark(character)
}

/// Brings names that should count as one to one form: NFKC, lower case, and NFKC again, since
/// lower-casing may produce what NFKC composes.
///
/// Each letter is lowered by itself, whatever follows it, and the two lower-case sigmas count as
/// one: otherwise the key would depend on which of them the lower-casing of `Σ` picks at the end of
/// a word.
pub(super) fn fold(name: &str) -> String {
    // By far the most frequent case, with the same result.
    if name.is_ascii() {
        return name.to_ascii_lowercase();
    }
    let lower = name.nfkc().flat_map(char::to_lowercase);
    lower.map(|character| if character == 'ς' { 'σ' } else { character }).nfkc().collect()
}

/// What a person is called where others read it; NFC, trimmed. It need not be unique.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DisplayName(String);

impl DisplayName {
    /// One line of visible text.
    pub fn parse(text: &str) -> Result<Self, TextError> {
        parse_label(text, Label::DisplayName).map(Self)
    }

    /// The text as it is shown and stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl DisplayName {
    /// What it is found by: in the form of a [`UserName::key`].
    pub fn key(&self) -> String {
        fold(&self.0)
    }
}

impl From<&UserName> for DisplayName {
    /// Whoever gives no other is shown under their name; every name also obeys the rules of display
    /// names.
    fn from(name: &UserName) -> Self {
        Self(name.0.clone())
    }
}

/// What a group is called; the same rules as for [`DisplayName`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Title(String);

impl Title {
    /// One line of visible text.
    pub fn parse(text: &str) -> Result<Self, TextError> {
        parse_label(text, Label::Title).map(Self)
    }

    /// The text as it is shown and stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The most code points a display name or title may have.
const LABEL_CODE_POINTS_MAX: usize = 64;

fn parse_label(text: &str, label: Label) -> Result<String, TextError> {
    let text: String = text.trim().nfc().collect();
    if !(1..=LABEL_CODE_POINTS_MAX).contains(&text.chars().count()) {
        return Err(TextError::LabelLength(label));
    }
    if text.chars().any(|character| breaks_line(character) || turns_direction(character)) {
        return Err(TextError::LabelCharacter(label));
    }
    if text.chars().all(|character| is_invisible(character) || character.is_whitespace()) {
        return Err(TextError::LabelInvisible(label));
    }
    Ok(text)
}

/// What somebody has typed of a name that they are looking for, in the form of keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamePrefix(String);

impl NamePrefix {
    /// `None` if nothing was typed: that does not mean everybody.
    pub fn parse(text: &str) -> Option<Self> {
        let key = fold(text.trim_start());
        if key.is_empty() { None } else { Some(Self(key)) }
    }

    /// What the keys begin with.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A password, until it is hashed: NFC, otherwise as typed, white space included.
///
/// Keyboards and systems differ in how they write `é`; without NFC a person could not log in from
/// another one. NFKC would go further and throw away differences that the person made on purpose
/// (RFC 8265, section 4.2.2).
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// The fewest code points a password may have.
    pub const CODE_POINTS_MIN: usize = 5;
    /// The most code points a password may have.
    pub const CODE_POINTS_MAX: usize = 256;

    /// Anything of the right length.
    pub fn parse(text: &str) -> Result<Self, TextError> {
        let password: String = text.nfc().collect();
        let length = password.chars().count();
        if !(Self::CODE_POINTS_MIN..=Self::CODE_POINTS_MAX).contains(&length) {
            return Err(TextError::PasswordLength);
        }
        Ok(Self(password))
    }

    /// The text to hash, and nothing else.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    /// Says nothing, not even the length: what is logged or printed in a failed test stays
    /// somewhere.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

/// What somebody says: verbatim, except for blank lines before it and white space after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageBody(String);

impl MessageBody {
    /// The most bytes of UTF-8 a message may have.
    pub const BYTES_MAX: usize = 8192;

    /// Cuts whole blank lines off the front, so that the first line keeps its indent, and white
    /// space off the end.
    pub fn parse(text: &str) -> Result<Self, TextError> {
        let body = without_blank_lines(text.trim_end());
        if body.is_empty() {
            return Err(TextError::BodyEmpty);
        }
        if body.len() > Self::BYTES_MAX {
            return Err(TextError::BodyLength);
        }
        if body.contains('\0') {
            return Err(TextError::BodyNul);
        }
        Ok(Self(body.to_owned()))
    }

    /// The text as it was sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same, to be kept.
    pub fn into_string(self) -> String {
        self.0
    }
}

fn without_blank_lines(text: &str) -> &str {
    let indent = text.len() - text.trim_start().len();
    if indent == 0 {
        return text;
    }
    let ends_line =
        |character| matches!(character, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}');
    let blank_lines = &text[..indent];
    // The text is cut after the last end of line within the white space before it.
    let kept_indent = blank_lines.rsplit(ends_line).next().map_or(0, str::len);
    &text[indent - kept_indent..]
}

/// What a client marks a message with, so that sending it again does not send it twice. Compared
/// byte by byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nonce(String);

impl Nonce {
    /// The most characters a nonce may have.
    pub const CODE_POINTS_MAX: usize = 64;

    /// Anything of the right length: it means something only to its client.
    pub fn parse(text: &str) -> Result<Self, TextError> {
        if !(1..=Self::CODE_POINTS_MAX).contains(&text.chars().count()) {
            return Err(TextError::NonceLength);
        }
        Ok(Self(text.to_owned()))
    }

    /// The text as the client gave it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What is wrong with a text. Always the peer's fault; its `Display` is meant for the person who
/// typed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextError {
    /// A user name too short or too long.
    NameLength,
    /// A user name with something in it that is not a letter, mark, digit, `_`, `-` or `.`.
    NameCharacter(char),
    /// A user name that does not begin with a letter or digit.
    NameStart,
    /// A display name or title too short or too long.
    LabelLength(Label),
    /// A display name or title with a control character, a line break or a change of direction.
    LabelCharacter(Label),
    /// A display name or title of which nothing would be seen.
    LabelInvisible(Label),
    /// A password too short or too long.
    PasswordLength,
    /// A message of only white space.
    BodyEmpty,
    /// A message too long.
    BodyLength,
    /// A message with a NUL in it.
    BodyNul,
    /// A nonce too short or too long.
    NonceLength,
    /// Too much to search for.
    NeedleLength,
}

/// Which of the texts that share a rule is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Label {
    /// The display name of a user.
    DisplayName,
    /// The title of a group.
    Title,
}

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NameLength => write!(
                f,
                "A name has 1 to {} letters, digits and the characters _ - .",
                UserName::CODE_POINTS_MAX
            ),
            Self::NameCharacter(character) => write!(
                f,
                "A name has letters, digits and the characters _ - . but not “{}”.",
                character.escape_debug()
            ),
            Self::NameStart => f.write_str("A name begins with a letter or a digit."),
            Self::LabelLength(label) => {
                write!(f, "A {label} has 1 to {LABEL_CODE_POINTS_MAX} characters.")
            }
            Self::LabelCharacter(label) => write!(
                f,
                "A {label} has no line breaks, control characters or changes of text direction."
            ),
            Self::LabelInvisible(label) => write!(f, "A {label} has something to see in it."),
            Self::PasswordLength => write!(
                f,
                "A password has {} to {} characters.",
                Password::CODE_POINTS_MIN,
                Password::CODE_POINTS_MAX
            ),
            Self::BodyEmpty => f.write_str("A message has something in it besides white space."),
            Self::BodyLength => {
                write!(f, "A message has at most {} bytes of UTF-8.", MessageBody::BYTES_MAX)
            }
            Self::BodyNul => f.write_str("A message has no NUL characters."),
            Self::NonceLength => {
                write!(f, "A nonce has 1 to {} characters.", Nonce::CODE_POINTS_MAX)
            }
            Self::NeedleLength => {
                write!(f, "At most {} characters are searched for.", Needle::CODE_POINTS_MAX)
            }
        }
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DisplayName => "display name",
            Self::Title => "title",
        })
    }
}

impl std::error::Error for TextError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Result<String, TextError> {
        UserName::parse(text).map(|name| name.as_str().to_owned())
    }

    #[test]
    fn names_of_any_script_are_names() {
        for text in
            ["漠然", "हिन्दी", "liger_zql", "O.Nym-2", "ไทย", "القط", "٣", "7", "〇", "a\u{301}"]
        {
            assert!(name(text).is_ok(), "{text}");
        }
        assert_eq!(name(&"漠".repeat(32)).as_deref(), Ok("漠".repeat(32).as_str()));
        // 33 code points as typed, 32 when composed.
        assert_eq!(
            name(&format!("{}e\u{301}", "e".repeat(31))),
            Ok(format!("{}é", "e".repeat(31)))
        );
    }

    #[test]
    fn what_is_no_name_says_why() {
        for (text, error) in [
            ("", TextError::NameLength),
            (&"x".repeat(33), TextError::NameLength),
            ("_x", TextError::NameStart),
            (".", TextError::NameStart),
            ("\u{301}a", TextError::NameStart),
            ("\u{93F}\u{939}", TextError::NameStart),
            ("a b", TextError::NameCharacter(' ')),
            ("a\n", TextError::NameCharacter('\n')),
            ("a\u{202E}b", TextError::NameCharacter('\u{202E}')),
            ("a\u{200D}b", TextError::NameCharacter('\u{200D}')),
            ("a\u{FE0F}", TextError::NameCharacter('\u{FE0F}')),
            ("\u{3164}", TextError::NameCharacter('\u{3164}')),
            ("½", TextError::NameCharacter('½')),
            ("x²", TextError::NameCharacter('²')),
            ("🅰", TextError::NameCharacter('🅰')),
            ("\u{FDFA}", TextError::NameCharacter(' ')),
            ("a@b", TextError::NameCharacter('@')),
        ] {
            assert_eq!(name(text), Err(error), "{text:?}");
        }
        let error = TextError::NameCharacter('\u{202E}').to_string();
        assert_eq!(
            error,
            "A name has letters, digits and the characters _ - . but not “\\u{202e}”."
        );
    }

    #[test]
    fn names_that_differ_in_case_or_form_have_one_key() {
        for (one, other) in
            [("Liger_ZQL", "liger_zql"), ("ｌｉｇｅｒ", "LIGER"), ("é", "E\u{301}"), ("ΣΑΣ", "σας")]
        {
            assert_eq!(UserName::parse(one).unwrap().key(), UserName::parse(other).unwrap().key());
        }
        assert_ne!(UserName::parse("e").unwrap().key(), UserName::parse("é").unwrap().key());
    }

    #[test]
    fn the_key_of_a_key_is_itself() {
        // Beyond the first two planes there are Han characters, which fold like those here, and
        // nothing.
        for character in '\0'..='\u{1FFFF}' {
            let accented = format!("{character}\u{301}");
            for text in [&accented[..character.len_utf8()], &accented] {
                let once = fold(text);
                assert_eq!(once, fold(&once), "{text:?}");
            }
        }
    }

    #[test]
    fn a_prefix_is_folded_as_keys_are() {
        let prefix = |text: &str| NamePrefix::parse(text).map(|prefix| prefix.0);
        assert_eq!(prefix(" ＡＮＮ"), Some("ann".to_owned()));
        assert_eq!(prefix("Anna "), Some("anna ".to_owned()), "a display name may go on");
        assert_eq!(prefix("漠"), Some("漠".to_owned()));
        assert_eq!((prefix(""), prefix(" \u{3000}")), (None, None));
    }

    #[test]
    fn labels_are_one_line_of_something_visible() {
        let label = |text: &str| DisplayName::parse(text).map(|label| label.as_str().to_owned());
        assert_eq!(label(" \u{3000}Ana  Löwe\n"), Ok("Ana  Löwe".to_owned()));
        assert_eq!(label("👩\u{200D}👧"), Ok("👩\u{200D}👧".to_owned()));
        assert!(label(&"é".repeat(64)).is_ok());
        for (text, error) in [
            ("", TextError::LabelLength(Label::DisplayName)),
            (" \t ", TextError::LabelLength(Label::DisplayName)),
            (&"é".repeat(65), TextError::LabelLength(Label::DisplayName)),
            ("a\0b", TextError::LabelCharacter(Label::DisplayName)),
            ("a\u{2028}b", TextError::LabelCharacter(Label::DisplayName)),
            ("a\u{2067}b", TextError::LabelCharacter(Label::DisplayName)),
            ("\u{200B} \u{2800}", TextError::LabelInvisible(Label::DisplayName)),
        ] {
            assert_eq!(label(text), Err(error), "{text:?}");
        }
        let error = Title::parse("").unwrap_err();
        assert_eq!(error.to_string(), "A title has 1 to 64 characters.");
    }

    #[test]
    fn a_password_is_the_same_from_every_keyboard_and_shows_itself_to_nobody() {
        let (composed, decomposed) =
            (Password::parse(" pässé "), Password::parse(" pa\u{308}sse\u{301} "));
        assert_eq!(composed, decomposed);
        assert_eq!(composed.unwrap().as_str(), " pässé ");
        assert_eq!(format!("{:?}", Password::parse("12345").unwrap()), "Password(…)");
        assert_eq!(Password::parse("1234"), Err(TextError::PasswordLength));
        assert!(Password::parse(&"漠".repeat(256)).is_ok());
        assert_eq!(Password::parse(&"漠".repeat(257)), Err(TextError::PasswordLength));
    }

    #[test]
    fn a_message_is_cut_around_and_otherwise_verbatim() {
        for (text, body) in [
            ("hello", "hello"),
            ("\n \t\r\n  indented\n\n  more \u{2003}\n", "  indented\n\n  more"),
            (" \u{2028}\u{3000}漠然", "\u{3000}漠然"),
            ("\u{200B}", "\u{200B}"),
            ("e\u{301}\u{202E}", "e\u{301}\u{202E}"),
        ] {
            assert_eq!(MessageBody::parse(text).unwrap().as_str(), body);
        }
        assert_eq!(MessageBody::parse(" \n\u{A0}\n"), Err(TextError::BodyEmpty));
        assert_eq!(MessageBody::parse("a\0"), Err(TextError::BodyNul));
        assert!(MessageBody::parse(&format!("\n{} ", "x".repeat(8192))).is_ok());
        assert_eq!(MessageBody::parse(&"é".repeat(4097)), Err(TextError::BodyLength));
    }

    #[test]
    fn a_nonce_is_counted_in_characters() {
        assert!(Nonce::parse(&"漠".repeat(64)).is_ok());
        assert_eq!(Nonce::parse(""), Err(TextError::NonceLength));
        assert_eq!(Nonce::parse(&"x".repeat(65)), Err(TextError::NonceLength));
    }
}
