//! The reference page of the job file says what the code holds.

use wasmill_core::job::LIMITS;

const PAGE: &str = include_str!("../../../../docs/guide/job-file.md");

#[test]
fn the_page_has_every_limit_with_its_default_and_bounds() {
    for limit in LIMITS {
        let [default, min, max] = [limit.default(), limit.min, limit.max].map(|n| limit.unit.format(n));
        let row = format!("| `{}` | {default} | {min} to {max} | {} |", limit.key, limit.doc);
        assert!(PAGE.lines().any(|line| line == row), "docs/guide/job-file.md lacks this row:\n{row}");
    }
}
