//! The graph as text: a box for each fragment, in it its operators, above it what flows in.

use crate::terminal::Palette;
use std::fmt::Write;
use wasmill_core::explain::{EdgeView, Explained, OperatorView, RouteView, SlotView};
use wasmill_core::printable::one_line;

/// What a box may be wide, its sides left out.
const WIDTH: usize = 96;
const LABEL: usize = 12;

/// Draws the graph.
pub fn draw(graph: &Explained, palette: &Palette) -> String {
    let mut out = format!(
        "{}  {}\n",
        palette.heading(&one_line(&graph.job)),
        palette.dim(&format!(
            "{} operators, {} fragments, {} key groups, an epoch every {}",
            graph.operators.len(),
            graph.fragments.len(),
            graph.key_groups,
            graph.epoch
        ))
    );
    let boxes: Vec<Vec<Line>> = graph.fragments.iter().map(|members| lines_of(graph, members)).collect();
    let widest = boxes.iter().flatten().map(|line| line.text.chars().count()).max().unwrap_or(0);
    for (f, lines) in boxes.iter().enumerate() {
        let members = &graph.fragments[f];
        out.push('\n');
        for edge in graph.edges.iter().filter(|e| e.to == members[0] && e.route != RouteView::Call) {
            let line = format!("  {} {}", arrow(&edge.route), incoming(graph, edge));
            out += &palette.dim(&line);
            out.push('\n');
        }
        let subtasks = graph.operators[members[0]].parallelism;
        let title = format!(" {subtasks} {} ", if subtasks == 1 { "subtask" } else { "subtasks" });
        let _ = writeln!(
            out,
            "{}",
            palette.dim(&format!("╭─{title}{}╮", "─".repeat(widest + 1 - title.chars().count().min(widest + 1))))
        );
        for line in lines {
            let pad = " ".repeat(widest - line.text.chars().count());
            let shown = if line.is_head { palette.heading(&line.text) } else { line.text.clone() };
            let _ = writeln!(out, "{} {shown}{pad} {}", palette.dim("│"), palette.dim("│"));
        }
        let _ = writeln!(out, "{}", palette.dim(&format!("╰{}╯", "─".repeat(widest + 2))));
    }
    out
}

fn arrow(route: &RouteView) -> char {
    match route {
        RouteView::ByKey(_) => '⇊',
        RouteView::Call | RouteView::Forward => '↓',
    }
}

/// `clean.out by key (origin), 2 to 4 subtasks`.
fn incoming(graph: &Explained, edge: &EdgeView) -> String {
    let (from, to) = (&graph.operators[edge.from], &graph.operators[edge.to]);
    let output = edge.output.as_ref().map_or_else(String::new, |output| format!(".{output}"));
    let subtasks = format!("{} to {} subtasks", from.parallelism, to.parallelism);
    one_line(&format!("{}{output} {}, {subtasks}", from.name, edge.route)).into_owned()
}

/// A line inside of a box.
struct Line {
    text: String,
    is_head: bool,
}

fn lines_of(graph: &Explained, members: &[usize]) -> Vec<Line> {
    let mut lines = Vec::new();
    for (i, &o) in members.iter().enumerate() {
        let operator = &graph.operators[o];
        if i > 0 {
            let from = graph.edges.iter().find(|e| e.to == o && e.route == RouteView::Call);
            let from = from.map_or_else(String::new, |e| {
                let output = e.output.as_ref().map_or_else(String::new, |output| format!(".{output}"));
                format!("  ↓ {}{output}", graph.operators[e.from].name)
            });
            lines.push(Line { text: one_line(&from).into_owned(), is_head: false });
        }
        let head = format!("{}  {} {}", operator.name, operator.role.name(), operator.what);
        lines.push(Line { text: one_line(&head).into_owned(), is_head: true });
        body(operator, &mut lines);
    }
    lines
}

fn body(operator: &OperatorView, lines: &mut Vec<Line>) {
    for (label, text) in &operator.details {
        labelled(label, text, lines);
    }
    for slot in &operator.state {
        labelled("state", &slot_text(slot), lines);
    }
    if let Some(guarantee) = operator.guarantee {
        labelled("promise", &format!("{}: {}", guarantee.name(), guarantee.meaning()), lines);
    }
}

/// `total, a value, version 3 (migrates 1, 2): Written { .. }`.
pub fn slot_text(slot: &SlotView) -> String {
    let older: Vec<String> = slot.older.iter().map(ToString::to_string).collect();
    let older = if older.is_empty() { String::new() } else { format!(" (migrates {})", older.join(", ")) };
    format!("{}, a {}, version {}{older}: {}", slot.name, slot.kind, slot.version, slot.values)
}

/// A label and its text, which is wrapped at spaces.
fn labelled(label: &str, text: &str, lines: &mut Vec<Line>) {
    let text = one_line(text);
    let room = WIDTH - LABEL - 2;
    let mut rows = vec![String::new()];
    for word in text.split(' ') {
        let row = rows.last_mut().expect("it never becomes empty");
        if !row.is_empty() && row.chars().count() + 1 + word.chars().count() > room {
            rows.push(word.to_owned());
        } else {
            if !row.is_empty() {
                row.push(' ');
            }
            *row += word;
        }
    }
    for (i, row) in rows.into_iter().enumerate() {
        let label = if i == 0 { label } else { "" };
        lines.push(Line { text: format!("  {label:<LABEL$}{row}"), is_head: false });
    }
}
