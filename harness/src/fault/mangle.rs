//! Mangling.
use super::decide::Mangle;
use crate::provider::{OperationSpec, ProviderReply};
/// Mangles.
pub fn mangle(how: &Mangle, _operation: &OperationSpec, reply: &ProviderReply) -> (u16, bytes::Bytes) {
    match how {
        Mangle::Garbage => (200, bytes::Bytes::from_static(b"\x00garbage")),
        Mangle::HtmlPage | Mangle::MissingField(_) | Mangle::WrongType(_) | Mangle::WrongAmount => {
            (200, reply.body.clone())
        }
    }
}
