//! Whether an event comes from the provider: HMAC-SHA256 over `<time>.<raw body>`, under a secret that both know.
//!
//! The time is signed too and must be near now, so that a delivery that was overheard cannot be sent again later. Several
//! `v1` signatures may stand in one header, as providers send them while a secret is being replaced; other schemes are
//! passed over.

use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;

/// A header with more parts than this is nobody's.
const PARTS_MAX: usize = 16;

/// The shortest secret that is taken: shorter ones are guessed, or were copied in part.
const SECRET_CHARS_MIN: usize = 16;

/// Why a secret cannot be used; each message continues "the webhook secret …" and shows nothing of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SecretError {
    /// Too short.
    #[error("is shorter than {SECRET_CHARS_MIN} characters; was it copied whole?")]
    Short,
    /// White space or control characters.
    #[error("holds white space or characters beyond ASCII; was it copied whole?")]
    Letters,
}

/// The secret under which the provider signs.
#[derive(Clone, Debug)]
pub struct WebhookSecret(SecretString);

impl WebhookSecret {
    /// Takes a secret that can be one.
    pub fn new(secret: SecretString) -> Result<Self, SecretError> {
        let text = secret.expose_secret();
        if text.len() < SECRET_CHARS_MIN {
            return Err(SecretError::Short);
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(SecretError::Letters);
        }
        Ok(Self(secret))
    }

    fn mac(&self, time: &str, body: &[u8]) -> Hmac<Sha256> {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(self.0.expose_secret().as_bytes()).expect("HMAC takes a key of any length");
        mac.update(time.as_bytes());
        mac.update(b".");
        mac.update(body);
        mac
    }

    /// The header under which a body is sent at `now`, as the provider writes it.
    pub fn sign(&self, now: Timestamp, body: &[u8]) -> String {
        let time = now.as_second().to_string();
        let signature = crate::providers::hex(&self.mac(&time, body).finalize().into_bytes());
        format!("t={time},v1={signature}")
    }

    /// Whether `header` is this secret's signature of `body`, made within `tolerance` of `now`. Signatures are compared in
    /// constant time, and the time is looked at only after them, so that nobody without the secret learns anything.
    pub fn verify(&self, header: &str, body: &[u8], now: Timestamp, tolerance: Duration) -> Result<(), SignatureError> {
        let (mut time, mut signatures) = (None, Vec::new());
        for part in header.split(',').take(PARTS_MAX) {
            match part.trim().split_once('=') {
                Some(("t", value)) if time.is_none() => time = Some(value),
                Some(("t", _)) | None => return Err(SignatureError::Malformed),
                Some(("v1", value)) => signatures.extend(bytes_of(value)),
                Some(_) => {}
            }
        }
        let time = time.ok_or(SignatureError::Malformed)?;
        let signed_at = time.parse().ok().and_then(|second| Timestamp::from_second(second).ok());
        let signed_at = signed_at.ok_or(SignatureError::Malformed)?;
        // Every signature is compared, whichever of them is right.
        let right = signatures.iter().filter(|signature| self.mac(time, body).verify_slice(*signature).is_ok()).count();
        if right == 0 {
            return Err(SignatureError::Wrong);
        }
        let (earlier, later) = if signed_at <= now { (signed_at, now) } else { (now, signed_at) };
        if crate::time::until(earlier, later) > tolerance {
            return Err(SignatureError::Stale);
        }
        Ok(())
    }
}

/// Why a signature is not accepted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SignatureError {
    /// Not `t=…,v1=…`.
    #[error("the signature header is not `t=<unix seconds>,v1=<hex>`")]
    Malformed,
    /// Not this secret's signature of this body.
    #[error("the signature is not of this body")]
    Wrong,
    /// Signed too long ago, or in the future.
    #[error("the signature's time is too far from now")]
    Stale,
}

/// The 32 bytes of a SHA-256 in hexadecimal.
fn bytes_of(text: &str) -> Option<[u8; 32]> {
    let digit = |letter: u8| char::from(letter).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut bytes = [0; 32];
    if text.len() != 2 * bytes.len() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = b"{\"id\":\"evt_1\"}";
    const TOLERANCE: Duration = Duration::from_secs(300);

    fn secret(text: &str) -> WebhookSecret {
        WebhookSecret::new(text.into()).unwrap()
    }

    fn second(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// Computed by `openssl dgst -sha256 -hmac whsec_0123456789abcdef` over `1700000000.{"id":"evt_1"}`.
    const KNOWN: &str = "t=1700000000,v1=dea1657bd5053cb0f8a75ebf0bd3d22e0cdeb79563b44db6b88864e522fb8bc4";

    #[test]
    fn a_signature_is_the_one_that_other_programs_make() {
        assert_eq!(secret("whsec_0123456789abcdef").sign(second(1_700_000_000), BODY), KNOWN);
    }

    #[test]
    fn only_this_secret_over_this_body_and_time_is_right() {
        let (now, ours) = (second(1_700_000_000), secret("whsec_0123456789abcdef"));
        let verify = |header: &str, body: &[u8]| ours.verify(header, body, now, TOLERANCE);
        assert_eq!(verify(KNOWN, BODY), Ok(()));
        assert_eq!(
            verify(&KNOWN.to_uppercase().replace("T=", "t=").replace("V1=", "v1="), BODY),
            Ok(()),
            "hexadecimal"
        );
        assert_eq!(verify(KNOWN, b"{\"id\":\"evt_2\"}"), Err(SignatureError::Wrong));
        assert_eq!(verify(&KNOWN.replace("1700000000", "1700000001"), BODY), Err(SignatureError::Wrong));
        assert_eq!(verify(&KNOWN[..KNOWN.len() - 2], BODY), Err(SignatureError::Wrong), "cut short");
        let theirs = secret("whsec_fedcba9876543210").sign(now, BODY);
        assert_eq!(verify(&theirs, BODY), Err(SignatureError::Wrong));
        let rotated = format!("{theirs},v1={}", KNOWN.split_once("v1=").unwrap().1);
        assert_eq!(verify(&rotated, BODY), Ok(()), "one of several is right");
        assert_eq!(verify(&format!("{KNOWN},v0=x"), BODY), Ok(()), "other schemes are passed over");
        assert_eq!(verify(&KNOWN.replace("v1", "v0"), BODY), Err(SignatureError::Wrong), "and prove nothing");
    }

    #[test]
    fn a_time_counts_that_is_near_enough() {
        let ours = secret("whsec_0123456789abcdef");
        for (now, expected) in [
            (1_700_000_300, Ok(())),
            (1_700_000_301, Err(SignatureError::Stale)),
            (1_699_999_700, Ok(())),
            (1_699_999_699, Err(SignatureError::Stale)),
        ] {
            assert_eq!(ours.verify(KNOWN, BODY, second(now), TOLERANCE), expected, "{now}");
        }
    }

    #[test]
    fn what_is_no_header_is_malformed() {
        let ours = secret("whsec_0123456789abcdef");
        let twice = format!("t=1,{KNOWN}");
        for header in ["", "t", "v1=00", "t=,v1=00", "t=now,v1=00", "t=99999999999999999999,v1=00", &twice] {
            let refused = ours.verify(header, BODY, second(1_700_000_000), TOLERANCE);
            assert_eq!(refused, Err(SignatureError::Malformed), "{header}");
        }
    }

    #[test]
    fn a_secret_that_is_none_is_refused_and_none_shows() {
        assert_eq!(WebhookSecret::new("short".into()).unwrap_err(), SecretError::Short);
        assert_eq!(WebhookSecret::new("whsec_0123456789 abcdef".into()).unwrap_err(), SecretError::Letters);
        assert!(!format!("{:?}", secret("whsec_0123456789abcdef")).contains("0123"));
    }
}
