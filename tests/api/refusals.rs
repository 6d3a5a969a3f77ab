//! What is wrong with a request is found in a fixed order and said in one form.

use lovejoy::server::Input;
use serde_json::json;

use super::support::World;
use super::{HERE, assert_done, assert_refused, assert_wrong};

/// Every path of the web service, with the methods it has.
const PATHS: &[(&str, &str)] = &[
    ("/api/server", "GET, HEAD, OPTIONS"),
    ("/api/users", "GET, HEAD, POST, OPTIONS"),
    ("/api/sessions", "GET, HEAD, POST, OPTIONS"),
    ("/api/sessions/current", "DELETE, OPTIONS"),
    ("/api/sessions/1", "DELETE, OPTIONS"),
    ("/api/me", "GET, HEAD, PATCH, OPTIONS"),
    ("/api/me/password", "PUT, OPTIONS"),
    ("/api/me/delete", "POST, OPTIONS"),
    ("/api/friends", "GET, HEAD, POST, OPTIONS"),
    ("/api/friends/1", "DELETE, OPTIONS"),
    ("/api/friends/1/accept", "POST, OPTIONS"),
    ("/api/blocks/1", "PUT, DELETE, OPTIONS"),
    ("/api/conversations", "GET, HEAD, POST, OPTIONS"),
    ("/api/conversations/1", "PATCH, OPTIONS"),
    ("/api/conversations/1/members", "POST, OPTIONS"),
    ("/api/conversations/1/members/1", "DELETE, OPTIONS"),
    ("/api/conversations/1/messages", "GET, HEAD, POST, OPTIONS"),
    ("/api/conversations/1/read", "PUT, OPTIONS"),
    ("/api/conversations/1/typing", "POST, OPTIONS"),
    ("/api/messages/1", "PATCH, DELETE, OPTIONS"),
    ("/api/state", "GET, HEAD, OPTIONS"),
    ("/api/events", "GET, HEAD, OPTIONS"),
    ("/healthz", "GET, HEAD, OPTIONS"),
    ("/", "GET, HEAD, OPTIONS"),
];

const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"];

/// What needs no token.
const OPEN: [(&str, &str); 5] = [
    ("GET", "/api/server"),
    ("POST", "/api/users"),
    ("POST", "/api/sessions"),
    ("GET", "/healthz"),
    ("GET", "/"),
];

#[test]
fn every_path_tells_which_methods_it_has() {
    let mut world = World::new();
    for &(path, allow) in PATHS {
        for method in METHODS.iter().filter(|&&method| !allow.split(", ").any(|m| m == method)) {
            let answer = world.call(method, path, "", None);
            assert_eq!(answer.status, 405);
            if *method != "HEAD" {
                assert_refused(&answer, 405, "method_not_allowed");
            }
            assert_eq!(answer.field("Allow"), Some(allow), "{method} {path}");
        }
        let options = world.call("OPTIONS", path, "", None);
        assert_eq!((options.status, options.field("Allow")), (204, Some(allow)), "{path}");
    }
}

#[test]
fn whatever_is_no_path_is_not_found_whatever_the_method() {
    let mut world = World::new();
    let (anna, _, _) = world.friends();
    let paths = [
        "/api",
        "/api/",
        "/api/nothing",
        "/api/me/",
        "/api//me",
        "/API/me",
        "/api/sessions/x",
        "/api/sessions/1/",
        "/api/friends/x",
        "/api/friends/1.0",
        "/api/friends/+1",
        "/api/friends/%20",
        "/api/friends/99999999999999999999",
        "/api/friends//accept",
        "/api/friends/x/accept",
        "/api/blocks",
        "/api/blocks/x",
        "/api/me/delete/1",
        "/api/conversations/one/messages",
        "/api/conversations/1e3/messages",
        "/api/conversations/one/read",
        "/api/conversations/x",
        "/api/conversations/1/",
        "/api/conversations/1/members/x",
        "/api/conversations/x/members/1",
        "/api/conversations/1/members/1/2",
        "/api/messages",
        "/api/messages/x",
        "/nothing",
        "/healthz/",
    ];
    for path in paths {
        for method in METHODS.iter().filter(|&&method| method != "HEAD") {
            assert_refused(&world.call(method, path, &anna.token, None), 404, "not_found");
        }
        assert_eq!(world.call("HEAD", path, &anna.token, None).status, 404);
    }
}

#[test]
fn a_path_may_be_written_with_escapes() {
    let mut world = World::new();
    let (anna, _, _) = world.friends();
    assert_eq!(world.get("/api/%6D%65", &anna).status, 200);
}

#[test]
fn everything_else_needs_a_token() {
    let mut world = World::new();
    let (anna, _, _) = world.friends();
    for &(path, allow) in PATHS {
        for method in allow.split(", ").filter(|&method| !["HEAD", "OPTIONS"].contains(&method)) {
            if OPEN.contains(&(method, path)) {
                assert_ne!(world.call(method, path, "nonsense", None).status, 401);
                continue;
            }
            let fields = [
                String::new(),
                "Authorization: Bearer nonsense\r\n".to_owned(),
                "Authorization: Bearer\r\n".to_owned(),
                "Authorization: \r\n".to_owned(),
                format!("Authorization: Basic {}\r\n", anna.token),
                format!("Authorization: {}\r\n", anna.token),
                format!("Authorization: Bearer {} x\r\n", anna.token),
                format!("Authorization: Bearer {}\r\n", anna.token.to_uppercase()),
                format!("Cookie: token={}\r\n", anna.token),
            ];
            for field in fields {
                let request = format!("{method} {path} HTTP/1.1\r\nHost: test\r\n{field}\r\n");
                assert_refused(&world.exchange(HERE, request.as_bytes()), 401, "unauthorized");
            }
        }
    }
    // Any bytes may stand there (`obs-text`, RFC 9110 section 5.5).
    let request = b"GET /api/me HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer \xff\xfe\r\n\r\n";
    assert_refused(&world.exchange(HERE, request), 401, "unauthorized");
    let request = format!(
        "GET /api/me HTTP/1.1\r\nHost: test\r\nauthorization: bEARER  {}\r\n\r\n",
        anna.token
    );
    assert_eq!(world.exchange(HERE, request.as_bytes()).status, 200, "the scheme has no case");
}

#[test]
fn every_get_may_be_a_head() {
    let mut world = World::new();
    let (anna, _, conversation) = world.friends();
    let history = format!("/api/conversations/{conversation}/messages");
    let paths = [
        "/api/server",
        "/api/sessions",
        "/api/me",
        "/api/users?q=b",
        "/api/friends",
        "/api/conversations",
        &history,
        "/api/state",
        "/api/events?wait=0",
        "/healthz",
        "/",
    ];
    for path in paths {
        let get = world.get(path, &anna);
        let head = world.call("HEAD", path, &anna.token, None);
        assert_eq!((get.status, head.status, head.body.as_str()), (200, 200, Some("")), "{path}");
        assert_eq!(head.field("Content-Type"), get.field("Content-Type"), "{path}");
        assert_eq!(head.field("Content-Length"), get.field("Content-Length"), "{path}");
    }
    let refused = world.call("HEAD", "/api/me", "", None);
    assert_eq!((refused.status, refused.body.as_str()), (401, Some("")));
}

type Fields<'a> = &'a [&'a str];

/// One request has every fault that there is, and loses them one by one.
#[test]
fn faults_are_found_in_the_order_of_the_contract() {
    let mut world = World::new();
    let (anna, ben, _) = world.friends();
    let stranger = world.register("carl");
    let foreign = world.befriend(&ben, &stranger);
    let path = format!("/api/conversations/{foreign}/messages");
    let bearer = format!("Authorization: Bearer {}", anna.token);
    let (large, text, json) =
        ("Content-Length: 65537", "Content-Type: text/plain", "Content-Type: application/json");
    let good = r#"{"body":"x"}"#;
    let steps: [(&str, &str, Fields<'_>, &str, u16, &str); 9] = [
        ("PUT", "/api/nothing", &[large, text, "Host: two"], "", 400, "bad_request"),
        ("PUT", "/api/nothing", &[large, text], "", 404, "not_found"),
        ("PUT", &path, &[large, text], "", 405, "method_not_allowed"),
        ("POST", &path, &[large, text], "", 401, "unauthorized"),
        ("POST", &path, &[&bearer, large, text], "", 413, "too_large"),
        ("POST", &path, &[&bearer, text], "{", 415, "unsupported_media_type"),
        ("POST", &path, &[&bearer, json], "{", 400, "bad_json"),
        ("POST", &path, &[&bearer, json], "{}", 422, "invalid_field"),
        ("POST", &path, &[&bearer, json], good, 404, "not_found"),
    ];
    for (method, path, fields, body, status, code) in steps {
        let length = format!("Content-Length: {}", body.len());
        let request = format!("{method} {path} HTTP/1.1");
        let mut head = vec![request.as_str(), "Host: test"];
        head.extend(fields);
        if !fields.contains(&large) {
            head.push(&length);
        }
        let head = head.join("\r\n");
        let answer = world.exchange(HERE, format!("{head}\r\n\r\n{body}").as_bytes());
        assert_refused(&answer, status, code);
    }
}

#[test]
fn a_poll_finds_its_faults_in_order_too() {
    let mut world = World::new();
    let (anna, _, _) = world.friends();
    for (accept, query, status, code) in [
        ("text/html", "wait=x&cursor=y", 406, "not_acceptable"),
        ("application/json", "wait=x&cursor=y", 422, "invalid_parameter"),
        ("application/json", "wait=1&cursor=y", 400, "bad_cursor"),
    ] {
        let request = format!(
            "GET /api/events?{query} HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {}\r\n\
             Accept: {accept}\r\n\r\n",
            anna.token
        );
        assert_refused(&world.exchange(HERE, request.as_bytes()), status, code);
    }
}

#[test]
fn no_other_path_minds_what_is_accepted() {
    let mut world = World::new();
    let request = "GET /api/server HTTP/1.1\r\nHost: test\r\nAccept: text/html\r\n\r\n";
    assert_eq!(world.exchange(HERE, request.as_bytes()).status, 200);
}

#[test]
fn a_server_that_stops_says_so_before_it_asks_for_a_token() {
    let mut world = World::new();
    let (anna, _, _) = world.friends();
    let asked = [
        ("GET /api/me", anna.token.as_str(), 503, "unavailable"),
        ("GET /api/me", "", 503, "unavailable"),
        ("GET /healthz", "", 503, "unavailable"),
        ("GET /", "", 503, "unavailable"),
        ("PUT /api/users", "", 405, "method_not_allowed"),
        ("POST /", "", 405, "method_not_allowed"),
        ("GET /api/nothing", "", 404, "not_found"),
        ("POST /nothing", "", 404, "not_found"),
    ];
    // Who is in the middle of a request is still answered.
    let lines = asked.map(|(line, ..)| {
        let connection = world.connect();
        world.send(connection, &line.as_bytes()[..1]);
        connection
    });
    world.input(Input::Drain);
    for (connection, (line, token, ..)) in lines.into_iter().zip(asked) {
        let rest = format!(
            "{} HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {token}\r\n\r\n",
            &line[1..]
        );
        world.send(connection, rest.as_bytes());
    }
    for (answer, (_, _, status, code)) in world.settle().iter().zip(asked) {
        assert_refused(answer, status, code);
    }
}

#[test]
fn a_body_is_json_in_utf_8_and_an_object() {
    let mut world = World::new();
    let (anna, _, conversation) = world.friends();
    let bodies: [(&[u8], u16, &str); 16] = [
        (b"", 400, "bad_json"),
        (b"{", 400, "bad_json"),
        (b"{}{}", 400, "bad_json"),
        (b"{'body':'x'}", 400, "bad_json"),
        (b"{\"body\":\"\xff\"}", 400, "bad_json"),
        (b"{\"body\":\"x\",\"other\":\"\xc0\xaf\"}", 400, "bad_json"),
        (b"{\"body\":\"x\"}\xff", 400, "bad_json"),
        (b"{\"body\":\"\\ud800\"}", 400, "bad_json"),
        (b"{\"body\":\"\n\"}", 400, "bad_json"),
        (b"[]", 422, "invalid_field"),
        (b"null", 422, "invalid_field"),
        (b"\"body\"", 422, "invalid_field"),
        (b"7", 422, "invalid_field"),
        (b" \n{ \"body\" : \"x\" }\t", 201, ""),
        (b"{\"body\":\"x\",\"unknown\":{\"body\":[1,2.5,null]}}", 201, ""),
        (b"{\"body\":\"\\ud83d\\ude00\"}", 201, ""),
    ];
    for (body, status, code) in bodies {
        let mut request = format!(
            "POST /api/conversations/{conversation}/messages HTTP/1.1\r\nHost: test\r\n\
             Authorization: Bearer {}\r\nContent-Length: {}\r\n\r\n",
            anna.token,
            body.len()
        )
        .into_bytes();
        request.extend_from_slice(body);
        let answer = world.exchange(HERE, &request);
        let shown = String::from_utf8_lossy(body);
        assert_eq!(answer.outcome(), (status, code), "{shown}: {}", answer.body);
        if status == 422 {
            assert_wrong(&answer, code, "");
        }
    }
}

#[test]
fn a_body_that_says_what_it_is_says_json() {
    let mut world = World::new();
    let (anna, _, conversation) = world.friends();
    for (media_type, status) in [
        ("Content-Type: application/json\r\n", 201),
        ("Content-Type: Application/JSON;charset=utf-8\r\n", 201),
        ("", 201),
        ("Content-Type:\r\n", 201),
        ("Content-Encoding:\r\n", 201),
        ("Content-Encoding: Identity\r\n", 201),
        ("Content-Encoding: gzip\r\n", 415),
        ("Content-Type: text/plain\r\n", 415),
        ("Content-Type: application/x-www-form-urlencoded\r\n", 415),
        ("Content-Type: application/jsonx\r\n", 415),
    ] {
        let request = format!(
            "POST /api/conversations/{conversation}/messages HTTP/1.1\r\nHost: test\r\n\
             Authorization: Bearer {}\r\n{media_type}Content-Length: 12\r\n\r\n{{\"body\":\"x\"}}",
            anna.token
        );
        let answer = world.exchange(HERE, request.as_bytes());
        assert_eq!(answer.status, status, "{media_type:?}");
        if status == 415 {
            assert_refused(&answer, 415, "unsupported_media_type");
            let instead = media_type.starts_with("Content-Encoding").then_some("identity");
            assert_eq!(answer.field("accept-encoding"), instead, "what would do is said");
        }
    }
}

#[test]
fn a_body_may_be_as_long_as_the_server_says_and_no_longer() {
    let mut world = World::new();
    let (anna, _, conversation) = world.friends();
    let path = format!("/api/conversations/{conversation}/messages");
    let rest = |length: usize| json!({ "body": "x", "pad": " ".repeat(length - 21) });
    let longest = rest(65_536);
    assert_eq!(longest.to_string().len(), 65_536);
    assert_eq!(world.post(&path, &anna, &longest).status, 201);
    assert_refused(&world.post(&path, &anna, &rest(65_537)), 413, "too_large");
    let chunked = format!(
        "POST {path} HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {}\r\n\
         Transfer-Encoding: chunked\r\n\r\n10001\r\n",
        anna.token
    );
    assert_refused(&world.exchange(HERE, chunked.as_bytes()), 413, "too_large");
}

#[test]
fn members_of_the_wrong_type_are_named() {
    let mut world = World::new();
    let (anna, _, conversation) = world.friends();
    let messages = format!("/api/conversations/{conversation}/messages");
    let read = format!("/api/conversations/{conversation}/read");
    let cases = [
        ("POST", "/api/users", json!({ "password": "secret" }), "name"),
        ("POST", "/api/users", json!({ "name": 1, "password": "secret" }), "name"),
        ("POST", "/api/users", json!({ "name": "carl" }), "password"),
        ("POST", "/api/users", json!({ "name": "carl", "password": 12345 }), "password"),
        (
            "POST",
            "/api/users",
            json!({ "name": "carl", "password": "secret", "display_name": 5 }),
            "display_name",
        ),
        ("POST", "/api/sessions", json!({ "password": "secret" }), "name"),
        ("POST", "/api/sessions", json!({ "name": null, "password": "secret" }), "name"),
        ("POST", "/api/sessions", json!({ "name": "anna", "password": [] }), "password"),
        ("POST", "/api/me/delete", json!({}), "password"),
        ("POST", "/api/me/delete", json!({ "password": 12345 }), "password"),
        ("POST", "/api/friends", json!({}), "name"),
        ("POST", "/api/friends", json!({ "name": true }), "name"),
        ("POST", &messages, json!({ "body": null }), "body"),
        ("POST", &messages, json!({ "body": ["x"] }), "body"),
        ("POST", &messages, json!({ "body": "x", "nonce": 1 }), "nonce"),
        ("POST", &messages, json!({ "body": "x", "nonce": "" }), "nonce"),
        ("POST", &messages, json!({ "body": "x", "nonce": "n".repeat(65) }), "nonce"),
        ("POST", "/api/conversations", json!({ "member_ids": [] }), "title"),
        ("POST", "/api/conversations", json!({ "title": 7, "member_ids": [] }), "title"),
        ("POST", "/api/conversations", json!({ "title": "x" }), "member_ids"),
        ("POST", "/api/conversations", json!({ "title": "x", "member_ids": 1 }), "member_ids"),
        ("POST", "/api/conversations", json!({ "title": "x", "member_ids": ["1"] }), "member_ids"),
        ("POST", "/api/conversations", json!({ "title": "x", "member_ids": [1.5] }), "member_ids"),
        ("PATCH", "/api/conversations/1", json!({}), "title"),
        ("PATCH", "/api/conversations/1", json!({ "title": null }), "title"),
        ("POST", "/api/conversations/1/members", json!({}), "user_id"),
        ("POST", "/api/conversations/1/members", json!({ "user_id": "1" }), "user_id"),
        ("PATCH", "/api/messages/1", json!({}), "body"),
        ("PATCH", "/api/messages/1", json!({ "body": 1 }), "body"),
        ("PUT", &read, json!({}), "message_id"),
        ("PUT", &read, json!({ "message_id": "1" }), "message_id"),
        ("PUT", &read, json!({ "message_id": 1.5 }), "message_id"),
        ("PUT", &read, json!({ "message_id": null }), "message_id"),
    ];
    for (method, path, body, field) in cases {
        let answer = world.call(method, path, &anna.token, Some(&body));
        assert_wrong(&answer, "invalid_field", field);
    }
}

#[test]
fn numbers_in_a_query_are_integers_or_empty_and_clamped() {
    let mut world = World::new();
    let (anna, _, conversation) = world.friends();
    for body in ["one", "two"] {
        super::said(&mut world, &anna, conversation, body);
    }
    let history = format!("/api/conversations/{conversation}/messages");
    for (query, count) in [
        ("limit=", 2),
        ("limit", 2),
        ("limit=0", 1),
        ("limit=-5", 1),
        ("limit=1", 1),
        ("limit=%31", 1),
        ("limit=99999999999999999999", 2),
        ("limit=-99999999999999999999", 1),
        ("before=&after=", 2),
        ("before=99999999999999999999", 2),
        ("before=-99999999999999999999", 0),
        ("after=-1", 2),
        ("after=99999999999999999999", 0),
        ("unknown=x&limit=1", 1),
    ] {
        let answer = world.get(&format!("{history}?{query}"), &anna);
        let messages = answer.body["messages"].as_array().map(Vec::len);
        assert_eq!((answer.status, messages), (200, Some(count)), "{query}: {}", answer.body);
    }
    for field in ["limit", "before", "after"] {
        for value in ["x", "1.0", "1e3", "0x10", "%20", "1%20", "-", "%E4%B8%80", "null"] {
            let answer = world.get(&format!("{history}?{field}={value}"), &anna);
            assert_wrong(&answer, "invalid_parameter", field);
        }
    }
    for (wait, applied) in [("0", 0), ("-3", 0), ("-99999999999999999999", 0)] {
        let answer = world.get(&format!("/api/events?wait={wait}"), &anna);
        assert_eq!((answer.status, &answer.body["wait"]), (200, &json!(applied)));
    }
    assert_wrong(&world.get("/api/events?wait=soon", &anna), "invalid_parameter", "wait");
}

#[test]
fn too_long_a_line_or_head_is_too_large() {
    let mut world = World::new();
    let long = "x".repeat(9_000);
    let line = format!("GET /{long} HTTP/1.1\r\nHost: test\r\n\r\n");
    assert_refused(&world.exchange(HERE, line.as_bytes()), 414, "too_large");
    let head = format!("GET / HTTP/1.1\r\nHost: test\r\nX: {long}\r\nY: {long}\r\n\r\n");
    assert_refused(&world.exchange(HERE, head.as_bytes()), 431, "too_large");
}

#[test]
fn a_body_where_none_is_needed_is_ignored() {
    let mut world = World::new();
    let (anna, ben, _) = world.friends();
    let request = format!(
        "POST /api/friends/{}/accept HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 0\r\n\r\n",
        ben.id, anna.token
    );
    assert_eq!(world.exchange(HERE, request.as_bytes()).status, 200, "what curl -d '' sends");
    assert_done(&world.call("DELETE", "/api/sessions/current", &anna.token, Some(&json!(7))));
}
