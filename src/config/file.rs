//! Reads the lines of a settings file. Knows neither what settings there are nor what they take.
//!
//! The format is a part of TOML, which any reader of TOML understands in the same way; in addition,
//! a word or a number with a unit needs no quotes.
//!
//! ```text
//! # A comment, which may follow a line, too.
//! listen = "[::]:8080"
//! wait-max = 50s
//! demo = true                                 # on and off are the same as true and false
//! trusted-proxy = ["127.0.0.1", "10.0.0.0/8"]
//! ```

/// A line that sets something.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Counted from 1.
    pub(super) number: usize,
    /// What is set.
    pub(super) name: String,
    /// What to.
    pub(super) value: Given,
}

/// What stands after the equals sign.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Given {
    One(String),
    List(Vec<String>),
}

/// Reads the lines that set something; or says what is wrong with one, and its number.
pub(super) fn lines(text: &str) -> impl Iterator<Item = Result<Line, (usize, String)>> + '_ {
    let numbered = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
    let written = numbered.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    written.map(|(number, line)| match read(line) {
        Ok((name, value)) => Ok(Line { number, name, value }),
        Err(wrong) => Err((number, wrong)),
    })
}

fn read(line: &str) -> Result<(String, Given), String> {
    if line.starts_with('[') {
        return Err("there are no sections: every setting has a name of its own".to_owned());
    }
    let (name, rest) = line.split_once('=').ok_or("a line is NAME = VALUE")?;
    let mut cursor = Cursor { rest: rest.trim_start() };
    let is_list = cursor.after('[');
    let value = if is_list { Given::List(cursor.list()?) } else { Given::One(cursor.value()?) };
    if cursor.rest.is_empty() || cursor.rest.starts_with('#') {
        Ok((name.trim().to_owned(), value))
    } else {
        Err(format!("behind the value stands {}", cursor.rest))
    }
}

/// The rest of a line, still to be read; never begins with a blank.
struct Cursor<'a> {
    rest: &'a str,
}

impl Cursor<'_> {
    /// Steps over this character, if it is the next.
    fn after(&mut self, character: char) -> bool {
        let rest = self.rest.strip_prefix(character);
        self.rest = rest.unwrap_or(self.rest).trim_start();
        rest.is_some()
    }

    fn list(&mut self) -> Result<Vec<String>, String> {
        let mut values = Vec::new();
        while !self.after(']') {
            values.push(self.value()?);
            if !self.after(',') && !self.rest.starts_with(']') {
                return Err("a list is [A, B, ...] on one line".to_owned());
            }
        }
        Ok(values)
    }

    fn value(&mut self) -> Result<String, String> {
        if let Some(quote @ ('"' | '\'')) = self.rest.chars().next() {
            return self.quoted(quote);
        }
        let end = self.rest.find(|c: char| c.is_whitespace() || "#,=[]\"'".contains(c));
        let (word, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        if word.is_empty() {
            return Err(
                "there is no value; what has blanks or any of #,=[] wants quotes".to_owned()
            );
        }
        self.rest = rest.trim_start();
        Ok(match word {
            "true" => "on",
            "false" => "off",
            word => word,
        }
        .to_owned())
    }

    /// A text in quotes; within double ones, `\"` and `\\` stand for what follows the backslash.
    fn quoted(&mut self, quote: char) -> Result<String, String> {
        let mut text = String::new();
        let mut characters = self.rest.char_indices().skip(1);
        while let Some((at, character)) = characters.next() {
            match character {
                c if c == quote => {
                    self.rest = self.rest[at + 1..].trim_start();
                    return Ok(text);
                }
                '\\' if quote == '"' => match characters.next() {
                    Some((_, escaped @ ('"' | '\\'))) => text.push(escaped),
                    _ => return Err("a backslash stands before \" or \\ only".to_owned()),
                },
                other => text.push(other),
            }
        }
        Err(format!("the closing {quote} is missing"))
    }
}

/// Writes a value as it is read here.
pub(super) fn written(value: &str) -> String {
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        return value.to_owned();
    }
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_one(line: &str) -> Result<(String, Given), String> {
        lines(line).next().expect("a line").map(|line| (line.name, line.value)).map_err(|e| e.1)
    }

    #[test]
    fn a_value_is_a_word_or_quoted_or_a_list() {
        for (line, value) in [
            ("a=1", "1"),
            (" a = 50s # comment", "50s"),
            ("a = /var/lib/x#comment", "/var/lib/x"),
            ("a = \"[::]:80\"\r", "[::]:80"),
            ("a = \"# 漠然 \\\"\\\\\" # comment", "# 漠然 \"\\"),
            ("a = 'C:\\'", "C:\\"),
            ("a = true", "on"),
            ("a = \"true\"", "true"),
        ] {
            assert_eq!(
                read_one(line),
                Ok(("a".to_owned(), Given::One(value.to_owned()))),
                "{line}"
            );
        }
        for (line, values) in [
            ("a = []", &[][..]),
            ("a = [ 1 , \"2, 3\", ] # two", &["1", "2, 3"]),
            ("a=[x]", &["x"]),
        ] {
            let values = values.iter().map(|&value| value.to_owned()).collect();
            assert_eq!(read_one(line), Ok(("a".to_owned(), Given::List(values))), "{line}");
        }
    }

    #[test]
    fn what_is_not_written_so_is_refused_with_its_line() {
        for (line, wrong) in [
            ("[limits]", "there are no sections"),
            ("listen", "NAME = VALUE"),
            ("a = ", "there is no value"),
            ("a = # comment", "there is no value"),
            ("a = = 1", "there is no value"),
            ("a = [::]:80", "behind the value stands :80"),
            ("a = 1 2", "behind the value stands 2"),
            ("a = \"1\" 2", "behind the value stands 2"),
            ("a = [1, 2", "a list is"),
            ("a = [1 2]", "a list is"),
            ("a = \"1", "the closing \" is missing"),
            ("a = \"1\\", "a backslash"),
            ("a = \"\\n\"", "a backslash"),
        ] {
            let error = read_one(line).expect_err(line);
            assert!(error.contains(wrong), "{line}: {error}");
        }
        let numbers: Vec<usize> =
            lines("\n# x\na = 1\n\n b = 2\n").map(|line| line.expect("a line").number).collect();
        assert_eq!(numbers, [3, 5]);
        assert_eq!(lines("a = 1\nb\n").nth(1), Some(Err((2, "a line is NAME = VALUE".to_owned()))));
    }

    #[test]
    fn what_is_written_is_read_as_it_was() {
        for value in ["", "5", "50s", "a b", "\"\\'", "[::]:80", "漠然", "true", "#"] {
            let line = format!("a = {}", written(value));
            assert_eq!(read_one(&line), Ok(("a".to_owned(), Given::One(value.to_owned()))));
        }
    }
}
