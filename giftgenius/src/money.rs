//! Money as integers in minor units with a currency; nothing here rounds and nothing is a float.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An ISO 4217 currency code: three upper-case ASCII letters.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Currency([u8; 3]);

impl Currency {
    /// The euro, the shop's default.
    pub const EUR: Self = Self(*b"EUR");

    /// How many decimals its amounts have (ISO 4217): 2 for EUR, 0 for JPY, 3 for KWD. `None` for a code that is no currency
    /// to pay in: one that the standard does not list, or lists without a minor unit (gold, testing).
    pub fn exponent(self) -> Option<u32> {
        iso_currency::Currency::from_code(self.as_str())?.exponent().map(u32::from)
    }

    /// The three letters of the code.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("a currency holds three ASCII letters by construction")
    }
}

/// A text that is not three upper-case letters.
#[derive(Debug, thiserror::Error)]
#[error("a currency is three upper-case letters such as EUR")]
pub struct NotACurrency;

impl FromStr for Currency {
    type Err = NotACurrency;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match <[u8; 3]>::try_from(text.as_bytes()) {
            Ok(letters) if letters.iter().all(u8::is_ascii_uppercase) => Ok(Self(letters)),
            _ => Err(NotACurrency),
        }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Code;
        impl serde::de::Visitor<'_> for Code {
            type Value = Currency;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an ISO 4217 currency code")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Currency, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Code)
    }
}

/// An amount of money: `minor_units` (cents for EUR) of one currency.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Money {
    /// The amount in the currency's smallest unit.
    pub minor_units: i64,
    /// The currency.
    pub currency: Currency,
}

impl Money {
    /// An amount of `minor_units` in `currency`.
    pub const fn new(minor_units: i64, currency: Currency) -> Self {
        Self { minor_units, currency }
    }
}

impl fmt::Display for Money {
    /// `42.00 EUR`, `6800 JPY`, `12.345 KWD`; an amount whose currency has no known decimals says that it is in minor units.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.minor_units < 0 { "-" } else { "" };
        let minor = self.minor_units.unsigned_abs();
        match self.currency.exponent() {
            None => write!(f, "{sign}{minor} minor units of {}", self.currency),
            Some(0) => write!(f, "{sign}{minor} {}", self.currency),
            Some(decimals) => {
                let unit = 10_u64.pow(decimals);
                let width = usize::try_from(decimals).unwrap_or_default();
                write!(f, "{sign}{}.{:0width$} {}", minor / unit, minor % unit, self.currency)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_shows_the_decimals_of_its_currency() {
        for (minor_units, currency, shown) in [
            (4200, "EUR", "42.00 EUR"),
            (-5, "EUR", "-0.05 EUR"),
            (6800, "JPY", "6800 JPY"),
            (-1, "KRW", "-1 KRW"),
            (12_345, "KWD", "12.345 KWD"),
            (7, "BHD", "0.007 BHD"),
            (12_345, "CLF", "1.2345 CLF"),
            (i64::MIN, "EUR", "-92233720368547758.08 EUR"),
            (4200, "ABC", "4200 minor units of ABC"),
            (4200, "XAU", "4200 minor units of XAU"),
        ] {
            assert_eq!(Money::new(minor_units, currency.parse().unwrap()).to_string(), shown);
        }
    }

    #[test]
    fn a_currency_is_three_upper_case_letters() {
        for wrong in ["", "eur", "EURO", "E1R", "€"] {
            assert!(wrong.parse::<Currency>().is_err(), "{wrong}");
        }
        assert!("USD".parse::<Currency>().is_ok());
    }
}
