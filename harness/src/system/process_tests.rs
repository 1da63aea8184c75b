//! What is told of programs that are no system.

use giftgenius::policy::Policy;

use super::*;
use crate::system::stderr::LAST_LINES;
use crate::system::{Access, Announcement, Decision, Grant};

const NOBODY: std::net::SocketAddr = std::net::SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9);

/// Nobody asks it anything.
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
