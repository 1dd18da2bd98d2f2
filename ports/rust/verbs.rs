//! The verbs of the protocol: what a request asks for and what it is answered. SPEC.md, sections 11 and 12.

mod basic;
mod learning;

use std::io::{self, BufRead, Write};

use crate::math::Math;
use crate::run::RunError;
use crate::wire::{Error, Reply, Request};

type Verb = fn(&mut Request) -> Result<Reply, Error>;

const VERBS: [(&str, Verb); 12] = [
    ("hello", basic::hello),
    ("arith", basic::arith),
    ("math", basic::math),
    ("random", basic::random),
    ("tokens", basic::tokens),
    ("graph", basic::graph),
    ("forward", learning::forward),
    ("backward", learning::backward),
    ("adam", learning::adam),
    ("train", learning::train),
    ("sample", learning::sample),
    ("run", learning::run),
];

/// Answers each request as soon as it is complete, until the input ends.
pub fn answer_all(input: &mut dyn BufRead, output: &mut dyn Write) -> io::Result<()> {
    while let Some(mut request) = Request::next(input)? {
        let mut id = "-".to_string();
        let answer = answer(&mut request, &mut id);
        // Whatever was wrong, the rest of the request is read. And if it has no end, that is what is wrong.
        let reply = match request.skip().and(answer) {
            Ok(reply) => format!("ok {id}\n{}end\n", reply.text),
            Err(Error::Input(problem)) => return Err(problem),
            Err(problem) => format!("error {id} {problem}\nend\n"),
        };
        output.write_all(reply.as_bytes())?;
        output.flush()?;
    }
    Ok(())
}

fn answer(request: &mut Request, id: &mut String) -> Result<Reply, Error> {
    let (verb, name) = request.header()?;
    *id = name;
    let (_, answer) = VERBS.iter().find(|(name, _)| *name == verb).ok_or(Error::Unsupported)?;
    answer(request)
}

impl From<RunError> for Error {
    fn from(problem: RunError) -> Error {
        Error::Meaning(problem.to_string())
    }
}

fn read_math(request: &mut Request) -> Result<Math, Error> {
    request.choice("math", &Math::ALL).copied()
}

fn read_lines(request: &mut Request) -> Result<Vec<String>, Error> {
    let mut lines = vec![request.line("line", |values| values.text())?];
    while request.key() == Some("line") {
        lines.push(request.line("line", |values| values.text())?);
    }
    Ok(lines)
}
