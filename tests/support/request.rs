//! Writes requests as bytes, for every test that sends some.

use serde_json::Value;

/// The bytes of a request.
pub fn request(method: &str, path: &str, token: &str, body: Option<&Value>) -> String {
    let authorization = match token {
        "" => String::new(),
        token => format!("Authorization: Bearer {token}\r\n"),
    };
    let content = match body.map(Value::to_string) {
        Some(body) => {
            let length = body.len();
            format!("Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}")
        }
        None => "\r\n".to_owned(),
    };
    format!("{method} {path} HTTP/1.1\r\nHost: test\r\n{authorization}{content}")
}
