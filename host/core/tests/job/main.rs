//! The job file from outside: text and manifests in, plan or problems out.

mod types;

mod broken;
mod changes;
mod explained;
mod follow;
mod generator;
mod metrics;
mod mutations;
mod plans;
mod reference;
mod resolve;
mod sides;
mod support;
mod syntax;
mod yaml_to_json;
