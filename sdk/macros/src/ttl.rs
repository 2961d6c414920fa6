//! The time to live in `#[slot(ttl = "24h", since = create, clock = processing)]`.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::meta::ParseNestedMeta;
use syn::{Error, Ident, LitStr, Result};

/// What stands in the attribute about it.
#[derive(Default)]
pub struct Ttl {
    micros: Option<u64>,
    since: Option<Ident>,
    clock: Option<Ident>,
}

impl Ttl {
    /// Takes an option that is about it; `false` when it is about something else.
    pub fn take(&mut self, meta: &ParseNestedMeta<'_>) -> Result<bool> {
        if meta.path.is_ident("ttl") {
            let text: LitStr = meta.value()?.parse()?;
            self.micros = Some(micros(&text.value()).ok_or_else(|| {
                Error::new(
                    text.span(),
                    "a time to live is a whole number with a unit: \"500ms\", \"90s\", \"5m\", \"24h\", \"7d\"",
                )
            })?);
        } else if meta.path.is_ident("since") {
            self.since = Some(one_of(meta.value()?.parse()?, ["create", "update"])?);
        } else if meta.path.is_ident("clock") {
            self.clock = Some(one_of(meta.value()?.parse()?, ["event", "processing"])?);
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    /// The `Ttl` of the manifest, if the slot has one.
    pub fn tokens(&self) -> Result<Option<TokenStream>> {
        let Some(micros) = self.micros else {
            let Some(alone) = self.since.as_ref().or(self.clock.as_ref()) else { return Ok(None) };
            return Err(Error::new(alone.span(), "since and clock say more about ttl = .., which is missing"));
        };
        let from = match &self.since {
            Some(since) if since == "create" => quote!(Create),
            _ => quote!(Update),
        };
        let clock = match &self.clock {
            Some(clock) if clock == "processing" => quote!(Processing),
            _ => quote!(Event),
        };
        Ok(Some(quote!(::wasmill_sdk::rt::Ttl {
            micros: #micros,
            from: ::wasmill_sdk::rt::TtlFrom::#from,
            clock: ::wasmill_sdk::TimerFamily::#clock,
        })))
    }
}

fn one_of(word: Ident, known: [&str; 2]) -> Result<Ident> {
    match known.iter().any(|known| word == known) {
        true => Ok(word),
        false => Err(Error::new(word.span(), format!("this is {} or {}", known[0], known[1]))),
    }
}

fn micros(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let number: u64 = text[..digits].parse().ok()?;
    let unit = match &text[digits..] {
        "ms" => 1000,
        "s" => 1_000_000,
        "m" => 60_000_000,
        "h" => 3_600_000_000,
        "d" => 86_400_000_000,
        _ => return None,
    };
    let micros = number.checked_mul(unit)?;
    (1..=1000 * 366 * 86_400_000_000).contains(&micros).then_some(micros)
}

/// Where an error about the type of a slot points.
pub fn kinds(span: Span) -> Error {
    Error::new(span, "a state slot is a Value<T>, MapState<K, V>, ListState<T>, CounterState, MinState or MaxState")
}

#[cfg(test)]
mod tests {
    use super::micros;

    #[test]
    fn durations() {
        assert_eq!(micros("90s"), Some(90_000_000));
        assert_eq!(micros("500ms"), Some(500_000));
        assert_eq!(micros("7d"), Some(7 * 86_400_000_000));
        for bad in ["", "5", "s", "0s", "-1s", "1.5h", "5 m", "99999999999999d", "2000000d"] {
            assert_eq!(micros(bad), None, "{bad:?}");
        }
    }
}
