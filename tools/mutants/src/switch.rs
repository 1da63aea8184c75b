//! The module that the copy of GiftGenius gets: it says which mutant is active, and notes which guards were asked.

/// The environment variable that names the active mutant.
pub(crate) const ACTIVE: &str = "MUTANTS_ACTIVE";

/// The environment variable that names the file to which the numbers of the guards that were asked are added.
pub(crate) const REACHED: &str = "MUTANTS_REACHED";

/// The code of the module. A guard that is asked costs a load and a compare, but in the run that notes them; that one writes
/// each number at once, because a process may be killed.
pub(crate) fn code(mutants: usize) -> String {
    format!(
        r#"//! Which mutant is active. Generated.

use std::io::Write as _;
use std::sync::LazyLock;
use std::sync::atomic::{{AtomicBool, Ordering}};

static ACTIVE: LazyLock<u32> =
    LazyLock::new(|| std::env::var("{ACTIVE}").ok().and_then(|id| id.parse().ok()).unwrap_or(0));

static NOTES: LazyLock<Option<std::fs::File>> = LazyLock::new(|| {{
    let path = std::env::var_os("{REACHED}")?;
    std::fs::OpenOptions::new().create(true).append(true).open(path).ok()
}});

static REACHED: [AtomicBool; {count}] = [const {{ AtomicBool::new(false) }}; {count}];

/// Whether this mutant is the active one.
#[inline]
pub(crate) fn on(id: u32) -> bool {{
    if let Some(notes) = &*NOTES {{
        note(notes, id);
    }}
    *ACTIVE == id
}}

#[cold]
fn note(mut notes: &std::fs::File, id: u32) {{
    if !REACHED[id as usize].swap(true, Ordering::Relaxed) {{
        let _ = notes.write_all(format!("{{id}}\n").as_bytes());
    }}
}}
"#,
        count = mutants + 1
    )
}
