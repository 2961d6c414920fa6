//! `#[derive(Slots)]`.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{
    DeriveInput, Error, Field, GenericArgument, LitInt, Path, PathArguments, Result, Token, Type, parenthesized,
};

use crate::fields;
use crate::ttl::{self, Ttl};

pub fn derive(input: &DeriveInput) -> Result<TokenStream> {
    fields::no_generics(input, "Slots")?;
    let fields = fields::named(input, "Slots")?;
    let slots = &input.ident;
    let idents: Vec<_> = fields.iter().map(fields::ident).collect();
    let names: Vec<_> = fields.iter().map(fields::name).collect();
    let options = fields.iter().map(Options::of).collect::<Result<Vec<_>>>()?;
    let versions: Vec<u32> = options.iter().map(|o| o.version).collect();
    let types: Vec<&Type> = fields.iter().map(|f| &f.ty).collect();
    let older: Vec<TokenStream> = options.iter().zip(&types).map(|(o, ty)| o.older(ty)).collect();
    let type_names = fields.iter().map(value_type).collect::<Result<Vec<_>>>()?;
    let ttls = options.iter().map(|o| o.ttl.tokens()).collect::<Result<Vec<_>>>()?;
    let described = ttls.iter().map(|ttl| match ttl {
        None => quote!(::core::option::Option::None),
        Some(ttl) => quote!(::core::option::Option::Some(#ttl)),
    });
    let living = idents.iter().zip(&ttls).filter_map(|(ident, ttl)| {
        let ttl = ttl.as_ref()?;
        Some(quote!(::wasmill_sdk::rt::Cells::set_ttl(&mut slots.#ident, #ttl);))
    });
    let mutable = ttls.iter().any(Option::is_some).then(|| quote!(mut));
    let ids: Vec<u16> = (0..fields.len() as u16).collect();
    Ok(quote! {
        #[automatically_derived]
        impl ::wasmill_sdk::Slots for #slots {
            fn slots() -> ::std::vec::Vec<::wasmill_sdk::rt::Slot> {
                ::std::vec![#(::wasmill_sdk::rt::Slot {
                    ttl: #described,
                    ..<#types as ::wasmill_sdk::rt::Cells>::slot(#names, #versions, #type_names, #older)
                }),*]
            }

            fn create() -> Self {
                let #mutable slots =
                    Self { #(#idents: <#types as ::wasmill_sdk::rt::Cells>::create(#names, #versions, #older),)* };
                #(#living)*
                slots
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

/// What stands in `#[slot(..)]`.
struct Options {
    version: u32,
    /// For older versions, ascending: the function that makes the next one.
    migrate: Vec<(u32, Path)>,
    ttl: Ttl,
}

impl Options {
    fn of(field: &Field) -> Result<Self> {
        let mut options = Self { version: 1, migrate: Vec::new(), ttl: Ttl::default() };
        for attribute in field.attrs.iter().filter(|a| a.path().is_ident("slot")) {
            attribute.parse_nested_meta(|meta| {
                if meta.path.is_ident("version") {
                    options.version = meta.value()?.parse::<LitInt>()?.base10_parse()?;
                } else if meta.path.is_ident("migrate") {
                    let steps;
                    parenthesized!(steps in meta.input);
                    for step in Punctuated::<Step, Token![,]>::parse_terminated(&steps)? {
                        let above = options.migrate.last().is_some_and(|(last, _)| *last >= step.version);
                        if above {
                            return Err(Error::new_spanned(&step.function, "versions stand in ascending order"));
                        }
                        options.migrate.push((step.version, step.function));
                    }
                } else if !options.ttl.take(&meta)? {
                    return Err(meta.error(
                        "the options of a slot are version = .., migrate(1 = .., ..), ttl = .., since = .. and clock = ..",
                    ));
                }
                Ok(())
            })?;
        }
        match options.migrate.last() {
            Some((last, function)) if *last >= options.version => {
                let told = format!("version {last} is no older version: the slot has version {}", options.version);
                Err(Error::new_spanned(function, told))
            }
            _ => Ok(options),
        }
    }

    /// A slice of `Older` values for a slot of this type: each reads its version and applies its
    /// function and those of all later ones.
    fn older(&self, slot: &Type) -> TokenStream {
        let entries = self.migrate.iter().enumerate().map(|(i, (version, first))| {
            let chain = self.migrate[i..].iter().fold(quote!(old), |value, (_, step)| quote!(#step(#value)));
            quote!(::wasmill_sdk::rt::Older {
                version: #version,
                shape: || ::wasmill_sdk::rt::shape_taken(#first),
                read: |bytes| ::wasmill_sdk::rt::older(bytes, |old| #chain),
            })
        });
        quote!({
            const OLDER: &[::wasmill_sdk::rt::Older<<#slot as ::wasmill_sdk::rt::Cells>::Value>] = &[#(#entries),*];
            OLDER
        })
    }
}

/// `1 = function`.
struct Step {
    version: u32,
    function: Path,
}

impl Parse for Step {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let version = input.parse::<LitInt>()?.base10_parse()?;
        input.parse::<Token![=]>()?;
        Ok(Self { version, function: input.parse()? })
    }
}

/// `T` of `Value<T>`, or `K, V` of `MapState<K, V>`, as text without spaces between its tokens.
fn value_type(field: &Field) -> Result<String> {
    if let Type::Path(path) = &field.ty
        && let Some(last) = path.path.segments.last()
    {
        let PathArguments::AngleBracketed(arguments) = &last.arguments else { return Ok("i64".to_owned()) };
        let types = arguments.args.iter().filter_map(|argument| match argument {
            GenericArgument::Type(ty) => Some(ty.to_token_stream().to_string().replace(' ', "")),
            _ => None,
        });
        return Ok(types.collect::<Vec<_>>().join(","));
    }
    Err(ttl::kinds(field.ty.span()))
}
