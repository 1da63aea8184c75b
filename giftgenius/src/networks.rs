//! Networks by address and prefix, such as `10.0.0.0/8`.

use std::net::IpAddr;
use std::str::FromStr;

/// Addresses that share their first bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

/// Neither an address nor an address with a prefix length.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("holds `{0}`, which is no address such as 10.0.0.1 and no network such as 10.0.0.0/8")]
pub struct NetworkError(String);

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let wrong = || NetworkError(text.to_owned());
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(width), str::parse).map_err(|_| wrong())?;
        if bits > width { Err(wrong()) } else { Ok(Self { address, bits }) }
    }
}

impl Network {
    fn contains(self, other: IpAddr) -> bool {
        match (self.address, other) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                (own.to_bits() ^ other.to_bits()).leading_zeros() >= u32::from(self.bits)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                (own.to_bits() ^ other.to_bits()).leading_zeros() >= u32::from(self.bits)
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

/// Some networks.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Networks(pub Vec<Network>);

impl Networks {
    /// Whether an address is in one of them; an IPv4 address that was mapped into IPv6 is the IPv4 address.
    pub fn contain(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_in_a_network_that_shares_its_first_bits() {
        let networks = |list: &str| Networks(list.split(',').map(|one| one.parse().unwrap()).collect());
        let contain = |list: &str, address: &str| networks(list).contain(address.parse().unwrap());
        assert!(contain("10.0.0.0/8", "10.255.0.1") && !contain("10.0.0.0/8", "11.0.0.1"));
        assert!(contain("10.1.2.3", "10.1.2.3") && !contain("10.1.2.3", "10.1.2.2"));
        assert!(contain("0.0.0.0/0", "192.0.2.1") && !contain("0.0.0.0/0", "2001:db8::1"));
        assert!(contain("::1,2001:db8::/32", "2001:db8:1::1") && !contain("2001:db8::/32", "2001:db9::1"));
        assert!(contain("10.0.0.0/8", "::ffff:10.0.0.1"));
        assert!(!Networks::default().contain("127.0.0.1".parse().unwrap()));
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for wrong in ["", "10.0.0", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/x", "::/129", "host", "10.0.0.0/8/8"] {
            let told = wrong.parse::<Network>().unwrap_err().to_string();
            assert!(told.contains(&format!("`{wrong}`")), "{told}");
        }
    }
}
