//! The derive macros of wasmill-sdk: they turn structs into impls of its traits, nothing else.
//! Their documentation stands at the traits.

mod config;
mod fields;
mod outputs;
mod row;
mod slots;
mod ttl;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Makes a struct a row; see the trait `wasmill_sdk::Row`.
#[proc_macro_derive(Row, attributes(row))]
pub fn derive_row(input: TokenStream) -> TokenStream {
    expand(row::derive(&parse_macro_input!(input as DeriveInput)))
}

/// Makes a struct a set of settings; see the trait `wasmill_sdk::Config`.
#[proc_macro_derive(Config, attributes(config))]
pub fn derive_config(input: TokenStream) -> TokenStream {
    expand(config::derive(&parse_macro_input!(input as DeriveInput)))
}

/// Makes a struct of `Value`s the state of a key; see the trait `wasmill_sdk::Slots`.
#[proc_macro_derive(Slots, attributes(slot))]
pub fn derive_slots(input: TokenStream) -> TokenStream {
    expand(slots::derive(&parse_macro_input!(input as DeriveInput)))
}

/// Makes a struct of `Emit`s a set of outputs; see the trait `wasmill_sdk::Outputs`.
#[proc_macro_derive(Outputs)]
pub fn derive_outputs(input: TokenStream) -> TokenStream {
    expand(outputs::derive(&parse_macro_input!(input as DeriveInput)))
}

fn expand(result: syn::Result<proc_macro2::TokenStream>) -> TokenStream {
    result.unwrap_or_else(|error| error.to_compile_error()).into()
}
