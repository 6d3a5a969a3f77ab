//! Names what can be wrong with a request, and which status says so.
//!
//! One variant for each rule a peer can break, so that a test can tell which rule refused a
//! request. Nothing here is about paths or permissions: these are refusals before anybody has asked
//! what the request is for. After any of them the end of the request is in doubt: answer, then
//! close (RFC 9112 section 9.6).

use std::fmt;

/// Why a peer's bytes are not a request that this server reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParseError {
    /// More empty lines before the request line than anybody sends by mistake (RFC 9112 section
    /// 2.2).
    TooManyEmptyLines,
    /// A line that ends in LF without CR (RFC 9112 section 2.2 allows accepting it; proxies
    /// disagree, so it is refused).
    BareLineFeed,
    /// Not `method SP target SP version` (RFC 9112 section 3).
    RequestLine,
    /// The request line is longer than the limit (RFC 9112 section 3).
    RequestLineTooLong,
    /// A method that this server does not implement (RFC 9110 section 9.1), CONNECT among them.
    MethodUnknown,
    /// Not `HTTP/d.d` (RFC 9112 section 2.3).
    Version,
    /// A version whose major number is not 1 (RFC 9110 section 15.6.6).
    VersionUnsupported,
    /// A target in a form that the method cannot have, or with bytes that no URI has (RFC 9112
    /// section 3.2).
    Target,
    /// A target whose escapes are malformed or hide what a path must not hold; see
    /// [`Target`](super::Target).
    TargetEscape,
    /// A target with `.` or `..` segments, which clients resolve before they ask (RFC 3986 section
    /// 5.2.4).
    TargetDotSegment,
    /// The head is larger than the limit (RFC 6585 section 5).
    HeadTooLarge,
    /// More field lines than the limit (RFC 6585 section 5).
    TooManyFields,
    /// A line that starts with white space: obsolete line folding (RFC 9112 section 5.2) or worse.
    FieldFolded,
    /// A field line with no colon, with white space before it, or a name that is not a token (RFC
    /// 9112 section 5.1).
    FieldName,
    /// A bare CR, NUL or another control character in a field value (RFC 9110 section 5.5).
    FieldValue,
    /// A field that has one value by its definition came twice (RFC 9110 section 5.3).
    FieldRepeated,
    /// An HTTP/1.1 request without `Host` (RFC 9112 section 3.2).
    HostMissing,
    /// A `Host`, or the authority of an absolute target, that is not `uri-host [ ":" port ]` (RFC
    /// 9110 section 7.2).
    Host,
    /// A `Content-Length` that is not one number below 2^64 in digits, or has leading zeros (RFC
    /// 9112 section 6.3).
    ContentLength,
    /// `Content-Length` and `Transfer-Encoding` together (RFC 9112 section 6.1).
    LengthAndCoding,
    /// A PUT of a part, by `Content-Range`, which would replace the whole by the part (RFC 9110
    /// section 14.5).
    PartialPut,
    /// A `Transfer-Encoding` that does not end in exactly one plain `chunked` (RFC 9112 section
    /// 6.1).
    TransferEncoding,
    /// A transfer coding that this server does not decode (RFC 9112 section 6.1).
    TransferCodingUnknown,
    /// An expectation other than `100-continue` (RFC 9110 section 10.1.1).
    Expectation,
    /// A chunk size that is not hexadecimal, or does not fit (RFC 9112 section 7.1).
    ChunkSize,
    /// A malformed chunk extension, or more of them than the limit (RFC 9112 section 7.1.1).
    ChunkExtension,
    /// Chunk data that is not followed by CRLF (RFC 9112 section 7.1).
    ChunkEnd,
    /// A trailer that would change framing, routing or the caller if it were a field (RFC 9110
    /// section 6.5.1).
    TrailerForbidden,
    /// The trailers are larger, or more numerous, than the limit.
    TrailersTooLarge,
}

impl ParseError {
    /// The status of the answer.
    pub const fn status(self) -> u16 {
        match self {
            Self::RequestLineTooLong => 414,
            Self::Expectation => 417,
            Self::HeadTooLarge | Self::TooManyFields | Self::TrailersTooLarge => 431,
            Self::MethodUnknown | Self::TransferCodingUnknown => 501,
            Self::VersionUnsupported => 505,
            Self::TooManyEmptyLines
            | Self::BareLineFeed
            | Self::RequestLine
            | Self::Version
            | Self::Target
            | Self::TargetEscape
            | Self::TargetDotSegment
            | Self::FieldFolded
            | Self::FieldName
            | Self::FieldValue
            | Self::FieldRepeated
            | Self::HostMissing
            | Self::Host
            | Self::ContentLength
            | Self::LengthAndCoding
            | Self::PartialPut
            | Self::TransferEncoding
            | Self::ChunkSize
            | Self::ChunkExtension
            | Self::ChunkEnd
            | Self::TrailerForbidden => 400,
        }
    }

    const fn sentence(self) -> &'static str {
        match self {
            Self::TooManyEmptyLines => "There are too many empty lines before the request.",
            Self::BareLineFeed => "A line ends in LF without CR.",
            Self::RequestLine => "The request line is not a method, a target and a version.",
            Self::RequestLineTooLong => "The request line is too long.",
            Self::MethodUnknown => "This server does not implement the method.",
            Self::Version => "The request line does not end in an HTTP version.",
            Self::VersionUnsupported => "This server speaks HTTP/1.1 and HTTP/1.0 only.",
            Self::Target => "The request target is malformed.",
            Self::TargetEscape => "The request target has a percent escape that is not allowed.",
            Self::TargetDotSegment => "The path of the request target has dot segments.",
            Self::HeadTooLarge => "The head of the request is too large.",
            Self::TooManyFields => "The request has too many fields.",
            Self::FieldFolded => "A field line starts with white space.",
            Self::FieldName => "A field line does not start with a field name and a colon.",
            Self::FieldValue => "A field value has a control character in it.",
            Self::FieldRepeated => "A field that may be there only once is there twice.",
            Self::HostMissing => "The request has no Host field.",
            Self::Host => "The host of the request is malformed.",
            Self::ContentLength => "The Content-Length is not a number.",
            Self::LengthAndCoding => "Content-Length and Transfer-Encoding are both there.",
            Self::PartialPut => "This server does not put parts: there is a Content-Range.",
            Self::TransferEncoding => "The Transfer-Encoding is not chunked.",
            Self::TransferCodingUnknown => "This server does not implement the transfer coding.",
            Self::Expectation => "This server does not know the expectation.",
            Self::ChunkSize => "The size of a chunk is malformed.",
            Self::ChunkExtension => "A chunk extension is malformed or too long.",
            Self::ChunkEnd => "A chunk does not end where its size says.",
            Self::TrailerForbidden => "A trailer has the name of a field that must come first.",
            Self::TrailersTooLarge => "The trailers of the request are too large.",
        }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sentence())
    }
}

impl std::error::Error for ParseError {}
