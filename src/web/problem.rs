//! Says what went wrong, as `application/problem+json` (RFC 9457). Does not know what was asked
//! for.
//!
//! `code` is what programs go by and never changes; `detail` is a sentence for people.

use std::time::Duration;

use super::json::Object;
use crate::entity::TextError;
use crate::http::{ParseError, Response};
use crate::logic::Refusal;

/// An answer that is no.
#[derive(Debug)]
pub struct Problem {
    status: u16,
    code: &'static str,
    detail: String,
    /// The member or parameter that is wrong; empty for a body that is not an object.
    field: Option<&'static str>,
    /// When to come back.
    retry: Option<Duration>,
    /// A field that says what would do: its name and its value.
    instead: Option<(&'static str, String)>,
    /// It is told to a page of 2013, too.
    in_2013: bool,
}

/// How long a client waits before it tries to write again, when nobody can know how long it takes.
const RETRY: Duration = Duration::from_secs(2);

impl Problem {
    fn new(status: u16, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            code,
            detail: detail.into(),
            field: None,
            retry: None,
            instead: None,
            in_2013: false,
        }
    }

    /// There is no such path, or nothing at it.
    pub fn not_found() -> Self {
        Self::new(404, "not_found", "There is nothing here.")
    }

    /// The path exists, and has other methods.
    pub fn method_not_allowed(allow: String) -> Self {
        let detail = format!("This path takes {allow}.");
        Self { instead: Some(("Allow", allow)), ..Self::new(405, "method_not_allowed", detail) }
    }

    /// No token, or one that is no longer good.
    pub fn unauthorized() -> Self {
        Refusal::Unauthorized.into()
    }

    /// The server stops, or cannot write.
    pub fn unavailable(detail: &str, retry: Duration) -> Self {
        Self { retry: Some(retry), ..Self::new(503, "unavailable", detail) }
    }

    /// The turn was not committed, so whatever it was has not happened.
    pub fn not_committed() -> Self {
        Self::unavailable("The server cannot write at the moment. Nothing has changed.", RETRY)
    }

    /// The store could not be read.
    pub fn not_readable() -> Self {
        Self::unavailable("The server cannot read at the moment.", RETRY)
    }

    /// More connections than the limit.
    pub fn too_many_connections() -> Self {
        Self::unavailable("The server has too many connections.", RETRY)
    }

    /// As many sessions are recording as may do so.
    pub fn too_many_record() -> Self {
        Self::unavailable("Too many sessions are being recorded.", RETRY)
    }

    /// The request did not come to its end in time.
    pub fn timeout() -> Self {
        Self::new(408, "bad_request", "The request took too long to arrive.")
    }

    /// The body is longer than allowed.
    pub fn body_too_large(bytes_max: usize) -> Self {
        Self::new(413, "too_large", format!("The body is longer than {bytes_max} bytes."))
    }

    pub(super) fn media_type() -> Self {
        Self::new(415, "unsupported_media_type", "The body is not application/json.")
    }

    pub(super) fn content_coding() -> Self {
        let instead = Some(("Accept-Encoding", "identity".to_owned()));
        let detail = "The body is compressed, or encoded in another way.";
        Self { instead, ..Self::new(415, "unsupported_media_type", detail) }
    }

    pub(super) fn bad_json() -> Self {
        Self::new(400, "bad_json", "The body is not well-formed JSON in UTF-8.")
    }

    pub(super) fn not_acceptable() -> Self {
        let detail = "Events come as application/json, text/event-stream or application/x-ndjson.";
        Self::new(406, "not_acceptable", detail)
    }

    pub(super) fn field(field: &'static str, detail: impl Into<String>) -> Self {
        Self::field_code("invalid_field", field, detail)
    }

    pub(super) fn parameter(field: &'static str, detail: impl Into<String>) -> Self {
        Self::field_code("invalid_parameter", field, detail)
    }

    pub(super) fn text(code: &'static str, field: &'static str, error: TextError) -> Self {
        Self::field_code(code, field, error.to_string())
    }

    fn field_code(code: &'static str, field: &'static str, detail: impl Into<String>) -> Self {
        Self { field: Some(field), ..Self::new(422, code, detail) }
    }

    /// Says it in the words of 2013, too (see [`super::facade`]).
    #[must_use]
    pub fn in_2013(self) -> Self {
        Self { in_2013: true, ..self }
    }

    /// The user to whom something was to be said is not a friend.
    pub fn not_friends() -> Self {
        Refusal::NotFriends.into()
    }

    /// Another Keepline of the same session, or one too many of its user, took its place.
    pub fn released() -> Self {
        Self::new(409, "released", "A newer request took the place of this one.")
    }

    /// A page of another site asks, by a form.
    pub(super) fn cross_site() -> Self {
        Self::new(403, "cross_site", "This cannot be asked for from the page of another site.")
    }

    pub(super) fn not_a_form() -> Self {
        let detail = "The body is not application/x-www-form-urlencoded.";
        Self::new(415, "unsupported_media_type", detail)
    }

    /// Whether it says that the caller may not do this, or not now, whatever exactly they asked
    /// for.
    pub fn is_refusal(&self) -> bool {
        matches!(self.status, 401 | 429 | 503)
    }

    /// The response that says so.
    pub fn respond(self) -> Response {
        let mut body = Vec::with_capacity(160);
        let mut object = Object::begin(&mut body);
        object.text("type", "about:blank");
        object.text("title", title(self.status));
        object.integer("status", i64::from(self.status));
        object.text("code", self.code);
        object.text("detail", &self.detail);
        if let Some(field) = self.field {
            object.text("field", field);
        }
        if self.in_2013 {
            object.integer("ResponseStatus", 0);
            object.text("ResponseDetails", &self.detail);
        }
        object.end();
        let mut response = Response::new(self.status)
            .cache_control("no-store")
            .body("application/problem+json", crate::http::Payload::Owned(body));
        if self.status == 401 {
            response = response.with("WWW-Authenticate", "Bearer");
        }
        if let Some(retry) = self.retry {
            // Rounded up: whoever comes back then is not too early.
            let seconds = retry.as_nanos().div_ceil(1_000_000_000).max(1);
            response = response.with("Retry-After", &seconds.to_string());
        }
        if let Some((name, value)) = self.instead {
            response = response.with(name, &value);
        }
        response
    }
}

impl From<&ParseError> for Problem {
    fn from(error: &ParseError) -> Self {
        let status = error.status();
        let code = match status {
            414 | 431 => "too_large",
            _ => "bad_request",
        };
        Self::new(status, code, error.to_string())
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let detail = refusal.to_string();
        let (status, code) = match refusal {
            Refusal::AlreadyFriends => (409, "already_friends"),
            Refusal::AlreadyMember => (409, "already_member"),
            Refusal::BadCredentials => (401, "bad_credentials"),
            Refusal::BadCursor => (400, "bad_cursor"),
            Refusal::BlockOneself => return Self::parameter("user_id", detail),
            Refusal::Blocked => (409, "blocked"),
            Refusal::Busy { retry } => return Self::unavailable(&detail, retry),
            Refusal::GroupFull => return Self::field("user_id", detail),
            Refusal::MessageDeleted => (409, "message_deleted"),
            Refusal::NameTaken { .. } => (409, "name_taken"),
            Refusal::NonceReused => (409, "nonce_reused"),
            Refusal::NoSuchRequest => (404, "no_such_request"),
            Refusal::NoSuchUser => (404, "no_such_user"),
            Refusal::NotAGroup => (409, "not_a_group"),
            Refusal::NotOwner => (403, "not_owner"),
            Refusal::NotSender => (403, "not_sender"),
            Refusal::NotFound => (404, "not_found"),
            Refusal::NotFriends => (403, "not_friends"),
            Refusal::Oneself => return Self::field("name", detail),
            Refusal::RateLimited { retry } => {
                return Self { retry: Some(retry), ..Self::new(429, "rate_limited", detail) };
            }
            Refusal::RegistrationClosed => (403, "registration_closed"),
            Refusal::Store(_) => return Self::not_committed(),
            Refusal::TooManyMembers => return Self::field("member_ids", detail),
            Refusal::WrongPassword => (403, "wrong_password"),
            Refusal::Unauthorized => (401, "unauthorized"),
        };
        Self::new(status, code, detail)
    }
}

fn title(status: u16) -> &'static str {
    crate::http::reason(status)
}
