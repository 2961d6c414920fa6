//! What all derives need: the named fields of a struct, and their names as strings.

use syn::ext::IdentExt;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::token::Comma;
use syn::{Data, DeriveInput, Error, Field, Fields, Ident, Result};

/// The fields of a struct with at least one named field; `what` names the derive in errors.
pub fn named<'i>(input: &'i DeriveInput, what: &str) -> Result<&'i Punctuated<Field, Comma>> {
    let fields = match &input.data {
        Data::Struct(data) => &data.fields,
        _ => return Err(Error::new(input.ident.span(), format!("{what} is derived for structs only"))),
    };
    match fields {
        Fields::Named(fields) if !fields.named.is_empty() => Ok(&fields.named),
        _ => Err(Error::new(fields.span(), format!("{what} needs a struct with at least one named field"))),
    }
}

/// Refuses generic parameters.
pub fn no_generics(input: &DeriveInput, what: &str) -> Result<()> {
    match input.generics.params.first() {
        Some(param) => Err(Error::new(param.span(), format!("{what} is derived for structs without parameters"))),
        None => Ok(()),
    }
}

/// The identifier of a named field.
pub fn ident(field: &Field) -> &Ident {
    field.ident.as_ref().expect("only named fields are looked at")
}

/// The name of a field, without `r#`.
pub fn name(field: &Field) -> String {
    ident(field).unraw().to_string()
}
