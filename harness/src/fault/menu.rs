//! Menus: which faults are possible at an operation.
