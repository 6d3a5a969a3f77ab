//! Embeds the files under `www/`, the description of the web service and the tour: bytes,
//! compressed bytes, tags and types, as one sorted table in Rust.
//!
//! Also tells the linker what to leave out of the released program.
//!
//! Takes the comments out of scripts and styles and the white space out of the description, and
//! changes nothing else. The outcome depends only on the files, and on `SOURCE_DATE_EPOCH` if it is
//! set: then no file is newer than that, so that a build can be reproduced.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

#[path = "build/comments.rs"]
mod comments;
#[path = "src/http/media.rs"]
mod media;

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=build/comments.rs");
    println!("cargo::rerun-if-changed=src/http/media.rs");
    println!("cargo::rerun-if-changed=www");
    println!("cargo::rerun-if-env-changed=SOURCE_DATE_EPOCH");
    let root = PathBuf::from(variable("CARGO_MANIFEST_DIR")).join("www");
    let out = PathBuf::from(variable("OUT_DIR"));
    let mut pages = Vec::new();
    if root.is_dir() {
        walk(&root, "", &mut pages)?;
    }
    // The tour is read where the code is, and in the lab.
    let docs = root.with_file_name("docs");
    walk(&docs.join("tour"), "/lab/docs", &mut pages)?;
    pages.push(("/lab/docs/2013.md".to_owned(), docs.join("2013.md")));
    println!("cargo::rerun-if-changed={}", docs.display());
    let description = PathBuf::from(variable("CARGO_MANIFEST_DIR")).join("src/web/openapi.json");
    println!("cargo::rerun-if-changed={}", description.display());
    let file = out.join("openapi.json");
    write_if_new(&file, &squeezed(&fs::read_to_string(description)?))?;
    pages.push(("/openapi.json".to_owned(), file));
    pages.sort();
    let mut table = format!(
        "#[allow(clippy::unreadable_literal)]\nstatic EMBEDDED: [Embedded; {}] = [\n",
        pages.len()
    );
    for (index, (path, file)) in pages.iter().enumerate() {
        table += &row(path, file, &out.join(index.to_string()))?;
    }
    table += "];\n";
    fs::write(out.join("pages.rs"), table)?;
    link();
    Ok(())
}

/// Leaves out of the released program what would only make it larger; see the comments at the head
/// of `build/no-unwind.ld`. Relocations are packed, too, which saves another sixty kilobytes;
/// musl's loader cannot read packed ones.
fn link() {
    if variable("PROFILE") == "release" && variable("CARGO_CFG_TARGET_OS") == "linux" {
        let script = PathBuf::from(variable("CARGO_MANIFEST_DIR")).join("build/no-unwind.ld");
        println!("cargo::rerun-if-changed={}", script.display());
        println!("cargo::rustc-link-arg-bins=-Wl,--no-eh-frame-hdr");
        println!("cargo::rustc-link-arg-bins=-Wl,-T,{}", script.display());
        if variable("CARGO_CFG_TARGET_ENV") == "gnu" {
            println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
        }
    }
}

/// JSON without the white space around its tokens.
fn squeezed(json: &str) -> String {
    let (mut in_text, mut escaped) = (false, false);
    let is_kept = |character: &char| {
        in_text ^= *character == '"' && !escaped;
        escaped = in_text && *character == '\\' && !escaped;
        in_text || !character.is_ascii_whitespace()
    };
    json.chars().filter(is_kept).collect()
}

/// A file that has not changed keeps its time.
fn write_if_new(file: &Path, text: &str) -> io::Result<()> {
    match fs::read_to_string(file) {
        Ok(old) if old == text => Ok(()),
        _ => fs::write(file, text),
    }
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("cargo sets {name}"))
}

/// Collects all files except hidden ones, each with the path at which it is served.
fn walk(folder: &Path, prefix: &str, pages: &mut Vec<(String, PathBuf)>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let file = entry?.path();
        let name = utf8(file.file_name().map(Path::new).expect("an entry has a name"));
        if name.starts_with('.') {
            continue;
        }
        let path = format!("{prefix}/{name}");
        println!("cargo::rerun-if-changed={}", file.display());
        if file.is_dir() {
            walk(&file, &path, pages)?;
        } else {
            pages.push((path, file));
        }
    }
    Ok(())
}

/// Describes a file, whose bytes are written to `embedded`: packed, if that makes them fewer.
fn row(path: &str, file: &Path, embedded: &Path) -> io::Result<String> {
    let mut bytes = fs::read(file)?;
    if matches!(file.extension().and_then(|it| it.to_str()), Some("js" | "css")) {
        bytes =
            comments::strip(str::from_utf8(&bytes).expect("scripts and styles are UTF-8")).into();
    }
    let etag = etag(&bytes);
    let gzip = compress(&bytes)?;
    let is_packed = gzip.len() < bytes.len();
    fs::write(embedded, if is_packed { gzip } else { bytes })?;
    let gzip_etag =
        if is_packed { format!("Some(\"\\\"{etag}-gzip\\\"\")") } else { "None".into() };
    Ok(format!(
        "Embedded {{ path: {path:?}, media_type: {:?}, modified: {}, bytes: include_bytes!({:?}), \
         etag: \"\\\"{etag}\\\"\", gzip_etag: {gzip_etag}, unpacked: OnceLock::new() }},\n",
        media::of(path),
        modified(file)?,
        utf8(embedded),
    ))
}

fn utf8(path: &Path) -> &str {
    path.to_str().expect("the paths of this build are UTF-8")
}

fn compress(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    encoder.finish()
}

/// Half of the SHA-256 in hexadecimal; the variants of one file are told apart by a suffix.
fn etag(bytes: &[u8]) -> String {
    Sha256::digest(bytes)[..16].iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

/// When the file changed, in Unix seconds, but not after `SOURCE_DATE_EPOCH`.
fn modified(file: &Path) -> io::Result<u64> {
    let time = fs::metadata(file)?.modified()?;
    let seconds = time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let epoch = std::env::var("SOURCE_DATE_EPOCH").ok().and_then(|epoch| epoch.parse().ok());
    Ok(epoch.map_or(seconds, |epoch: u64| seconds.min(epoch)))
}
