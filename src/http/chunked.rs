//! Decodes the chunked transfer coding (RFC 9112 section 7.1).
//!
//! Does not know what the body is for, and keeps no byte of it: decoded data goes to the buffer it
//! is given. Extensions are parsed, so that nothing can hide in them, and then ignored. Trailers
//! are judged like fields and dropped (RFC 9110 section 6.5.1 lets a recipient do that). Both are
//! bounded, as is the sum of the data.

use super::Limits;
use super::error::ParseError;
use super::parse;
use super::scan;

/// The state between two pieces of a chunked body.
#[derive(Debug, Default)]
pub(super) struct Chunked {
    state: State,
    /// The beginning of a line whose end has not come yet.
    line: Vec<u8>,
    data_bytes: usize,
    extension_bytes: usize,
    trailer_bytes: usize,
    trailers: usize,
}

/// Where decoding stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// More bytes are needed.
    Partial,
    /// The empty line after the trailers was the last that was taken.
    Complete,
    /// The chunk that begins here would exceed the limit.
    TooLarge,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Size,
    Data(usize),
    DataCr,
    DataLf,
    Trailer,
}

impl Chunked {
    /// Appends to `body` what `input` holds of it. Returns how many bytes of `input` that took, and
    /// where decoding stands.
    pub(super) fn decode(
        &mut self,
        input: &[u8],
        body: &mut Vec<u8>,
        limits: &Limits,
    ) -> Result<(usize, Progress), ParseError> {
        let mut rest = input;
        let progress = loop {
            if rest.is_empty() {
                break Progress::Partial;
            }
            match self.state {
                State::Size | State::Trailer => {
                    let end = scan::find(b'\n', rest).map_or(rest.len(), |at| at + 1);
                    let (piece, after) = rest.split_at(end);
                    rest = after;
                    match self.line(piece, limits)? {
                        Progress::Partial => {}
                        ended => break ended,
                    }
                }
                State::Data(left) => {
                    let (data, after) = rest.split_at(left.min(rest.len()));
                    body.extend_from_slice(data);
                    rest = after;
                    let left = left - data.len();
                    self.state = if left == 0 { State::DataCr } else { State::Data(left) };
                }
                State::DataCr => rest = self.after_data(rest, b"\r", State::DataLf)?,
                State::DataLf => rest = self.after_data(rest, b"\n", State::Size)?,
            }
        };
        Ok((input.len() - rest.len(), progress))
    }

    fn after_data<'i>(
        &mut self,
        input: &'i [u8],
        expected: &[u8],
        next: State,
    ) -> Result<&'i [u8], ParseError> {
        self.state = next;
        input.strip_prefix(expected).ok_or(ParseError::ChunkEnd)
    }

    /// Adds a piece to the line, and judges the line once it is complete.
    fn line(&mut self, piece: &[u8], limits: &Limits) -> Result<Progress, ParseError> {
        let bytes = self.line.len() + piece.len();
        if self.state == State::Size && bytes > limits.chunk_line_bytes_max {
            return Err(ParseError::ChunkExtension);
        }
        if self.state == State::Trailer && self.trailer_bytes + bytes > limits.trailer_bytes_max {
            return Err(ParseError::TrailersTooLarge);
        }
        self.line.extend_from_slice(piece);
        if !piece.ends_with(b"\n") {
            return Ok(Progress::Partial);
        }
        let mut line = std::mem::take(&mut self.line);
        let text = line.strip_suffix(b"\r\n").ok_or(ParseError::BareLineFeed)?;
        let progress = match self.state {
            State::Trailer => self.trailer(text, limits)?,
            _ => self.size(text, limits)?,
        };
        // Many chunks share one allocation.
        line.clear();
        self.line = line;
        Ok(progress)
    }

    fn size(&mut self, text: &[u8], limits: &Limits) -> Result<Progress, ParseError> {
        let digits = text.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let (digits, extensions) = text.split_at(digits);
        let size = chunk_size(digits).ok_or(ParseError::ChunkSize)?;
        self.extension_bytes += extensions.len();
        if self.extension_bytes > limits.chunk_extension_bytes_max {
            return Err(ParseError::ChunkExtension);
        }
        judge_extensions(extensions)?;
        if size > limits.body_bytes_max.saturating_sub(self.data_bytes) {
            return Ok(Progress::TooLarge);
        }
        self.data_bytes += size;
        self.state = if size == 0 { State::Trailer } else { State::Data(size) };
        Ok(Progress::Partial)
    }

    fn trailer(&mut self, text: &[u8], limits: &Limits) -> Result<Progress, ParseError> {
        if text.is_empty() {
            return Ok(Progress::Complete);
        }
        self.trailer_bytes += text.len() + b"\r\n".len();
        self.trailers += 1;
        if self.trailers > limits.fields_max {
            return Err(ParseError::TrailersTooLarge);
        }
        let (name, _) = parse::field_line(text)?;
        if parse::is_singleton(name) {
            Err(ParseError::TrailerForbidden)
        } else {
            Ok(Progress::Partial)
        }
    }
}

/// At least one hexadecimal digit. No limit would let through a size near 2^64, but beyond that,
/// implementations that wrap around would see a different one.
fn chunk_size(digits: &[u8]) -> Option<usize> {
    if digits.is_empty() {
        return None;
    }
    let size = digits.iter().try_fold(0_u64, |size, &digit| {
        size.checked_mul(16)?.checked_add(u64::from(scan::hex(digit)?))
    })?;
    Some(usize::try_from(size).unwrap_or(usize::MAX))
}

/// `*( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] )`, and nothing after it.
fn judge_extensions(mut text: &[u8]) -> Result<(), ParseError> {
    while !text.is_empty() {
        text = after_extension(text).ok_or(ParseError::ChunkExtension)?;
    }
    Ok(())
}

fn after_extension(text: &[u8]) -> Option<&[u8]> {
    let name = scan::trim_start(scan::trim_start(text).strip_prefix(b";")?);
    let after_name = after_token(name)?;
    let Some(value) = scan::trim_start(after_name).strip_prefix(b"=") else {
        return Some(after_name);
    };
    let value = scan::trim_start(value);
    if value.starts_with(b"\"") { scan::after_quoted_string(value) } else { after_token(value) }
}

fn after_token(text: &[u8]) -> Option<&[u8]> {
    let length = scan::token_length(text);
    if length == 0 { None } else { Some(&text[length..]) }
}
