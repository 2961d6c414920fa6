//! Sources of connector `generator`.

use wasmill_core::generator::Generator;
use wasmill_core::job::{Overrides, check, parse};
use wasmill_core::nexmark::{Nexmark, NexmarkStream};
use wasmill_core::orders::Orders;
use wasmill_core::plan::{OperatorKind, SourceConnector};

fn job(source: &str) -> String {
    format!(
        "job: a\nsources:\n  bids: {{ connector: generator, {source} }}\nsinks: {{ out: {{ connector: blackhole, input: bids }} }}\n"
    )
}

fn problems(source: &str) -> String {
    let text = job(source);
    let problems = match parse(&text) {
        Ok(spec) => check(&spec, &Default::default(), &Overrides::default()).expect_err("the job is refused"),
        Err(problems) => problems,
    };
    problems.render("job.yaml")
}

#[test]
fn only_the_named_columns_are_made() {
    let text = job(
        "dataset: nexmark, stream: bid, events: 500, keys: 7, columns: [price, dateTime], event_time: { column: dateTime }",
    );
    let spec = parse(&text).expect("the job is right");
    let plan = check(&spec, &Default::default(), &Overrides::default()).expect("the job is right");
    let OperatorKind::Source(source) = &plan.operators[0].kind else { panic!("the source comes first") };
    let expected = Nexmark { stream: NexmarkStream::Bid, events: 500, keys: 7, partitions: 1 };
    assert_eq!(source.connector, SourceConnector::Generator(Generator::Nexmark(expected)));
    assert_eq!(source.schema.to_string(), "price: int64, dateTime: timestamp");
    assert_eq!(source.event_time.as_ref().map(|t| t.column), Some(1));
}

#[test]
fn what_is_missing_is_told() {
    let told = problems("stream: bids");
    for words in
        ["needs the key `dataset`", "needs the key `events`", "`bids` is not one of `person`, `auction`, `bid`"]
    {
        assert!(told.contains(words), "{words:?} is missing in: {told}");
    }
}

#[test]
fn unknown_columns_and_keys_of_other_connectors_are_refused() {
    let told = problems("dataset: nexmark, stream: bid, events: 5, path: x, columns: [pricee, auction, auction]");
    for words in
        ["no column `pricee`", "did you mean `price`?", "no column `auction`, or it stands twice", "key `path`"]
    {
        assert!(told.contains(words), "{words:?} is missing in: {told}");
    }
    let text = "job: a\nsources: { a: { connector: stdin, format: csv, schema: { a: string }, stream: bid } }\nsinks: { o: { connector: stdout, input: a } }\n";
    let told = parse(text).expect_err("stdin has no streams").render("job.yaml");
    assert!(told.contains("key `stream`: only connector `generator`"), "{told}");
}

#[test]
fn orders_have_defaults_and_no_streams() {
    let text = job("dataset: orders, events: 500, columns: [id, amount, created], event_time: { column: created }");
    let plan = check(&parse(&text).expect("the job is right"), &Default::default(), &Overrides::default())
        .expect("the job is right");
    let OperatorKind::Source(source) = &plan.operators[0].kind else { panic!("the source comes first") };
    let expected = Orders { events: 500, users: Orders::USERS, partitions: 1, seed: Orders::SEED };
    assert_eq!(source.connector, SourceConnector::Generator(Generator::Orders(expected)));
    assert_eq!(source.schema.to_string(), "id: int64, amount: int64, created: timestamp");
    let told = problems("dataset: orders, events: 500, stream: bid, keys: 0");
    for words in ["key `stream`: dataset `orders` has one stream", "`keys`: dataset `orders` needs a user, at least 1"]
    {
        assert!(told.contains(words), "{words:?} is missing in: {told}");
    }
    let told = problems("dataset: nexmark, stream: bid, events: 500, seed: 1");
    assert!(told.contains("key `seed`: the events of dataset `nexmark` are always the same"), "{told}");
}
