//! What an entry of the outbox says of itself: where its bytes go. It is stored with the bytes, so
//! that what was committed is published there even when the job file names other sinks by then.

use crate::connect::FileTarget;
use crate::connect::closing::Closing;
use crate::format::parquet;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Where the bytes of one sink, subtask and epoch go.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Destination {
    File(FilePlace),
    Stdout,
}

/// A place in a part file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilePlace {
    pub files: Files,
    pub target: FileTarget,
}

/// Which part files, and what they look like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Files {
    /// The directory, as the job file writes it.
    pub path: PathBuf,
    pub extension: String,
    /// What every file starts with.
    #[serde(with = "header_form")]
    pub header: Vec<u8>,
}

impl Files {
    /// One of these files on its way to be closed; `None` when they can be read while they grow.
    pub fn closing<'a>(&'a self, dir: &'a Path, subtask: u16, file: u32) -> Option<Closing<'a>> {
        let open_extension = self.extension.as_str();
        (open_extension == parquet::OPEN_EXTENSION).then_some(Closing {
            dir,
            subtask,
            file,
            open_extension,
            closed_extension: parquet::CLOSED_EXTENSION,
            make: parquet::close,
        })
    }
}

/// A header as JSON: a text, or `{"hex": "..."}` when it is none.
mod header_form {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(untagged, deny_unknown_fields)]
    enum Form {
        Text(String),
        Hex { hex: String },
    }

    pub fn serialize<S: Serializer>(header: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        let form = match std::str::from_utf8(header) {
            Ok(text) => Form::Text(text.to_owned()),
            Err(_) => Form::Hex { hex: crate::hex::encode(header) },
        };
        form.serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        match Form::deserialize(deserializer)? {
            Form::Text(text) => Ok(text.into_bytes()),
            Form::Hex { hex } => crate::hex::decode(&hex).ok_or_else(|| D::Error::custom("the header is not in hex")),
        }
    }
}

/// A destination and its bytes as one blob: `u32` length of the destination, the destination as
/// JSON, the bytes.
pub fn seal(destination: &Destination, bytes: &[u8]) -> Vec<u8> {
    let destination = json_of(destination);
    let mut sealed = Vec::with_capacity(4 + destination.len() + bytes.len());
    sealed.extend_from_slice(&(destination.len() as u32).to_le_bytes());
    sealed.extend_from_slice(&destination);
    sealed.extend_from_slice(bytes);
    sealed
}

/// Takes a blob of [`seal`] apart; `None` when it is none.
pub fn unseal(sealed: &[u8]) -> Option<(Destination, &[u8])> {
    let (len, rest) = sealed.split_first_chunk::<4>()?;
    let (destination, bytes) = rest.split_at_checked(u32::from_le_bytes(*len) as usize)?;
    Some((serde_json::from_slice(destination).ok()?, bytes))
}

/// A stored value as JSON.
pub fn json_of(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("text, numbers and paths of a job file become JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_blob_comes_back_and_anything_else_does_not() {
        let files = |header: &[u8]| Files { path: "out/a".into(), extension: "csv".into(), header: header.to_vec() };
        let target = FileTarget { file: 3, offset: 77, opened_at_ms: 5 };
        let file = |header| Destination::File(FilePlace { files: files(header), target });
        for destination in [file("a,ü\n".as_bytes()), file(b"Obj\x01\xff\x02"), Destination::Stdout] {
            let sealed = seal(&destination, b"rows\n");
            assert_eq!(unseal(&sealed), Some((destination, &b"rows\n"[..])));
        }
        let text = String::from_utf8(json_of(&files("a,ü\n".as_bytes()))).expect("JSON");
        assert_eq!(text, r#"{"path":"out/a","extension":"csv","header":"a,ü\n"}"#);
        assert_eq!(unseal(b"a,b,c\n1,2,3\n"), None);
        assert_eq!(unseal(b"\x02"), None);
    }
}
