//! `#[derive(Slots)]`.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{DeriveInput, Error, Field, GenericArgument, LitInt, PathArguments, Result, Type};

use crate::fields;

pub fn derive(input: &DeriveInput) -> Result<TokenStream> {
    fields::no_generics(input, "Slots")?;
    let fields = fields::named(input, "Slots")?;
    let slots = &input.ident;
    let idents: Vec<_> = fields.iter().map(fields::ident).collect();
    let names: Vec<_> = fields.iter().map(fields::name).collect();
    let versions = fields.iter().map(version).collect::<Result<Vec<_>>>()?;
    let type_names = fields.iter().map(value_type).collect::<Result<Vec<_>>>()?;
    let ids: Vec<u16> = (0..fields.len() as u16).collect();
    Ok(quote! {
        #[automatically_derived]
        impl ::wasmill_sdk::Slots for #slots {
            fn slots() -> ::std::vec::Vec<::wasmill_sdk::rt::Slot> {
                ::std::vec![#(::wasmill_sdk::rt::Slot {
                    name: ::std::string::String::from(#names),
                    kind: ::wasmill_sdk::rt::SlotKind::Value,
                    version: #versions,
                    type_name: ::std::string::String::from(#type_names),
                }),*]
            }

            fn create() -> Self {
                Self { #(#idents: ::wasmill_sdk::rt::Cells::create(#names, #versions),)* }
            }

            fn load(
                &mut self,
                stored: &::wasmill_sdk::rt::Stored<'_>,
            ) -> ::core::result::Result<(), ::wasmill_sdk::Error> {
                #(::wasmill_sdk::rt::Cells::load(&mut self.#idents, #ids, stored)?;)*
                ::core::result::Result::Ok(())
            }

            #[inline]
            fn select(&mut self, key: usize) {
                #(::wasmill_sdk::rt::Cells::select(&mut self.#idents, key);)*
            }

            fn undo(&mut self) {
                #(::wasmill_sdk::rt::Cells::undo(&mut self.#idents);)*
            }

            fn fault(&self) -> ::core::result::Result<(), ::wasmill_sdk::Error> {
                #(::wasmill_sdk::rt::Cells::fault(&self.#idents)?;)*
                ::core::result::Result::Ok(())
            }

            fn write(
                &self,
                effects: &mut ::wasmill_sdk::rt::EffectsWriter,
            ) -> ::core::result::Result<(), ::wasmill_sdk::Error> {
                #(::wasmill_sdk::rt::Cells::write(&self.#idents, #ids, effects)?;)*
                ::core::result::Result::Ok(())
            }
        }
    })
}

/// The number in `#[slot(version = ..)]`, or 1.
fn version(field: &Field) -> Result<u32> {
    let mut version = 1;
    for attribute in field.attrs.iter().filter(|a| a.path().is_ident("slot")) {
        attribute.parse_nested_meta(|meta| {
            if !meta.path.is_ident("version") {
                return Err(meta.error("the only option of a slot is version = .."));
            }
            version = meta.value()?.parse::<LitInt>()?.base10_parse()?;
            Ok(())
        })?;
    }
    Ok(version)
}

/// `T` of `Value<T>`, as text without spaces between its tokens.
fn value_type(field: &Field) -> Result<String> {
    if let Type::Path(path) = &field.ty
        && let Some(last) = path.path.segments.last()
        && let PathArguments::AngleBracketed(arguments) = &last.arguments
        && let Some(GenericArgument::Type(value)) = arguments.args.first()
    {
        return Ok(value.to_token_stream().to_string().replace(' ', ""));
    }
    Err(Error::new_spanned(&field.ty, "a state slot is a Value<T>"))
}
