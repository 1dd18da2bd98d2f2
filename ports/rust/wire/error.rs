//! What can be wrong with a request, in one sentence each: what was expected and what came.

use std::fmt::{self, Display, Write};
use std::io;

use super::LINE_LIMIT;

/// Why a request is not answered.
#[derive(Debug)]
pub enum Error {
    Unsupported,
    InputEnded,
    LineTooLong,
    /// The first line is not a verb and an id.
    Header {
        came: String,
    },
    /// A line that is not printable ASCII with single spaces.
    Form {
        came: String,
    },
    /// Another key than was expected; `None` is the line `end`.
    Key {
        expected: String,
        came: Option<String>,
    },
    /// More or fewer values than the key takes.
    Count {
        key: String,
        expected: String,
        came: usize,
    },
    /// A value of the wrong form or out of range.
    Value {
        key: String,
        expected: String,
        came: String,
    },
    /// The lines are right one by one, but not together.
    Meaning(String),
    /// Standard input cannot be read, so nobody can be answered any more.
    Input(io::Error),
}

impl Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Error::Unsupported => write!(f, "unsupported"),
            Error::InputEnded => write!(f, "the input ended before the line 'end'"),
            Error::LineTooLong => {
                write!(f, "a line has at most {LINE_LIMIT} bytes; this request has a longer one")
            }
            Error::Header { came } => {
                write!(
                    f,
                    "a request begins with a verb and an id of 1 to 64 letters digits . _ - not with {}",
                    Excerpt(came)
                )
            }
            Error::Form { came } => {
                write!(
                    f,
                    "a line is words of printable ASCII with single spaces between them, not {}",
                    Excerpt(came)
                )
            }
            Error::Key { expected, came: Some(came) } => {
                write!(f, "expected {expected} and not {}", Excerpt(came))
            }
            Error::Key { expected, came: None } => write!(f, "expected {expected} and not the end"),
            Error::Count { key, expected, came } => {
                write!(f, "{} takes {expected}, not {came}", Excerpt(key))
            }
            Error::Value { key, expected, came } => {
                write!(f, "{} takes {expected}, not {}", Excerpt(key), Excerpt(came))
            }
            Error::Meaning(reason) => write!(f, "{reason}"),
            Error::Input(problem) => write!(f, "standard input cannot be read: {problem}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<io::Error> for Error {
    fn from(problem: io::Error) -> Error {
        Error::Input(problem)
    }
}

/// The beginning of what came, in quotes, as printable ASCII with single spaces.
struct Excerpt<'a>(&'a str);

impl Display for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        const LENGTH: usize = 40;
        f.write_char('\'')?;
        let mut after_space = true;
        for c in self.0.chars().take(LENGTH) {
            let fits = c.is_ascii_graphic() || (c == ' ' && !after_space);
            f.write_char(if fits { c } else { '?' })?;
            after_space = fits && c == ' ';
        }
        f.write_str(if self.0.chars().nth(LENGTH).is_some() { "...'" } else { "'" })
    }
}
