//! One event becomes one line, as text or as JSON. Every line carries the fields of the spans that it
//! was logged in, so job, operator and subtask stand on it wherever in a job's threads it came from;
//! a field of the event itself takes the place of a span's.

use crate::args::LogFormat;
use crate::terminal::Terminal;
use chrono::{DateTime, SecondsFormat};
use serde_json::{Map, Value, json};
use std::fmt::{self, Write as _};
use std::io::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;
use wasmill_core::printable::one_line;

/// Fields that say whose line it is; they stand in front of a line of text.
const OWNER: [&str; 3] = ["job", "operator", "subtask"];

/// See the module.
pub struct Lines {
    format: LogFormat,
    /// Lines of other operators are left out; all are shown when there are none.
    operators: Vec<String>,
    screen: Terminal,
}

impl Lines {
    pub fn new(format: LogFormat, operators: Vec<String>, screen: Terminal) -> Self {
        Self { format, operators, screen }
    }

    /// Lines of no operator are the job's or the process's, and are always shown.
    fn shows(&self, fields: &Fields) -> bool {
        let Some(operator) = fields.text("operator") else { return true };
        self.operators.is_empty() || self.operators.contains(&operator)
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Lines {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        for span in context.event_scope(event).into_iter().flat_map(|scope| scope.from_root()) {
            if let Some(of_span) = span.extensions().get::<Fields>() {
                of_span.0.iter().for_each(|(name, value)| fields.set(name, value.clone()));
            }
        }
        event.record(&mut fields);
        if !self.shows(&fields) {
            return;
        }
        let (level, target) = (event.metadata().level().as_str(), event.metadata().target());
        let time = now();
        let line = match self.format {
            LogFormat::Json => json_line(&time, level, target, &fields),
            LogFormat::Text => text_line(&time, level, target, &fields, &self.screen),
        };
        // One write, so that lines of several threads do not mix. Nobody may be left to read it.
        let _ = self.screen.clone().write_all(line.as_bytes());
    }
}

/// The moment by this machine's clock, in UTC.
fn now() -> String {
    let micros = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_micros() as i64);
    DateTime::from_timestamp_micros(micros).unwrap_or_default().to_rfc3339_opts(SecondsFormat::Micros, true)
}

fn json_line(time: &str, level: &str, target: &str, fields: &Fields) -> String {
    let mut line: Map<String, Value> =
        fields.0.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    line.insert("timestamp".to_owned(), json!(time));
    line.insert("level".to_owned(), json!(level));
    line.insert("target".to_owned(), json!(target));
    format!("{}\n", Value::from(line))
}

/// `TIME LEVEL JOB/OPERATOR[SUBTASK] TARGET: MESSAGE NAME=VALUE ..`
fn text_line(time: &str, level: &str, target: &str, fields: &Fields, screen: &Terminal) -> String {
    let mut owner = String::new();
    for (name, before, behind) in [("job", "", ""), ("operator", "/", ""), ("subtask", "[", "]")] {
        if let Some(text) = fields.text(name) {
            let _ = write!(owner, "{before}{text}{behind}");
        }
    }
    let palette = screen.err;
    let level = if level == "ERROR" { palette.error(&format!("{level:>5}")) } else { format!("{level:>5}") };
    let mut line = format!("{} {level} ", palette.dim(time));
    if !owner.is_empty() {
        let _ = write!(line, "{} ", palette.heading(&one_line(&owner)));
    }
    let _ = write!(line, "{}: {}", palette.dim(target), fields.text("message").unwrap_or_default());
    for (name, value) in fields.0.iter().filter(|(name, _)| *name != "message" && !OWNER.contains(name)) {
        let _ = write!(line, " {name}={value}");
    }
    line.push('\n');
    line
}

/// Fields in the order in which they were recorded first.
#[derive(Debug, Default)]
struct Fields(Vec<(&'static str, Value)>);

impl Fields {
    fn set(&mut self, name: &'static str, value: Value) {
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name, value)),
        }
    }

    fn text(&self, name: &str) -> Option<String> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        })
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field.name(), json!(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field.name(), json!(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field.name(), json!(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field.name(), json!(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field.name(), json!(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.set(field.name(), json!(format!("{value:?}")));
    }
}
