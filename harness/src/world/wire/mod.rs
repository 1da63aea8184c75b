//! The world `wire`: GiftGenius as a process of its own, real sockets, real time.
