//! A folder with a good scenario, and the real binary in it.

#![allow(dead_code, reason = "each test binary uses its part")]

pub(crate) mod junit;
#[cfg(unix)]
pub(crate) mod real;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

/// A sale that goes well.
pub(crate) const GOOD: &str = "title = \"A sale\"\nlesson = \"It goes well.\"\ncovers = [\"F4\"]\n\n[[script]]\ncall = \"create_checkout_session\"\nintent = \"gift\"\nargs = { items = [{ sku = \"tea-set\", quantity = 1 }], currency = \"EUR\" }\n\n[[script]]\ncall = \"create_order\"\nintent = \"gift\"\nargs = { payment_method_id = \"pm_visa\", idempotency_key = \"{key:pay}\" }\n";

/// A fresh folder with `scenarios/checkout/happy_path.toml` and these files.
pub(crate) fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let good = ("scenarios/checkout/happy_path.toml", GOOD.as_bytes());
    for (name, contents) in files.iter().chain([&good]) {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, contents).expect("a file");
    }
    folder
}

/// The binary, to be run in a folder.
pub(crate) fn command(folder: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_misrule"));
    command.args(words).current_dir(folder).env_remove("RUST_BACKTRACE");
    command
}

/// Runs the binary in a folder.
pub(crate) fn misrule(folder: &Path, words: &[&str]) -> Output {
    command(folder, words).output().expect("the binary runs")
}

/// Output as text.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}
