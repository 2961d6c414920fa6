//! Holds the `config` of a function against the settings that its manifest declares, and fills in
//! the defaults.

use crate::job::problem::{Problem, Problems};
use crate::job::spec::{FunctionSpec, Scalar, SettingSpec};
use crate::job::suggest::{list, nearest};
use crate::units::shortened;
use wasmill_abi::Type;
use wasmill_abi::manifest::{ConfigField, ConfigValue, Function};

/// The settings in the manifest's order; optional ones that are not given are left out.
pub(super) fn check(
    spec: &FunctionSpec,
    function: &Function,
    problems: &mut Problems,
) -> Option<Vec<(String, ConfigValue)>> {
    let mut meant = Vec::new();
    let mut ok = !report_unknown(spec, function, &mut meant, problems);
    let mut config = Vec::with_capacity(function.config.len());
    for field in &function.config {
        let given = spec.config.iter().find(|s| s.name.value == field.name);
        let value = match given.filter(|s| !(field.optional && s.value.value == Scalar::Null)) {
            Some(setting) => convert(setting, field),
            None if field.default.is_some() => Ok(field.default.clone().expect("this arm asked for it")),
            None if field.optional => continue,
            None => Err(missing(spec, function, field)),
        };
        match value {
            Ok(value) => config.push((field.name.clone(), value)),
            Err(problem) => {
                ok = false;
                // What is missing may be misspelt, or in a part of the operator that was broken.
                let reported = given.is_none() && (spec.broken || meant.contains(&field.name.as_str()));
                if !reported {
                    problems.push(problem);
                }
            }
        }
    }
    ok.then_some(config)
}

/// Reports unknown settings, notes what they probably meant, and tells whether there were any.
fn report_unknown<'f>(
    spec: &FunctionSpec,
    function: &'f Function,
    meant: &mut Vec<&'f str>,
    problems: &mut Problems,
) -> bool {
    let known = || function.config.iter().map(|c| c.name.as_str());
    let mut found = false;
    for setting in spec.config.iter().filter(|s| !known().any(|k| k == s.name.value)) {
        found = true;
        problems.push_with(|| {
            let (name, known_list) = (shortened(&setting.name.value), list(known()));
            let message =
                format!("function `{}` has no setting `{name}`, its settings are {known_list}", function.name);
            let guess = nearest(&setting.name.value, known());
            meant.extend(guess);
            let help = guess.map(|g| format!("did you mean `{g}`?"));
            Problem::new("unknown-setting", setting.name.span, message).with_help_maybe(help)
        });
    }
    found
}

fn missing(spec: &FunctionSpec, function: &Function, field: &ConfigField) -> Problem {
    let message = format!("function `{}` needs the setting `{}` ({})", function.name, field.name, field.ty);
    let help = match field.doc.as_str() {
        "" => format!("add it to `config` of `{}`", spec.name.value),
        doc => format!("add it to `config` of `{}`: {doc}", spec.name.value),
    };
    Problem::new("missing-setting", spec.name.span, message).with_help(help)
}

fn convert(setting: &SettingSpec, field: &ConfigField) -> Result<ConfigValue, Problem> {
    let span = setting.value.span;
    let problem = |code, why: String| Problem::new(code, span, format!("setting `{}` {why}", field.name));
    let value = &setting.value.value;
    match (field.ty, value) {
        (Type::Bool, Scalar::Bool(v)) => Ok(ConfigValue::Bool(*v)),
        (Type::Utf8, Scalar::Text(v)) => Ok(ConfigValue::Str(v.clone())),
        (Type::F64, Scalar::Int(v)) => Ok(ConfigValue::Float(*v as f64)),
        (Type::F64, Scalar::Float(v)) => Ok(ConfigValue::Float(*v)),
        (Type::F32, Scalar::Int(v)) => Ok(ConfigValue::Float(*v as f64)),
        (Type::F32, Scalar::Float(v)) if !v.is_finite() || (*v as f32).is_finite() => Ok(ConfigValue::Float(*v)),
        (Type::F32, Scalar::Float(v)) => {
            Err(problem("out-of-range", format!("is {v:e}, float32 goes from {:e} to {:e}", f32::MIN, f32::MAX)))
        }
        (ty, Scalar::Int(v)) if integer_range(ty).is_some() => {
            let (min, max) = integer_range(ty).expect("this arm asked for it");
            if (min..=max).contains(v) {
                return Ok(ConfigValue::Int(*v));
            }
            Err(problem("out-of-range", format!("is {v}, {ty} goes from {min} to {max}")))
        }
        (ty, other) => {
            let problem = problem("type-mismatch", format!("must be {ty}, found {}", described(other)));
            let quotes = ty == Type::Utf8 && *other != Scalar::Null;
            Err(problem.with_help_maybe(quotes.then(|| "put the value into quotes to make it text".to_owned())))
        }
    }
}

fn described(value: &Scalar) -> String {
    match value {
        Scalar::Null => "nothing".to_owned(),
        Scalar::Bool(v) => format!("`{v}`"),
        Scalar::Int(v) => format!("the whole number {v}"),
        Scalar::Float(v) => format!("the number {v}"),
        Scalar::Text(v) => format!("the text {:?}", shortened(v)),
    }
}

fn integer_range(ty: Type) -> Option<(i128, i128)> {
    Some(match ty {
        Type::I8 => (i8::MIN.into(), i8::MAX.into()),
        Type::I16 => (i16::MIN.into(), i16::MAX.into()),
        Type::I32 => (i32::MIN.into(), i32::MAX.into()),
        Type::I64 => (i64::MIN.into(), i64::MAX.into()),
        Type::U8 => (0, u8::MAX.into()),
        Type::U16 => (0, u16::MAX.into()),
        Type::U32 => (0, u32::MAX.into()),
        Type::U64 => (0, u64::MAX.into()),
        _ => return None,
    })
}
