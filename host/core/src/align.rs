//! What one subtask knows of its inputs: which are held until a barrier has come through all of
//! them, which have ended, and how far event time has come.

use wasmill_abi::frame::NO_WATERMARK;

/// The watermark of an input that has ended: nothing earlier can follow.
pub const END_OF_TIME: i64 = i64::MAX;

/// A message came that the protocol does not allow. It is a bug in the sender.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("input {input} sent {what} in epoch {epoch}: this is a bug, please report it")]
pub struct ProtocolError {
    pub input: usize,
    pub what: String,
    pub epoch: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Input {
    held: bool,
    ended: bool,
    /// Its sender has nothing to send but barriers and its end.
    silent: bool,
    /// Its sender has had nothing for a while: it holds nobody back until it speaks again.
    idle: bool,
    /// The last one that it said.
    watermark: i64,
}

/// The state of all inputs of one subtask. Ended inputs keep sending barriers, so alignment always
/// waits for every input.
#[derive(Debug, Clone)]
pub struct Alignment {
    /// The epoch whose barrier comes next.
    epoch: u64,
    inputs: Vec<Input>,
    watermark: i64,
}

impl Alignment {
    /// `inputs` inputs, of which the first barrier will be that of `epoch`.
    pub fn new(inputs: usize, epoch: u64) -> Self {
        Self::resumed(inputs, epoch, NO_WATERMARK)
    }

    /// The same for a subtask whose event time had come this far: it does not fall because inputs
    /// have to say again where they are, or because there are new ones.
    pub fn resumed(inputs: usize, epoch: u64, watermark: i64) -> Self {
        let input = Input { held: false, ended: false, silent: false, idle: false, watermark };
        Self { epoch, inputs: vec![input; inputs], watermark }
    }

    /// The sender of this input has nothing to read: event time does not wait for it. Otherwise the
    /// moment at which its end arrives would decide between which rows of the others timers fire.
    pub fn expect_no_rows(&mut self, input: usize) {
        self.inputs[input].silent = true;
    }

    /// Whether nothing may be read from this input for now.
    pub fn is_held(&self, input: usize) -> bool {
        self.inputs[input].held
    }

    /// The epoch whose barrier comes next.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// How far event time has come in this subtask.
    pub fn watermark(&self) -> i64 {
        self.watermark
    }

    /// Whether every input has ended.
    pub fn all_ended(&self) -> bool {
        self.inputs.iter().all(|i| i.ended)
    }

    /// A barrier came. Returns true when it was the last one of its epoch: the subtask prepares
    /// the epoch's end, and all inputs are read again.
    pub fn barrier(&mut self, input: usize, epoch: u64) -> Result<bool, ProtocolError> {
        if epoch != self.epoch || self.inputs[input].held {
            return Err(self.error(input, format!("the barrier of epoch {epoch}")));
        }
        self.inputs[input].held = true;
        if !self.inputs.iter().all(|i| i.held) {
            return Ok(false);
        }
        self.inputs.iter_mut().for_each(|i| i.held = false);
        self.epoch += 1;
        Ok(true)
    }

    /// A watermark came. Returns the subtask's watermark when it has risen.
    pub fn watermark_of(&mut self, input: usize, watermark: i64) -> Result<Option<i64>, ProtocolError> {
        self.may_send(input, || format!("the watermark {watermark}"))?;
        self.wake(input);
        self.inputs[input].watermark = self.inputs[input].watermark.max(watermark);
        Ok(self.raise())
    }

    /// The sender of this input has had nothing for a while, and will say a watermark or send rows
    /// when it has. Returns the subtask's watermark when it has risen by that.
    pub fn idle(&mut self, input: usize) -> Result<Option<i64>, ProtocolError> {
        self.may_send(input, || "that it is idle".to_owned())?;
        self.inputs[input].idle = true;
        Ok(self.raise())
    }

    /// Whether no input that has not ended holds event time back: then the subtask is idle itself.
    pub fn is_idle(&self) -> bool {
        let mut open = self.inputs.iter().filter(|i| !i.ended && !i.silent).peekable();
        open.peek().is_some() && open.all(|i| i.idle)
    }

    /// Event time does not fall because an input that was idle is behind.
    fn wake(&mut self, input: usize) {
        let input = &mut self.inputs[input];
        if std::mem::take(&mut input.idle) {
            input.watermark = input.watermark.max(self.watermark);
        }
    }

    /// An input has ended. Returns the subtask's watermark when it has risen by that.
    pub fn end(&mut self, input: usize) -> Result<Option<i64>, ProtocolError> {
        self.may_send(input, || "its end".to_owned())?;
        self.inputs[input].ended = true;
        self.inputs[input].idle = false;
        Ok(self.raise())
    }

    /// Rows came. Checks that they may.
    pub fn rows(&mut self, input: usize) -> Result<(), ProtocolError> {
        if self.inputs[input].silent {
            return Err(self.error(input, "rows, though it said that it has none".to_owned()));
        }
        self.may_send(input, || "rows".to_owned())?;
        self.wake(input);
        Ok(())
    }

    fn raise(&mut self) -> Option<i64> {
        let lowest = self.lowest();
        // A silent input that has not ended yet holds back the end of time, and nothing else.
        if lowest <= self.watermark || (lowest == END_OF_TIME && !self.all_ended()) {
            return None;
        }
        self.watermark = lowest;
        Some(lowest)
    }

    fn lowest(&self) -> i64 {
        if self.is_idle() {
            // None holds back another, so the one that came furthest counts, those that ended included.
            return self.inputs.iter().map(|i| i.watermark).fold(self.watermark, i64::max);
        }
        let held_by = self.inputs.iter().filter(|i| !i.silent && !i.idle && !i.ended);
        held_by.map(|i| i.watermark).min().unwrap_or(END_OF_TIME)
    }

    fn may_send(&self, input: usize, what: impl FnOnce() -> String) -> Result<(), ProtocolError> {
        let i = &self.inputs[input];
        if i.held || i.ended { Err(self.error(input, what())) } else { Ok(()) }
    }

    fn error(&self, input: usize, what: String) -> ProtocolError {
        ProtocolError { input, what, epoch: self.epoch }
    }

    /// The invariants: the watermark is never above any input's, and not every input is held.
    pub fn validate(&self) -> Result<(), String> {
        let lowest = self.lowest();
        if self.watermark > lowest {
            return Err(format!("watermark {} is above an input's {lowest}", self.watermark));
        }
        if !self.inputs.is_empty() && self.inputs.iter().all(|i| i.held) {
            return Err(format!("every input is held in epoch {}", self.epoch));
        }
        Ok(())
    }
}
