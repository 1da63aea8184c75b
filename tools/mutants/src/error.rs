//! Why a command could not do its work.

use std::io;
use std::path::{Path, PathBuf};

#[derive(thiserror::Error, Debug)]
pub(crate) enum Error {
    #[error("{path}: {source}", path = .path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("{path}:{line}: no Rust that can be read: {said}", path = .path.display())]
    Syntax { path: PathBuf, line: usize, said: String },
    #[error("{path}: {said}", path = .path.display())]
    Content { path: PathBuf, said: String },
    #[error("no file for module `{module}` below {folder}", folder = .folder.display())]
    NoModule { module: String, folder: PathBuf },
    #[error("`{command}` did not start: {source}")]
    NotStarted { command: String, source: io::Error },
    #[error("the rewritten code does not compile, and no mutant can be blamed:\n{0}")]
    Unexplained(String),
    #[error("the rewritten code does not compile after {0} rounds of leaving mutants out")]
    TooManyRounds(usize),
    #[error("misrule did not build; run `{0}` to see why")]
    NoBuild(String),
    #[error("{0}; run `cargo run -p mutants -- build` first")]
    NotBuilt(String),
    #[error("the unmutated build is not green: {0}")]
    Red(String),
    #[error("mutants/equivalent.toml does not hold:\n{0}")]
    Equivalents(String),
    #[error("no mutant matches `{0}`; `cargo run -p mutants -- list` shows them")]
    NoneMatches(String),
}

impl Error {
    pub(crate) fn read(path: &Path, source: io::Error) -> Self {
        Self::File { path: path.to_owned(), source }
    }
}
