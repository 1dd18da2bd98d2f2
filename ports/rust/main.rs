//! microgpt in Rust: a small GPT whose every bit is prescribed. The contract is conformance/SPEC.md.
//!
//! Without arguments the program answers requests of the protocol. `microgpt run [seed|classic] < names.txt`
//! trains on the names, one a line, and makes new ones.
//!
//! What is where: `config`, `model` and `backward` are the model, on the products of `kernels`; `training`
//! and `run` use it; `exact` has the functions, with `accurate` for the hard cases; `generator` and `text`
//! are random numbers and tokens; `graph` is differentiation in its plain form; `wire` and `verbs` are the
//! protocol.

mod accurate;
mod backward;
mod config;
mod exact;
mod generator;
mod graph;
mod kernels;
mod math;
mod model;
mod run;
mod text;
mod training;
mod verbs;
mod wire;

use std::fmt;
use std::io::{self, Read, Write};
use std::process::ExitCode;

use math::Math;
use run::{Preset, Run, RunError};

const USAGE: &str = "usage: microgpt                                  answer requests from standard input
       microgpt run [seed|classic] < names.txt   train on the names, one a line, and make new ones";

/// Why the program stops before its work is done.
#[derive(Debug)]
enum Failure {
    Usage(String),
    Text(std::string::FromUtf8Error),
    Run(RunError),
    Stream(io::Error),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Failure::Usage(problem) => write!(f, "{problem}\n{USAGE}"),
            Failure::Text(problem) => {
                let start = problem.utf8_error().valid_up_to();
                let line = problem.as_bytes()[..start].iter().filter(|&&byte| byte == b'\n').count() + 1;
                write!(f, "standard input must be text in UTF-8, and line {line} is not")
            }
            Failure::Run(problem) => problem.fmt(f),
            Failure::Stream(problem) => write!(f, "standard input or output has failed: {problem}"),
        }
    }
}

impl std::error::Error for Failure {}

impl From<io::Error> for Failure {
    fn from(problem: io::Error) -> Failure {
        Failure::Stream(problem)
    }
}

impl From<RunError> for Failure {
    fn from(problem: RunError) -> Failure {
        Failure::Run(problem)
    }
}

fn train_and_sample(preset: &str) -> Result<(), Failure> {
    let (_, preset) = Preset::ALL
        .into_iter()
        .find(|(name, _)| *name == preset)
        .ok_or_else(|| Failure::Usage(format!("there is no preset '{preset}': it is seed or classic")))?;
    let mut bytes = Vec::new();
    io::stdin().lock().read_to_end(&mut bytes)?;
    let text = String::from_utf8(bytes).map_err(Failure::Text)?;
    let mut output = io::stdout().lock(); // line by line, so that one can watch
    Run::new(Math::Exact, &preset, text.split('\n'), |line| Ok::<(), Failure>(writeln!(output, "{line}")?))?;
    Ok(())
}

fn work(arguments: &[String]) -> Result<(), Failure> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        [] => Ok(verbs::answer_all(&mut io::stdin().lock(), &mut io::stdout().lock())?),
        ["run"] => train_and_sample("seed"),
        ["run", preset] => train_and_sample(preset),
        ["run", _, surplus, ..] => {
            Err(Failure::Usage(format!("'run' takes one preset, and '{surplus}' is one word too many")))
        }
        [unknown, ..] => {
            Err(Failure::Usage(format!("the only command is 'run', and '{unknown}' is another")))
        }
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> =
        std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    match work(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads the output may stop reading: that is no fault to report.
        Err(Failure::Stream(problem)) if problem.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("microgpt: {failure}");
            ExitCode::from(2)
        }
    }
}
