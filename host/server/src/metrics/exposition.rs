//! The measures of a job as OpenMetrics text.

use super::families::{FAMILIES, Family, Kind, Samples, Snapshot, Value, buckets};
use super::process::Process;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};
use std::fmt;
use std::sync::Arc;
use wasmill_runtime::measure::Measures;

/// Turns measures into text, as often as it is asked.
#[derive(Debug)]
pub struct Exposition {
    registry: Registry,
}

#[derive(Debug)]
struct OfJob(Arc<Measures>);

impl Exposition {
    pub fn new(measures: Arc<Measures>) -> Self {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(OfJob(measures)));
        Self { registry }
    }

    /// What the content type `OPENMETRICS` promises.
    ///
    /// # Errors
    /// None that is known: text is written to memory.
    pub fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

impl Collector for OfJob {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let snapshot = Snapshot {
            job: self.0.job().to_owned(),
            operators: self.0.operators(),
            epochs: self.0.epochs.read(),
            process: Process::read(),
        };
        let mut samples = Samples::new();
        for family in FAMILIES {
            samples.clear();
            (family.read)(&snapshot, &mut samples);
            if !samples.is_empty() {
                encode(family, &samples, &mut encoder)?;
            }
        }
        Ok(())
    }
}

fn encode(family: &Family, samples: &Samples, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let unit = family.unit.map(|unit| Unit::Other(unit.to_owned()));
    let kind = match family.kind {
        Kind::Counter => MetricType::Counter,
        Kind::Gauge => MetricType::Gauge,
        Kind::Histogram => MetricType::Histogram,
    };
    let mut metric = encoder.encode_descriptor(family.name, family.help, unit.as_ref(), kind)?;
    for (values, value) in samples {
        let labels: Vec<(&str, &str)> = family.labels.iter().copied().zip(values.iter().map(String::as_str)).collect();
        if labels.is_empty() {
            encode_value(family.kind, value, &mut metric)?;
        } else {
            encode_value(family.kind, value, &mut metric.encode_family(&labels)?)?;
        }
    }
    Ok(())
}

fn encode_value(kind: Kind, value: &Value, metric: &mut MetricEncoder<'_>) -> fmt::Result {
    match (kind, value) {
        (_, Value::Histogram(phase)) => {
            metric.encode_histogram::<NoLabelSet>(phase.time.as_secs_f64(), phase.count, &buckets(phase), None)
        }
        (Kind::Counter, Value::Whole(n)) => metric.encode_counter::<NoLabelSet, u64, u64>(n, None),
        (Kind::Counter, Value::Real(x)) => metric.encode_counter::<NoLabelSet, f64, u64>(x, None),
        (_, Value::Whole(n)) => metric.encode_gauge(n),
        (_, Value::Real(x)) => metric.encode_gauge(x),
    }
}
