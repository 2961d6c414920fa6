//! Checks that a job has a sink and that no two sinks write into one directory.

use crate::job::problem::{Problem, Problems};
use crate::job::spec::JobSpec;
use crate::plan::SinkConnector;
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

pub(super) fn check(spec: &JobSpec, problems: &mut Problems) {
    if spec.sinks.is_empty() && !spec.incomplete {
        let message = "job has no sink: nothing would come out of it";
        let help = "add one under `sinks`; connector `blackhole` drops every row";
        problems.push(Problem::new("no-sink", spec.span, message).with_help(help));
    }
    let mut directories = BTreeMap::new();
    let mut sinks: Vec<_> = spec.sinks.iter().collect();
    sinks.sort_by_key(|sink| sink.name.span);
    for sink in sinks {
        let Some(connector) = &sink.connector else { continue };
        let (SinkConnector::File { path, .. } | SinkConnector::View { path, .. }) = &connector.value else { continue };
        let name = &sink.name.value;
        if let Some(first) = directories.get(&normal(path)) {
            let message = format!("sinks `{first}` and `{name}` write into the same directory {}", path.display());
            let help = "give each file sink a directory of its own";
            problems.push(Problem::new("shared-directory", connector.span, message).with_help(help));
        } else {
            directories.insert(normal(path), name);
        }
    }
}

/// The path without `.` and with `NAME/..` taken back, as far as that can be told without looking
/// at the disk.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if matches!(normal.components().next_back(), Some(Component::Normal(_))) => {
                normal.pop();
            }
            Component::ParentDir if normal.has_root() => {}
            other => normal.push(other),
        }
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_directory_has_one_normal_path() {
        for (path, expected) in [
            ("out/a", "out/a"),
            ("./out//a/", "out/a"),
            ("out/b/../a", "out/a"),
            ("../out/a", "../out/a"),
            ("../../a", "../../a"),
            ("/../a", "/a"),
            ("x/../../a", "../a"),
        ] {
            assert_eq!(normal(Path::new(path)), Path::new(expected), "{path}");
        }
    }
}
