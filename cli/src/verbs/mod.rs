//! The verbs of the binary: a file each, with its arguments, its help and its action.

pub mod build;
pub mod check;
pub mod compile_module;
pub mod completions;
pub mod deadletters;
pub mod dev;
pub mod error;
pub mod explain;
pub mod inspect;
pub mod new;
pub mod replay;
pub mod run;
pub mod schema;
pub mod state;
pub mod test;
pub mod top;

use crate::args::Verb;
use crate::exit::Failure;
use crate::terminal::Terminal;

/// Does what the command line asks for.
pub fn call(verb: Verb, terminal: &Terminal) -> Result<(), Failure> {
    match verb {
        Verb::New(args) => new::call(args, terminal),
        Verb::Build(args) => build::call(args, terminal),
        Verb::Test(args) => test::call(args, terminal),
        Verb::Dev(args) => dev::call(args, terminal),
        Verb::Inspect(args) => inspect::call(args, terminal),
        Verb::Check(args) => check::call(args, terminal),
        Verb::DeadLetters(args) => deadletters::call(args, terminal),
        Verb::Replay(args) => replay::call(args, terminal),
        Verb::Explain(args) => explain::call(args, terminal),
        Verb::Run(args) => run::call(args, terminal),
        Verb::State(args) => state::call(args, terminal),
        Verb::Top(args) => top::call(args, terminal),
        Verb::Error(args) => error::call(args, terminal),
        Verb::Schema(args) => schema::call(args, terminal),
        Verb::CompileModule(args) => compile_module::call(args),
        Verb::Completions(args) => completions::call(args, terminal),
    }
}
