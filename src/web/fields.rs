//! Reads the members of a JSON body and the parameters of a query, and says which one is wrong.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::Problem;
use crate::http::{Body, Request, Singleton};

/// The members of a request's body. Unknown ones are ignored.
#[derive(Debug)]
pub(super) struct Members(Map<String, Value>);

impl Members {
    /// Reads the body of a request.
    pub(super) fn read(request: &Request<'_>, bytes_max: usize) -> Result<Self, Problem> {
        let bytes = match request.body {
            Body::Bytes(bytes) => bytes,
            Body::TooLarge => return Err(Problem::body_too_large(bytes_max)),
        };
        if !says_json(request) {
            return Err(Problem::media_type());
        }
        if is_encoded(request) {
            return Err(Problem::content_coding());
        }
        // JSON is Unicode: what is not UTF-8 is not JSON, wherever in the body it stands.
        let text = str::from_utf8(bytes).map_err(|_| Problem::bad_json())?;
        match serde_json::from_str(text) {
            Ok(Value::Object(members)) => Ok(Self(members)),
            Ok(_) => Err(Problem::field("", "The body is not a JSON object.")),
            Err(_) => Err(Problem::bad_json()),
        }
    }

    /// A text that must be there.
    pub(super) fn text(&self, name: &'static str) -> Result<&str, Problem> {
        self.optional_text(name)?.ok_or_else(|| Problem::field(name, format!("{name} is missing.")))
    }

    /// A text that may be missing, or null.
    pub(super) fn optional_text(&self, name: &'static str) -> Result<Option<&str>, Problem> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(Problem::field(name, format!("{name} is not a string."))),
        }
    }

    /// A whole number that must be there.
    pub(super) fn integer(&self, name: &'static str) -> Result<i64, Problem> {
        match self.0.get(name).and_then(Value::as_i64) {
            Some(number) => Ok(number),
            None => Err(Problem::field(name, format!("{name} is not an integer."))),
        }
    }

    /// A whole number that may be missing, or null.
    pub(super) fn optional_integer(&self, name: &'static str) -> Result<Option<i64>, Problem> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(_) => self.integer(name).map(Some),
        }
    }

    /// Whole numbers, perhaps none, that must be there.
    pub(super) fn integers(&self, name: &'static str) -> Result<Vec<i64>, Problem> {
        let array = self.0.get(name).and_then(Value::as_array);
        let numbers = array.and_then(|items| items.iter().map(Value::as_i64).collect());
        numbers.ok_or_else(|| Problem::field(name, format!("{name} is not an array of integers.")))
    }
}

/// A body that does not say what it is counts as JSON.
fn says_json(request: &Request<'_>) -> bool {
    let value = request.singleton(Singleton::ContentType).unwrap_or_default();
    let media_type = value.split(|&byte| byte == b';').next().unwrap_or_default();
    value.is_empty() || media_type.trim_ascii().eq_ignore_ascii_case(b"application/json")
}

/// Whether a body has a content coding (RFC 9110 section 8.4): none is read here.
fn is_encoded(request: &Request<'_>) -> bool {
    let coding = request.singleton(Singleton::ContentEncoding).unwrap_or_default();
    !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity")
}

/// The value of a query parameter, if it is there and not empty; the first of several.
pub(super) fn parameter<'a>(request: &Request<'a>, name: &str) -> Option<Cow<'a, str>> {
    let mut pairs = request.target.query_pairs();
    let (_, value) = pairs.find(|(key, _)| key == name)?;
    if value.is_empty() { None } else { Some(value) }
}

/// The number in a query parameter, brought into the range of an `i64`.
pub(super) fn number(request: &Request<'_>, name: &'static str) -> Result<Option<i64>, Problem> {
    let Some(text) = parameter(request, name) else { return Ok(None) };
    let digits = text.strip_prefix(['-', '+']).unwrap_or(&text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Problem::parameter(name, format!("{name} is not an integer.")));
    }
    let too_far = if text.starts_with('-') { i64::MIN } else { i64::MAX };
    Ok(Some(text.parse().unwrap_or(too_far)))
}
