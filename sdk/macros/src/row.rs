//! `#[derive(Row)]`.

use proc_macro2::{Group, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote};
use syn::spanned::Spanned;
use syn::{DeriveInput, Error, Field, GenericParam, Ident, LitStr, Result};

use crate::fields;

struct Column {
    ident: Ident,
    name: String,
    /// The field's type with `'static` in place of the struct's lifetime.
    ty: TokenStream,
    slot: Ident,
}

pub fn derive(input: &DeriveInput) -> Result<TokenStream> {
    let lifetime = lifetime(input)?;
    let columns = fields::named(input, "Row")?
        .iter()
        .enumerate()
        .map(|(i, field)| {
            let ty = with_static(field.ty.to_token_stream(), lifetime.as_ref());
            Ok(Column {
                ident: fields::ident(field).clone(),
                name: column_name(field)?,
                ty,
                slot: format_ident!("c{i}"),
            })
        })
        .collect::<Result<Vec<_>>>()?;
    let builders = builders(&columns);
    let row = row_impl(input, lifetime.is_some(), &columns);
    let cell = cell_impl(input, lifetime.is_some(), &columns);
    Ok(quote! {
        const _: () = {
            #builders
            #row
            #cell
        };
    })
}

fn lifetime(input: &DeriveInput) -> Result<Option<Ident>> {
    let mut params = input.generics.params.iter();
    let found = match params.next() {
        None => None,
        Some(GenericParam::Lifetime(param)) => Some(param.lifetime.ident.clone()),
        Some(other) => return Err(Error::new(other.span(), "a row has no type parameters")),
    };
    match params.next() {
        Some(second) => Err(Error::new(second.span(), "a row has at most one lifetime")),
        None => Ok(found),
    }
}

fn column_name(field: &Field) -> Result<String> {
    let mut name = fields::name(field);
    for attribute in field.attrs.iter().filter(|a| a.path().is_ident("row")) {
        attribute.parse_nested_meta(|meta| {
            if !meta.path.is_ident("name") {
                return Err(meta.error("the only option of a column is name = \"..\""));
            }
            name = meta.value()?.parse::<LitStr>()?.value();
            Ok(())
        })?;
    }
    Ok(name)
}

/// Replaces the struct's lifetime by `'static`.
fn with_static(tokens: TokenStream, lifetime: Option<&Ident>) -> TokenStream {
    let mut after_quote = false;
    let replace = |tree: TokenTree| match tree {
        TokenTree::Group(group) => {
            let mut replaced = Group::new(group.delimiter(), with_static(group.stream(), lifetime));
            replaced.set_span(group.span());
            TokenTree::Group(replaced)
        }
        TokenTree::Ident(ident) if after_quote && Some(&ident) == lifetime => {
            after_quote = false;
            TokenTree::Ident(Ident::new("static", ident.span()))
        }
        other => {
            after_quote = matches!(&other, TokenTree::Punct(punct) if punct.as_char() == '\'');
            other
        }
    };
    tokens.into_iter().map(replace).collect()
}

fn builders(columns: &[Column]) -> TokenStream {
    let slots: Vec<_> = columns.iter().map(|c| &c.slot).collect();
    let types: Vec<_> = columns.iter().map(|c| &c.ty).collect();
    quote! {
        #[doc(hidden)]
        #[derive(Default)]
        pub struct Builders {
            #(#slots: <#types as ::wasmill_sdk::rt::Cell>::Builder,)*
        }

        #[automatically_derived]
        impl ::wasmill_sdk::rt::Build for Builders {
            fn put_default(&mut self, row: usize) {
                #(::wasmill_sdk::rt::Build::put_default(&mut self.#slots, row);)*
            }

            fn truncate(&mut self, rows: usize) {
                ::wasmill_sdk::rt::RowBuilders::truncate(self, rows);
            }

            fn bytes(&self, rows: usize) -> usize {
                ::wasmill_sdk::rt::RowBuilders::bytes(self, rows)
            }

            fn write_values(&self, rows: usize, block: &mut ::wasmill_sdk::rt::BlockWriter<'_>) {
                ::wasmill_sdk::rt::RowBuilders::write(self, rows, block);
            }
        }

        #[automatically_derived]
        impl ::wasmill_sdk::rt::RowBuilders for Builders {
            fn truncate(&mut self, rows: usize) {
                #(::wasmill_sdk::rt::Build::truncate(&mut self.#slots, rows);)*
            }

            #[inline]
            fn bytes(&self, rows: usize) -> usize {
                0 #(+ ::wasmill_sdk::rt::Build::bytes(&self.#slots, rows))*
            }

            fn write(&self, rows: usize, block: &mut ::wasmill_sdk::rt::BlockWriter<'_>) {
                #(::wasmill_sdk::rt::Build::write(&self.#slots, rows, block);)*
            }
        }

        #[doc(hidden)]
        pub struct Columns<'wasmill> {
            #(#slots: <#types as ::wasmill_sdk::rt::Cell>::Reader<'wasmill>,)*
        }
    }
}

fn row_impl(input: &DeriveInput, borrows: bool, columns: &[Column]) -> TokenStream {
    let row = &input.ident;
    let (any, of) = if borrows { (quote!(<'_>), quote!(<'wasmill>)) } else { (quote!(), quote!()) };
    let (idents, names): (Vec<_>, Vec<_>) = columns.iter().map(|c| (&c.ident, &c.name)).unzip();
    let (slots, types): (Vec<_>, Vec<_>) = columns.iter().map(|c| (&c.slot, &c.ty)).unzip();
    let positions = 0..columns.len();
    quote! {
        #[automatically_derived]
        impl ::wasmill_sdk::Row for #row #any {
            type Of<'wasmill> = #row #of;
            type Columns<'wasmill> = Columns<'wasmill>;
            type Builders = Builders;

            fn schema() -> ::wasmill_sdk::rt::Schema {
                ::wasmill_sdk::rt::Schema::new(
                    ::std::vec![#(<#types as ::wasmill_sdk::rt::Cell>::field(#names)),*],
                )
            }

            fn columns<'wasmill>(
                block: &::wasmill_sdk::rt::Block<'wasmill>,
            ) -> ::core::result::Result<Columns<'wasmill>, ::wasmill_sdk::rt::DecodeError> {
                ::core::result::Result::Ok(Columns {
                    #(#slots: <#types as ::wasmill_sdk::rt::Cell>::reader(block.columns[#positions].clone())?,)*
                })
            }

            #[inline(always)]
            fn read<'wasmill>(columns: &Self::Columns<'wasmill>, row: usize) -> Self::Of<'wasmill> {
                #row { #(#idents: <#types as ::wasmill_sdk::rt::Cell>::get(&columns.#slots, row),)* }
            }

            #[inline(always)]
            fn write(builders: &mut Builders, row: usize, values: &Self::Of<'_>) {
                #(<#types as ::wasmill_sdk::rt::Cell>::put(&mut builders.#slots, row, &values.#idents);)*
            }
        }
    }
}

/// The struct as a column of another row.
fn cell_impl(input: &DeriveInput, borrows: bool, columns: &[Column]) -> TokenStream {
    let row = &input.ident;
    let (any, of) = if borrows { (quote!(<'_>), quote!(<'wasmill>)) } else { (quote!(), quote!()) };
    let (slots, types): (Vec<_>, Vec<_>) = columns.iter().map(|c| (&c.slot, &c.ty)).unzip();
    quote! {
        #[automatically_derived]
        impl ::wasmill_sdk::rt::Cell for #row #any {
            const TYPE: ::wasmill_sdk::rt::Type = ::wasmill_sdk::rt::Type::Struct;
            const NULLABLE: bool = false;
            type Of<'wasmill> = #row #of;
            type Reader<'wasmill> = Columns<'wasmill>;
            type Builder = Builders;

            fn children() -> ::std::vec::Vec<::wasmill_sdk::rt::Field> {
                <Self as ::wasmill_sdk::Row>::schema().fields
            }

            #[allow(unused_mut, unused_variables)]
            fn reader(
                column: ::wasmill_sdk::rt::Column<'_>,
            ) -> ::core::result::Result<Columns<'_>, ::wasmill_sdk::rt::DecodeError> {
                let mut children = column.children.into_iter();
                ::core::result::Result::Ok(Columns {
                    #(#slots: <#types as ::wasmill_sdk::rt::Cell>::reader(
                        ::wasmill_sdk::rt::child(&mut children)?,
                    )?,)*
                })
            }

            #[inline(always)]
            fn get<'wasmill>(reader: &Self::Reader<'wasmill>, row: usize) -> Self::Of<'wasmill> {
                <Self as ::wasmill_sdk::Row>::read(reader, row)
            }

            #[inline(always)]
            fn put(builder: &mut Builders, row: usize, value: &Self::Of<'_>) {
                <Self as ::wasmill_sdk::Row>::write(builder, row, value);
            }
        }

        #[automatically_derived]
        impl ::wasmill_sdk::rt::Scalar for #row #any {}
        #[automatically_derived]
        impl ::wasmill_sdk::rt::Item for #row #any {}
    }
}
