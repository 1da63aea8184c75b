//! Who may call over HTTP: bearer tokens, each of one user.
//!
//! Tokens are kept as SHA-256 digests, so that nothing here can print one, and every entry is compared in full, so that
//! the time of an answer says nothing about how much of a guess was right.

use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

use crate::ids::UserId;

type TokenDigest = [u8; 32];

/// A random token of so many hexadecimal digits has 64 bits, more than can be tried over a network.
pub const TOKEN_BYTES_MIN: usize = 16;

/// Why a list of users cannot be used; each message continues "the list of users …" and shows no token.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum UsersError {
    /// Nobody.
    #[error("names nobody; give at least one entry user=token")]
    Empty,
    /// Not `user=token`.
    #[error("has no user=token in entry {entry}; separate entries by commas")]
    Entry {
        /// Counted from 1.
        entry: usize,
    },
    /// A token that no header can carry.
    #[error(
        "has a token in entry {entry} that an HTTP header cannot carry; use visible ASCII without spaces or commas"
    )]
    Token {
        /// Counted from 1.
        entry: usize,
    },
    /// A token that could be guessed.
    #[error(
        "has a token in entry {entry} of fewer than {TOKEN_BYTES_MIN} characters, which can be guessed; make one with `openssl rand -hex 24`"
    )]
    Short {
        /// Counted from 1.
        entry: usize,
    },
    /// One token, two entries.
    #[error("has the same token in entries {first} and {second}; a token says who is calling, so give each its own")]
    Ambiguous {
        /// Counted from 1.
        first: usize,
        /// Counted from 1.
        second: usize,
    },
}

/// The users and their tokens.
#[derive(Clone)]
pub struct Users(Vec<(TokenDigest, UserId)>);

impl Users {
    /// Reads `user=token,user=token…`. A user may have several tokens, so that one can be replaced without a gap.
    pub fn parse(list: &SecretString) -> Result<Self, UsersError> {
        let list = list.expose_secret().trim();
        if list.is_empty() {
            return Err(UsersError::Empty);
        }
        let mut users: Vec<(TokenDigest, UserId)> = Vec::new();
        for (index, pair) in list.split(',').enumerate() {
            let entry = index + 1;
            let (user, token) = pair.split_once('=').ok_or(UsersError::Entry { entry })?;
            let (user, token) = (user.trim(), token.trim());
            if user.is_empty() || token.is_empty() {
                return Err(UsersError::Entry { entry });
            }
            if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(UsersError::Token { entry });
            }
            if token.len() < TOKEN_BYTES_MIN {
                return Err(UsersError::Short { entry });
            }
            let digest = digest(token);
            if let Some(first) = users.iter().position(|(known, _)| *known == digest) {
                return Err(UsersError::Ambiguous { first: first + 1, second: entry });
            }
            users.push((digest, user.into()));
        }
        Ok(Self(users))
    }

    /// Whose token this is.
    pub fn of_token(&self, token: &str) -> Option<&UserId> {
        let sought = digest(token);
        let mut found = None;
        for (known, user) in &self.0 {
            let difference = known.iter().zip(&sought).fold(0, |sum, (one, other)| sum | (one ^ other));
            if difference == 0 {
                found = Some(user);
            }
        }
        found
    }
}

fn digest(token: &str) -> TokenDigest {
    Sha256::digest(token.as_bytes()).into()
}

impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(_, user)| user)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(list: &str) -> Result<Users, UsersError> {
        Users::parse(&list.into())
    }

    #[test]
    fn a_token_says_who_is_calling() {
        let users = parse("ann=t0ken-of-ann-00=, bob = t0ken-of-bob-000 , ann=older-t0ken-of-ann").unwrap();
        assert_eq!(users.of_token("t0ken-of-ann-00="), Some(&"ann".into()));
        assert_eq!(users.of_token("older-t0ken-of-ann"), Some(&"ann".into()));
        assert_eq!(users.of_token("t0ken-of-bob-000"), Some(&"bob".into()));
        for stranger in ["", "t0ken-of-ann-00", "T0KEN-OF-BOB-000", "ann"] {
            assert_eq!(users.of_token(stranger), None, "{stranger}");
        }
    }

    #[test]
    fn a_wrong_list_is_refused_without_showing_a_token() {
        const LONG: &str = "s3cret-s3cret-16";
        let cases = [
            (" ".to_owned(), UsersError::Empty),
            ("s3cret".to_owned(), UsersError::Entry { entry: 1 }),
            (format!("ann={LONG},"), UsersError::Entry { entry: 2 }),
            ("=s3cret".to_owned(), UsersError::Entry { entry: 1 }),
            ("ann=".to_owned(), UsersError::Entry { entry: 1 }),
            ("ann=s3 cret".to_owned(), UsersError::Token { entry: 1 }),
            ("ann=s".to_owned(), UsersError::Short { entry: 1 }),
            (format!("ann={LONG},bob={}", &LONG[1..]), UsersError::Short { entry: 2 }),
            (format!("ann={LONG},bob=t0ken-of-bob-000,eve={LONG}"), UsersError::Ambiguous { first: 1, second: 3 }),
        ];
        for (list, expected) in cases {
            let error = parse(&list).unwrap_err();
            assert!(!error.to_string().contains("s3"), "{error}");
            assert_eq!(error, expected, "{list}");
        }
    }

    #[test]
    fn tokens_do_not_show() {
        assert_eq!(format!("{:?}", parse("ann=s3cret-s3cret-16").unwrap()), "[\"ann\"]");
    }
}
