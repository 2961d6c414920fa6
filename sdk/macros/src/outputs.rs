//! `#[derive(Outputs)]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{DeriveInput, Result};

use crate::fields;

pub fn derive(input: &DeriveInput) -> Result<TokenStream> {
    fields::no_generics(input, "Outputs")?;
    let fields = fields::named(input, "Outputs")?;
    let outputs = &input.ident;
    let idents: Vec<_> = fields.iter().map(fields::ident).collect();
    let names: Vec<_> = fields.iter().map(fields::name).collect();
    let types: Vec<_> = fields.iter().map(|f| &f.ty).collect();
    let ids = 0..fields.len() as u16;
    Ok(quote! {
        #[automatically_derived]
        impl ::wasmill_sdk::Outputs for #outputs {
            fn outputs() -> ::std::vec::Vec<::wasmill_sdk::rt::Output> {
                ::std::vec![#(::wasmill_sdk::rt::Output {
                    name: ::std::string::String::from(#names),
                    schema: <#types as ::wasmill_sdk::rt::Port>::schema(),
                    changelog: <#types as ::wasmill_sdk::rt::Port>::CHANGELOG,
                }),*]
            }

            fn create() -> Self {
                Self { #(#idents: ::wasmill_sdk::rt::Port::create(),)* }
            }

            #[inline]
            fn commit(&mut self, origin: u32) -> usize {
                0 #(+ ::wasmill_sdk::rt::Port::commit(&mut self.#idents, origin))*
            }

            fn undo(&mut self) {
                #(::wasmill_sdk::rt::Port::undo(&mut self.#idents);)*
            }

            fn clear(&mut self) {
                #(::wasmill_sdk::rt::Port::clear(&mut self.#idents);)*
            }

            fn write(&mut self, effects: &mut ::wasmill_sdk::rt::EffectsWriter) {
                #(::wasmill_sdk::rt::Port::write(&mut self.#idents, #ids, effects);)*
            }
        }
    })
}
