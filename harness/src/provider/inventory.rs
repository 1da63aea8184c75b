//! The inventory.
use super::{Now, ProviderReply, ProviderRequest, catalog::Fixture};
use crate::fault::Circumstance;
use crate::trace::Record;
/// Stock.
#[derive(Debug)]
pub struct Inventory;
impl Inventory {
    /// Fresh.
    pub fn new(_fixture: std::sync::Arc<Fixture>) -> Self {
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
