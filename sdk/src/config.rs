//! Settings: what a job file gives to a function, typed and described in the manifest.

use wasmill_abi::Type;
use wasmill_abi::manifest::{ConfigField, ConfigValue};

use crate::Error;

/// The settings of one function in one job, as [`Config`] reads them.
#[derive(Debug, Clone, Default)]
pub struct Settings(pub(crate) Vec<(String, ConfigValue)>);

impl Settings {
    /// Reads a setting; absent ones are an error unless `T` is an `Option`.
    #[doc(hidden)]
    pub fn take<T: Setting>(&self, name: &str) -> Result<T, Error> {
        let value = self.0.iter().find(|(n, _)| n == name).map(|(_, value)| value);
        T::from_value(value).ok_or_else(|| match value {
            Some(value) => Error::fatal(format_args!("setting {name:?} must be a {}, found {value}", T::TYPE)),
            None => Error::fatal(format_args!("setting {name:?} of type {} is missing", T::TYPE)),
        })
    }
}

/// A struct whose fields are settings; made by `#[derive(Config)]`. `()` has none.
///
/// Fields are integers, floats, `bool`, `String`, and `Option` of these. A field with
/// `#[config(default = ..)]` may be left out; so may an `Option`. Doc comments describe the setting
/// to whoever writes the job.
///
/// ```
/// use wasmill_sdk::prelude::*;
///
/// #[derive(Config)]
/// struct Limits {
///     /// The longest delay, in minutes.
///     #[config(default = 1440)]
///     max_delay: i32,
///     #[config(default = "UTC")]
///     zone: String,
///     note: Option<String>,
/// }
///
/// let fields = Limits::fields();
/// assert_eq!(fields[0].doc, "The longest delay, in minutes.");
/// assert_eq!(fields[1].default, Some("UTC".into()));
/// assert!(fields[2].optional);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a set of settings",
    note = "add #[derive(Config)] to the struct, or use () for none"
)]
pub trait Config: Sized {
    /// The settings, as the manifest shows them.
    fn fields() -> Vec<ConfigField>;
    #[doc(hidden)]
    fn read(settings: &Settings) -> Result<Self, Error>;
}

impl Config for () {
    fn fields() -> Vec<ConfigField> {
        Vec::new()
    }

    fn read(_: &Settings) -> Result<Self, Error> {
        Ok(())
    }
}

/// A Rust type that a setting can have.
///
/// ```
/// use wasmill_sdk::{ConfigValue, Setting};
///
/// assert_eq!(u8::from_value(Some(&ConfigValue::Int(255))), Some(255));
/// assert_eq!(u8::from_value(Some(&ConfigValue::Int(256))), None);
/// assert_eq!(<Option<u8>>::from_value(None), Some(None));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a setting",
    note = "settings are integers, floats, bool, String, and Option of these"
)]
pub trait Setting: Sized {
    /// The type in the manifest.
    const TYPE: Type;
    /// Whether it may be left out.
    const OPTIONAL: bool = false;
    /// From what the job gives; `None` if it does not fit.
    fn from_value(value: Option<&ConfigValue>) -> Option<Self>;
    /// As a default in the manifest.
    fn into_value(self) -> Option<ConfigValue>;
}

macro_rules! settings {
    ($($rust:ty, $ty:ident, $pattern:pat => $read:expr;)*) => {$(
        impl Setting for $rust {
            const TYPE: Type = Type::$ty;

            fn from_value(value: Option<&ConfigValue>) -> Option<Self> {
                match value? {
                    $pattern => $read,
                    _ => None,
                }
            }

            fn into_value(self) -> Option<ConfigValue> {
                Some(self.into())
            }
        }
    )*};
}

settings! {
    i8, I8, ConfigValue::Int(v) => (*v).try_into().ok();
    i16, I16, ConfigValue::Int(v) => (*v).try_into().ok();
    i32, I32, ConfigValue::Int(v) => (*v).try_into().ok();
    i64, I64, ConfigValue::Int(v) => (*v).try_into().ok();
    u8, U8, ConfigValue::Int(v) => (*v).try_into().ok();
    u16, U16, ConfigValue::Int(v) => (*v).try_into().ok();
    u32, U32, ConfigValue::Int(v) => (*v).try_into().ok();
    u64, U64, ConfigValue::Int(v) => (*v).try_into().ok();
    f32, F32, ConfigValue::Float(v) => Some(*v as f32);
    f64, F64, ConfigValue::Float(v) => Some(*v);
    bool, Bool, ConfigValue::Bool(v) => Some(*v);
    String, Utf8, ConfigValue::Str(v) => Some(v.clone());
}

impl<T: Setting> Setting for Option<T> {
    const TYPE: Type = T::TYPE;
    const OPTIONAL: bool = true;

    fn from_value(value: Option<&ConfigValue>) -> Option<Self> {
        match value {
            None => Some(None),
            value => T::from_value(value).map(Some),
        }
    }

    fn into_value(self) -> Option<ConfigValue> {
        self?.into_value()
    }
}
