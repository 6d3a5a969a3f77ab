//! Reads the seeds, `seeds/*.txt`: one a line, with the escapes of Rust's byte strings, and comments
//! behind `#` at the start of a line.

/// A target, with the files that have its name.
macro_rules! target {
    ($name:literal, $run:path) => {
        Target {
            name: $name,
            run: $run,
            seeds: include_str!(concat!("../seeds/", $name, ".txt")),
            words: include_str!(concat!("../dictionaries/", $name, ".dict")),
        }
    };
}
/// The targets, each with what it begins with.
pub const TARGETS: [Target; 6] = [
    target!("head", super::head),
    target!("chunked", super::chunked),
    target!("target", super::target),
    target!("fields", super::fields),
    target!("server", super::server),
    target!("chat", super::chat),
];

/// One function that takes any bytes.
#[derive(Clone, Copy)]
pub struct Target {
    /// As its files are called.
    pub name: &'static str,
    /// Panics where a rule is broken.
    pub run: fn(&[u8]),
    seeds: &'static str,
    words: &'static str,
}

impl Target {
    /// The seeds, as bytes.
    pub fn seeds(&self) -> Vec<Vec<u8>> {
        lines(self.seeds).map(unescape).collect()
    }

    /// The words of the dictionary, as bytes.
    pub fn words(&self) -> Vec<Vec<u8>> {
        let quoted = |line: &'static str| line.strip_prefix('"')?.strip_suffix('"');
        lines(self.words).filter_map(quoted).map(unescape).collect()
    }
}

fn lines(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.lines().filter(|line| !line.starts_with('#'))
}

fn unescape(line: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = line.as_bytes();
    while let [byte, after @ ..] = rest {
        let (byte, length) = match (byte, after) {
            (b'\\', [b'r', ..]) => (b'\r', 2),
            (b'\\', [b'n', ..]) => (b'\n', 2),
            (b'\\', [b't', ..]) => (b'\t', 2),
            (b'\\', [b'x', high, low, ..]) => {
                let digits = [*high, *low];
                let digits = str::from_utf8(&digits).expect("two digits");
                (u8::from_str_radix(digits, 16).expect("two digits"), 4)
            }
            (b'\\', [escaped, ..]) => (*escaped, 2),
            (byte, _) => (*byte, 1),
        };
        bytes.push(byte);
        rest = &rest[length..];
    }
    bytes
}
