//! A timeline's rows → aligned text: when, host, giftgenius, providers.

use super::timeline::Row;

/// The rows as aligned text, each line at most `width` characters; marked rows begin with `▸`. What has nothing to its
/// right may run over the columns there.
pub fn text(rows: &[Row], width: usize) -> String {
    const GAP: usize = 2;
    const HOST: usize = 4;
    const SYSTEM_MIN: usize = 10;
    let longest = |cells: &mut dyn Iterator<Item = &str>| cells.map(|cell| cell.chars().count()).max().unwrap_or(0);
    let at = longest(&mut rows.iter().map(|row| &*row.at)).max(1);
    let left = width.saturating_sub(2 + at + GAP);
    let beside = |row: &&Row| !row.providers.is_empty();
    let needed = longest(&mut rows.iter().filter(beside).map(|row| &*row.system));
    let right = left.saturating_sub(HOST + GAP);
    let system = needed.clamp(SYSTEM_MIN, (right / 2).max(SYSTEM_MIN));
    let providers = right.saturating_sub(system + GAP);
    let mut out = String::new();
    let mut line = |mark: &str, at_cell: &str, rest: &str| {
        let text = format!("{mark} {at_cell:at$}  {rest}");
        out.push_str(text.trim_end());
        out.push('\n');
    };
    line(" ", "t", &format!("{:HOST$}  {:system$}  providers", "host", "giftgenius"));
    for row in rows {
        let cells: Vec<String> = if !row.host.is_empty() {
            wrap(&row.host, left)
        } else if row.providers.is_empty() {
            let indent = " ".repeat(HOST + GAP);
            wrap(&row.system, right).into_iter().map(|text| format!("{indent}{text}")).collect()
        } else {
            beside_each_other(&wrap(&row.system, system), &wrap(&row.providers, providers), system)
                .map(|text| format!("{:HOST$}  {text}", ""))
                .collect()
        };
        for (index, text) in cells.iter().enumerate() {
            let first = index == 0;
            let mark = if first && row.marked { "▸" } else { " " };
            line(mark, if first { &row.at } else { "" }, text);
        }
    }
    out
}

/// The last two columns of one row, so wide, a line after the other.
pub fn beside(row: &Row, system: usize, providers: usize) -> impl Iterator<Item = String> {
    let (left, right) = (wrap(&row.system, system), wrap(&row.providers, providers));
    let lines: Vec<_> = beside_each_other(&left, &right, system).collect();
    lines.into_iter()
}

/// Two columns, the first this wide.
fn beside_each_other<'a>(
    left: &'a [String],
    right: &'a [String],
    width: usize,
) -> impl Iterator<Item = String> + use<'a> {
    (0..left.len().max(right.len())).map(move |index| {
        let cell = |column: &'a [String]| column.get(index).map_or("", String::as_str);
        format!("{:width$}  {}", cell(left), cell(right))
    })
}

/// Breaks a text into lines of at most `width` characters, at spaces where it can.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        let mut word = word.to_owned();
        if let Some(line) = lines.last_mut()
            && line.chars().count() + 1 + word.chars().count() <= width
        {
            line.push(' ');
            line.push_str(&word);
            continue;
        }
        // Lines after the first are set in, so that they are not taken for rows.
        let indent = if lines.is_empty() { 0 } else { 2 };
        while word.chars().count() + indent > width && width > indent {
            let cut = word.char_indices().nth(width - indent).map_or(word.len(), |(at, _)| at);
            let rest = word.split_off(cut);
            lines.push(format!("{}{word}", " ".repeat(indent)));
            word = rest;
        }
        let indent = if lines.is_empty() { "" } else { "  " };
        lines.push(format!("{indent}{word}"));
    }
    lines
}
