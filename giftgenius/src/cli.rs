//! The commands: everything that `main` would do, so that it can be tested and used from a library.

use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::net::TcpListener;

use crate::adapters::{OsEntropy, Signals, SystemClock, TokioTasks};
use crate::app::App;
use crate::config::{Cli, Command, ConfigError, Face, OrdersArgs, PolicyArgs, ServeConfig, SwitchArgs, SwitchTo};
use crate::journal::sqlite::SqliteJournal;
use crate::journal::{CommitError, Journal, JournalError};
use crate::operations::health::keep_probing;
use crate::operations::housekeeping::housekeeping;
use crate::operations::parked::{ParkedOrder, parked_orders, unknown_payments};
use crate::operations::{policy_page, switches};
use crate::policy::Policy;
use crate::ports::Ports;
use crate::printed::escaped;
use crate::providers::http::{HttpTransport, SetUpError};
use crate::serve::{StdioError, serve_http, serve_stdio};
use crate::step_log::{ServiceEvent, ServiceLine, StepLog};
use crate::webhooks::record::UnknownPayment;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The configuration cannot be used.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\ngiftgenius: "))]
    Config(Vec<ConfigError>),
    /// A command that reads a journal was given none.
    #[error("there is no journal at {}; give the path that `giftgenius serve` uses", .0.display())]
    NoJournal(PathBuf),
    /// The journal cannot be opened.
    #[error("the journal at {} cannot be opened: {source}; check the path and its permissions", .path.display())]
    OpenJournal {
        /// Where.
        path: PathBuf,
        /// What it says.
        source: JournalError,
    },
    /// The journal was opened and then failed.
    #[error("the journal failed: {0}")]
    Journal(#[from] JournalError),
    /// The journal could not be written.
    #[error("the switch was not written: {0}; try again")]
    Switch(#[from] CommitError),
    /// The port is taken.
    #[error("cannot listen on {0}: the port is taken; stop what holds it or give another with --http")]
    PortTaken(SocketAddr),
    /// Cannot listen for another reason.
    #[error("cannot listen on {address}: {source}; give another address with --http")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The HTTP server failed.
    #[error("the HTTP server failed: {0}")]
    Http(io::Error),
    /// The session on stdio failed.
    #[error(transparent)]
    Stdio(#[from] StdioError),
    /// The HTTP client failed.
    #[error(transparent)]
    Client(#[from] SetUpError),
    /// The operating system gives no random numbers.
    #[error("the operating system gives no random numbers: {0}")]
    Entropy(io::Error),
    /// The operating system does not hand over signals.
    #[error("the operating system does not hand over signals: {0}")]
    Signals(io::Error),
    /// The output cannot be written.
    #[error("the output cannot be written: {0}")]
    Output(io::Error),
}

impl Failure {
    /// 2: unusable input; 4: could not run.
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) | Self::NoJournal(_) => 2,
            Self::OpenJournal { .. }
            | Self::Journal(_)
            | Self::Switch(_)
            | Self::PortTaken(_)
            | Self::Listen { .. }
            | Self::Http(_)
            | Self::Stdio(_)
            | Self::Client(_)
            | Self::Entropy(_)
            | Self::Signals(_)
            | Self::Output(_) => 4,
        }
    }
}

/// Runs a command; what it has to say goes to `out`, the structured log to `log`, other events to tracing.
pub async fn run(cli: Cli, out: &mut (dyn io::Write + Send), log: Arc<dyn StepLog>) -> Result<(), Failure> {
    match cli.command {
        Command::Serve(args) => serve(args.check().map_err(Failure::Config)?, log).await,
        Command::Orders(args) => say(out, &orders(args).await?),
        Command::Switch(args) => say(out, &switch(args).await?),
        Command::Policy(args) => say(out, &policy(&args)),
    }
}

fn policy(args: &PolicyArgs) -> String {
    let policy = Policy::default();
    if args.json { format!("{:#}\n", policy_page::json(&policy)) } else { policy_page::text(&policy) }
}

fn say(out: &mut (dyn io::Write + Send), text: &str) -> Result<(), Failure> {
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(Failure::Output)
}

/// Serves until the client leaves or the process is told to end.
async fn serve(config: ServeConfig, log: Arc<dyn StepLog>) -> Result<(), Failure> {
    let signals = Signals::listen().map_err(Failure::Signals)?;
    let tasks = TokioTasks::default();
    let tool_deadline = config.policy.tool_deadline;
    let journal = Arc::new(open(&config.journal)?);
    let app = App::with_webhooks(
        Ports {
            transport: Arc::new(HttpTransport::new(config.endpoints)?),
            journal: journal.clone(),
            clock: Arc::new(SystemClock),
            entropy: Arc::new(OsEntropy::new().map_err(Failure::Entropy)?),
            tasks: Arc::new(tasks.clone()),
            log,
        },
        config.policy,
        config.webhook_secret,
    );
    app.log_service(ServiceLine::started(app.policy(), app.now()));
    let keeping = tokio::spawn(housekeeping(Arc::clone(&app)));
    match config.face {
        Face::Stdio(user) => {
            recover(&app).await?;
            tracing::info!("serving on stdio");
            tokio::select! {
                biased;
                served = serve_stdio(Arc::clone(&app), user, stop(&signals, &app)) => served?,
                () = signals.stop_now() => {}
            }
        }
        Face::Http { address, access } => {
            // First the port, so that a second server on the same one ends before it touches an order; clients that
            // come now wait until recovery has begun.
            let listener = listen(address).await?;
            recover(&app).await?;
            let address = listener.local_addr().map_err(Failure::Http)?;
            tracing::info!(%address, "listening");
            let probing = tokio::spawn(keep_probing(Arc::clone(&app)));
            tokio::select! {
                biased;
                () = serve_http(Arc::clone(&app), listener, access, stop(&signals, &app)) => {}
                () = signals.stop_now() => {}
            }
            probing.abort();
        }
    }
    keeping.abort();
    // Whoever asks a second time does not want to wait.
    let left = tokio::select! {
        biased;
        left = tasks.drain(tool_deadline) => left,
        () = signals.stop_now() => tasks.left(),
    };
    app.log_event(ServiceEvent::ServiceStopped, u64::try_from(left).ok());
    // Work that is left may still hold the journal, so its file is made whole here and not when the last of it is gone.
    if let Err(error) = journal.checkpoint().await {
        tracing::warn!(%error, "the journal's log was not taken into its file; keep both together");
    }
    Ok(())
}

/// Ends when the process is asked to end.
fn stop(signals: &Signals, app: &Arc<App>) -> impl Future<Output = ()> + Send + 'static {
    let (stop, app) = (signals.stop(), Arc::clone(app));
    async move {
        stop.await;
        app.log_event(ServiceEvent::ServiceStopping, None);
    }
}

async fn recover(app: &Arc<App>) -> Result<(), Failure> {
    let orders = app.recover().await?;
    if orders > 0 {
        tracing::info!(orders, "taking up open orders");
    }
    Ok(())
}

async fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => Failure::PortTaken(address),
        _ => Failure::Listen { address, source },
    })
}

fn open(path: &Path) -> Result<SqliteJournal, Failure> {
    SqliteJournal::open(path).map_err(|source| Failure::OpenJournal { path: path.to_owned(), source })
}

/// For commands that look at a server's journal: a mistyped path must not be answered from a new, empty one.
fn open_existing(path: &Path) -> Result<SqliteJournal, Failure> {
    if path.is_file() { open(path) } else { Err(Failure::NoJournal(path.to_owned())) }
}

async fn orders(args: OrdersArgs) -> Result<String, Failure> {
    let json = args.json;
    let path = args.journal().map_err(|error| Failure::Config(vec![error]))?;
    let journal = open_existing(&path)?;
    let (orders, payments) = (parked_orders(&journal).await?, unknown_payments(&journal).await?);
    Ok(if json { orders_json(&orders, &payments) } else { orders_text(&orders, &payments) })
}

/// One entry of the JSON list: a parked order, or (told by its `reference`) a payment that belongs to none.
#[derive(serde::Serialize)]
#[serde(untagged)]
enum Listed<'a> {
    Order(&'a ParkedOrder),
    Payment(&'a UnknownPayment),
}

fn orders_json(orders: &[ParkedOrder], payments: &[UnknownPayment]) -> String {
    let listed: Vec<_> = orders.iter().map(Listed::Order).chain(payments.iter().map(Listed::Payment)).collect();
    let mut text = serde_json::to_string_pretty(&listed).expect("orders hold nothing that JSON cannot");
    text.push('\n');
    text
}

fn orders_text(orders: &[ParkedOrder], payments: &[UnknownPayment]) -> String {
    let mut text = String::new();
    for order in orders {
        let ParkedOrder { order_id, amount, user_id, since, note } = order;
        let (order_id, user_id, note) = (escaped(order_id.as_str()), escaped(user_id.as_str()), escaped(note));
        writeln!(text, "{order_id}  {amount}  {user_id}  since {since}\n  {note}").expect("a String takes everything");
    }
    for UnknownPayment { reference, since, note, .. } in payments {
        let (reference, note) = (escaped(reference.as_str()), escaped(note));
        writeln!(text, "{reference}  unknown payment  since {since}\n  {note}").expect("a String takes everything");
    }
    if text.is_empty() { "no parked orders\n".into() } else { text }
}

async fn switch(args: SwitchArgs) -> Result<String, Failure> {
    let to = args.to;
    let path = args.journal().map_err(|error| Failure::Config(vec![error]))?;
    let journal = open_existing(&path)?;
    switch_checkout(&journal, to).await
}

async fn switch_checkout(journal: &dyn Journal, to: SwitchTo) -> Result<String, Failure> {
    let changed = match to {
        SwitchTo::On => switches::set_checkout(journal, true).await?,
        SwitchTo::Off => switches::set_checkout(journal, false).await?,
        SwitchTo::Status => true,
    };
    let state = if switches::read(journal).await?.checkout { "on" } else { "off" };
    let already = if changed { "" } else { "already " };
    Ok(format!("checkout is {already}{state}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::memory::MemoryJournal;
    use crate::money::{Currency, Money};

    fn order() -> ParkedOrder {
        ParkedOrder {
            order_id: "ord_1".into(),
            amount: Money::new(4200, Currency::EUR),
            user_id: "ann".into(),
            since: "2026-01-02T03:04:05Z".parse().unwrap(),
            note: "a charge stands; refund it".into(),
        }
    }

    #[test]
    fn a_parked_order_says_what_stands_and_what_to_do() {
        assert_eq!(
            orders_text(&[order()], &[payment()]),
            "ord_1  42.00 EUR  ann  since 2026-01-02T03:04:05Z\n  a charge stands; refund it\n\
             ord_9  unknown payment  since 2026-01-02T03:04:06Z\n  42.00 EUR of charge ch_1 stands\n"
        );
        assert_eq!(orders_text(&[], &[]), "no parked orders\n");
    }

    fn payment() -> UnknownPayment {
        UnknownPayment {
            reference: "ord_9".into(),
            since: "2026-01-02T03:04:06Z".parse().unwrap(),
            note: "42.00 EUR of charge ch_1 stands".into(),
            alerted: true,
        }
    }

    #[test]
    fn a_listing_shows_no_character_that_moves_a_terminal() {
        let odd = "x\u{9b}2J\u{202e}\n".to_owned();
        let order = ParkedOrder { user_id: odd.as_str().into(), note: odd.clone(), ..order() };
        let text = orders_text(&[order], &[UnknownPayment { note: odd, ..payment() }]);
        assert_eq!(text.lines().count(), 4);
        assert_eq!(text.matches("x\\u{9b}2J\\u{202e}\\u{a}").count(), 3, "{text}");
    }

    #[test]
    fn parked_orders_read_back_from_json() {
        let read: Vec<ParkedOrder> = serde_json::from_str(&orders_json(&[order()], &[])).unwrap();
        assert_eq!(read, [order()]);
        let read: Vec<UnknownPayment> = serde_json::from_str(&orders_json(&[], &[payment()])).unwrap();
        assert_eq!(read, [payment()]);
        assert_eq!(orders_json(&[], &[]), "[]\n");
    }

    #[tokio::test]
    async fn a_switch_says_how_it_stands() {
        let journal = MemoryJournal::new();
        for (to, told) in [
            (SwitchTo::Status, "checkout is on\n"),
            (SwitchTo::On, "checkout is already on\n"),
            (SwitchTo::Off, "checkout is off\n"),
            (SwitchTo::Off, "checkout is already off\n"),
            (SwitchTo::Status, "checkout is off\n"),
            (SwitchTo::On, "checkout is on\n"),
        ] {
            assert_eq!(switch_checkout(&journal, to).await.unwrap(), told);
        }
    }
}
