//! Reads one request from bytes that come in pieces: the head, then the body by its framing.
//!
//! Knows when to copy. A request that lies complete in the input is borrowed from there, with no
//! copy and no allocation; that is the usual case for a chat's small requests. Otherwise its bytes
//! are gathered in one buffer, head first and the decoded body right after it. A reader that waits
//! for a request owns nothing but a null pointer.
//!
//! Rules:
//! 1. No byte past the end of the request is taken, so that pipelined requests stay with the
//!    caller.
//! 2. No byte is looked at more often when bytes come one by one than when they come together: time
//!    is linear.
//! 3. How the bytes were cut up changes neither the request nor the error, only [`Step::Continue`].

use super::Limits;
use super::chunked::{Chunked, Progress};
use super::error::ParseError;
use super::parse::{Head, HeadParser, Length};
use super::request::Request;
use super::scan;

/// Reads one request; once that has been handed up, the next call starts another.
#[derive(Debug, Default)]
pub struct Reader {
    /// Bytes of a request that has begun; a box, since most readers of this server have nothing to
    /// read while a poll is held.
    pending: Option<Box<Pending>>,
}

/// Where a reader stands after taking bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// More bytes are needed.
    Partial,
    /// More bytes are needed, and the peer waits for [`CONTINUE`](super::CONTINUE) before it sends
    /// them.
    Continue,
    /// The request is complete.
    Complete(Request<'a>),
}

/// What a reader waits for, and so which deadline applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The first byte of a request.
    Idle,
    /// The rest of the head.
    Head,
    /// The rest of the body.
    Body,
}

impl Reader {
    /// A reader that waits for a request.
    pub const fn new() -> Self {
        Self { pending: None }
    }

    /// Takes bytes from the front of `input`. Returns how many, and what came of it.
    ///
    /// After an error the connection is of no more use, and the count means nothing. A complete
    /// request borrows from `input` or from the reader, whose buffer goes with the next call or
    /// with the reader itself.
    pub fn read<'a>(
        &'a mut self,
        input: &'a [u8],
        limits: &Limits,
    ) -> (usize, Result<Step<'a>, ParseError>) {
        self.pending.take_if(|pending| matches!(pending.stage, Stage::Done(_)));
        let advanced = match &mut self.pending {
            Some(pending) => pending.read(input, limits),
            None => self.read_fresh(input, limits),
        };
        match advanced {
            Err(error) => (input.len(), Err(error)),
            Ok((taken, Advance::Continue)) => (taken, Ok(Step::Continue)),
            Ok((taken, Advance::Borrowed(complete))) => {
                (taken, Ok(Step::Complete(complete.request(&input[..taken]))))
            }
            Ok((taken, Advance::Gathered)) => {
                let request = self.pending.as_ref().and_then(|pending| pending.request());
                (taken, Ok(request.map_or(Step::Partial, Step::Complete)))
            }
        }
    }

    /// What the reader waits for.
    pub fn phase(&self) -> Phase {
        let Some(pending) = &self.pending else { return Phase::Idle };
        match &pending.stage {
            Stage::Done(_) => Phase::Idle,
            // Some clients send an empty line after a body (RFC 9112 section 2.2): nothing has
            // begun.
            Stage::Head(parser) if parser.is_idle(&pending.bytes) => Phase::Idle,
            Stage::Head(_) => Phase::Head,
            Stage::Body(..) => Phase::Body,
        }
    }

    /// Whether it keeps nothing.
    pub const fn is_fresh(&self) -> bool {
        self.pending.is_none()
    }

    /// How many bytes of memory the buffer takes.
    pub fn buffered(&self) -> usize {
        self.pending.as_ref().map_or(0, |pending| pending.bytes.capacity())
    }

    /// Tries to do without a buffer; if the request is not complete, puts what is there into one.
    fn read_fresh(
        &mut self,
        input: &[u8],
        limits: &Limits,
    ) -> Result<(usize, Advance), ParseError> {
        let mut parser = HeadParser::default();
        let head = loop {
            let rest = &input[parser.bytes()..];
            let Some(end) = scan::find(b'\n', rest) else {
                parser.fits(rest, limits)?;
                if !input.is_empty() {
                    self.pending = Some(Pending::new(input, Stage::Head(parser)));
                }
                return Ok((input.len(), Advance::Gathered));
            };
            if parser.line(&rest[..=end], limits)? {
                break parser.head()?;
            }
        };
        let (begun, rest) = input.split_at(head.end());
        let (body, too_large) = Rest::after(&head, limits);
        if let Rest::Bytes(length) = body
            && length <= rest.len()
        {
            let complete = Complete { head, too_large };
            return Ok((begun.len() + length, Advance::Borrowed(complete)));
        }
        let pending = self.pending.insert(Pending::new(begun, Stage::Body(head, body)));
        let (taken, advance) = pending.begin_body(rest, limits)?;
        Ok((begun.len() + taken, advance))
    }
}

/// A request that has begun.
#[derive(Debug)]
struct Pending {
    /// The head as far as it came, and then the decoded body.
    bytes: Vec<u8>,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Head(HeadParser),
    Body(Head, Rest),
    Done(Complete),
}

/// What is still to come of a body.
#[derive(Debug)]
enum Rest {
    Bytes(usize),
    Chunks(Chunked),
}

#[derive(Clone, Debug)]
struct Complete {
    head: Head,
    too_large: bool,
}

/// What came of taking some bytes, before anything is borrowed from them.
enum Advance {
    Continue,
    /// The request lies in the input.
    Borrowed(Complete),
    /// Its bytes are gathered, whether it is complete or not.
    Gathered,
}

impl Complete {
    fn request<'a>(&self, bytes: &'a [u8]) -> Request<'a> {
        Request::new(&self.head, bytes, self.too_large)
    }
}

impl Stage {
    /// What follows a head.
    fn after(head: Head, limits: &Limits) -> Self {
        match Rest::after(&head, limits) {
            (Rest::Bytes(0), too_large) => Self::Done(Complete { head, too_large }),
            (body, _) => Self::Body(head, body),
        }
    }
}

impl Rest {
    /// The body that follows a head, and whether it is too large. Such a body is not waited for:
    /// whoever handles the request may have a better reason to refuse it, and the peer should hear
    /// it soon.
    fn after(head: &Head, limits: &Limits) -> (Self, bool) {
        match head.length {
            Length::Chunked => (Self::Chunks(Chunked::default()), false),
            Length::Known(length) => match usize::try_from(length) {
                Ok(length) if length <= limits.body_bytes_max => (Self::Bytes(length), false),
                _ => (Self::Bytes(0), true),
            },
        }
    }
}

impl Pending {
    fn new(bytes: &[u8], stage: Stage) -> Box<Self> {
        Box::new(Self { bytes: bytes.to_vec(), stage })
    }

    fn request(&self) -> Option<Request<'_>> {
        match &self.stage {
            Stage::Done(complete) => Some(complete.request(&self.bytes)),
            Stage::Head(_) | Stage::Body(..) => None,
        }
    }

    fn read(&mut self, input: &[u8], limits: &Limits) -> Result<(usize, Advance), ParseError> {
        let mut rest = input;
        while let Stage::Head(parser) = &mut self.stage {
            let end = scan::find(b'\n', rest).map_or(rest.len(), |at| at + 1);
            let (piece, after) = rest.split_at(end);
            rest = after;
            self.bytes.extend_from_slice(piece);
            let line = &self.bytes[parser.bytes()..];
            if !piece.ends_with(b"\n") {
                parser.fits(line, limits)?;
                return Ok((input.len(), Advance::Gathered));
            }
            if parser.line(line, limits)? {
                self.stage = Stage::after(parser.head()?, limits);
                let (taken, advance) = self.begin_body(rest, limits)?;
                return Ok((input.len() - rest.len() + taken, advance));
            }
        }
        self.read_body(input, limits)
    }

    /// RFC 9110 section 10.1.1: a peer that sends the body without waiting needs no interim answer.
    fn begin_body(
        &mut self,
        input: &[u8],
        limits: &Limits,
    ) -> Result<(usize, Advance), ParseError> {
        match &self.stage {
            Stage::Body(head, _) if head.expects_continue && input.is_empty() => {
                Ok((0, Advance::Continue))
            }
            _ => self.read_body(input, limits),
        }
    }

    fn read_body(&mut self, input: &[u8], limits: &Limits) -> Result<(usize, Advance), ParseError> {
        let Stage::Body(head, rest) = &mut self.stage else { return Ok((0, Advance::Gathered)) };
        let (taken, progress) = match rest {
            Rest::Bytes(left) => {
                let taken = input.len().min(*left);
                self.bytes.extend_from_slice(&input[..taken]);
                *left -= taken;
                (taken, if *left == 0 { Progress::Complete } else { Progress::Partial })
            }
            Rest::Chunks(chunked) => chunked.decode(input, &mut self.bytes, limits)?,
        };
        if progress != Progress::Partial {
            let too_large = progress == Progress::TooLarge;
            self.stage = Stage::Done(Complete { head: head.clone(), too_large });
        }
        Ok((taken, Advance::Gathered))
    }
}
