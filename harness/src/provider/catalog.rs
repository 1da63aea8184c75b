//! The catalog.
use super::{ProviderReply, ProviderRequest};
use crate::fault::Circumstance;
/// The products.
#[derive(Debug)]
pub struct Fixture;
/// Products.
#[derive(Debug)]
pub struct Catalog;
impl Catalog {
    /// Fresh.
    pub fn new(_fixture: std::sync::Arc<Fixture>) -> Self {
        Self
    }
    /// Handles.
    pub fn handle(&mut self, _r: &ProviderRequest, _c: Option<&Circumstance>) -> ProviderReply {
        ProviderReply { status: 404, retry_after_s: None, body: bytes::Bytes::new() }
    }
}
