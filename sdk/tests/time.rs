//! Timestamps: text and back, spans, and what is refused.

use proptest::prelude::*;
use wasmill_sdk::prelude::*;

fn time(text: &str) -> Timestamp {
    text.parse().expect("a good time")
}

/// Values from `date -u -d .. +%s`.
#[test]
fn known_times_are_read_and_shown() {
    let table = [
        ("1970-01-01T00:00:00Z", 0),
        ("2001-01-01T00:01:00Z", 978_307_260),
        ("2000-02-29T23:59:59Z", 951_868_799),
        ("1900-03-01T00:00:00Z", -2_203_891_200),
        ("1969-12-31T23:59:59Z", -1),
        ("0001-01-01T00:00:00Z", -62_135_596_800),
        ("9999-12-31T23:59:59Z", 253_402_300_799),
    ];
    for (text, secs) in table {
        assert_eq!(time(text), Timestamp::from_secs(secs), "{text}");
        assert_eq!(Timestamp::from_secs(secs).to_string(), text);
    }
    assert_eq!(time("2001-01-01t01:31:00.1234567+01:30"), Timestamp::from_micros(978_307_260_123_456));
    assert_eq!(time("2001-01-01 00:01:00z"), Timestamp::from_secs(978_307_260));
    assert_eq!(Timestamp::from_micros(-1).to_string(), "1969-12-31T23:59:59.999999Z");
}

#[test]
fn what_is_no_time_is_refused() {
    let bad = [
        "",
        "2001-01-01",
        "2001-01-01T00:00:00",
        "2001-01-01T00:00:00.Z",
        "2001-13-01T00:00:00Z",
        "2001-00-01T00:00:00Z",
        "1900-02-29T00:00:00Z",
        "2001-04-31T00:00:00Z",
        "2001-01-01T24:00:00Z",
        "2001-01-01T00:60:00Z",
        "2001-01-01T00:00:60Z",
        "2001-01-01T00:00:00+0100",
        "2001-01-01T00:00:00Z ",
        "+001-01-01T00:00:00Z",
        "2001-01-01X00:00:00Z",
        "２００１-01-01T00:00:00Z",
    ];
    for text in bad {
        assert!(text.parse::<Timestamp>().is_err(), "{text:?} was taken");
    }
}

#[test]
fn sums_stop_at_the_ends() {
    let hour = Duration::from_secs(3600);
    assert_eq!(Timestamp::MAX + hour, Timestamp::MAX);
    assert_eq!(Timestamp::MIN - Duration::MAX, Timestamp::MIN);
    assert_eq!(Timestamp::from_micros(-1).truncate(hour), Timestamp::from_secs(-3600));
    assert_eq!(Timestamp::from_secs(5).since(Timestamp::from_secs(7)), Duration::ZERO);
    assert_eq!(Timestamp::from_secs(90_000).truncate_to_day(), Timestamp::from_secs(86_400));
    assert_eq!(Timestamp::from_secs(90_001).truncate_to_hour(), Timestamp::from_secs(90_000));
    assert!(!Timestamp::MIN.to_string().is_empty() && !Timestamp::MAX.to_string().is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn shown_times_are_read_again(micros in -62_135_596_800_000_000i64..253_402_300_800_000_000) {
        let at = Timestamp::from_micros(micros);
        prop_assert_eq!(time(&at.to_string()), at);
    }

    #[test]
    fn spans_hold_their_points(micros in any::<i32>(), width in 1u64..1_000_000) {
        let (at, width) = (Timestamp::from_micros(micros.into()), Duration::from_micros(width));
        let start = at.truncate(width);
        prop_assert!(start <= at && at < start + width);
        prop_assert_eq!(start.truncate(width), start);
    }

    #[test]
    fn no_text_panics(text in "[-0-9TZ:.+é]{0,30}") {
        let _ = text.parse::<Timestamp>();
    }
}
