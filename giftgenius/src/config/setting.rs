//! The settings by name, and the sentences about a missing or wrong one.

/// A setting, as sentences about it name it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Setting {
    pub(super) what: &'static str,
    pub(super) flag: &'static str,
    pub(super) env: &'static str,
    pub(super) example: &'static str,
}

macro_rules! settings {
    ($($name:ident = $flag:literal, $env:literal, $what:literal, $example:literal;)*) => {
        $(pub(super) const $name: Setting = Setting { what: $what, flag: $flag, env: $env, example: $example };)*
        #[cfg(test)]
        pub(super) const SETTINGS: &[Setting] = &[$($name,)*];
    };
}

settings! {
    JOURNAL = "--journal", "GIFTGENIUS_JOURNAL", "the journal's file", "/var/lib/giftgenius/journal.db";
    PAYMENT_URL = "--payment-url", "GIFTGENIUS_PAYMENT_URL", "the payment provider's URL", "http://127.0.0.1:8081";
    CATALOG_URL = "--catalog-url", "GIFTGENIUS_CATALOG_URL", "the catalog's URL", "http://127.0.0.1:8082";
    INVENTORY_URL = "--inventory-url", "GIFTGENIUS_INVENTORY_URL", "the inventory's URL", "http://127.0.0.1:8083";
    PAYMENT_API_KEY = "--payment-api-key", "GIFTGENIUS_PAYMENT_API_KEY", "the payment provider's API key", "…";
    CATALOG_API_KEY = "--catalog-api-key", "GIFTGENIUS_CATALOG_API_KEY", "the catalog's API key", "…";
    INVENTORY_API_KEY = "--inventory-api-key", "GIFTGENIUS_INVENTORY_API_KEY", "the inventory's API key", "…";
    PAYMENT_PROFILE = "--payment-profile", "GIFTGENIUS_PAYMENT_PROFILE", "the payment profile", "stripe";
    TOOL_DEADLINE = "--tool-deadline", "GIFTGENIUS_TOOL_DEADLINE", "the tool deadline", "25s";
    WEBHOOK_SECRET = "--payment-webhook-secret", "GIFTGENIUS_PAYMENT_WEBHOOK_SECRET", "the webhook secret", "whsec_…";
    CALLS_PER_MINUTE = "--calls-per-minute", "GIFTGENIUS_CALLS_PER_MINUTE", "the calls of a user a minute", "60";
    OPEN_SESSIONS = "--open-sessions", "GIFTGENIUS_OPEN_SESSIONS", "the open sessions of a user", "20";
    USERS = "--users", "GIFTGENIUS_USERS", "the list of users", "ann=<token>,bob=<token>";
    ALLOWED_HOSTS = "--allowed-hosts", "GIFTGENIUS_ALLOWED_HOSTS", "the allowed hosts", "shop.example";
    TRUSTED_PROXIES = "--trusted-proxies", "GIFTGENIUS_TRUSTED_PROXIES", "the trusted proxies", "10.0.0.0/8";
    USER = "--user", "GIFTGENIUS_USER", "the user on stdio", "ann";
}

/// Something missing or wrong.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ConfigError {
    /// Not given.
    #[error("{} is missing: give {} or set {}, for example to {}", .0.what, .0.flag, .0.env, .0.example)]
    Missing(Setting),
    /// Given, and unusable.
    #[error("{} ({} or {}) {why}", .setting.what, .setting.flag, .setting.env)]
    Wrong {
        /// What.
        setting: Setting,
        /// Continues the sentence.
        why: String,
    },
    /// `--http` is not an address.
    #[error("--http `{0}` is not an address such as 127.0.0.1:8080; give an IP address and a port")]
    Address(String),
    /// Numbers that do not go together.
    #[error(transparent)]
    Policy(#[from] crate::policy::Disagreement),
}
