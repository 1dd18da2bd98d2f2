//! The text form of requests and replies. SPEC.md, sections 11 and 13. What the lines mean stands in `verbs`.

mod error;
mod reply;
mod request;

pub use error::Error;
pub use reply::{Hex, Reply};
pub use request::{Request, Values};

/// The most bytes in a line.
const LINE_LIMIT: usize = 65536;
