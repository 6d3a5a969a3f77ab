//! Serves the files of the web app: from the program itself, or from a folder while somebody is
//! working on them.
//!
//! Knows validators, precompressed variants and ranges; does not know routes. Every file is at its
//! own path, and a path that ends in a slash means the `index.html` there. There is no listing. The
//! description of the web service and the tour always come from the program, not from the folder.
//!
//! Rules:
//! 1. *Caches ask every time* (`no-cache`), and are told 304 by a tag made from the content:
//!    nothing that an upgrade changed is served stale, and nothing that it left alone is sent
//!    again.
//! 2. *No way out of the folder*: a target has no dot segments and no hidden slashes, a segment
//!    that starts with a dot is refused here, and the file that the path leads to, with links
//!    followed, must lie below the root.
//! 3. *Most clients take gzip*, so pages are packed inside the program, and a page is unpacked when
//!    the first client wants it plain.
//! 4. *Ranges are of the plain bytes*: a request that has one gets no gzip (RFC 9110 section 14.2).

use std::borrow::Cow;
use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::SystemTime;

use sha2::{Digest, Sha256};

use super::conditional::{self, Validators, Verdict};
use super::inflate::gunzip;
use super::media;
use super::parse::Singleton;
use super::request::{Method, Request};
use super::response::{Payload, Response};
use super::target::Target;
use crate::digits::hexadecimal;

/// Files in a folder that are larger than this are not pages; they are read whole.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// The description of the web service, for programs; and the tour of all this, for people.
const DESCRIPTION: &str = "/openapi.json";
const TOUR: &str = "/lab/docs/";

/// What every page says, whatever becomes of the request: scripts and styles come from here alone,
/// and no site may frame it. `img-src` and `data:`, `blob:` are for pictures that the app draws
/// itself.
const PAGE_FIELD_LINES: &str = "Accept-Ranges: bytes\r\n\
    Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data: blob:; connect-src 'self'; manifest-src 'self'; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'\r\n\
    Referrer-Policy: no-referrer\r\n";

/// What is wrong when a page exists but cannot be had in the way it was asked for.
const CONDITION_FAILED: &[u8] = b"This page is not in the state that the request asks for.\n";
const OUTSIDE: &[u8] = b"This page is shorter than the range that the request asks for.\n";
const PLAIN: &str = "text/plain; charset=utf-8";

/// Where pages come from.
#[derive(Debug)]
pub struct Pages {
    /// The folder, canonical; without one the pages are those in the program.
    root: Option<PathBuf>,
}

/// One file, found.
#[derive(Debug)]
pub struct Page {
    media_type: &'static str,
    plain: Plain,
    gzip: Option<Variant>,
    /// Unix time in seconds.
    modified: u64,
}

#[derive(Debug)]
enum Plain {
    /// As it was read.
    Read(Variant),
    /// It may have to be unpacked, if anybody wants it.
    Embedded(&'static Embedded),
}

#[derive(Debug)]
struct Variant {
    bytes: Cow<'static, [u8]>,
    /// Strong, with its quotes.
    etag: Cow<'static, str>,
}

/// One file under `www/`, as the build script wrote it down.
#[derive(Debug)]
struct Embedded {
    path: &'static str,
    media_type: &'static str,
    modified: u64,
    /// Packed, if there is a tag for that.
    bytes: &'static [u8],
    /// Of the plain bytes.
    etag: &'static str,
    gzip_etag: Option<&'static str>,
    /// The plain bytes of a packed page, once somebody has wanted them.
    unpacked: OnceLock<Vec<u8>>,
}

// `static EMBEDDED: [Embedded; _]`, in the order of their paths.
include!(concat!(env!("OUT_DIR"), "/pages.rs"));

impl Pages {
    /// The pages that are part of the program.
    pub const fn embedded() -> Self {
        Self { root: None }
    }

    /// The files below a folder, read anew for every request.
    pub fn folder(root: &Path) -> io::Result<Self> {
        let root = root.canonicalize()?;
        if !root.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        Ok(Self { root: Some(root) })
    }

    /// The page at the path of a target.
    pub fn find(&self, target: &Target<'_>) -> Option<Page> {
        let mut path = target.decoded_path();
        if path.ends_with('/') {
            path.to_mut().push_str("index.html");
        }
        match &self.root {
            Some(root) if path != DESCRIPTION && !path.starts_with(TOUR) => Page::read(root, &path),
            _ => Page::embedded(&path),
        }
    }
}

impl Page {
    /// The answer to a GET or HEAD for this page, with conditions and ranges judged; OPTIONS is
    /// told what there is, and anything else 405.
    pub fn respond(self, request: &Request<'_>) -> Response {
        if !matches!(request.method, Method::Get | Method::Head) {
            let status = if request.method == Method::Options { 204 } else { 405 };
            return Response::new(status).with("Allow", "GET, HEAD, OPTIONS");
        }
        let has_variants = self.gzip.is_some();
        let plain_only = request.singleton(Singleton::Range).is_some() || !request.accepts_gzip();
        let (Variant { bytes, etag }, encoding) = match self.gzip {
            Some(gzip) if !plain_only => (gzip, Some("gzip")),
            _ => (self.plain.variant(), None),
        };
        let validators = Validators { etag: &etag, modified: self.modified };
        let verdict = conditional::judge(request, validators, bytes.len());
        let mut response = Response::new(status(&verdict))
            .cache_control("no-cache")
            .with_static_lines(PAGE_FIELD_LINES)
            .with("ETag", &etag);
        // RFC 9110 section 15.4.5: a 304 that has the tag has no use for the date.
        if verdict != Verdict::NotModified {
            response = response.last_modified(self.modified);
        }
        if has_variants {
            response = response.with("Vary", "Accept-Encoding");
        }
        match verdict {
            Verdict::NotModified => response,
            Verdict::Failed => response.body(PLAIN, Payload::Static(CONDITION_FAILED)),
            Verdict::Unsatisfiable => response
                .with("Content-Range", &format!("bytes */{}", bytes.len()))
                .body(PLAIN, Payload::Static(OUTSIDE)),
            Verdict::Part(part) => {
                let (first, last) = (part.start, part.end - 1);
                let range = format!("bytes {first}-{last}/{}", bytes.len());
                response.with("Content-Range", &range).body(self.media_type, part_of(bytes, part))
            }
            Verdict::Whole => {
                if let Some(encoding) = encoding {
                    response = response.with("Content-Encoding", encoding);
                }
                let whole = match bytes {
                    Cow::Borrowed(bytes) => Payload::Static(bytes),
                    Cow::Owned(bytes) => Payload::Owned(bytes),
                };
                response.body(self.media_type, whole)
            }
        }
    }

    fn embedded(path: &str) -> Option<Self> {
        let index = EMBEDDED.binary_search_by(|page| page.path.cmp(path)).ok()?;
        let page = &EMBEDDED[index];
        Some(Self {
            media_type: page.media_type,
            plain: Plain::Embedded(page),
            gzip: page.gzip_etag.map(|etag| Variant::borrowed(page.bytes, etag)),
            modified: page.modified,
        })
    }

    /// Reads a file below `root`, which is canonical. If anything is wrong with it, it counts as
    /// missing.
    fn read(root: &Path, path: &str) -> Option<Self> {
        let mut file = root.to_path_buf();
        for segment in path.strip_prefix('/')?.split('/') {
            if segment.is_empty() || segment.starts_with('.') || segment.contains(['\\', '\0']) {
                return None;
            }
            file.push(segment);
        }
        let file = file.canonicalize().ok().filter(|file| file.starts_with(root))?;
        let about = fs::metadata(&file).ok()?;
        if !about.is_file() || about.len() > FILE_BYTES_MAX {
            return None;
        }
        let bytes = fs::read(&file).ok()?;
        let modified =
            about.modified().ok()?.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs();
        let etag = Cow::Owned(etag(&bytes));
        let plain = Plain::Read(Variant { bytes: Cow::Owned(bytes), etag });
        Some(Self { media_type: media::of(path), plain, gzip: None, modified })
    }
}

impl Plain {
    fn variant(self) -> Variant {
        match self {
            Self::Read(variant) => variant,
            Self::Embedded(page) => Variant::borrowed(page.plain(), page.etag),
        }
    }
}

impl Variant {
    fn borrowed(bytes: &'static [u8], etag: &'static str) -> Self {
        Self { bytes: Cow::Borrowed(bytes), etag: Cow::Borrowed(etag) }
    }
}

impl Embedded {
    /// Its bytes as they were before they were packed.
    fn plain(&'static self) -> &'static [u8] {
        match self.gzip_etag {
            Some(_) => self.unpacked.get_or_init(|| gunzip(self.bytes)),
            None => self.bytes,
        }
    }
}

const fn status(verdict: &Verdict) -> u16 {
    match verdict {
        Verdict::Whole => 200,
        Verdict::Part(_) => 206,
        Verdict::NotModified => 304,
        Verdict::Failed => 412,
        Verdict::Unsatisfiable => 416,
    }
}

fn part_of(bytes: Cow<'static, [u8]>, part: Range<usize>) -> Payload {
    match bytes {
        Cow::Borrowed(bytes) => Payload::Static(&bytes[part]),
        Cow::Owned(bytes) => Payload::Owned(bytes[part].to_vec()),
    }
}

/// A tag made of half of the SHA-256, as the build script makes them.
fn etag(bytes: &[u8]) -> String {
    format!("\"{}\"", hexadecimal(&Sha256::digest(bytes)[..16]))
}

#[cfg(test)]
mod tests {
    use super::super::{Limits, Reader, Step};
    use super::*;

    /// Serves a page that has a smaller, made up, compressed variant.
    fn respond(fields: &str) -> (Response, String) {
        let page = Page {
            media_type: "text/css",
            plain: Plain::Read(Variant::borrowed(b"plain bytes", "\"a\"")),
            gzip: Some(Variant::borrowed(b"gzip", "\"a-gzip\"")),
            modified: 0,
        };
        let bytes = format!("GET / HTTP/1.1\r\nHost: h\r\n{fields}\r\n");
        let mut reader = Reader::new();
        let Ok(Step::Complete(request)) = reader.read(bytes.as_bytes(), &Limits::default()).1
        else {
            panic!("{fields} is no request");
        };
        let response = page.respond(&request);
        let fields = response.field_lines().to_string();
        (response, fields)
    }

    #[test]
    fn the_compressed_variant_is_for_those_who_ask_and_has_its_own_tag() {
        let (response, fields) = respond("Accept-Encoding: gzip\r\n");
        assert_eq!(response.payload(), b"gzip");
        assert!(fields.contains("ETag: \"a-gzip\"\r\n"));
        assert!(fields.contains("Content-Encoding: gzip\r\n"));
        assert!(fields.contains("Vary: Accept-Encoding\r\n"));

        let (response, fields) = respond("");
        assert_eq!(response.payload(), b"plain bytes");
        assert!(fields.contains("ETag: \"a\"\r\n") && !fields.contains("Content-Encoding"));
        assert!(fields.contains("Vary: Accept-Encoding\r\n"), "caches must know even then");
    }

    #[test]
    fn each_variant_is_revalidated_by_its_own_tag() {
        assert_eq!(
            respond("Accept-Encoding: gzip\r\nIf-None-Match: \"a-gzip\"\r\n").0.status(),
            304
        );
        assert_eq!(respond("Accept-Encoding: gzip\r\nIf-None-Match: \"a\"\r\n").0.status(), 200);
        assert_eq!(respond("If-None-Match: \"a\"\r\n").0.status(), 304);
    }

    #[test]
    fn ranges_are_of_the_plain_bytes() {
        let (response, fields) = respond("Accept-Encoding: gzip\r\nRange: bytes=0-4\r\n");
        assert_eq!((response.status(), response.payload()), (206, &b"plain"[..]));
        assert!(fields.contains("ETag: \"a\"\r\n") && !fields.contains("Content-Encoding"));
    }

    #[test]
    fn embedded_pages_are_found_at_their_paths_and_unpacked_as_they_were() {
        assert!(EMBEDDED.is_sorted_by_key(|page| page.path));
        for page in &EMBEDDED {
            let found = Page::embedded(page.path).unwrap();
            assert_eq!(found.media_type, media::of(page.path), "{}", page.path);
            // The tag is a hash of what the build script has read.
            let plain = found.plain.variant();
            assert_eq!(plain.etag, etag(&plain.bytes), "{}", page.path);
            assert!(found.gzip.is_none_or(|gzip| gzip.bytes.len() < plain.bytes.len()));
        }
        assert!(Page::embedded("/no/such/page").is_none());
    }
}
