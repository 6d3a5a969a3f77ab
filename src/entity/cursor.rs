//! Writes and reads the cursor: the place up to which a client has seen everything.
//!
//! A cursor is opaque to clients and plain to us: `TAG-EPOCH.MARK-STORED-LIVE`. `TAG` binds it to
//! one user of one database. `EPOCH` numbers the starts of the server and `MARK` tells two
//! histories of one database apart. `STORED` is the newest stored message that the client has seen.
//! `LIVE` is the same for the events that are stored nowhere, and means something only within one
//! epoch.
//!
//! It is not secret and needs no signature: whoever forges a cursor learns no more than with a true
//! one, since all that a cursor chooses is where in one's own events to begin.

use std::fmt;

use super::{MessageId, UserId};
use crate::digits::{push_decimal, push_hexadecimal, take_decimal, take_hexadecimal};
use crate::map::mix_with;

/// A place in the events of one user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// Which start of the server handed it out.
    pub epoch: u32,
    /// Random, drawn at that start.
    pub mark: u32,
    /// The newest stored message that the client has seen.
    pub stored: MessageId,
    /// The newest live event that the client has seen, within its epoch.
    pub live: u64,
}

/// A place in the events of one user, as this start of the server counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The newest stored message that the client has seen.
    pub stored: MessageId,
    /// The newest live event that the client has seen.
    pub live: u64,
}

impl Place {
    /// A number that no live event has: whoever stands there has missed some.
    pub const MISSED: u64 = u64::MAX;
}

/// Binds cursors to one user of one database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CursorTag(pub u32);

impl CursorTag {
    /// The tag for a user, from a number that is the database's own: close ids get distant tags.
    pub fn new(database: u64, user: UserId) -> Self {
        let mixed = mix_with(database, user.0.cast_unsigned());
        // The upper half is as good as the lower.
        Self(u32::try_from(mixed >> 32).expect("32 bits fit"))
    }
}

/// The text is not a cursor of this user of this database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CursorError;

impl fmt::Display for CursorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("This cursor is not one that this server has given to you.")
    }
}

/// The longest text that can be a cursor.
const BYTES_MAX: usize = 64;

impl Cursor {
    /// Reads what [`Cursor::text`] wrote.
    pub fn parse(text: &str, tag: CursorTag) -> Result<Self, CursorError> {
        match Self::read(text.as_bytes()) {
            Some((given, cursor)) if given == tag && text.len() <= BYTES_MAX => Ok(cursor),
            _ => Err(CursorError),
        }
    }

    /// It is ours only if it is written exactly as we write it: no sign, no leading zero, nothing
    /// after it.
    fn read(mut text: &[u8]) -> Option<(CursorTag, Self)> {
        let rest = &mut text;
        let tag = take_hexadecimal(rest, 8)?;
        let epoch = take_decimal(behind(b'-', rest)?)?;
        let mark = take_hexadecimal(behind(b'.', rest)?, 1)?;
        let stored = take_decimal(behind(b'-', rest)?)?;
        let live = take_decimal(behind(b'-', rest)?)?;
        let (epoch, mark) = (u32::try_from(epoch).ok()?, u32::try_from(mark).ok()?);
        let stored = MessageId(i64::try_from(stored).ok()?);
        let cursor = Self { epoch, mark, stored, live };
        rest.is_empty().then_some((CursorTag(u32::try_from(tag).ok()?), cursor))
    }

    /// The place, for callers who know that it is from this start of the server.
    pub fn place(self) -> Place {
        Place { stored: self.stored, live: self.live }
    }

    /// Appends the text for a client: at most 64 characters, all safe in a URL and in JSON.
    pub fn push(self, tag: CursorTag, out: &mut Vec<u8>) {
        let Self { epoch, mark, stored, live } = self;
        push_hexadecimal(tag.0.into(), 8, out);
        out.push(b'-');
        push_decimal(epoch.into(), out);
        out.push(b'.');
        push_hexadecimal(mark.into(), 1, out);
        out.push(b'-');
        push_decimal(stored.0.cast_unsigned(), out);
        out.push(b'-');
        push_decimal(live, out);
    }

    /// The same as a text of its own.
    pub fn text(self, tag: CursorTag) -> String {
        let mut out = Vec::with_capacity(BYTES_MAX);
        self.push(tag, &mut out);
        // invariant: digits are ASCII.
        String::from_utf8(out).expect("ASCII")
    }
}

/// What follows a byte at the front of a text.
fn behind<'a, 'b>(byte: u8, text: &'b mut &'a [u8]) -> Option<&'b mut &'a [u8]> {
    let (first, rest) = text.split_first()?;
    *text = rest;
    (*first == byte).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAG: CursorTag = CursorTag(0x00c0_ffee);

    fn cursor() -> Cursor {
        Cursor { epoch: 3, mark: 0xabcd, stored: MessageId(1042), live: 88 }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let text = cursor().text(TAG);
        assert_eq!(text, "00c0ffee-3.abcd-1042-88");
        assert_eq!(Cursor::parse(&text, TAG), Ok(cursor()));
    }

    #[test]
    fn the_longest_cursor_fits_and_is_safe_in_a_url() {
        let longest =
            Cursor { epoch: u32::MAX, mark: u32::MAX, stored: MessageId(1 << 53), live: 1 << 40 };
        let text = longest.text(CursorTag(u32::MAX));
        assert!(text.len() <= BYTES_MAX, "{text}");
        assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b)));
        assert_eq!(Cursor::parse(&text, CursorTag(u32::MAX)), Ok(longest));
    }

    #[test]
    fn another_users_cursor_is_refused() {
        let text = cursor().text(CursorTag::new(7, UserId(1)));
        assert!(Cursor::parse(&text, CursorTag::new(7, UserId(1))).is_ok());
        assert!(Cursor::parse(&text, CursorTag::new(7, UserId(2))).is_err());
        assert!(Cursor::parse(&text, CursorTag::new(8, UserId(1))).is_err());
    }

    #[test]
    fn whatever_is_not_written_by_us_is_refused() {
        let good = cursor().text(TAG);
        let long = "1".repeat(65);
        for bad in [
            "",
            "-",
            "0",
            "latest",
            "00c0ffee-3.abcd-1042",
            "00c0ffee-3.abcd-1042-88-",
            "00c0ffee-3.abcd-1042-+88",
            "00c0ffee-03.abcd-1042-88",
            "00c0ffee-3-1042-88",
            "00C0FFEE-3.abcd-1042-88",
            "00c0ffee-3.abcd-99999999999999999999-88",
            "漠然",
            &long,
        ] {
            assert_eq!(Cursor::parse(bad, TAG), Err(CursorError), "{bad}");
        }
        assert!(Cursor::parse(&good, TAG).is_ok());
    }
}
