//! The key `metrics`.

use crate::support::{edits, plan};

fn address(metrics: &str) -> Option<String> {
    plan(&[("parallelism: 2", &format!("metrics: {metrics}"))]).metrics.map(|a| a.to_string())
}

fn told(metrics: &str) -> String {
    edits(&[("parallelism: 2", &format!("metrics: {metrics}"))])
}

#[test]
fn a_port_or_an_address_is_enough() {
    assert_eq!(plan(&[]).metrics, None);
    for (metrics, expected) in [
        ("9464", "127.0.0.1:9464"),
        ("127.0.0.1:0", "127.0.0.1:0"),
        ("{ address: \"[::1]:9464\" }", "[::1]:9464"),
        ("{ address: \"0.0.0.0:9464\", remote: true }", "0.0.0.0:9464"),
    ] {
        assert_eq!(address(metrics).as_deref(), Some(expected), "{metrics}");
    }
    assert_eq!(address("~"), None);
}

#[test]
fn what_is_no_address_or_reaches_too_far_is_refused() {
    for (metrics, words) in [
        ("localhost:9464", "`localhost:9464` is no address"),
        ("[1, 2]", "expected an address"),
        ("0.0.0.0:9464", "write `metrics: { address: \"0.0.0.0:9464\", remote: true }`"),
        ("{ address: \"0.0.0.0:9464\", remote: false }", "can be reached from other machines"),
        ("{ remote: true }", "needs the key `address`"),
        ("{ address: 9464, remote: 1 }", "expected `true` or `false`"),
        ("{ adress: 9464 }", "did you mean `address`?"),
    ] {
        let told = told(metrics);
        assert!(told.contains(words), "{metrics}: {words:?} is missing in: {told}");
    }
}
