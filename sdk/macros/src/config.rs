//! `#[derive(Config)]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{DeriveInput, Expr, ExprLit, Field, Lit, Meta, Result};

use crate::fields;

pub fn derive(input: &DeriveInput) -> Result<TokenStream> {
    fields::no_generics(input, "Config")?;
    let fields = fields::named(input, "Config")?;
    let config = &input.ident;
    let idents = fields.iter().map(fields::ident);
    let names: Vec<_> = fields.iter().map(fields::name).collect();
    let types: Vec<_> = fields.iter().map(|f| &f.ty).collect();
    let docs = fields.iter().map(doc);
    let defaults = fields.iter().map(default).collect::<Result<Vec<_>>>()?;
    Ok(quote! {
        #[automatically_derived]
        impl ::wasmill_sdk::Config for #config {
            fn fields() -> ::std::vec::Vec<::wasmill_sdk::rt::ConfigField> {
                ::std::vec![#(::wasmill_sdk::rt::ConfigField {
                    name: ::std::string::String::from(#names),
                    ty: <#types as ::wasmill_sdk::Setting>::TYPE,
                    default: #defaults,
                    optional: <#types as ::wasmill_sdk::Setting>::OPTIONAL,
                    doc: ::std::string::String::from(#docs),
                }),*]
            }

            fn read(
                settings: &::wasmill_sdk::Settings,
            ) -> ::core::result::Result<Self, ::wasmill_sdk::Error> {
                ::core::result::Result::Ok(Self { #(#idents: settings.take(#names)?,)* })
            }
        }
    })
}

/// The default as an `Option<ConfigValue>`.
fn default(field: &Field) -> Result<TokenStream> {
    let mut found = None;
    for attribute in field.attrs.iter().filter(|a| a.path().is_ident("config")) {
        attribute.parse_nested_meta(|meta| {
            if !meta.path.is_ident("default") {
                return Err(meta.error("the only option of a setting is default = .."));
            }
            found = Some(meta.value()?.parse::<Expr>()?);
            Ok(())
        })?;
    }
    let ty = &field.ty;
    Ok(match found {
        None => quote!(::core::option::Option::None),
        Some(Expr::Lit(ExprLit { lit: Lit::Str(text), .. })) => {
            quote!(<#ty as ::wasmill_sdk::Setting>::into_value(::std::string::String::from(#text)))
        }
        Some(value) => quote!(<#ty as ::wasmill_sdk::Setting>::into_value(#value)),
    })
}

/// The doc comment as one line per paragraph line.
fn doc(field: &Field) -> String {
    let lines = field.attrs.iter().filter_map(|attribute| match &attribute.meta {
        Meta::NameValue(meta) if meta.path.is_ident("doc") => match &meta.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value().trim().to_owned()),
            _ => None,
        },
        _ => None,
    });
    lines.collect::<Vec<_>>().join("\n").trim().to_owned()
}
