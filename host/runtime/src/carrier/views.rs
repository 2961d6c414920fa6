//! The views of a job, seen from the commit thread. A view is written from what is committed, and
//! from nothing else: its bytes are a function of the epoch, so writing it again after a crash
//! gives the same file, and no outbox is needed.

use super::error::RunError;
use crate::connect::view_file;
use crate::failpoint;
use crate::format;
use crate::fragment::view::SLOT;
use crate::state::{Database, Form};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use wasmill_core::plan::{OperatorKind, Plan, SinkConnector};

/// Writing a view takes at most about one part in so many of the commit thread's time: a large one
/// is refreshed less often than the job asks.
const REST: u32 = 10;

/// All views of a job.
pub struct Views {
    views: Vec<View>,
    key_groups: u16,
}

struct View {
    /// The operator's position in the plan, and its name.
    operator: usize,
    name: String,
    dir: PathBuf,
    file: String,
    header: Vec<u8>,
    slot: u32,
    every: Duration,
    /// The directory was claimed by this run: nothing is written there before a commit says so.
    is_new: bool,
    /// The file does not show what is committed.
    stale: bool,
    /// Not before this time.
    due: Instant,
}

impl Views {
    /// Opens the views; one that never wrote to its directory claims it, and `meta` says so with the
    /// next commit.
    pub fn open(
        plan: &Plan,
        base: &Path,
        db: &Database,
        meta: &mut Vec<(String, Option<Vec<u8>>)>,
    ) -> Result<Self, RunError> {
        let mut views = Vec::new();
        for (operator, op) in plan.operators.iter().enumerate() {
            let OperatorKind::Sink(sink) = &op.kind else { continue };
            let SinkConnector::View { path, every } = &sink.connector else { continue };
            let encoder = format::encoder(sink.format, &sink.schema);
            let (dir, file) = (base.join(path), view_file::file_name(encoder.extension()));
            let place = Path::new(path).join(&file).to_string_lossy().into_owned().into_bytes();
            let key = format!("view/{}", op.name);
            let is_new = db.meta(&key)?.as_ref() != Some(&place);
            if is_new {
                view_file::claim_view(&dir, &file)
                    .map_err(|source| RunError::Sink { operator: op.name.clone(), source })?;
                meta.push((key, Some(place)));
            }
            views.push(View {
                operator,
                name: op.name.clone(),
                dir,
                file,
                header: encoder.header(),
                slot: db.slot_id(&op.name, SLOT, Form::VALUE)?,
                every: *every,
                is_new,
                // Whether the last run came to write it is not recorded, and need not be.
                stale: db.committed_epoch() > 0,
                due: Instant::now(),
            });
        }
        Ok(Self { views, key_groups: plan.key_groups })
    }

    /// A commit has changed the view of this operator.
    pub fn changed(&mut self, operator: usize) {
        self.views.iter_mut().filter(|v| v.operator == operator).for_each(|v| v.stale = true);
    }

    /// Writes the views that an earlier run has written before, as of the epoch that it left.
    pub fn resume(&mut self, db: &Database) -> Result<(), RunError> {
        self.write(db, |view| !view.is_new)
    }

    /// Writes the views that are stale and due. Nothing may be committed meanwhile.
    pub fn refresh(&mut self, db: &Database) -> Result<(), RunError> {
        let now = Instant::now();
        self.write(db, |view| now >= view.due)
    }

    /// Writes the views that are stale.
    pub fn refresh_all(&mut self, db: &Database) -> Result<(), RunError> {
        self.write(db, |_| true)
    }

    fn write(&mut self, db: &Database, wanted: impl Fn(&View) -> bool) -> Result<(), RunError> {
        for view in self.views.iter_mut().filter(|view| view.stale && wanted(view)) {
            failpoint::hit("view.before");
            let started = Instant::now();
            view.write(db, self.key_groups)?;
            view.stale = false;
            view.due = started + view.every.max(started.elapsed() * REST);
        }
        Ok(())
    }
}

impl View {
    fn write(&self, db: &Database, key_groups: u16) -> Result<(), RunError> {
        let fail = |source| RunError::Sink { operator: self.name.clone(), source };
        view_file::replace(&self.dir, &self.file, fail, |write| {
            write(&self.header).map_err(fail)?;
            let mut written = Ok(());
            db.each_value(self.slot, 0..key_groups, &mut |line| {
                written = write(line);
                written.is_ok()
            })?;
            written.map_err(fail)
        })
    }
}
