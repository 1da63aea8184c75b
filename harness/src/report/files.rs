//! Files that are there whole or not at all: written beside their place under another name, then renamed.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use tempfile::NamedTempFile;

use crate::undivided::undivided;

/// Set once the reports of this process's run are written.
static WRITTEN: AtomicBool = AtomicBool::new(false);

/// Why a file could not be written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The folder for reports cannot be used; found before anything is run.
    #[error("reports cannot be written to {path}: {cause}", path = path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// A file could not be written.
    #[error("{path} could not be written: {cause}; nothing was left half-written", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why: a full disk, for instance.
        cause: io::Error,
    },
}

/// Makes a folder and tries it out, so that it is known before a run whether its report can be kept.
fn prepare(folder: &Path) -> Result<(), FileError> {
    let failed = |cause| FileError::Folder { path: folder.to_owned(), cause };
    fs::create_dir_all(folder).map_err(failed)?;
    NamedTempFile::new_in(folder).map(drop).map_err(failed)
}

/// Writes a file whole or not at all. Its folder must exist.
pub fn write(path: &Path, contents: &[u8]) -> Result<(), FileError> {
    undivided(|| write_now(path, contents))
}

/// Writes the reports of a run into a folder, one after the other, with no end of the process in between: all of them are
/// there, or none.
pub fn write_reports(folder: &Path, reports: &[(&str, String)]) -> Result<(), FileError> {
    undivided(|| {
        reports.iter().try_for_each(|(name, text)| write_now(&folder.join(name), text.as_bytes()))?;
        WRITTEN.store(true, Ordering::Relaxed);
        Ok(())
    })
}

/// Whether the reports of this run were written.
pub fn reports_are_written() -> bool {
    WRITTEN.load(Ordering::Relaxed)
}

fn write_now(path: &Path, contents: &[u8]) -> Result<(), FileError> {
    let failed = |cause| FileError::File { path: path.to_owned(), cause };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = NamedTempFile::new_in(folder).map_err(failed)?;
    file.write_all(contents).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    readable(file.as_file()).map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}

/// A temporary file is its owner's alone; a report is for everybody.
#[cfg(unix)]
fn readable(file: &fs::File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    file.set_permissions(fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn readable(_file: &fs::File) -> io::Result<()> {
    Ok(())
}

/// Makes a folder of reports ready before a run: that it can be written to, and that no report of an earlier run lies
/// there, which would be taken for this run's if it is interrupted. `kept` is the folder within it for the scenarios that
/// the run leaves behind, `names` are the reports it will write.
pub fn make_ready(folder: &Path, kept: &Path, names: &[&str]) -> Result<(), FileError> {
    prepare(kept)?;
    clear(kept, "toml")?;
    remove(folder, names)
}

/// Removes reports of an earlier run, so that they are not taken for those of a run that is interrupted.
fn remove(folder: &Path, names: &[&str]) -> Result<(), FileError> {
    for path in names.iter().map(|name| folder.join(name)) {
        match fs::remove_file(&path) {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => return Err(FileError::Folder { path, cause }),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

/// How a scenario file begins that a command leaves behind.
const LEFT_BEHIND: &str = "# Left behind by ";

/// Removes from a folder what earlier runs left behind there, so that it is not taken for this one's. What a person
/// keeps there stays: only a file with the first words and the kind of name that misrule gives is misrule's own, so a
/// renamed copy is not.
fn clear(folder: &Path, ending: &str) -> Result<(), FileError> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Ok(());
    };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_file() && path.extension().is_some_and(|known| known == ending) && is_left_behind(&path) {
            fs::remove_file(&path).map_err(|cause| FileError::Folder { path: path.clone(), cause })?;
        }
    }
    Ok(())
}

/// Whether a file begins as those that commands leave behind, under a name of theirs: `RULE-1.toml`, or that of a planted
/// bug. A file that cannot be read is not.
fn is_left_behind(path: &Path) -> bool {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let numbered = stem.rsplit_once('-').is_some_and(|(_, number)| number.parse::<u32>().is_ok());
    let planted = stem.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    let mut head = [0; LEFT_BEHIND.len()];
    (numbered || planted)
        && fs::File::open(path).and_then(|mut file| file.read_exact(&mut head)).is_ok()
        && head == LEFT_BEHIND.as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_run_left_behind_is_removed() {
        let folder = tempfile::tempdir().expect("a folder");
        let put = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("written");
        put("all-or-nothing-1.toml", "# Left behind by a run that broke a rule; repeat it with\n");
        put("kept-by-hand.toml", "# Left behind by a run that broke a rule; repeat it with\n");
        put("written-by-hand-2.toml", "title = \"Kept\"\n");
        put("short.toml", "#");
        put("notes.txt", "# Left behind by a run\n");
        clear(folder.path(), "toml").expect("cleared");
        let mut names: Vec<_> =
            fs::read_dir(folder.path()).expect("a folder").flatten().map(|it| it.file_name()).collect();
        names.sort();
        assert_eq!(names, ["kept-by-hand.toml", "notes.txt", "short.toml", "written-by-hand-2.toml"]);
    }

    #[test]
    fn a_file_that_cannot_take_its_place_leaves_nothing_behind() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("report.json");
        fs::create_dir(&path).expect("a folder in the way");
        let error = write(&path, b"{}").expect_err("a folder is in the way").to_string();
        assert!(error.contains("could not be written") && error.contains("nothing was left half-written"), "{error}");
        let names: Vec<_> = fs::read_dir(folder.path()).expect("a folder").flatten().map(|it| it.file_name()).collect();
        assert_eq!(names, ["report.json"]);
    }

    #[test]
    fn reports_of_an_earlier_run_are_removed_and_missing_ones_are_no_error() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("report.md"), "# misrule: ok").expect("written");
        remove(folder.path(), &["report.md", "junit.xml"]).expect("removed");
        assert!(!folder.path().join("report.md").exists());
    }

    #[test]
    fn a_file_is_replaced_whole() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("report.md");
        write(&path, b"first, and longer").expect("written");
        write(&path, b"second").expect("written");
        assert_eq!(fs::read(&path).expect("a file"), b"second");
    }
}
