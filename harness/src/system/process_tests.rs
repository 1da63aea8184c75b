//! What is told of programs that are no system.

use giftgenius::policy::Policy;

use super::*;
use crate::system::stderr::LAST_LINES;
use crate::system::{Access, Announcement, Decision, Grant};

const NOBODY: std::net::SocketAddr = std::net::SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9);

/// It is asked nothing.
struct Unasked;

impl Decide for Unasked {
    fn request(&self, _: Announcement) -> Option<Decision> {
        None
    }

    fn access(&self, _: Access) -> Option<Grant> {
        None
    }

    fn held(&self) {}
}

async fn start(program: &str, arguments: &[&str], start_max: Duration) -> RunError {
    let mut command = Command::new(program);
    command.args(arguments);
    let settings = Settings {
        policy: Policy::default(),
        providers: [NOBODY; 3],
        nobody: NOBODY,
        folder: PathBuf::from("/nonexistent"),
        users: Vec::new(),
        seed: 1,
        incarnation: 1,
        webhook_secret: None,
        clock_off_ms: 0,
        recovers: false,
        defect: None,
    };
    let standby = match Standby::start_command(Path::new(program), command) {
        Ok(standby) => standby,
        Err(error) => return error,
    };
    let mut process = Process::begin(standby, settings, Recorder::start(), Arc::new(Unasked));
    process.begins_within(start_max).await.expect_err("it is no system")
}

#[tokio::test]
async fn a_program_that_is_not_there_is_named() {
    let error = start("/nonexistent/misrule", &[], START_MAX).await;
    assert!(matches!(error, RunError::Spawn { .. }), "{error}");
    assert!(error.to_string().contains("/nonexistent/misrule"), "{error}");
}

#[tokio::test]
async fn a_line_without_end_on_the_control_channel_is_an_error_and_not_kept() {
    let error = start("sh", &["-c", "head -c 64000000 /dev/zero | tr '\\0' x; sleep 600"], START_MAX).await;
    let RunError::Control { line, reason } = &error else { panic!("{error}") };
    assert!(line.len() < 300 && line.starts_with("xxx"), "{line}");
    assert!(reason.contains("longer than 16 MiB"), "{reason}");
}

#[tokio::test]
async fn a_line_without_end_on_stderr_is_read_and_not_kept() {
    let error = start("sh", &["-c", "head -c 64000000 /dev/zero | tr '\\0' x >&2; exit 3"], START_MAX).await;
    let RunError::Died { last_lines, .. } = &error else { panic!("{error}") };
    assert!(last_lines.iter().all(|line| line.len() <= 2000) && last_lines.len() == 1, "{}", last_lines.len());
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn what_a_program_started_ends_with_it() {
    let error = start("sh", &["-c", "sleep 600 >/dev/null 2>&1 </dev/null & echo $! >&2; exit 3"], START_MAX).await;
    let RunError::Died { last_lines, .. } = &error else { panic!("{error}") };
    let started = last_lines.last().expect("its number").clone();
    // It is killed when this returns; the operating system may take a moment to remove it, or to let its parent see to it.
    let gone = async {
        loop {
            let status = std::fs::read_to_string(format!("/proc/{started}/stat")).unwrap_or_default();
            if status.rsplit(')').next().is_none_or(|rest| rest.trim().is_empty() || rest.trim().starts_with('Z')) {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    timeout(START_MAX, gone).await.expect("a process that a killed one had started is killed with it");
}

#[tokio::test]
async fn a_program_that_dies_at_start_is_told_with_its_last_words() {
    let error = start("sh", &["-c", "for i in $(seq 30); do echo line $i >&2; done; exit 3"], START_MAX).await;
    let RunError::Died { status, last_lines, .. } = &error else { panic!("{error}") };
    assert_eq!(status, "exit status: 3");
    assert_eq!((last_lines.len(), &*last_lines[0], &*last_lines[19]), (LAST_LINES, "line 11", "line 30"));
}

#[tokio::test]
async fn a_program_that_never_speaks_is_ended() {
    let error = start("sleep", &["600"], Duration::from_millis(50)).await;
    assert!(matches!(error, RunError::NeverSpoke { .. }), "{error}");
}

#[tokio::test]
async fn a_program_that_speaks_otherwise_is_ended_and_quoted() {
    let error = start("sh", &["-c", "echo hello; exec sleep 600"], START_MAX).await;
    let RunError::Control { line, .. } = &error else { panic!("{error}") };
    assert_eq!(line, "hello");
}
