//! Lets a program answer requests of its own, beside the pages and the web service. Does not know
//! what they answer.

use std::fmt;
use std::net::IpAddr;

use crate::entity::UserId;
use crate::http::{Body, Request, Response};

/// A request for one of the program's own routes.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// As it came. Its body is within `body_bytes_max`.
    pub request: &'a Request<'a>,
    /// From where, as trusted proxies say.
    pub address: IpAddr,
    /// Who asks, if the request carries a good token.
    pub user: Option<UserId>,
}

impl Asked<'_> {
    /// The body of the request.
    pub fn body(&self) -> &[u8] {
        match self.request.body {
            Body::Bytes(bytes) => bytes,
            // invariant: such a request is answered before any route is asked.
            Body::TooLarge => &[],
        }
    }
}

/// What answers them.
pub(super) type Answerer = Box<dyn FnMut(&Asked<'_>) -> Response + Send>;

/// What is answered by whom.
#[derive(Default)]
pub(super) struct Routes(Vec<(String, Answerer)>);

/// The paths that the server itself answers.
const TAKEN: [&str; 3] = ["/api", "/healthz", "/metrics"];

impl Routes {
    /// Everything at this path and below is answered by this.
    pub(super) fn add(&mut self, prefix: &str, answerer: Answerer) {
        self.0.push((prefix.to_owned(), answerer));
    }

    /// The first prefix that is not allowed, or is there twice.
    pub(super) fn unusable(&self) -> Option<&str> {
        let is_bad = |prefix: &str| {
            !prefix.starts_with('/')
                || prefix.ends_with('/')
                || TAKEN.iter().any(|taken| is_below(taken, prefix))
        };
        let mut seen = Vec::new();
        self.0.iter().map(|(prefix, _)| prefix.as_str()).find(|prefix| {
            let is_twice = seen.contains(prefix);
            seen.push(prefix);
            is_twice || is_bad(prefix)
        })
    }

    /// What answers requests for this path: of several, the one with the longest prefix.
    pub(super) fn find(&mut self, path: &str) -> Option<&mut Answerer> {
        let fitting = self.0.iter_mut().filter(|(prefix, _)| is_below(prefix, path));
        fitting.max_by_key(|(prefix, _)| prefix.len()).map(|(_, answerer)| answerer)
    }
}

/// Whether a path is that of the prefix, or begins with it and a slash.
fn is_below(prefix: &str, path: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl fmt::Debug for Routes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(prefix, _)| prefix)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(prefixes: &[&str]) -> Routes {
        let mut routes = Routes::default();
        for (status, prefix) in (200..).zip(prefixes) {
            routes.add(prefix, Box::new(move |_| Response::new(status)));
        }
        routes
    }

    #[test]
    fn a_prefix_is_whole_segments_and_the_longer_wins() {
        let mut routes = routes(&["/sensor", "/sensor/raw", "/漠"]);
        let mut found = |path: &str| {
            let asks = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";
            let mut reader = crate::http::Reader::default();
            let (_, step) = reader.read(asks, &crate::http::Limits::default());
            let Ok(crate::http::Step::Complete(request)) = step else { panic!("no request") };
            let address = IpAddr::from([127, 0, 0, 1]);
            let asked = Asked { request: &request, address, user: None };
            routes.find(path).map(|answerer| answerer(&asked).status())
        };
        assert_eq!((found("/sensor"), found("/sensor/")), (Some(200), Some(200)));
        assert_eq!((found("/sensor/raw/1"), found("/sensor/rawer")), (Some(201), Some(200)));
        assert_eq!(found("/漠/然"), Some(202));
        assert_eq!((found("/sensors"), found("/"), found("/api")), (None, None, None));
    }

    #[test]
    fn what_cannot_be_a_route_is_found_out() {
        for prefix in ["", "/", "sensor", "/sensor/", "/api", "/api/sensor", "/healthz"] {
            assert_eq!(routes(&["/good", prefix]).unusable(), Some(prefix));
        }
        assert_eq!(routes(&["/a", "/b", "/a"]).unusable(), Some("/a"));
        assert_eq!(routes(&["/a", "/a/b", "/apis"]).unusable(), None);
    }
}
