//! The open context: what an instance is told once, before its first batch.

use crate::DecodeError;
use crate::manifest::ConfigValue;
use crate::wire::{Reader, Writer};

const MAGIC: u32 = u32::from_le_bytes(*b"WMO1");
const SETTINGS_MAX: usize = 256;

/// Which function to open, where it stands, and its settings.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OpenContext {
    /// A function of the manifest.
    pub function: String,
    pub job: String,
    pub operator: String,
    /// From 0.
    pub subtask: u16,
    pub parallelism: u16,
    /// Checked by the host against the manifest; defaults are filled in.
    pub config: Vec<(String, ConfigValue)>,
}

impl OpenContext {
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.u32(MAGIC);
        w.str(&self.function);
        w.str(&self.job);
        w.str(&self.operator);
        w.u16(self.subtask);
        w.u16(self.parallelism);
        w.u32(self.config.len() as u32);
        for (name, value) in &self.config {
            w.str(name);
            value.encode(&mut w);
        }
        w.into_bytes()
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new("open context", bytes);
        if r.u32()? != MAGIC {
            return Err(r.error("it does not start with WMO1"));
        }
        let function = r.str()?.to_owned();
        let job = r.str()?.to_owned();
        let operator = r.str()?.to_owned();
        let (subtask, parallelism) = (r.u16()?, r.u16()?);
        let n = r.count(SETTINGS_MAX)?;
        let config = (0..n)
            .map(|_| Ok((r.str()?.to_owned(), ConfigValue::decode(&mut r)?)))
            .collect::<Result<_, DecodeError>>()?;
        r.finish()?;
        Ok(Self { function, job, operator, subtask, parallelism, config })
    }
}
