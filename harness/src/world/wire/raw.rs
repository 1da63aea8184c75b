//! Raw frames to the system on the wire: bytes in place of a message, and whatever comes back. What they mean is for
//! whoever sends them.

use std::time::Duration;

use super::WireWorld;
use crate::system::stdio::Ground;

/// What came back over HTTP.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Posted {
    /// A whole reply.
    Reply {
        /// Its status.
        status: u16,
        /// Its body.
        body: Vec<u8>,
    },
    /// Nothing, for as long as was waited.
    Nothing,
    /// The connection ended before the reply did, for this reason; or the server is not there.
    Broken(String),
}

impl WireWorld {
    /// Posts bytes to the first replica as a user's platform would post a message, on a connection of its own.
    pub async fn post(&self, user: &str, body: Vec<u8>, within: Duration) -> Posted {
        let Some(up) = self.lives.up(0).await else {
            return Posted::Broken(String::from("nobody is there"));
        };
        let Some(connection) = up.server.connection(user) else {
            return Posted::Broken(format!("nobody shook hands for {user}"));
        };
        match tokio::time::timeout(within, connection.exchange(body)).await {
            Err(_) => Posted::Nothing,
            Ok(Ok((status, body))) => Posted::Reply { status, body },
            Ok(Err(error)) => Posted::Broken(super::chain(&error)),
        }
    }

    /// What a further process of the system stands on, beside the replicas.
    pub fn ground(&self) -> Ground {
        Ground {
            journal: self.lives.journal_path(),
            providers: [0, 1, 2].map(|index: usize| self.relays[index].address()),
        }
    }
}
