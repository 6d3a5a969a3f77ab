//! HTTP/1.1 as bytes: requests in, responses out.
