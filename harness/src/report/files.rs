//! Files that are there whole or not at all: written beside their place under another name, then renamed.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use tempfile::NamedTempFile;

/// Held while a file is being written: whoever ends the process in between leaves nothing half-written.
static WRITING: Mutex<()> = Mutex::new(());

/// Does something while no file is being written, and keeps new ones from being begun.
pub fn between_writes<T>(act: impl FnOnce() -> T) -> T {
    let _writing = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    act()
}

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
pub fn prepare(folder: &Path) -> Result<(), FileError> {
    let failed = |cause| FileError::Folder { path: folder.to_owned(), cause };
    fs::create_dir_all(folder).map_err(failed)?;
    NamedTempFile::new_in(folder).map(drop).map_err(failed)
}

/// Writes a file whole or not at all. Its folder must exist.
pub fn write(path: &Path, contents: &[u8]) -> Result<(), FileError> {
    between_writes(|| write_now(path, contents))
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

/// Removes the files with an ending from a folder, so that no older run's are taken for this one's.
pub fn clear(folder: &Path, ending: &str) -> Result<(), FileError> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Ok(());
    };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_file() && path.extension().is_some_and(|known| known == ending) {
            fs::remove_file(&path).map_err(|cause| FileError::Folder { path: path.clone(), cause })?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn a_file_is_replaced_whole() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("report.md");
        write(&path, b"first, and longer").expect("written");
        write(&path, b"second").expect("written");
        assert_eq!(fs::read(&path).expect("a file"), b"second");
    }
}
