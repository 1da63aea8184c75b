//! The folder of a run's files: the system's journal, and nothing else.

use std::io::Write as _;
use std::path::Path;

use tempfile::TempDir;

use crate::error::RunError;
use crate::system::child::tidy_up;

/// How much must still fit on the disk after a run: more than a journal's next writes would have taken.
const DISK_PROBE_BYTES: usize = 256 * 1024;

/// A temporary folder; removed when dropped, or by the system's process if misrule dies before that.
pub(super) struct Folder(TempDir);

/// Where files lie in memory, on Linux.
const IN_MEMORY: &str = "/dev/shm";

impl Folder {
    /// Makes one: in memory where that can be, because a disk that others keep busy takes seconds over a write, and no scenario
    /// planned that; where `TMPDIR` says otherwise, there.
    pub(super) fn make() -> Result<Self, RunError> {
        let within = |parent: &Path| tempfile::Builder::new().prefix("misrule-").tempdir_in(parent);
        let in_memory = std::env::var_os("TMPDIR").is_none().then(|| within(Path::new(IN_MEMORY)));
        let made = in_memory.and_then(Result::ok).map_or_else(|| within(&std::env::temp_dir()), Ok);
        made.map(Self).map_err(|source| RunError::Folder { path: std::env::temp_dir(), source })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Whether the system could still write. A store that fails because this machine's disk is full is no fault that
    /// anybody planned.
    pub(super) fn check_disk(&self) -> Result<(), RunError> {
        let write = || tempfile::tempfile_in(self.path())?.write_all(&vec![0; DISK_PROBE_BYTES]);
        write().map_err(|source| RunError::Disk { path: self.path().to_owned(), source })
    }
}

impl Drop for Folder {
    /// File by file first: to list a folder takes an open file, and there may be none left to have.
    fn drop(&mut self) {
        tidy_up(self.path());
    }
}
