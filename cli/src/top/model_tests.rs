use super::{Order, View};
use crate::top::scrape::Scrape;
use std::time::Duration;

fn scrape(rows: u64, guest: f64, wait: f64, commits: u64) -> Scrape {
    let text = format!(
        "wasmill_operator_subtasks{{job=\"j\",operator=\"in\",kind=\"source\"}} 1\n\
         wasmill_operator_subtasks{{job=\"j\",operator=\"f\",kind=\"function\"}} 2\n\
         wasmill_operator_input_rows_total{{job=\"j\",operator=\"in\"}} {rows}\n\
         wasmill_operator_input_rows_total{{job=\"j\",operator=\"f\"}} {rows}\n\
         wasmill_operator_time_seconds_total{{job=\"j\",operator=\"f\",activity=\"guest\"}} {guest}\n\
         wasmill_operator_time_seconds_total{{job=\"j\",operator=\"f\",activity=\"route\"}} {guest}\n\
         wasmill_operator_time_seconds_total{{job=\"j\",operator=\"f\",activity=\"wait_input\"}} {wait}\n\
         wasmill_operator_watermark_timestamp_seconds{{job=\"j\",operator=\"f\"}} 90.5\n\
         wasmill_operator_queue_messages{{job=\"j\",operator=\"f\"}} 3\n\
         wasmill_operator_queue_capacity_messages{{job=\"j\",operator=\"f\"}} 16\n\
         wasmill_operator_failed_calls_total{{job=\"j\",operator=\"f\",kind=\"trap\"}} 2\n\
         wasmill_operator_failed_calls_total{{job=\"j\",operator=\"f\",kind=\"memory\"}} 1\n\
         wasmill_epoch_committed{{job=\"j\"}} {commits}\n\
         wasmill_epoch_phase_seconds_count{{phase=\"commit\",job=\"j\"}} {commits}\n\
         wasmill_epoch_phase_seconds_sum{{phase=\"commit\",job=\"j\"}} {}\n",
        commits as f64 / 100.0
    );
    Scrape::parse(&text).expect("it is right")
}

#[test]
fn rates_and_shares_are_of_the_time_between_two_scrapes() {
    let view = View::between(&scrape(100, 1.0, 0.5, 5), &scrape(1100, 2.0, 1.5, 15), Duration::from_secs(2), 100.0);
    let view = view.expect("it is a job");
    assert_eq!((view.job.as_str(), view.epoch, view.rows_per_second, view.epochs_per_second), ("j", 15, 500.0, 5.0));
    assert_eq!((view.phases[0], view.phases[2].map(|s| (s * 1e6).round())), (None, Some(10_000.0)));
    let f = &view.operators[1];
    assert_eq!((f.guest, f.boundary, f.other, f.wait), (0.25, 0.0, 0.25, 0.25));
    assert_eq!((f.queue, f.lag, f.traps, f.failed_calls), (Some((3.0, 16.0)), Some(9.5), 2.0, 3.0));
    let source = &view.operators[0];
    assert_eq!((source.queue, source.lag), (None, None));
}

#[test]
fn a_job_that_was_started_again_has_no_negative_rates() {
    let view = View::between(&scrape(1000, 9.0, 9.0, 9), &scrape(10, 0.5, 0.0, 1), Duration::from_secs(1), 0.0);
    let view = view.expect("it is a job");
    assert_eq!((view.rows_per_second, view.operators[1].guest), (10.0, 0.25));
}

#[test]
fn another_programs_metrics_are_no_job() {
    let other = Scrape::parse("up 1\n").expect("it is right");
    assert_eq!(View::between(&other, &other, Duration::from_secs(1), 0.0), None);
}

#[test]
fn operators_are_ordered_by_what_is_asked() {
    let view = View::between(&scrape(0, 0.0, 0.0, 0), &scrape(10, 0.5, 0.0, 1), Duration::from_secs(1), 0.0);
    let mut operators = view.expect("it is a job").operators;
    let names = |operators: &[super::OperatorView]| operators.iter().map(|o| o.name.clone()).collect::<Vec<_>>();
    Order::Busy.sort(&mut operators);
    assert_eq!(names(&operators), ["f", "in"]);
    let mut order = Order::Plan;
    let mut seen = Vec::new();
    while seen.last() != Some(&"dead letters") {
        order = order.next();
        seen.push(order.name());
    }
    assert_eq!((seen.len(), order.next()), (4, Order::Plan));
}
