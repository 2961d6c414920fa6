//! The component's side of the wall: the exports over a crate's [`Module`], logging, and the panic
//! hook. Only for wasm32.

use std::cell::RefCell;
use std::panic::PanicHookInfo;

use crate::log::Level;
use crate::module::{Instance, Module};
use crate::{Error, Fault};

pub mod bindings {
    //! What wit-bindgen makes of the world.
    #![allow(missing_docs, clippy::all, unsafe_op_in_unsafe_fn)]
    wit_bindgen::generate!({
        path: "wit",
        world: "function",
        pub_export_macro: true,
        export_macro_name: "export_function",
        default_bindings_module: "wasmill_sdk::guest::bindings",
    });
}

pub use bindings::exports::wasmill::function::guest::Guest;
use bindings::exports::wasmill::function::guest::{Error as WitError, FrameRange};
use bindings::wasmill::function::types::Fault as WitFault;
use bindings::wasmill::function::{effects, log as host_log};

/// A crate with functions.
pub trait Exported {
    fn module() -> Module;
}

thread_local! {
    static INSTANCE: RefCell<Option<Box<dyn Instance>>> = const { RefCell::new(None) };
}

impl<E: Exported> Guest for E {
    fn describe(host: FrameRange) -> Result<Vec<u8>, WitError> {
        std::panic::set_hook(Box::new(report_panic));
        let ours = u32::from(wasmill_abi::frame::VERSION);
        if ours < host.lo || ours > host.hi {
            let problem = format!("the module reads frame version {ours}, the host writes {} to {}", host.lo, host.hi);
            return Err(wit_error(Error::incompatible(problem)));
        }
        Ok(E::module().manifest().encode())
    }

    fn open(ctx: Vec<u8>) -> Result<(), WitError> {
        std::panic::set_hook(Box::new(report_panic));
        let instance = E::module().open(&ctx).map_err(wit_error)?;
        INSTANCE.set(Some(instance));
        Ok(())
    }

    fn process(batch: Vec<u8>) -> Result<(), WitError> {
        INSTANCE.with_borrow_mut(|instance| {
            let instance = instance.as_mut().ok_or_else(|| Error::incompatible("process was called before open"));
            instance.and_then(|i| i.process(batch, &mut |chunk| effects::push(&chunk))).map_err(wit_error)
        })
    }
}

fn wit_error(error: Error) -> WitError {
    let fault = match error.fault() {
        Fault::Reject | Fault::Late => WitFault::BadRecord,
        Fault::Transient => WitFault::Transient,
        Fault::Fatal => WitFault::Fatal,
        Fault::Incompatible => WitFault::Incompatible,
    };
    WitError { fault, code: error.code(), message: error.message().to_owned(), row: error.row() }
}

pub(crate) fn log(level: Level, line: &str) {
    let level = match level {
        Level::Trace => host_log::Level::Trace,
        Level::Debug => host_log::Level::Debug,
        Level::Info => host_log::Level::Info,
        Level::Warn => host_log::Level::Warn,
        Level::Error => host_log::Level::Error,
    };
    host_log::write(level, line);
}

/// A panic becomes a trap without words, so the words go first.
fn report_panic(info: &PanicHookInfo<'_>) {
    let message = info.payload_as_str().unwrap_or("(no message)");
    let place = info.location().map_or_else(|| "unknown place".to_owned(), |place| place.to_string());
    log(Level::Error, &format!("panic: {message} at {place}"));
}

/// Makes a type that is [`Exported`] the component's exports.
#[doc(hidden)]
#[macro_export]
macro_rules! __export_component {
    ($exports:ident) => {
        $crate::guest::bindings::export_function!($exports with_types_in $crate::guest::bindings);
    };
}
pub use crate::__export_component as export_component;
