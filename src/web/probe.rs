//! Tells the operator's doctor what has become of one of its requests on the way here.
//!
//! Only for a while, and only whoever knows the number that the doctor has chosen; and nobody is
//! told more than what they have sent themselves.

use std::net::IpAddr;

use super::Problem;
use super::fields::Members;
use super::json::Object;
use crate::config::Config;
use crate::http::{Request, Response};

/// What the doctor puts into `Connection`. The field is for one hop: a proxy writes its own.
pub const CONNECTION: &str = "close, x-doctor";

/// The number that the doctor has chosen.
pub fn read_probe(request: &Request<'_>, config: &Config) -> Result<i64, Problem> {
    Members::read(request, config.body_bytes_max)?.integer("probe")
}

/// What has arrived: from whom, on whose behalf as far as that is believed, and whether anything
/// stands in between. `count` tells answers apart, since one may come from a cache.
pub fn tell_probe(
    request: &Request<'_>,
    (peer, is_trusted): (IpAddr, bool),
    client: IpAddr,
    count: u32,
) -> Response {
    let mut body = Vec::new();
    let mut object = Object::begin(&mut body);
    object.text("peer", &peer.to_string());
    object.boolean("trusted", is_trusted);
    object.text("client", &client.to_string());
    object.boolean("direct", request.field_text("connection") == Some(CONNECTION));
    for (name, field) in [("forwarded", "forwarded"), ("x_forwarded_for", "x-forwarded-for")] {
        object.optional_text(name, request.field_text(field));
    }
    object.integer("count", i64::from(count));
    object.end();
    Response::new(200).json(body)
}
