//! The log as JSON lines on stderr, through tracing: one object a line, whoever wrote it.
//!
//! A line of the structured log ([`LogLine`]) is printed as its own JSON object and as nothing else, so it reads back
//! as a `LogLine`; it is told by its `log` field. Every other event is an object with `event`, `level`, `target`,
//! `time` and the event's own fields beside them, and never has a field named `log`.
//!
//! Characters that move a terminal's cursor, end a line for some readers or set a direction are escaped as JSON escapes
//! them, whoever put them there.
//!
//! Where the lines go is a [`Sink`]: the server's is a [`LogWriter`](super::LogWriter), which waits for nobody.
//! [`init_stderr`] writes at once, for a process whose reader is known to read: there a line that was recorded has left
//! before what follows it happens.

use std::fmt::{self, Write as _};
use std::io::{self, Write as _};

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::printed::is_harmful;
use crate::step_log::{Level, LogLine, StepLog};

/// The tracing target of structured log lines.
const STEP_LOG: &str = "giftgenius::step_log";

/// Fields that the layer itself writes; an event's own field of that name is printed with `_` before it.
const RESERVED: [&str; 5] = ["log", "event", "level", "target", "time"];

/// The structured log, through tracing.
#[derive(Clone, Copy, Default, Debug)]
pub struct TracingStepLog;

impl StepLog for TracingStepLog {
    fn record(&self, line: LogLine) {
        let level = line.level();
        let line = line_of(&line);
        match level {
            Level::Info => tracing::info!(target: STEP_LOG, line),
            Level::Warn => tracing::warn!(target: STEP_LOG, line),
            Level::Error => tracing::error!(target: STEP_LOG, line),
        }
    }
}

/// Where lines go.
pub trait Sink: Send + Sync {
    /// Takes a line without its end; `kept`: it must not be dropped.
    fn take(&self, line: String, kept: bool);
}

/// Writes at once, and waits for who reads.
struct AtOnce;

impl Sink for AtOnce {
    fn take(&self, mut line: String, _kept: bool) {
        line.push('\n');
        // There is nowhere left to say that the log cannot be written.
        let _ = io::stderr().write_all(line.as_bytes());
    }
}

/// A tracing layer that makes each event one JSON object on one line.
#[derive(Debug)]
pub struct JsonLines<S> {
    sink: S,
}

impl<S: Sink + 'static> JsonLines<S> {
    /// Hands each line to `sink`.
    pub const fn new(sink: S) -> Self {
        Self { sink }
    }
}

impl<S: Subscriber, K: Sink + 'static> Layer<S> for JsonLines<K> {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        self.sink.take(line_of_event(event), false);
    }
}

/// A line of the structured log as it is printed.
pub(super) fn line_of(line: &LogLine) -> String {
    harmless(serde_json::to_string(line).expect("a log line holds nothing that JSON cannot"))
}

/// JSON text with what moves a cursor or turns a line escaped. Outside of its strings JSON has no such character.
fn harmless(json: String) -> String {
    // Nearly every line is plain ASCII.
    if json.is_ascii() && !json.contains('\u{7F}') {
        return json;
    }
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if is_harmful(c) {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                write!(out, "\\u{unit:04x}").expect("a String takes everything");
            }
        } else {
            out.push(c);
        }
    }
    out
}

/// The event as one JSON object.
fn line_of_event(event: &Event<'_>) -> String {
    let mut fields = Fields::default();
    event.record(&mut fields);
    let meta = event.metadata();
    if meta.target() == STEP_LOG
        && let Some(Value::String(line)) = fields.own.remove("line")
    {
        return line;
    }
    let mut object = fields.own;
    object.insert("event".into(), fields.message.into());
    object.insert("level".into(), meta.level().as_str().to_ascii_lowercase().into());
    object.insert("target".into(), meta.target().into());
    object.insert("time".into(), jiff::Timestamp::now().to_string().into());
    harmless(Value::Object(object).to_string())
}

/// Collects an event's fields.
#[derive(Default)]
struct Fields {
    message: String,
    own: Map<String, Value>,
}

impl Fields {
    fn put(&mut self, field: &Field, value: Value) {
        match field.name() {
            "message" => self.message = value.as_str().map_or_else(|| value.to_string(), str::to_owned),
            name if RESERVED.contains(&name) => _ = self.own.insert(format!("_{name}"), value),
            name => _ = self.own.insert(name.to_owned(), value),
        }
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}").into());
    }
}

/// Which events are printed: ours from `info` on, of the libraries only what they cannot cope with. Their finer levels
/// print whole requests, and with them whatever a caller put there.
fn targets() -> Targets {
    Targets::new()
        .with_default(LevelFilter::WARN)
        .with_target("rmcp", LevelFilter::ERROR)
        .with_target("giftgenius", LevelFilter::INFO)
}

/// Writes the log to stderr at once, panics included, for the rest of the process. A log that is already set stays.
pub fn init_stderr() {
    init(AtOnce);
}

/// Sends the log to `sink`, panics included, for the rest of the process. A log that is already set stays.
pub fn init(sink: impl Sink + 'static) {
    let layer = JsonLines::new(sink).with_filter(targets());
    if tracing_subscriber::registry().with(layer).try_init().is_ok() {
        // The default hook prints several lines of text and, when asked to, a stack trace.
        std::panic::set_hook(Box::new(|panic| {
            let place = panic.location().map(ToString::to_string).unwrap_or_default();
            let payload = panic.payload();
            let text = payload.downcast_ref::<&str>().copied();
            let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or_default();
            tracing::error!(place, text, "panicked");
        }));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::step_log::{Alert, AlertKind};

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<String>>>);

    impl Sink for Page {
        fn take(&self, line: String, _kept: bool) {
            self.0.lock().unwrap().push(line);
        }
    }

    /// The lines that `work` logs.
    fn lines(work: impl FnOnce()) -> Vec<Value> {
        let page = Page::default();
        let layer = JsonLines::new(page.clone()).with_filter(targets());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), work);
        let lines = page.0.lock().unwrap();
        lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn alert() -> LogLine {
        let time = "2026-01-02T03:04:05Z".parse().unwrap();
        let message = "a charge may stand:\n\"look\"";
        LogLine::Alert(Alert::new(AlertKind::OrderParked, "ord_1", message, &"c1".into(), time))
    }

    #[test]
    fn a_structured_line_reads_back_as_itself() {
        let lines = lines(|| TracingStepLog.record(alert()));
        assert_eq!(lines.len(), 1);
        assert_eq!(serde_json::from_value::<LogLine>(lines[0].clone()).unwrap(), alert());
    }

    #[test]
    fn another_event_is_an_object_with_its_fields_beside_the_common_ones() {
        let lines = lines(|| tracing::info!(address = %"127.0.0.1:1", attempts = 2, "listening"));
        assert_eq!(lines[0]["event"], "listening");
        assert_eq!(lines[0]["level"], "info");
        assert_eq!(lines[0]["address"], "127.0.0.1:1");
        assert_eq!(lines[0]["attempts"], 2);
    }

    #[test]
    fn no_other_event_can_pass_for_a_structured_line() {
        let lines = lines(|| tracing::info!(log = "step", event = "x", "real"));
        assert_eq!(lines[0].get("log"), None);
        assert_eq!(lines[0]["_log"], "step");
        assert_eq!(lines[0]["event"], "real");
    }

    #[test]
    fn no_line_moves_a_cursor_or_turns_what_stands_beside_it() {
        let odd = "a\u{7f}\u{9b}2J\u{2028}\u{2029}\u{202e}\u{2066}\u{feff}é茶🎁";
        let page = Page::default();
        let layer = JsonLines::new(page.clone()).with_filter(targets());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            tracing::warn!(odd, "{odd}");
            let LogLine::Alert(alert) = alert() else { unreachable!("it is one") };
            TracingStepLog.record(LogLine::Alert(Alert { message: odd.to_owned(), ..alert }));
        });
        for line in &*page.0.lock().unwrap() {
            assert!(line.chars().all(|c| !is_harmful(c)), "{line}");
            assert!(line.contains("é茶🎁"), "{line}");
            let read: Value = serde_json::from_str(line).unwrap();
            assert!(read["message"] == odd || read["event"] == odd, "{line}");
        }
    }

    #[test]
    fn libraries_are_quiet() {
        let lines = lines(|| {
            tracing::warn!(target: "rmcp::service", "arguments of a caller");
            tracing::info!(target: "hyper", "chatter");
        });
        assert!(lines.is_empty(), "{lines:?}");
    }
}
