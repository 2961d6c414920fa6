//! The author's side: from a crate to a module. It runs cargo and must not know how modules run.

pub mod cargo;
pub mod component;
pub mod golden;
pub mod report;
pub mod snippet;
pub mod symbols;
