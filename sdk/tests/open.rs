//! Opening: settings, metrics, names, and what the module says about itself.

use wasmill_abi::frame::{FrameWriter, Header, Kind, Tag};
use wasmill_abi::manifest::FunctionKind;
use wasmill_sdk::Fault;
use wasmill_sdk::prelude::*;
use wasmill_sdk::testing::MapTest;

#[derive(Row)]
struct Word<'a> {
    word: &'a str,
}

#[derive(Config)]
struct Settings {
    must: u8,
    /// How many.
    ///
    /// At most ten.
    #[config(default = -3)]
    may: i64,
    ratio: Option<f64>,
    #[config(default = true)]
    on: bool,
}

struct Echo(Settings);

impl Map for Echo {
    const METRICS: &'static [MetricDef] = &[MetricDef::counter("seen")];
    type Config = Settings;
    type In = Word<'static>;
    type Out = Emit<Word<'static>>;

    fn open(config: Settings, ctx: &mut OpenContext) -> Result<Self, Error> {
        ctx.counter("seen")?;
        if config.may > 10 {
            ctx.gauge("seen")?;
        }
        if config.may > 5 {
            return Err(Error::reject(format!("may is {}, at most 5 is allowed", config.may)));
        }
        Ok(Self(config))
    }

    fn map(&mut self, row: Word<'_>, out: &mut Self::Out, _: &mut Context) -> Result<(), Error> {
        let Settings { must, may, ratio, on } = &self.0;
        out.emit(Word { word: &format!("{} {must} {may} {ratio:?} {on}", row.word) });
        Ok(())
    }
}

wasmill_sdk::export! {
    /// Says a word again.
    /// And again.
    ///
    /// This paragraph is for the reader of the source.
    "echo" => map Echo,
}

fn refusal(settings: &[(&str, wasmill_sdk::ConfigValue)]) -> (Fault, String) {
    match MapTest::<Echo>::open(settings.iter().cloned()) {
        Ok(_) => panic!("{settings:?} was taken"),
        Err(error) => (error.fault(), error.message().to_owned()),
    }
}

#[test]
fn settings_arrive_with_their_defaults() {
    let mut test = MapTest::<Echo>::open([("must", 255u8.into()), ("ratio", 0.5.into())]).expect("all is given");
    test.feed([Word { word: "a" }]).expect("no batch fails");
    assert_eq!(test.display("out"), ["a 255 -3 Some(0.5) true"]);
}

#[test]
fn settings_that_do_not_fit_are_refused_by_name() {
    let table: [(&[(&str, wasmill_sdk::ConfigValue)], &str); 5] = [
        (&[], "setting \"must\" of type uint8 is missing"),
        (&[("must", 256.into())], "setting \"must\" must be a uint8, found 256"),
        (&[("must", "1".into())], "setting \"must\" must be a uint8, found \"1\""),
        (&[("must", 1.into()), ("may", 6.into())], "may is 6, at most 5 is allowed"),
        (&[("must", 1.into()), ("may", 11.into())], "no Gauge \"seen\" is declared; add it to METRICS"),
    ];
    for (settings, message) in table {
        assert_eq!(refusal(settings), (Fault::Fatal, message.to_owned()));
    }
}

#[test]
fn the_manifest_tells_what_the_source_says() {
    let manifest = wasmill_module().manifest();
    let function = &manifest.functions[0];
    assert_eq!((manifest.name.as_str(), manifest.version.as_str()), ("wasmill-sdk", env!("CARGO_PKG_VERSION")));
    assert_eq!((function.name.as_str(), function.doc.as_str()), ("echo", "Says a word again. And again."));
    assert_eq!(function.kind, FunctionKind::Map);
    assert_eq!(function.config[1].doc, "How many.\n\nAt most ten.");
    assert_eq!(function.config[1].default, Some((-3).into()));
    assert!(function.config[2].optional && !function.config[0].optional);
    assert_eq!(function.metrics[0].name, "seen");
}

#[test]
fn unknown_functions_and_frames_are_incompatible() {
    let mut opened = wasmill_abi::open::OpenContext { function: "echo".to_owned(), ..Default::default() };
    opened.config = vec![("must".to_owned(), 1.into()), ("may".to_owned(), 1.into()), ("on".to_owned(), true.into())];
    let module = wasmill_module();
    let mut instance = module.open(&opened.encode()).expect("all is given");
    let header = Header { kind: Kind::Data, rows: 1, keys: 0, timers: 0, epoch: 0, watermark: 0, now: 0, seed: 0 };
    let frame = |header: &Header, data: &[u8]| {
        let mut frame = FrameWriter::new(Vec::new(), header, 1);
        frame.block(Tag::Columns, 0, 1, 3, |block| {
            block.buffer(&[]);
            block.buffer(&[0, 0, 0, 0, data.len() as u8, 0, 0, 0]);
            block.buffer(data);
        });
        frame.finish()
    };
    let mut chunks = 0;
    let mut process = |frame| instance.process(frame, &mut |_| chunks += 1).map_err(|e| (e.fault(), e.to_string()));
    assert_eq!(process(frame(&header, b"good")), Ok(()));
    let problem = |text: &str| Err((Fault::Incompatible, text.to_owned()));
    let timers = Header { kind: Kind::Timers, rows: 0, timers: 1, ..header };
    assert_eq!(
        process(frame(&timers, b"good")),
        problem("a function without keys was given timers or rows of a second input")
    );
    let not_utf8 = "malformed text column: not UTF-8: invalid utf-8 sequence of 1 bytes from index 0";
    assert_eq!(process(frame(&header, &[0xff])), problem(not_utf8));
    assert_eq!(process(Vec::new()), problem("malformed frame: 0 bytes without the magic \"WMF1\""));
    assert_eq!(chunks, 1);
    opened.function = "eco".to_owned();
    let error = module.open(&opened.encode()).err().expect("there is no such function");
    assert_eq!(error.message(), "no function \"eco\" here; there are [\"echo\"]");
}
