//! The payment provider.
use super::{Now, ProviderReply, ProviderRequest};
use crate::fault::Circumstance;
use crate::trace::Record;
/// Charges and refunds.
#[derive(Debug)]
pub struct Payment;
impl Payment {
    /// Fresh.
    pub fn new(_profile: giftgenius::policy::PaymentProfile) -> Self {
        Self
    }
    /// Handles.
    pub fn handle(
        &mut self,
        _r: &ProviderRequest,
        _c: Option<&Circumstance>,
        _n: Now,
        _record: &mut Record,
    ) -> ProviderReply {
        ProviderReply { status: 404, retry_after_s: None, body: bytes::Bytes::new() }
    }
}
