//! Takes comments out of scripts and styles: they are for who reads the source, and are a third of it.
//!
//! Only a comment that begins its line is one, so that no string has to be understood; what stands behind
//! code stays. Lines keep their numbers, so a browser that names a line means that of the source.

/// The text without its comments.
pub(super) fn strip(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut inside = false;
    for line in text.lines() {
        let mut rest = line;
        loop {
            if inside {
                let Some((_, behind)) = rest.split_once("*/") else {
                    rest = "";
                    break;
                };
                (inside, rest) = (false, behind);
            }
            let Some(behind) = rest.trim_start().strip_prefix("/*") else { break };
            (inside, rest) = (true, behind);
        }
        if !rest.trim_start().starts_with("//") {
            out.push_str(rest.trim_end());
        }
        out.push('\n');
    }
    out
}
