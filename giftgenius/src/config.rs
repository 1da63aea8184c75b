//! The command line and the environment, and what they amount to.
//!
//! clap reads; what is read is checked here and all that is missing or wrong is told at once, each in one sentence
//! that says what, where and what to do, and never shows a value that may be a secret.

mod setting;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use secrecy::{ExposeSecret as _, SecretString};

use self::setting::{
    ALLOWED_HOSTS, CALLS_PER_MINUTE, CATALOG_API_KEY, CATALOG_URL, INVENTORY_API_KEY, INVENTORY_URL, JOURNAL,
    OPEN_SESSIONS, PAYMENT_API_KEY, PAYMENT_PROFILE, PAYMENT_URL, TOOL_DEADLINE, TRUSTED_PROXIES, USER, USERS,
    WEBHOOK_SECRET,
};
pub use self::setting::{ConfigError, Setting};
use crate::ids::UserId;
use crate::networks::{NetworkError, Networks};
use crate::policy::{PaymentProfile, Policy, UserPolicy};
use crate::providers::http::{BaseUrlError, Endpoint, Endpoints};
use crate::serve::Access;
use crate::users::Users;
use crate::webhooks::WebhookSecret;

/// The command line.
#[derive(Debug, Parser)]
#[command(name = "giftgenius", version, about = "An MCP tool server that helps people choose and buy gifts")]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve the tools over MCP: on stdin and stdout, or over HTTP at /mcp.
    Serve(Box<ServeArgs>),
    /// List orders that wait for a person.
    Orders(OrdersArgs),
    /// Read or set an operational switch.
    Switch(SwitchArgs),
    /// Print the rules by which the server decides: failures, steps, numbers, error codes.
    Policy(PolicyArgs),
}

const PROFILE_HELP: &str =
    "What the payment provider promises about repeated requests: stripe, acp, keyless or keyless_no_cancel";

/// Where the journal is.
#[derive(Debug, Args)]
pub struct JournalArgs {
    /// The journal's file (SQLite).
    #[arg(long, env = JOURNAL.env, value_name = "PATH")]
    journal: Option<PathBuf>,
}

/// `giftgenius serve`.
#[derive(Debug, Args)]
#[command(after_help = "A flag shows in the list of processes: give tokens and API keys by the environment.")]
pub struct ServeArgs {
    /// Serve one client on stdin and stdout (the default).
    #[arg(long, conflicts_with = "http")]
    stdio: bool,
    /// Serve over HTTP on this address, such as 127.0.0.1:8080; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS")]
    http: Option<String>,
    #[command(flatten)]
    journal: JournalArgs,
    /// The payment provider's URL.
    #[arg(long, env = PAYMENT_URL.env, value_name = "URL")]
    payment_url: Option<String>,
    /// The catalog's URL.
    #[arg(long, env = CATALOG_URL.env, value_name = "URL")]
    catalog_url: Option<String>,
    /// The inventory's URL.
    #[arg(long, env = INVENTORY_URL.env, value_name = "URL")]
    inventory_url: Option<String>,
    /// The payment provider's API key, where it wants one.
    #[arg(long, env = PAYMENT_API_KEY.env, hide_env_values = true, value_name = "KEY", value_parser = secret)]
    payment_api_key: Option<SecretString>,
    /// The catalog's API key, where it wants one.
    #[arg(long, env = CATALOG_API_KEY.env, hide_env_values = true, value_name = "KEY", value_parser = secret)]
    catalog_api_key: Option<SecretString>,
    /// The inventory's API key, where it wants one.
    #[arg(long, env = INVENTORY_API_KEY.env, hide_env_values = true, value_name = "KEY", value_parser = secret)]
    inventory_api_key: Option<SecretString>,
    /// The secret under which the payment provider signs its webhooks; without it none is taken in.
    #[arg(long, env = WEBHOOK_SECRET.env, hide_env_values = true, value_name = "SECRET", value_parser = secret)]
    payment_webhook_secret: Option<SecretString>,
    /// What the payment provider promises about repeated requests.
    #[arg(long, env = PAYMENT_PROFILE.env, value_name = "PROFILE", help = PROFILE_HELP, default_value = "stripe")]
    payment_profile: String,
    /// Each tool call answers within this time.
    #[arg(long, env = TOOL_DEADLINE.env, default_value = "25s", value_name = "TIME")]
    tool_deadline: String,
    /// Calls of one user that are taken within a minute.
    #[arg(long, env = CALLS_PER_MINUTE.env, default_value = "60", value_name = "NUMBER")]
    calls_per_minute: String,
    /// Checkout sessions of one user that may be open at the same time.
    #[arg(long, env = OPEN_SESSIONS.env, default_value = "20", value_name = "NUMBER")]
    open_sessions: String,
    /// Who may call over HTTP: user=token, separated by commas.
    #[arg(long, env = USERS.env, hide_env_values = true, value_name = "LIST", value_parser = secret)]
    users: Option<SecretString>,
    /// Names under which HTTP clients may reach the server, separated by commas; by default this machine's own.
    #[arg(long, env = ALLOWED_HOSTS.env, value_name = "LIST", value_delimiter = ',')]
    allowed_hosts: Vec<String>,
    /// Origins of web pages that may call over HTTP, separated by commas; by default none.
    #[arg(long, env = "GIFTGENIUS_ALLOWED_ORIGINS", value_name = "LIST", value_delimiter = ',')]
    allowed_origins: Vec<String>,
    /// Addresses or networks of proxies in front of the server, separated by commas; theirs are not strangers' connections.
    #[arg(long, env = TRUSTED_PROXIES.env, value_name = "LIST", value_delimiter = ',')]
    trusted_proxies: Vec<String>,
    /// Whose calls the client on stdio makes.
    #[arg(long, env = USER.env, value_name = "USER")]
    user: Option<String>,
}

/// `giftgenius orders`.
#[derive(Debug, Args)]
pub struct OrdersArgs {
    /// The ones that are parked: the server could not finish or undo them.
    #[arg(long, required = true)]
    pub parked: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    journal: JournalArgs,
}

/// `giftgenius policy`.
#[derive(Debug, Args)]
pub struct PolicyArgs {
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// `giftgenius switch`.
#[derive(Debug, Args)]
pub struct SwitchArgs {
    /// Which switch.
    pub switch: SwitchName,
    /// What to do with it.
    pub to: SwitchTo,
    #[command(flatten)]
    journal: JournalArgs,
}

/// A switch.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum SwitchName {
    /// Whether sales may begin; while off, people can look for gifts but not buy.
    Checkout,
}

/// What to do with a switch.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum SwitchTo {
    /// Switch it on.
    On,
    /// Switch it off.
    Off,
    /// Say how it stands.
    Status,
}

/// Towards whom the tools are served.
#[derive(Debug)]
pub enum Face {
    /// One client on stdin and stdout, and whose calls it makes.
    Stdio(UserId),
    /// Clients over HTTP.
    Http {
        /// Where to listen.
        address: SocketAddr,
        /// Who may call.
        access: Access,
    },
}

/// `giftgenius serve`, checked.
#[derive(Debug)]
pub struct ServeConfig {
    /// The providers.
    pub endpoints: Endpoints,
    /// The journal's file.
    pub journal: PathBuf,
    /// Every number.
    pub policy: Policy,
    /// The secret of the payment provider's webhooks, where it sends any.
    pub webhook_secret: Option<WebhookSecret>,
    /// Towards whom.
    pub face: Face,
}

impl JournalArgs {
    fn check(self) -> Result<PathBuf, ConfigError> {
        self.journal.filter(|path| !path.as_os_str().is_empty()).ok_or(ConfigError::Missing(JOURNAL))
    }
}

impl OrdersArgs {
    /// The journal's file.
    pub fn journal(self) -> Result<PathBuf, ConfigError> {
        self.journal.check()
    }
}

impl SwitchArgs {
    /// The journal's file.
    pub fn journal(self) -> Result<PathBuf, ConfigError> {
        self.journal.check()
    }
}

impl ServeArgs {
    /// The configuration, or everything that is missing or wrong.
    pub fn check(self) -> Result<ServeConfig, Vec<ConfigError>> {
        let mut errors = Errors(Vec::new());
        let journal = errors.take(self.journal.check());
        let payment = errors.take(endpoint(PAYMENT_URL, self.payment_url, PAYMENT_API_KEY, self.payment_api_key));
        let catalog = errors.take(endpoint(CATALOG_URL, self.catalog_url, CATALOG_API_KEY, self.catalog_api_key));
        let inventory =
            errors.take(endpoint(INVENTORY_URL, self.inventory_url, INVENTORY_API_KEY, self.inventory_api_key));
        let payment_profile = errors.take(profile(&self.payment_profile));
        let calls_max = errors.take(number(CALLS_PER_MINUTE, &self.calls_per_minute));
        let sessions_max = errors.take(number(OPEN_SESSIONS, &self.open_sessions));
        let users_policy = calls_max.zip(sessions_max).map(|(calls_max, sessions_max)| UserPolicy {
            calls_max,
            calls_window: Duration::from_secs(60),
            sessions_max,
        });
        let policy = errors.take(deadline(&self.tool_deadline)).zip(users_policy).and_then(|(tool_deadline, users)| {
            let policy = Policy { users, ..Policy::for_calls_of(tool_deadline) };
            errors.take(policy.check().map(|()| policy).map_err(ConfigError::Policy))
        });
        let webhook_secret = errors.take(webhook_secret(self.payment_webhook_secret));
        let face = match self.http {
            None => errors.take(given(USER, self.user)).map(|user| Face::Stdio(user.into())),
            Some(address) => {
                let address = errors.take(address.parse().map_err(|_| ConfigError::Address(address)));
                if self.allowed_hosts.iter().any(|name| name.contains('*')) {
                    let why = "holds `*`, which matches no name; list each name under which clients reach this server";
                    errors.0.push(wrong(ALLOWED_HOSTS, why));
                }
                let proxies = errors.take(networks(&self.trusted_proxies));
                let access = errors.take(users(self.users)).zip(proxies).map(|(users, trusted_proxies)| {
                    let mut access = Access { trusted_proxies, ..Access::local(users) };
                    let named = |list: Vec<String>| list.into_iter().filter(|name| !name.is_empty());
                    access.allowed_hosts.extend(named(self.allowed_hosts));
                    access.allowed_origins.extend(named(self.allowed_origins));
                    access
                });
                address.zip(access).map(|(address, access)| Face::Http { address, access })
            }
        };
        match (payment, catalog, inventory, journal, payment_profile, policy, webhook_secret, face) {
            (
                Some(payment),
                Some(catalog),
                Some(inventory),
                Some(journal),
                Some(payment_profile),
                Some(policy),
                Some(webhook_secret),
                Some(face),
            ) if errors.0.is_empty() => Ok(ServeConfig {
                endpoints: Endpoints { payment, catalog, inventory },
                journal,
                policy: Policy { payment_profile, ..policy },
                webhook_secret,
                face,
            }),
            _ => Err(errors.0),
        }
    }
}

/// Collects what is wrong while the rest is looked at.
struct Errors(Vec<ConfigError>);

impl Errors {
    fn take<T>(&mut self, result: Result<T, ConfigError>) -> Option<T> {
        result.map_err(|error| self.0.push(error)).ok()
    }
}

fn wrong(setting: Setting, why: impl Into<String>) -> ConfigError {
    ConfigError::Wrong { setting, why: why.into() }
}

/// An empty value counts as none: that is how environments take a variable back.
fn given(setting: Setting, value: Option<String>) -> Result<String, ConfigError> {
    value.map(|value| value.trim().to_owned()).filter(|value| !value.is_empty()).ok_or(ConfigError::Missing(setting))
}

fn endpoint(
    url: Setting,
    given_url: Option<String>,
    key: Setting,
    given_key: Option<SecretString>,
) -> Result<Endpoint, ConfigError> {
    let base_url = given(url, given_url)?.parse().map_err(|error: BaseUrlError| wrong(url, error.to_string()))?;
    let api_key = given_key.filter(|key| !key.expose_secret().is_empty());
    if api_key.as_ref().is_some_and(|key| !key.expose_secret().bytes().all(|byte| byte.is_ascii_graphic())) {
        return Err(wrong(key, "holds characters that an HTTP header cannot carry; was it copied whole?"));
    }
    Ok(Endpoint { base_url, api_key })
}

fn webhook_secret(secret: Option<SecretString>) -> Result<Option<WebhookSecret>, ConfigError> {
    let secret = secret.filter(|secret| !secret.expose_secret().is_empty());
    secret.map(WebhookSecret::new).transpose().map_err(|error| wrong(WEBHOOK_SECRET, error.to_string()))
}

fn users(list: Option<SecretString>) -> Result<Users, ConfigError> {
    let list = list.filter(|list| !list.expose_secret().trim().is_empty()).ok_or(ConfigError::Missing(USERS))?;
    Users::parse(&list).map_err(|error| wrong(USERS, error.to_string()))
}

fn networks(list: &[String]) -> Result<Networks, ConfigError> {
    let given = list.iter().map(|text| text.trim()).filter(|text| !text.is_empty());
    let networks: Result<_, NetworkError> = given.map(str::parse).collect();
    networks.map(Networks).map_err(|error| wrong(TRUSTED_PROXIES, error.to_string()))
}

fn profile(text: &str) -> Result<PaymentProfile, ConfigError> {
    const PROFILES: [(&str, PaymentProfile); 4] = [
        ("stripe", PaymentProfile::Stripe),
        ("acp", PaymentProfile::Acp),
        ("keyless", PaymentProfile::Keyless),
        ("keyless_no_cancel", PaymentProfile::KeylessNoCancel),
    ];
    PROFILES.iter().find(|(name, _)| *name == text).map(|(_, profile)| *profile).ok_or_else(|| {
        wrong(PAYMENT_PROFILE, format!("is `{text}`; it can be {}", PROFILES.map(|(name, _)| name).join(", ")))
    })
}

fn deadline(text: &str) -> Result<Duration, ConfigError> {
    const RANGE: std::ops::RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(300);
    let time = duration(text).ok_or_else(|| wrong(TOOL_DEADLINE, format!("is `{text}`; write 25s, 500ms or 2m")))?;
    if RANGE.contains(&time) {
        Ok(time)
    } else {
        Err(wrong(TOOL_DEADLINE, format!("is `{text}`; it can be 100ms to 5m")))
    }
}

fn number(setting: Setting, text: &str) -> Result<u32, ConfigError> {
    let number = text.trim().parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| wrong(setting, format!("is `{text}`; it can be 1 to {}", u32::MAX)))
}

/// A whole number and its unit: `ms`, `s` or `m`.
fn duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    match unit {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => number.checked_mul(60).map(Duration::from_secs),
        _ => None,
    }
}

#[expect(clippy::unnecessary_wraps, reason = "clap wants a fallible parser")]
fn secret(text: &str) -> Result<SecretString, std::convert::Infallible> {
    Ok(text.into())
}

#[cfg(test)]
mod tests;
