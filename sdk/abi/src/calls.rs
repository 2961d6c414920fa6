//! The calls by which a guest reads maps, lists and merge slots while it handles a frame: what it
//! asks, and what it is told. Cold: a call brings many entries, or a page of them.
//!
//! ```text
//! get-many  asks:     per entry: u32 key of the frame | u32 length | the entry's own key
//!           answers:  per entry: u32 length, or ABSENT | value
//! scan      answers:  u32 1 when there is more, else 0 | per entry: u32 length | u32 length | key | value
//! ```
//!
//! An entry's own key is empty in lists and merge slots. Answers hold what was committed and what
//! earlier calls changed, not what the call itself has changed so far: that the guest knows.

use crate::DecodeError;
use crate::wire::Reader;

/// The length of a value that is not there.
pub const ABSENT: u32 = u32::MAX;
/// At most this many entries in one `get-many`.
pub const GET_MANY_MAX: usize = 65_536;
/// At most this many bytes in one page of a scan, but for a single entry that is larger.
pub const PAGE_BYTES_MAX: u32 = 1 << 20;
/// At most this many bytes in the key of an entry of a map.
pub const ENTRY_KEY_BYTES_MAX: usize = 64 << 10;

/// Appends an entry that is asked for.
pub fn put_asked(out: &mut Vec<u8>, key: u32, entry: &[u8]) {
    out.extend_from_slice(&key.to_le_bytes());
    put_bytes(out, entry);
}

/// Appends a value to the answer of `get-many`.
pub fn put_found(out: &mut Vec<u8>, value: Option<&[u8]>) {
    match value {
        Some(value) => put_bytes(out, value),
        None => out.extend_from_slice(&ABSENT.to_le_bytes()),
    }
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    out.extend_from_slice(bytes);
}

/// The entries that are asked for, each with its key of the frame, of which there are `keys`.
pub fn read_asked(bytes: &[u8], keys: u32) -> Result<Vec<(u32, &[u8])>, DecodeError> {
    let mut r = Reader::new("request for entries", bytes);
    let mut asked = Vec::new();
    while !r.rest().is_empty() {
        let (key, entry) = (r.u32()?, r.bytes()?);
        if key >= keys {
            return Err(r.error(format!("key {key} of {keys}")));
        }
        if entry.len() > ENTRY_KEY_BYTES_MAX {
            let len = entry.len();
            return Err(r.error(format!("an entry's key has {len} bytes, the limit is {ENTRY_KEY_BYTES_MAX}")));
        }
        if asked.len() == GET_MANY_MAX {
            return Err(r.error(format!("more than {GET_MANY_MAX} entries in one call; ask for fewer at once")));
        }
        asked.push((key, entry));
    }
    Ok(asked)
}

/// The values that were found, as many as were asked for.
pub fn read_found(bytes: &[u8], asked: usize) -> Result<Vec<Option<&[u8]>>, DecodeError> {
    let mut r = Reader::new("entries", bytes);
    let mut found = Vec::new();
    for _ in 0..asked {
        let value = match r.u32()? {
            ABSENT => None,
            len => Some(r.take(len as usize)?),
        };
        found.push(value);
    }
    r.finish()?;
    Ok(found)
}

/// A page of a scan.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page<'a> {
    /// There may be entries behind this page.
    pub more: bool,
    /// Keys and values, in the order of the keys.
    pub entries: Vec<(&'a [u8], &'a [u8])>,
}

/// Starts a page.
pub fn start_page() -> Vec<u8> {
    vec![0; 4]
}

/// Appends an entry to a page.
pub fn put_entry(page: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    page.extend_from_slice(&(key.len() as u32).to_le_bytes());
    page.extend_from_slice(&(value.len() as u32).to_le_bytes());
    page.extend_from_slice(key);
    page.extend_from_slice(value);
}

/// Says in a page that there is more.
pub fn set_more(page: &mut [u8]) {
    page[0] = 1;
}

/// Reads a page.
pub fn read_page(bytes: &[u8]) -> Result<Page<'_>, DecodeError> {
    let mut r = Reader::new("page of entries", bytes);
    let more = match r.u32()? {
        0 => false,
        1 => true,
        other => return Err(r.error(format!("a page starts with 0 or 1, found {other}"))),
    };
    let mut entries = Vec::new();
    while !r.rest().is_empty() {
        let (key, value) = (r.u32()? as usize, r.u32()? as usize);
        entries.push((r.take(key)?, r.take(value)?));
    }
    Ok(Page { more, entries })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_read_as_written() {
        let mut asked = Vec::new();
        put_asked(&mut asked, 1, b"k");
        put_asked(&mut asked, 0, b"");
        assert_eq!(read_asked(&asked, 2), Ok(vec![(1, &b"k"[..]), (0, b"")]));
        assert!(read_asked(&asked, 1).is_err(), "there is no key 1 of 1");
        let mut found = Vec::new();
        put_found(&mut found, Some(b"value"));
        put_found(&mut found, None);
        assert_eq!(read_found(&found, 2), Ok(vec![Some(&b"value"[..]), None]));
        assert!(read_found(&found, 1).is_err(), "one is left over");
        let mut page = start_page();
        put_entry(&mut page, b"k", b"v");
        set_more(&mut page);
        assert_eq!(read_page(&page), Ok(Page { more: true, entries: vec![(b"k", b"v")] }));
    }
}
