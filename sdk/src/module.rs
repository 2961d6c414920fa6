//! The functions of a crate over bytes: what a component exports, and what the harness drives
//! natively. There is one path: both sides describe, open and process here.

use wasmill_abi::manifest::{Function, FunctionKind, Manifest};
use wasmill_abi::open::OpenContext as Opened;

use crate::co_keyed::CoKeyedRunner;
use crate::keyed::KeyedRunner;
use crate::map::MapRunner;
use crate::{CoKeyed, Config, Error, Keyed, LateRows, Map, OpenContext, Outputs, Row, Settings, Slots};

/// An opened function of a [`Module`]: takes batch frames, gives chunks of effects. The harness of
/// [`testing`](mod@crate::testing) is the comfortable way to run one.
pub trait Instance {
    /// Handles one frame. Effects count only if it returns well, after the last chunk.
    fn process(&mut self, frame: Vec<u8>, push: &mut dyn FnMut(Vec<u8>)) -> Result<(), Error>;
}

/// One function of a [`Module`]; made by [`export!`](crate::export).
#[doc(hidden)]
pub struct FunctionDef {
    function: Function,
    open: fn(Opened) -> Result<Box<dyn Instance>, Error>,
}

/// All functions of a crate; [`export!`](crate::export) makes `wasmill_module()`, which returns it.
///
/// It takes and gives the bytes that cross the wall, so a native run can be compared with the
/// component's, byte by byte.
///
/// ```
/// use wasmill_sdk::prelude::*;
///
/// #[derive(Row)]
/// struct Number {
///     n: i64,
/// }
///
/// struct Drop;
/// impl Map for Drop {
///     type Config = ();
///     type In = Number;
///     type Out = Emit<Number>;
///     fn open(_: (), _: &mut OpenContext) -> Result<Self, Error> {
///         Ok(Drop)
///     }
///     fn map(&mut self, _: Number, _: &mut Self::Out, _: &mut Context) -> Result<(), Error> {
///         Ok(())
///     }
/// }
/// wasmill_sdk::export! { "drop" => map Drop }
///
/// let module = wasmill_module();
/// let manifest = module.manifest();
/// assert_eq!(manifest.functions[0].input.to_string(), "n: int64");
/// let error = module.open(b"no context").err().expect("these bytes are no open context");
/// assert!(error.message().starts_with("malformed open context"));
/// ```
pub struct Module {
    name: &'static str,
    version: &'static str,
    functions: Vec<FunctionDef>,
}

impl Module {
    #[doc(hidden)]
    pub fn new(name: &'static str, version: &'static str, functions: Vec<FunctionDef>) -> Self {
        Self { name, version, functions }
    }

    /// The manifest of the crate.
    pub fn manifest(&self) -> Manifest {
        Manifest {
            name: self.name.to_owned(),
            version: self.version.to_owned(),
            sdk: concat!("wasmill-sdk ", env!("CARGO_PKG_VERSION")).to_owned(),
            functions: self.functions.iter().map(|f| f.function.clone()).collect(),
        }
    }

    /// Opens a function from the bytes of an open context (`wasmill_abi::open`).
    pub fn open(&self, context: &[u8]) -> Result<Box<dyn Instance>, Error> {
        let opened = Opened::decode(context).map_err(Error::incompatible)?;
        let def = self.functions.iter().find(|f| f.function.name == opened.function).ok_or_else(|| {
            let known: Vec<&str> = self.functions.iter().map(|f| f.function.name.as_str()).collect();
            Error::incompatible(format_args!("no function {:?} here; there are {known:?}", opened.function))
        })?;
        (def.open)(opened)
    }
}

#[doc(hidden)]
pub fn map_def<F: Map + 'static>(name: &str, doc: &[&str]) -> FunctionDef {
    let function = Function {
        name: name.to_owned(),
        doc: first_paragraph(doc),
        kind: FunctionKind::Map,
        input: F::In::schema(),
        right: None,
        outputs: F::Out::outputs(),
        late: LateRows::Handled.declared(),
        config: F::Config::fields(),
        metrics: F::METRICS.iter().map(|m| m.metric()).collect(),
        reads_changes: F::READS_CHANGES,
    };
    FunctionDef { function, open: |opened| Ok(Box::new(open_map::<F>(opened)?)) }
}

#[doc(hidden)]
pub fn keyed_def<F: Keyed + 'static>(name: &str, doc: &[&str]) -> FunctionDef {
    let function = Function {
        name: name.to_owned(),
        doc: first_paragraph(doc),
        kind: FunctionKind::Keyed { key: F::Key::schema(), slots: F::State::slots() },
        input: F::In::schema(),
        right: None,
        outputs: F::Out::outputs(),
        late: F::LATE.declared(),
        config: F::Config::fields(),
        metrics: F::METRICS.iter().map(|m| m.metric()).collect(),
        reads_changes: F::READS_CHANGES,
    };
    FunctionDef { function, open: |opened| Ok(Box::new(open_keyed::<F>(opened)?)) }
}

#[doc(hidden)]
pub fn co_keyed_def<F: CoKeyed + 'static>(name: &str, doc: &[&str]) -> FunctionDef {
    let function = Function {
        name: name.to_owned(),
        doc: first_paragraph(doc),
        kind: FunctionKind::Keyed { key: F::Key::schema(), slots: F::State::slots() },
        input: F::Left::schema(),
        right: Some(F::Right::schema()),
        outputs: F::Out::outputs(),
        late: F::LATE.declared(),
        config: F::Config::fields(),
        metrics: F::METRICS.iter().map(|m| m.metric()).collect(),
        reads_changes: F::READS_CHANGES,
    };
    FunctionDef { function, open: |opened| Ok(Box::new(open_co_keyed::<F>(opened)?)) }
}

pub(crate) fn open_map<F: Map>(mut opened: Opened) -> Result<MapRunner<F>, Error> {
    let settings = Settings(std::mem::take(&mut opened.config));
    let mut ctx = OpenContext::new(opened, F::METRICS);
    let function = F::Config::read(&settings).and_then(|c| F::open(c, &mut ctx)).map_err(Error::without_row)?;
    Ok(MapRunner::new(function))
}

pub(crate) fn open_keyed<F: Keyed>(mut opened: Opened) -> Result<KeyedRunner<F>, Error> {
    let settings = Settings(std::mem::take(&mut opened.config));
    let mut ctx = OpenContext::new(opened, F::METRICS);
    let function = F::Config::read(&settings).and_then(|c| F::open(c, &mut ctx)).map_err(Error::without_row)?;
    Ok(KeyedRunner::new(function))
}

fn open_co_keyed<F: CoKeyed>(mut opened: Opened) -> Result<CoKeyedRunner<F>, Error> {
    let settings = Settings(std::mem::take(&mut opened.config));
    let mut ctx = OpenContext::new(opened, F::METRICS);
    let function = F::Config::read(&settings).and_then(|c| F::open(c, &mut ctx)).map_err(Error::without_row)?;
    Ok(CoKeyedRunner::new(function))
}

fn first_paragraph(doc: &[&str]) -> String {
    let lines = doc.iter().map(|l| l.trim()).skip_while(|l| l.is_empty()).take_while(|l| !l.is_empty());
    lines.collect::<Vec<_>>().join(" ")
}

/// Names the functions of a crate. Each crate calls it once, in `lib.rs`.
///
/// A function is a `map` ([`Map`](crate::Map)), `keyed` ([`Keyed`](crate::Keyed)) or `co_keyed`
/// ([`CoKeyed`](crate::CoKeyed)).
///
/// A crate with functions has `crate-type = ["cdylib", "rlib"]`. The doc comment before a name is
/// shown to whoever looks at the module; the module has the name and version of the crate. The
/// macro makes a public function `wasmill_module()` that returns the [`Module`](crate::module::Module),
/// and the component's exports when the target is wasm32.
///
/// ```
/// use wasmill_sdk::prelude::*;
///
/// #[derive(Row)]
/// struct Number {
///     n: i64,
/// }
///
/// struct Double;
/// impl Map for Double {
///     type Config = ();
///     type In = Number;
///     type Out = Emit<Number>;
///     fn open(_: (), _: &mut OpenContext) -> Result<Self, Error> {
///         Ok(Double)
///     }
///     fn map(&mut self, row: Number, out: &mut Self::Out, _: &mut Context) -> Result<(), Error> {
///         out.emit(Number { n: row.n * 2 });
///         Ok(())
///     }
/// }
///
/// wasmill_sdk::export! {
///     /// Doubles numbers.
///     "double" => map Double,
/// }
///
/// let manifest = wasmill_module().manifest();
/// assert_eq!(manifest.functions[0].doc, "Doubles numbers.");
/// ```
#[macro_export]
macro_rules! export {
    ($($(#[doc = $doc:literal])* $name:literal => $kind:ident $function:ty),+ $(,)?) => {
        /// The functions of this crate, for native runs.
        pub fn wasmill_module() -> $crate::module::Module {
            $crate::module::Module::new(
                ::core::env!("CARGO_PKG_NAME"),
                ::core::env!("CARGO_PKG_VERSION"),
                ::std::vec![$($crate::__function_def!($kind, $function, $name, &[$($doc),*])),+],
            )
        }

        #[cfg(target_arch = "wasm32")]
        const _: () = {
            struct Exports;

            impl $crate::guest::Exported for Exports {
                fn module() -> $crate::module::Module {
                    wasmill_module()
                }
            }

            $crate::guest::export_component!(Exports);
        };
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __function_def {
    (map, $function:ty, $name:literal, $doc:expr) => {
        $crate::rt::map_def::<$function>($name, $doc)
    };
    (co_keyed, $function:ty, $name:literal, $doc:expr) => {
        $crate::rt::co_keyed_def::<$function>($name, $doc)
    };
    (keyed, $function:ty, $name:literal, $doc:expr) => {
        $crate::rt::keyed_def::<$function>($name, $doc)
    };
}
