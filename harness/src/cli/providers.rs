//! `misrule providers`: the mock payment provider, catalog and inventory on loopback, for a system that a person starts.
//!
//! Nothing is judged here. It prints how to start `giftgenius serve` against them, then each request as it is answered,
//! and at the end what stands in the providers' books.

use std::fmt::Write as _;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use giftgenius::adapters::{Signals, SystemClock};
use giftgenius::money::Money;
use giftgenius::policy::{PaymentProfile, Policy};
use giftgenius::ports::Provider;

use super::explore::Profile;
use super::{Console, Ended, Refusal};
use crate::canary::WEBHOOK_SECRET;
use crate::choice::Choices;
use crate::error::RunError;
use crate::fault::plan::Plan;
use crate::provider::catalog::Shop;
use crate::provider::ledger::{Effect, EffectKind, Ledger};
use crate::provider::{Now, Providers};
use crate::report::build::quoted;
use crate::report::live::{self, Live};
use crate::report::terminal::{width, wrap};
use crate::scenario::faults;
use crate::trace::Recorder;
use crate::world::stage::Stage;
use crate::world::wire::standalone::{Standalone, refuses};

/// Where the first provider listens unless told otherwise; the others take the ports after it.
const PORT: u16 = 8081;
/// Where the printed command lets GiftGenius listen.
const SYSTEM: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);
/// The token of the printed settings. It opens nothing but a shop that sells nothing.
const TOKEN: &str = "demo-token-of-ann-0001";
/// How often it is looked whether something happened.
const LOOK_EVERY: Duration = Duration::from_millis(50);

#[derive(Args, Debug)]
pub(super) struct Arguments {
    /// A fault plan for the requests that come
    ///
    /// Such as `payment.charge#1: lost_reply; provider.catalog: outage(from=3, calls=2)`.
    /// Requests are counted from the start of this command.
    #[arg(long, verbatim_doc_comment)]
    plan: Option<String>,
    /// What the payment provider promises about repeated requests.
    #[arg(long, default_value = "stripe")]
    profile: Profile,
    /// The payment provider's port; the others take the two after it. 0 takes free ones.
    #[arg(long, value_name = "PORT", default_value_t = PORT)]
    port: u16,
    /// Post the payment provider's events to the server at this address, such as 127.0.0.1:8080.
    #[arg(long, value_name = "ADDRESS")]
    webhooks: Option<SocketAddr>,
    /// Another shop: a folder with `catalog.json` and `promo_codes.json`.
    #[arg(long, value_name = "DIR")]
    fixtures: Option<PathBuf>,
}

/// The last line of a refusal.
const NOTHING: &str = "nothing was started";

pub(super) fn run(arguments: &Arguments, console: &mut Console<'_>) -> Ended {
    let profile = arguments.profile.named();
    let ports = ports(arguments.port).ok_or_else(|| {
        unusable(&format!("three ports are needed, and there are none after {}; give a lower --port", u16::MAX))
    })?;
    let plan = match &arguments.plan {
        None => Plan::default(),
        Some(text) => faults::plan_for_providers(text, arguments.webhooks.is_some())
            .map_err(|error| Refusal::drawn(&error.render(console.colour_err), NOTHING))?,
    };
    let shop = match &arguments.fixtures {
        None => Shop::default(),
        Some(folder) => Shop::load(folder).map_err(|error| unusable(&error.to_string()))?,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|source| could_not_run(&RunError::Runtime(source)))?;
    let policy = Policy { payment_profile: profile.1, ..Policy::default() };
    let providers = Providers::new((&policy).into(), &shop.fixture);
    let stage = Stage::new(providers, Choices::replay(plan.clone()), Recorder::start(), Arc::new(SystemClock));
    let stage = if arguments.webhooks.is_some() { stage.with_webhooks(policy.webhooks.tolerance) } else { stage };
    runtime.block_on(serve(Arc::new(stage), &policy, ports, (profile, &plan, arguments.webhooks), console))
}

type Setting<'a> = ((&'static str, PaymentProfile), &'a Plan, Option<SocketAddr>);

async fn serve(
    stage: Arc<Stage>,
    policy: &Policy,
    ports: [u16; 3],
    (profile, plan, webhooks): Setting<'_>,
    console: &mut Console<'_>,
) -> Ended {
    let at = ports.map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    let standalone =
        Standalone::open(stage.clone(), policy.late_max, at).await.map_err(|error| could_not_run(&error))?;
    if let Some(system) = webhooks {
        standalone.post_events_to(system);
    }
    // Listens before the settings are there to be acted on.
    let signals = Signals::listen().map_err(|source| could_not_run(&RunError::Runtime(source)))?;
    let mut ended = std::pin::pin!(signals.stop());
    console.say(&head(&standalone.addresses(), profile.0, plan, webhooks, &giftgenius(console.called)));
    let mut live = Live::default();
    loop {
        let asked = tokio::select! {
            biased;
            () = &mut ended => true,
            () = tokio::time::sleep(LOOK_EVERY) => false,
        };
        let events = std::mem::take(&mut stage.recorder().lock().trace.events);
        for row in live.take(events) {
            console.say(&live::text(&row, width()));
        }
        if let Some(trouble) = standalone.take_trouble() {
            return Err(could_not_run(&trouble));
        }
        if asked {
            break;
        }
    }
    drop(standalone);
    console.say(&tail(&stage));
    Ok(0)
}

/// How GiftGenius is started here: by its binary beside misrule's, if it was built; else through cargo where misrule is
/// `called` so, else by its name.
fn giftgenius(called: &str) -> String {
    let beside = super::program().with_file_name(format!("giftgenius{}", std::env::consts::EXE_SUFFIX));
    if beside.is_file() {
        let here = std::env::current_dir().unwrap_or_default();
        return quoted(&beside.strip_prefix(here).unwrap_or(&beside).display().to_string());
    }
    match called {
        "misrule" => "giftgenius".to_owned(),
        cargo => cargo.replacen("run", "run -p giftgenius", 1),
    }
}

/// The ports of the three providers; none if there are not so many.
fn ports(first: u16) -> Option<[u16; 3]> {
    if first == 0 { Some([0; 3]) } else { Some([first, first.checked_add(1)?, first.checked_add(2)?]) }
}

/// What listens where, and how a system is started against it.
fn head(
    addresses: &[(Provider, SocketAddr); 3],
    profile: &str,
    plan: &Plan,
    webhooks: Option<SocketAddr>,
    giftgenius: &str,
) -> String {
    let mut out = format!("misrule {}  mock providers", env!("CARGO_PKG_VERSION"));
    for (provider, address) in addresses {
        write!(out, "  {} {address}", provider.name()).expect("a String takes everything");
    }
    out.push('\n');
    if !plan.faults.is_empty() {
        writeln!(out, "plan: {plan}").expect("a String takes everything");
    }
    if let Some(refused) = refuses(plan) {
        let note = format!("`{refused}` resets connections here: one that was accepted cannot be refused any more");
        out.push_str(&wrap(&note, width()));
    }
    out.push_str("\nStart GiftGenius against them in another terminal:\n\n");
    let mut set = |name: &str, value: &str| {
        writeln!(out, "  export GIFTGENIUS_{name}={value}").expect("a String takes everything");
    };
    for (provider, address) in addresses {
        set(&format!("{}_URL", provider.name().to_uppercase()), &format!("http://{address}"));
    }
    set("PAYMENT_PROFILE", profile);
    if webhooks.is_some() {
        set("PAYMENT_WEBHOOK_SECRET", WEBHOOK_SECRET);
    }
    set("JOURNAL", "giftgenius.db");
    set("USERS", &format!("ann={TOKEN}"));
    let system = webhooks.unwrap_or(SYSTEM);
    write!(out, "  {giftgenius} serve --http {system}\n\nRequests are shown as they are answered. Ctrl-C ends.\n\n")
        .expect("a String takes everything");
    out
}

/// What stands in the books at the end, and which planned faults never struck.
fn tail(stage: &Stage) -> String {
    let now = Now { since_start: stage.recorder().now(), utc: stage.utc() };
    let mut record = stage.recorder().lock();
    stage.with_providers(|providers| providers.settle(now, &mut record));
    let ledger = &record.ledger;
    let standing: Vec<_> = [EffectKind::Charge, EffectKind::Reserve, EffectKind::Commit]
        .into_iter()
        .flat_map(|kind| ledger.of_kind(kind))
        .filter(|effect| ledger.stands_at(effect, Duration::MAX))
        .map(|effect| stands(ledger, effect))
        .collect();
    let mut out = if standing.is_empty() {
        "\nnothing stands in the books\n".to_owned()
    } else {
        format!("\nin the books: {}\n", standing.join(", "))
    };
    for unfired in stage.with_choices(Choices::unfired) {
        writeln!(out, "never struck: {unfired}").expect("a String takes everything");
    }
    wrap(&out, width())
}

/// An effect that stands, in a few words.
fn stands(ledger: &Ledger, effect: &Effect) -> String {
    let items = || {
        let items: Vec<_> = effect.stock.iter().map(|(sku, quantity)| format!("{quantity} {sku}")).collect();
        items.join(" + ")
    };
    let amount = |it: Money| Money::new(ledger.charge_standing(effect), it.currency).to_string();
    let what = effect.amount.map_or_else(items, amount);
    format!("{} {} of {what} for {}", effect.kind.name(), effect.subject, Ledger::order_of(effect))
}

fn unusable(why: &str) -> Refusal {
    Refusal::saying(why, NOTHING, super::UNUSABLE)
}

fn could_not_run(error: &RunError) -> Refusal {
    let why = match error {
        RunError::Listen { address, source, .. } if source.kind() == io::ErrorKind::AddrInUse => {
            format!("cannot listen on {address}: the port is taken; stop what holds it or give another with --port")
        }
        other => other.to_string(),
    };
    Refusal::saying(&why, "the providers have ended", super::COULD_NOT_RUN)
}
