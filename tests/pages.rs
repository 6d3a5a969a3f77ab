//! Asks for pages as a browser, a cache and an intruder would.

use std::fs;
use std::path::{Path, PathBuf};

#[path = "../build/comments.rs"]
mod comments;

use lovejoy::http::{Framing, Limits, Pages, Reader, Step, Version};

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("lovejoy-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(path.join("www/sub")).unwrap();
        fs::write(path.join("secret.txt"), "secret").unwrap();
        fs::write(path.join("www/index.html"), "<p>0123456789").unwrap();
        fs::write(path.join("www/sub/index.html"), "<p>sub").unwrap();
        fs::write(path.join("www/.hidden"), "hidden").unwrap();
        fs::write(path.join("www/漠然.js"), "let a;").unwrap();
        Self(path)
    }

    fn pages(&self) -> Pages {
        Pages::folder(&self.0.join("www")).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Status, field lines and body of an answer.
struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn field(&self, name: &str) -> Option<&str> {
        let fields = self.head.lines().filter_map(|line| line.split_once(": "));
        fields.filter(|field| field.0 == name).map(|field| field.1).next()
    }
}

/// Sends a request with these further field lines; 400 if it is refused, 404 if there is no such
/// page.
fn ask(pages: &Pages, request_line: &str, fields: &str) -> Answer {
    let bytes = format!("{request_line} HTTP/1.1\r\nHost: h\r\n{fields}\r\n");
    let mut reader = Reader::new();
    let refused = |status| Answer { status, head: String::new(), body: Vec::new() };
    let request = match reader.read(bytes.as_bytes(), &Limits::default()).1 {
        Ok(Step::Complete(request)) => request,
        Ok(step) => panic!("{step:?}"),
        Err(error) => return refused(error.status()),
    };
    let Some(page) = pages.find(&request.target) else { return refused(404) };
    let response = page.respond(&request);
    let head_only = request_line.starts_with("HEAD");
    let framing = Framing { version: Version::Http11, head_only, keep_alive: true, date: "now" };
    let status = response.status();
    let mut out = Vec::new();
    let rest = response.encode(&framing, &mut out);
    out.extend_from_slice(rest);
    let end = out.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    let body = out.split_off(end);
    Answer { status, head: String::from_utf8(out).unwrap(), body }
}

fn status(pages: &Pages, path: &str) -> u16 {
    ask(pages, &format!("GET {path}"), "").status
}

#[test]
fn a_page_has_type_tag_and_protection() {
    let folder = Folder::new("type");
    let answer = ask(&folder.pages(), "GET /", "");
    assert_eq!((answer.status, &answer.body[..]), (200, &b"<p>0123456789"[..]));
    assert_eq!(answer.field("Content-Type"), Some("text/html; charset=utf-8"));
    assert_eq!(answer.field("Content-Length"), Some("13"));
    assert_eq!(answer.field("Cache-Control"), Some("no-cache"));
    assert_eq!(answer.field("X-Content-Type-Options"), Some("nosniff"));
    assert_eq!(answer.field("Referrer-Policy"), Some("no-referrer"));
    let policy = answer.field("Content-Security-Policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'; img-src"));
    assert!(policy.ends_with("frame-ancestors 'none'") && !policy.contains("unsafe"));
    let etag = answer.field("ETag").unwrap();
    assert!(etag.starts_with('"') && etag.ends_with('"') && etag.len() == 34, "{etag}");
}

#[test]
fn every_file_is_at_its_own_path_and_nothing_else_is() {
    let folder = Folder::new("path");
    let pages = folder.pages();
    for path in ["/index.html", "/sub/", "/sub/index.html", "/%E6%BC%A0%E7%84%B6.js", "/?x=y"] {
        assert_eq!(status(&pages, path), 200, "{path}");
    }
    for path in
        ["/sub", "/none.html", "/.hidden", "//index.html", "/index.html/", "/sub//index.html"]
    {
        assert_eq!(status(&pages, path), 404, "{path}");
    }
}

#[test]
fn there_is_no_way_out_of_the_folder() {
    let folder = Folder::new("out");
    let pages = folder.pages();
    for path in [
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/sub/..%2f..%2fsecret.txt",
        "/..%5csecret.txt",
        "/%00",
    ] {
        assert_eq!(status(&pages, path), 400, "{path}");
    }
    #[cfg(unix)]
    {
        let link = |to: &Path, name: &str| {
            std::os::unix::fs::symlink(to, folder.0.join("www").join(name)).unwrap();
        };
        link(&folder.0.join("secret.txt"), "link.txt");
        link(&folder.0, "up");
        link(Path::new("sub/index.html"), "inside.html");
        assert_eq!(status(&pages, "/link.txt"), 404);
        assert_eq!(status(&pages, "/up/secret.txt"), 404);
        assert_eq!(status(&pages, "/inside.html"), 200);
    }
}

#[test]
fn head_is_get_without_the_body() {
    let folder = Folder::new("head");
    let (get, head) = (ask(&folder.pages(), "GET /", ""), ask(&folder.pages(), "HEAD /", ""));
    assert_eq!(head.head, get.head);
    assert!(head.body.is_empty());
    assert_eq!(head.field("Accept-Ranges"), Some("bytes"));
    let post = ask(&folder.pages(), "POST /", "");
    assert_eq!((post.status, post.field("Allow")), (405, Some("GET, HEAD, OPTIONS")));
    let options = ask(&folder.pages(), "OPTIONS /", "");
    assert_eq!((options.status, options.field("Allow")), (204, Some("GET, HEAD, OPTIONS")));
}

#[test]
fn conditions_are_judged_in_the_order_of_the_rfc() {
    let folder = Folder::new("conditions");
    let pages = folder.pages();
    let page = ask(&pages, "GET /", "");
    let (etag, modified) = (page.field("ETag").unwrap(), page.field("Last-Modified").unwrap());
    let old = "Sun, 06 Nov 1994 08:49:37 GMT";
    let cases = [
        (format!("If-None-Match: {etag}\r\n"), 304),
        (format!("If-None-Match: W/{etag}\r\n"), 304),
        (format!("If-None-Match: \"x\", {etag}\r\n"), 304),
        (format!("If-None-Match: \"x\"\r\nIf-None-Match: {etag}\r\n"), 304),
        ("If-None-Match: *\r\n".into(), 304),
        (format!("If-None-Match: {}\r\n", etag.trim_matches('"')), 200),
        (format!("If-None-Match: \"x\"\r\nIf-Modified-Since: {modified}\r\n"), 200),
        (format!("If-Modified-Since: {modified}\r\n"), 304),
        (format!("If-Modified-Since: {old}\r\n"), 200),
        ("If-Modified-Since: yesterday\r\n".into(), 200),
        (format!("If-Modified-Since: {modified}\r\nIf-Modified-Since: {modified}\r\n"), 200),
        (format!("If-Unmodified-Since: {old}\r\nIf-Unmodified-Since: {old}\r\n"), 200),
        (format!("If-Match: {etag}\r\n"), 200),
        (format!("If-Match: W/{etag}\r\n"), 412),
        (format!("If-Match: {etag}\r\nIf-None-Match: {etag}\r\n"), 304),
        (format!("If-Match: {etag}\r\nIf-Unmodified-Since: {old}\r\n"), 200),
        (format!("If-Unmodified-Since: {old}\r\n"), 412),
        (format!("If-Unmodified-Since: {modified}\r\n"), 200),
    ];
    for (fields, status) in cases {
        let answer = ask(&pages, "GET /", &fields);
        assert_eq!(answer.status, status, "{fields}");
        assert_eq!(answer.field("ETag"), Some(etag), "{fields}");
        assert_eq!(answer.body.is_empty(), status == 304, "{fields}");
        assert_eq!(answer.field("Last-Modified").is_none(), status == 304, "{fields}");
        assert_eq!(answer.field("Cache-Control"), Some("no-cache"), "{fields}");
    }
}

#[test]
fn ranges_are_parts_of_the_same_version() {
    let folder = Folder::new("ranges");
    let pages = folder.pages();
    let etag = ask(&pages, "GET /", "").field("ETag").unwrap().to_string();
    let range = |fields: &str| {
        let answer = ask(&pages, "GET /", fields);
        let part = answer.field("Content-Range").map(String::from);
        (answer.status, part, String::from_utf8(answer.body).unwrap())
    };
    let part = (206, Some("bytes 3-4/13".into()), "01".into());
    let whole = (200, None, "<p>0123456789".into());
    assert_eq!(range("Range: bytes=3-4\r\n"), part);
    assert_eq!(range(&format!("Range: bytes=3-4\r\nIf-Range: {etag}\r\n")), part);
    assert_eq!(range("Range: bytes=3-4\r\nIf-Range: \"x\"\r\n"), whole);
    assert_eq!(range(&format!("Range: bytes=3-4\r\nIf-Range: W/{etag}\r\n")), whole);
    assert_eq!(range("Range: bytes=0-1,3-4\r\n"), whole);
    let (status, length, explanation) = range("Range: bytes=13-\r\n");
    assert_eq!((status, length), (416, Some("bytes */13".into())));
    assert!(explanation.contains("shorter"), "{explanation}");
    let dated = ask(&pages, "GET /", "").field("Last-Modified").unwrap().to_string();
    assert_eq!(range(&format!("Range: bytes=3-4\r\nIf-Range: {dated}\r\n")), whole);
    assert_eq!(range(&format!("If-Range: {etag}\r\n")), whole);
    let none_match = format!("Range: bytes=3-4\r\nIf-None-Match: {etag}\r\n");
    assert_eq!(range(&none_match).0, 304);
    let head = ask(&pages, "HEAD /", "Range: bytes=3-4\r\n");
    assert_eq!((head.status, head.field("Content-Length")), (200, Some("13")));
}

#[test]
fn a_changed_file_has_another_tag() {
    let folder = Folder::new("change");
    let pages = folder.pages();
    let tag = || ask(&pages, "GET /", "").field("ETag").map(String::from);
    let before = tag();
    assert_eq!(before, tag());
    fs::write(folder.0.join("www/index.html"), "<p>new").unwrap();
    assert_ne!(before, tag());
}

#[test]
fn a_folder_that_is_none_is_an_error() {
    assert!(Pages::folder(Path::new("/nowhere/at/all")).is_err());
    let folder = Folder::new("file");
    assert!(Pages::folder(&folder.0.join("secret.txt")).is_err());
}

#[test]
fn comments_are_taken_out_and_lines_keep_their_numbers() {
    let script = "// A head.\n/**\n * @param {number} a\n */\nfunction f(a) { // behind\n  /** @type {X} */ (a).b();\n\
                  \t/* one */ /* two */ g(\"// no comment\", '/* nor this */');\n}\n";
    let expected = "\n\n\n\nfunction f(a) { // behind\n (a).b();\n g(\"// no comment\", '/* nor this */');\n}\n";
    assert_eq!(comments::strip(script), expected);
    assert_eq!(comments::strip("/* a\n b */ p { color: red }"), "\n p { color: red }\n");
}

#[test]
fn the_description_of_the_web_service_is_there_whatever_the_folder() {
    let folder = Folder::new("description");
    for pages in [Pages::embedded(), folder.pages()] {
        let plain = ask(&pages, "GET /openapi.json", "");
        assert_eq!((plain.status, plain.field("Content-Type")), (200, Some("application/json")));
        let gzip = ask(&pages, "GET /openapi.json", "Accept-Encoding: gzip\r\n");
        assert_eq!(gzip.field("Content-Encoding"), Some("gzip"));
        assert!(gzip.body.len() < plain.body.len() / 4);
        assert_ne!(gzip.field("ETag"), plain.field("ETag"));
    }
}

#[test]
fn the_tour_is_there_whatever_the_folder() {
    let folder = Folder::new("tour");
    for pages in [Pages::embedded(), folder.pages()] {
        for path in ["/lab/docs/comet.md", "/lab/docs/2013.md"] {
            let page = ask(&pages, &format!("GET {path}"), "");
            let media_type = Some("text/markdown; charset=utf-8");
            assert_eq!((page.status, page.field("Content-Type")), (200, media_type));
            assert!(page.body.starts_with(b"# "));
        }
        assert_eq!(status(&pages, "/lab/docs/nothing.md"), 404);
    }
}
