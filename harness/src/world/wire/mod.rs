//! The world `wire`: GiftGenius as a process of its own, real sockets, real time.
//!
//! The way of a provider request: the system announces it over the control channel, the [`desk`] asks the stage what
//! goes wrong with it, the system connects to the provider's [`relay`] (or, refused, to a port where nobody listens), and
//! the relay applies it at the [`upstream`] and realises the reply on the socket.

pub mod desk;
pub mod relay;
pub mod upstream;

use crate::error::RunError;

/// An HTTP client that sends each request once, on a connection of its own.
fn http_client() -> Result<reqwest::Client, RunError> {
    reqwest::Client::builder()
        .no_proxy()
        .retry(reqwest::retry::never())
        .redirect(reqwest::redirect::Policy::none())
        .pool_max_idle_per_host(0)
        .build()
        .map_err(|error| RunError::HttpClient(chain(&error)))
}

/// An error with its causes, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
