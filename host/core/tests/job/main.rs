//! The job file from outside: text and manifests in, plan or problems out.

mod broken;
mod changes;
mod generator;
mod mutations;
mod plans;
mod reference;
mod resolve;
mod support;
mod syntax;
