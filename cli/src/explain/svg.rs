//! The graph as one SVG without any outside resource: layers from left to right, a card for each
//! operator, a frame around each fragment. Its colours follow the reader's light or dark scheme.

use std::fmt::Write;
use wasmill_core::explain::{EdgeView, Explained, Guarantee, OperatorView, Role, RouteView};
use wasmill_core::printable::one_line;

const CARD_WIDTH: f64 = 252.0;
const HEAD: f64 = 46.0;
const ROW: f64 = 17.0;
const CARD_GAP: f64 = 26.0;
const FRAME: f64 = 14.0;
const FRAME_HEAD: f64 = 20.0;
const COLUMN_GAP: f64 = 150.0;
const FRAME_GAP: f64 = 34.0;
const MARGIN: f64 = 24.0;
const TITLE: f64 = 46.0;
/// So many characters of the small type fit into a card.
const ROW_CHARS: usize = 38;
/// The same for values, which stand behind their labels.
const VALUE_CHARS: usize = 24;

const STYLE: &str = "\
.page{fill:#fff}.frame{fill:#f6f8fa;stroke:#d0d7de}.card{fill:#fff;stroke:#c3ccd6}
text{font-family:ui-sans-serif,system-ui,'Segoe UI',Helvetica,Arial,sans-serif;fill:#1f2328}
.title{font-size:19px;font-weight:650}.sub,.tag,.row,.edge{font-size:11.5px;fill:#59636e}
.name{font-size:14px;font-weight:600}.row .v{fill:#1f2328}.edge{text-anchor:middle;paint-order:stroke;stroke:#fff;stroke-width:5px;stroke-linejoin:round}
.flow{fill:none;stroke:#8c959f;stroke-width:1.5}.key{stroke:#0969da;stroke-width:2.5}.tip{fill:#8c959f}.keytip{fill:#0969da}
.source{fill:#1a7f37}.function{fill:#0969da}.sink{fill:#8250df}
.good{fill:#1a7f37}.warn{fill:#9a6700}
@media (prefers-color-scheme:dark){
.page{fill:#0d1117}.frame{fill:#151b23;stroke:#3d444d}.card{fill:#0d1117;stroke:#4a525c}
text{fill:#e6edf3}.sub,.tag,.row,.edge{fill:#9198a1}.row .v{fill:#e6edf3}.edge{stroke:#0d1117}
.flow{stroke:#767d86}.key{stroke:#4493f8}.tip{fill:#767d86}.keytip{fill:#4493f8}
.source,.good{fill:#3fb950}.function{fill:#4493f8}.sink{fill:#ab7df8}.warn{fill:#d29922}}";

/// A frame's place and size, and the tops of its cards.
struct Place {
    x: f64,
    y: f64,
    height: f64,
    cards: Vec<f64>,
}

/// Draws the graph.
pub fn draw(graph: &Explained) -> String {
    let layers = layers(graph);
    let columns = layers.iter().max().map_or(0, |last| last + 1);
    let heights: Vec<f64> = graph.fragments.iter().map(|members| frame_height(graph, members)).collect();
    let column_height = |column: usize| {
        let of_column: Vec<f64> = (0..heights.len()).filter(|&f| layers[f] == column).map(|f| heights[f]).collect();
        of_column.iter().sum::<f64>() + FRAME_GAP * (of_column.len().max(1) - 1) as f64
    };
    let tallest = (0..columns).map(column_height).fold(0.0, f64::max);
    let frame_width = CARD_WIDTH + 2.0 * FRAME;
    let width = (2.0 * MARGIN + columns as f64 * (frame_width + COLUMN_GAP) - COLUMN_GAP).max(420.0);
    let height = TITLE + tallest + 2.0 * MARGIN;
    let mut tops: Vec<f64> = (0..columns).map(|c| MARGIN + TITLE + (tallest - column_height(c)) / 2.0).collect();
    let places: Vec<Place> = (0..heights.len())
        .map(|f| {
            let (x, y) = (MARGIN + layers[f] as f64 * (frame_width + COLUMN_GAP), tops[layers[f]]);
            tops[layers[f]] += heights[f] + FRAME_GAP;
            let mut top = y + FRAME_HEAD + FRAME / 2.0;
            let cards = graph.fragments[f].iter().map(|&o| {
                let at = top;
                top += card_height(&graph.operators[o]) + CARD_GAP;
                at
            });
            Place { x, y, height: heights[f], cards: cards.collect() }
        })
        .collect();
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
         role=\"img\" aria-label=\"the graph of job {}\">\n<style>{STYLE}</style>\n\
         <rect class=\"page\" width=\"100%\" height=\"100%\"/>\n",
        escaped(&graph.job)
    );
    out += &text(MARGIN, MARGIN + 14.0, "title", &graph.job);
    let subtitle = format!("{} key groups · an epoch every {}", graph.key_groups, graph.epoch);
    out += &text(MARGIN, MARGIN + 33.0, "sub", &subtitle);
    for (f, place) in places.iter().enumerate() {
        frame(&mut out, graph, f, place);
    }
    for edge in &graph.edges {
        flow(&mut out, graph, edge, &places);
    }
    out + "</svg>\n"
}

/// The layer of each fragment: one more than the highest of those it reads from.
fn layers(graph: &Explained) -> Vec<usize> {
    let mut layers = vec![0; graph.fragments.len()];
    // Fragments are sorted: senders come before their receivers.
    for f in 0..graph.fragments.len() {
        let senders = graph.edges.iter().filter(|e| graph.operators[e.to].fragment == f && e.route != RouteView::Call);
        let above = senders.map(|e| layers[graph.operators[e.from].fragment] + 1).max();
        layers[f] = above.unwrap_or(0);
    }
    layers
}

/// The rows of a card: label and text.
fn rows(operator: &OperatorView) -> Vec<(&'static str, String)> {
    let mut rows: Vec<(&'static str, String)> =
        operator.details.iter().filter(|(l, _)| *l != "columns").cloned().collect();
    for slot in &operator.state {
        let older = if slot.older.is_empty() { "" } else { " ↑" };
        rows.push(("state", format!("{} · {} v{}{older}", slot.name, slot.kind, slot.version)));
    }
    rows
}

fn card_height(operator: &OperatorView) -> f64 {
    let promise = usize::from(operator.guarantee.is_some());
    HEAD + ROW * (rows(operator).len() + promise) as f64 + 8.0
}

fn frame_height(graph: &Explained, members: &[usize]) -> f64 {
    let cards: f64 = members.iter().map(|&o| card_height(&graph.operators[o])).sum();
    FRAME_HEAD + FRAME * 1.5 + cards + CARD_GAP * (members.len() - 1) as f64
}

fn frame(out: &mut String, graph: &Explained, f: usize, place: &Place) {
    let Place { x, y, height, cards } = place;
    let width = CARD_WIDTH + 2.0 * FRAME;
    let _ =
        writeln!(out, "<rect class=\"frame\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"12\"/>");
    let members = &graph.fragments[f];
    let subtasks = graph.operators[members[0]].parallelism;
    let tag = format!("fragment {} · {subtasks} {}", f + 1, if subtasks == 1 { "subtask" } else { "subtasks" });
    *out += &text(x + FRAME, y + 17.0, "tag", &tag);
    for (&o, top) in members.iter().zip(cards) {
        card(out, &graph.operators[o], x + FRAME, *top);
    }
}

fn card(out: &mut String, operator: &OperatorView, x: f64, y: f64) {
    let height = card_height(operator);
    let colour = match operator.role {
        Role::Source => "source",
        Role::Function => "function",
        Role::Sink => "sink",
    };
    let _ = writeln!(out, "<g><title>{}</title>", escaped(&tooltip(operator)));
    let _ =
        writeln!(out, "<rect class=\"card\" x=\"{x}\" y=\"{y}\" width=\"{CARD_WIDTH}\" height=\"{height}\" rx=\"8\"/>");
    let _ = writeln!(
        out,
        "<rect class=\"{colour}\" x=\"{x}\" y=\"{}\" width=\"4\" height=\"{}\" rx=\"2\"/>",
        y + 8.0,
        height - 16.0
    );
    *out += &text(x + 16.0, y + 20.0, "name", &shortened(&operator.name, 28));
    *out +=
        &text(x + 16.0, y + 37.0, "sub", &shortened(&format!("{} {}", operator.role.name(), operator.what), ROW_CHARS));
    let mut line = y + HEAD + 11.0;
    for (label, value) in rows(operator) {
        let value = shortened(&value, VALUE_CHARS);
        let _ = writeln!(
            out,
            "<text class=\"row\" x=\"{}\" y=\"{line}\">{}<tspan class=\"v\" x=\"{}\">{}</tspan></text>",
            x + 16.0,
            escaped(label),
            x + 88.0,
            escaped(&value)
        );
        line += ROW;
    }
    if let Some(guarantee) = operator.guarantee {
        let class = match guarantee {
            Guarantee::Replayed | Guarantee::ExactlyOnce => "good",
            Guarantee::NotReplayable | Guarantee::AtLeastOnce | Guarantee::Dropped => "warn",
        };
        let _ = writeln!(out, "<circle class=\"{class}\" cx=\"{}\" cy=\"{}\" r=\"4\"/>", x + 20.0, line - 4.0);
        *out += &text(x + 30.0, line, "sub", guarantee.name());
    }
    *out += "</g>\n";
}

/// All that a card has no room for.
fn tooltip(operator: &OperatorView) -> String {
    let mut all = vec![format!("{} ({} {})", operator.name, operator.role.name(), operator.what)];
    all.extend(operator.details.iter().map(|(label, text)| format!("{label}: {text}")));
    all.extend(operator.state.iter().map(|slot| format!("state: {}", super::text::slot_text(slot))));
    all.extend(operator.guarantee.map(|g| format!("{}: {}", g.name(), g.meaning())));
    all.join("\n")
}

fn flow(out: &mut String, graph: &Explained, edge: &EdgeView, places: &[Place]) {
    let place_of = |o: usize| {
        let place = &places[graph.operators[o].fragment];
        let at = graph.fragments[graph.operators[o].fragment].iter().position(|&m| m == o);
        (place, at.map_or(place.y, |at| place.cards[at]))
    };
    let ((from, from_top), (to, to_top)) = (place_of(edge.from), place_of(edge.to));
    let from_height = card_height(&graph.operators[edge.from]);
    if edge.route == RouteView::Call {
        call(out, from.x + FRAME + 30.0, from_top + from_height, to_top);
        return;
    }
    let (x0, y0) = (from.x + FRAME + CARD_WIDTH, from_top + from_height / 2.0);
    let (x1, y1) = (to.x + FRAME - 8.0, to_top + HEAD / 2.0);
    let bend = (x1 - x0) / 2.0;
    let (class, tip) = if matches!(edge.route, RouteView::ByKey(_)) { ("flow key", "keytip") } else { ("flow", "tip") };
    let _ = writeln!(
        out,
        "<path class=\"{class}\" d=\"M{x0} {y0}C{} {y0} {} {y1} {x1} {y1}\"><title>{}</title></path>",
        x0 + bend,
        x1 - bend,
        escaped(&edge.columns)
    );
    let _ = writeln!(out, "<path class=\"{tip}\" d=\"M{} {y1}l-9 -5v10z\"/>", x1 + 8.0);
    let (x, y) = ((x0 + FRAME + to.x) / 2.0, (y0 + y1) / 2.0);
    let output = edge.output.as_ref().map_or_else(String::new, |output| format!("{output} "));
    let label = match &edge.route {
        RouteView::ByKey(columns) => {
            *out += &text(x, y + 18.0, "edge", &shortened(&columns.join(", "), 24));
            format!("{output}by key")
        }
        route => format!("{output}{route}"),
    };
    *out += &text(x, y - 9.0, "edge", &shortened(&label, 24));
}

/// From a card straight down, or past others along their left side.
fn call(out: &mut String, x: f64, from: f64, to: f64) {
    let end = to - 7.0;
    if to - from <= CARD_GAP + 1.0 {
        let _ = writeln!(out, "<path class=\"flow\" d=\"M{x} {from}V{end}\"/>");
    } else {
        let (left, turn) = (x - 37.0, from + CARD_GAP / 2.0);
        let _ = writeln!(
            out,
            "<path class=\"flow\" d=\"M{x} {from}V{turn}H{left}V{}H{x}V{end}\" stroke-linejoin=\"round\"/>",
            to - CARD_GAP / 2.0
        );
    }
    let _ = writeln!(out, "<path class=\"tip\" d=\"M{x} {to}l-5 -9h10z\"/>");
}

fn text(x: f64, y: f64, class: &str, content: &str) -> String {
    format!("<text class=\"{class}\" x=\"{x}\" y=\"{y}\">{}</text>\n", escaped(content))
}

fn shortened(text: &str, chars: usize) -> String {
    if text.chars().count() <= chars {
        return text.to_owned();
    }
    text.chars().take(chars - 1).chain(['…']).collect()
}

/// Text as XML takes it: line breaks stay, whatever else a terminal would obey is escaped.
fn escaped(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(one_line).collect();
    lines.join("\n").replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
